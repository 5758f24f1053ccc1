// What applyQkNorm promises on every device. Only vitest's test, describe, expect and hooks are used, so that the same
// file runs where there is a GPU and nothing else.
import { applyQkNorm, type FloatDtype, planQkNorm, setQkNormLogger } from "@qknorm/core";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice, Tensor, tidy } from "../src/index.ts";
import { NormBounds, type NormedRows } from "./norm-bounds.ts";
import {
  type Call,
  calls,
  filled,
  norm,
  type Packing,
  packings,
  reference,
  rms,
  type Spec,
  specOn,
  wholeMemory,
} from "./qk-norm-cases.ts";
import { addresses } from "./view-model.ts";

/** Declares the tests for the tensors of a device, which this provider has to take. */
export function qkNormSuite(device: Device, provider: string): void {
  let logger: ReturnType<typeof setQkNormLogger> = null;
  beforeAll(async () => {
    logger = setQkNormLogger(null);
    await openDevice(device);
  });
  afterAll(() => {
    setQkNormLogger(logger);
  });

  const rowsOf = (x: Tensor, heads: number, headDim: number, spec: Spec): NormedRows => ({
    x: x.toNumbers(),
    heads,
    headDim,
    dtype: x.dtype as FloatDtype,
    spec,
  });
  const there = (x: Tensor): Tensor => x.to(device);
  const largestError = (x: Tensor, exact: Float64Array): number =>
    x.toNumbers().reduce((worst, value, i) => Math.max(worst, Math.abs(value - exact[i]!)), 0);

  test.each(Object.keys(packings))("%s: q and k become the reference, all other memory stays", (name) => {
    const bounds = new NormBounds();
    fc.assert(
      fc.property(calls(name), (call) =>
        tidy(() => becomesReference(call, packings[name]!(call, device), bounds)),
      ),
      { numRuns: 60 },
    );
    bounds.check();
  });

  function becomesReference(call: Call, { q, k }: Packing, bounds: NormBounds): void {
    const { hq, hkv, d, allowInplace } = call;
    const [qSpec, kSpec] = [specOn(device, call.qSpec), specOn(device, call.kSpec)];
    const memories = [...new Set([q.memory, k.memory])].map((memory) =>
      wholeMemory(memory === q.memory ? q : k),
    );
    const before = memories.map((memory) => memory.clone().data);
    const rows = [rowsOf(q, hq, d, qSpec), rowsOf(k, hkv, d, kSpec)] as const;
    const [qNorm, kNorm] = [norm(qSpec), norm(kSpec)];
    const options = { allowInplace };
    expect(planQkNorm({ q, k, qNorm, kNorm, headDim: d, options })).toMatchObject({
      path: "fused",
      provider,
    });

    const [nq, nk] = applyQkNorm(q, k, qNorm, kNorm, d, options);
    bounds.add(nq, rows[0]);
    bounds.add(nk, rows[1]);
    expect([nq === q, nk === k]).toEqual([allowInplace, allowInplace]);
    expect([nq.shape, nk.shape, nq.device, nk.device]).toEqual([q.shape, k.shape, device, device]);

    for (const [i, memory] of [...new Set([q.memory, k.memory])].entries()) {
      const after = wholeMemory(memory === q.memory ? q : k).clone().data;
      const written = allowInplace ? [q, k].filter((x) => x.memory === memory).flatMap(addresses) : [];
      for (const address of written) after[address] = before[i]![address]!;
      expect(new Uint8Array(after.buffer)).toEqual(new Uint8Array(before[i]!.buffer));
    }
  }

  test("the fallback comes as close to the reference as the fused kernel, whatever the heads' layout", () => {
    const bounds = new NormBounds();
    const fallback = fc
      .constantFrom(...Object.keys(packings))
      .chain((name) => calls(name).map((call) => ({ name, call })));
    fc.assert(
      fc.property(fallback, ({ name, call }) =>
        tidy(() => {
          const { q, k } = packings[name]!(call, device);
          const { hq, hkv, d } = call;
          const [qSpec, kSpec] = [specOn(device, call.qSpec), specOn(device, call.kSpec)];
          const rows = [rowsOf(q, hq, d, qSpec), rowsOf(k, hkv, d, kSpec)] as const;
          const [nq, nk] = applyQkNorm(q, k, norm(qSpec), norm(kSpec), d, { path: "fallback" });
          expect([nq.shape, nk.shape]).toEqual([q.shape, k.shape]);
          bounds.add(nq, rows[0]);
          bounds.add(nk, rows[1]);
        }),
      ),
      { numRuns: 100 },
    );
    bounds.check();
  });

  test("a row has the same bits whatever comes beside it: more tokens, other heads, another place", () => {
    for (const dtype of ["f32", "bf16", "f16"] as const) {
      for (const d of [64, 80, 128, 256]) {
        tidy(() => {
          const spec = specOn(device, { ...rms, weight: filled(1, [d], dtype) });
          const all = filled(2, [300, 4 * d], dtype, 3);
          const whole = there(all.slice(1, 0, 2 * d).clone());
          applyQkNorm(whole, there(all.slice(1, 2 * d, 4 * d).clone()), norm(spec), norm(spec), d);
          const bits = whole.to("cpu").data;
          for (const [from, to] of [
            [0, 1],
            [1, 4],
            [17, 80],
            [299, 300],
          ] as const) {
            const qkv = there(all.slice(0, from, to).clone());
            const [q, k] = qkv.split(1, [2 * d, 2 * d]) as [Tensor, Tensor];
            const [part] = applyQkNorm(q, k, norm(spec), norm(spec), d);
            expect(part.clone().to("cpu").data).toEqual(bits.subarray(from * 2 * d, to * 2 * d));
          }
        });
      }
    }
  });

  test("q and k without a token or without a head are returned as they are", () => {
    tidy(() => {
      const zeros = (shape: readonly number[]): Tensor => Tensor.zeros(shape, "f32", device);
      const spec = specOn(device, { ...rms, weight: filled(1, [8], "f32") });
      for (const [q, k] of [
        [zeros([0, 16]), zeros([0, 8])],
        [zeros([2, 0, 3, 8]), zeros([2, 0, 1, 8])],
        [zeros([5, 0]), zeros([5, 0])],
      ] as const) {
        const results = applyQkNorm(q, k, norm(spec), norm(spec), 8);
        expect([results[0] === q, results[1] === k]).toEqual([true, true]);
      }
      const [q, k] = [there(filled(2, [3, 16], "f32")), zeros([3, 0])];
      const exact = reference(q, 2, 8, rms);
      const [nq, nk] = applyQkNorm(q, k, norm(rms), norm(rms), 8);
      expect(nk.shape).toEqual([3, 0]);
      expect(largestError(nq, exact)).toBeLessThan(1e-5);
    });
  });

  test.each<[string, number, string, () => Packing]>([
    [
      "a head dim of 12",
      12,
      "head-dim",
      () => ({ q: there(filled(1, [3, 24], "f32")), k: there(filled(2, [3, 12], "f32")) }),
    ],
    [
      "a last axis with gaps",
      8,
      "layout",
      () => ({
        q: there(filled(1, [16, 3], "f32")).transpose(0, 1),
        k: there(filled(2, [3, 8], "f32")),
      }),
    ],
    [
      "a batch and tokens that have no common stride",
      8,
      "layout",
      () => ({
        q: there(filled(1, [2, 5, 16], "f32")).slice(1, 0, 3),
        k: there(filled(2, [2, 3, 8], "f32")),
      }),
    ],
  ])("%s is refused by name, and the two norms give the right answer", (_, d, code, make) => {
    tidy(() => {
      const { q, k } = make();
      const spec = specOn(device, { ...rms, weight: filled(3, [d], "f32") });
      const plan = planQkNorm({ q, k, qNorm: norm(spec), kNorm: norm(spec), headDim: d });
      expect(plan).toMatchObject({ path: "fallback", reasons: [{ code, provider }] });
      const [nq, nk] = applyQkNorm(q, k, norm(spec), norm(spec), d);
      for (const [x, y] of [
        [q, nq],
        [k, nk],
      ] as const) {
        expect(largestError(y, reference(x, (x.shape.at(-1) as number) / d, d, spec))).toBeLessThan(1e-5);
      }
    });
  });

  test("a norm across all heads of a token gives the right answer, fused on the CPU and by two norms on a device", () => {
    const bounds = new NormBounds();
    for (const dtype of ["f32", "bf16", "f16"] as const) {
      for (const rounding of ["once", "hf"] as const) {
        tidy(() => {
          const [qSpec, kSpec] = [32, 16].map((width) =>
            specOn(device, { ...rms, axis: "row", rounding, weight: filled(3, [width], dtype) }),
          ) as [Spec, Spec];
          const qkv = there(filled(1, [3, 64], dtype));
          const [q, k, v] = qkv.split(1, [32, 16, 16]) as [Tensor, Tensor, Tensor];
          const rows = [rowsOf(q, 2, 16, qSpec), rowsOf(k, 1, 16, kSpec)] as const;
          const values = v.toNumbers();
          const [qNorm, kNorm] = [norm(qSpec), norm(kSpec)];
          expect(planQkNorm({ q, k, qNorm, kNorm, headDim: 16 })).toMatchObject(
            device === "cpu" ? { path: "fused" } : { reasons: [{ code: "axis-row" }, { code: "axis-row" }] },
          );
          const [nq, nk] = applyQkNorm(q, k, qNorm, kNorm, 16);
          bounds.add(nq, rows[0]);
          bounds.add(nk, rows[1]);
          expect(v.toNumbers()).toEqual(values);
        });
      }
    }
    bounds.check();
  });

  test("overlapping q and k may be read: out of place they are normalised and stay", () => {
    tidy(() => {
      const x = there(filled(9, [64], "f32"));
      const before = x.toNumbers();
      const [q, k] = [x.slice(0, 0, 32).view([4, 8]), x.slice(0, 24, 56).view([4, 8])];
      const [nq, nk] = applyQkNorm(q, k, norm(rms), norm(rms), 8, { allowInplace: false });
      expect(x.toNumbers()).toEqual(before);
      expect(largestError(nq, reference(q, 1, 8, rms))).toBeLessThan(1e-5);
      expect(largestError(nk, reference(k, 1, 8, rms))).toBeLessThan(1e-5);
    });
  });
}
