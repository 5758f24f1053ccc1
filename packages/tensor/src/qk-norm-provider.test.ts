import {
  applyQkNorm,
  type FloatDtype,
  type NormModule,
  type NormSpec,
  planQkNorm,
  type QkNormErrorCode,
  type QkNormOptions,
  referenceNorm,
  setQkNormLogger,
} from "@qknorm/core";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Distance } from "../test/distance.ts";
import { detach, failure } from "../test/errors.ts";
import { normal } from "../test/random-values.ts";
import { addresses } from "../test/view-model.ts";
import { type KernelChoice, normalize, Tensor, useKernels } from "./index.ts";
import { loadNativeKernels } from "./native/kernels.ts";

type Spec = NormSpec<Tensor>;

const rms: Spec = { kind: "rms", axis: "head", weight: null, eps: 1e-6, weightOffset: 0, rounding: "once" };
const norm = (spec: Spec): NormModule<Tensor> => ({ spec, forward: (x) => normalize(x, spec) });
const filled = (seed: number, shape: readonly number[], dtype: FloatDtype, scale = 1): Tensor =>
  Tensor.from(
    normal(
      seed,
      shape.reduce((a, b) => a * b, 1),
      scale,
    ),
    shape,
    dtype,
  );

function reference(x: Tensor, heads: number, headDim: number, spec: Spec): Float64Array {
  const numbers = {
    ...spec,
    weight: spec.weight?.toNumbers() ?? null,
    bias: spec.bias?.toNumbers() ?? null,
  };
  return referenceNorm({ x: x.toNumbers(), heads, headDim, dtype: x.dtype as FloatDtype, spec: numbers });
}

interface Packing {
  readonly q: Tensor;
  readonly k: Tensor;
}

// How models pack q and k into one tensor of `tokens` rows; `pad` values end each row.
type Sizes = {
  tokens: number;
  hq: number;
  hkv: number;
  d: number;
  pad: number;
  dtype: FloatDtype;
  seed: number;
};
const packings: Record<string, (sizes: Sizes) => Packing> = {
  "flat heads": ({ tokens, hq, hkv, d, pad, dtype, seed }) => {
    const row = filled(seed, [tokens, (hq + 2 * hkv) * d + pad], dtype, 2);
    const [q, k] = row.split(1, [hq * d, hkv * d, hkv * d + pad]) as [Tensor, Tensor];
    return { q, k };
  },
  "split heads": (sizes) => {
    const { q, k } = packings["flat heads"]!(sizes);
    return { q: q.view([sizes.tokens, sizes.hq, sizes.d]), k: k.view([sizes.tokens, sizes.hkv, sizes.d]) };
  },
  "a batch of two": (sizes) => {
    const { q, k } = packings["flat heads"]!({ ...sizes, tokens: 2 * sizes.tokens });
    return {
      q: q.view([2, sizes.tokens, sizes.hq * sizes.d]),
      k: k.view([2, sizes.tokens, sizes.hkv * sizes.d]),
    };
  },
  "heads interleaved with k and v, as in Persimmon": ({ tokens, hq, d, pad, dtype, seed }) => {
    const row = filled(seed, [tokens, hq * 3 * d + pad], dtype, 2).slice(1, 0, hq * 3 * d);
    const packed = row.view([tokens, hq, 3, d]);
    const [q, k] = [0, 1].map((i) => packed.slice(2, i, i + 1).view([tokens, hq, d])) as [Tensor, Tensor];
    return { q, k };
  },
  "q interleaved with its gate, as in Qwen3-Next": ({ tokens, hq, hkv, d, pad, dtype, seed }) => {
    const row = filled(seed, [tokens, hq * 2 * d + hkv * d + pad], dtype, 2);
    const [queries, k] = row.split(1, [hq * 2 * d, hkv * d, pad]) as [Tensor, Tensor];
    return { q: queries.view([tokens, hq, 2 * d]).slice(2, 0, d), k: k.view([tokens, hkv, d]) };
  },
};

const dtypes = fc.constantFrom<FloatDtype>("f32", "bf16", "f16");
const headDims = fc.constantFrom(8, 16, 64, 80, 96, 128);
const sizes: fc.Arbitrary<Sizes> = fc.record({
  tokens: fc.integer({ min: 1, max: 5 }),
  hq: fc.integer({ min: 1, max: 4 }),
  hkv: fc.integer({ min: 1, max: 3 }),
  d: headDims,
  pad: fc.constantFrom(0, 1, 8),
  dtype: dtypes,
  seed: fc.integer({ min: 1, max: 2 ** 31 }),
});
const specOf = (heads: number, d: number): fc.Arbitrary<Spec> =>
  fc
    .record({
      kind: fc.constantFrom("rms" as const, "layer" as const, "l2" as const),
      eps: fc.constantFrom(1e-6, 1e-5, 1e-3),
      weightOffset: fc.constantFrom(0 as const, 1 as const),
      rounding: fc.constantFrom("once" as const, "hf" as const),
      affine: fc.constantFrom("none", "weight", "both"),
      perHead: fc.boolean(),
      dtype: dtypes,
      seed: fc.integer({ min: 1, max: 2 ** 31 }),
    })
    .map(({ affine, perHead, dtype, seed, ...rest }) => {
      const shape = perHead ? [heads, d] : [d];
      return {
        ...rest,
        axis: "head",
        weight: affine === "none" ? null : filled(seed, shape, dtype),
        bias: affine === "both" ? filled(seed + 1, shape, dtype) : null,
      };
    });

const choices: KernelChoice[] = ["typescript", "native"];
const { reason } = loadNativeKernels();

describe.each(choices)("with %s kernels", (choice) => {
  describe.skipIf(choice === "native" && reason !== null)(
    reason === null ? "loaded" : `(native: ${reason})`,
    () => {
      let former: KernelChoice = "auto";
      let logger: ReturnType<typeof setQkNormLogger> = null;
      beforeEach(() => {
        former = useKernels(choice);
        logger = setQkNormLogger(null);
      });
      afterEach(() => {
        useKernels(former);
        setQkNormLogger(logger);
      });

      test.each(Object.keys(packings))("%s: q and k become the reference, all other memory stays", (name) => {
        const distance = new Distance();
        const calls = sizes.chain((s) => {
          const hkv = name.includes("Persimmon") ? s.hq : s.hkv;
          return fc.tuple(fc.constant({ ...s, hkv }), specOf(s.hq, s.d), specOf(hkv, s.d), fc.boolean());
        });
        fc.assert(
          fc.property(calls, ([s, qSpec, kSpec, allowInplace]) => {
            const { q, k } = packings[name]!(s);
            const before = q.data.slice();
            const [exactQ, exactK] = [reference(q, s.hq, s.d, qSpec), reference(k, s.hkv, s.d, kSpec)];
            const request = {
              q,
              k,
              qNorm: norm(qSpec),
              kNorm: norm(kSpec),
              headDim: s.d,
              options: { allowInplace },
            };
            expect(planQkNorm(request)).toMatchObject({ path: "fused", provider: `cpu-${choice}` });

            const [nq, nk] = applyQkNorm(q, k, norm(qSpec), norm(kSpec), s.d, { allowInplace });
            const rows = (x: Tensor, heads: number): Tensor =>
              x.reshape([(x.size / (heads * s.d)) * heads, s.d]);
            distance.add(rows(nq, s.hq), exactQ, { relative: 2e-6 });
            distance.add(rows(nk, s.hkv), exactK, { relative: 2e-6 });
            expect([nq === q, nk === k]).toEqual([allowInplace, allowInplace]);
            expect([nq.shape, nk.shape]).toEqual([q.shape, k.shape]);
            const written = allowInplace ? [...addresses(q), ...addresses(k)] : [];
            const after = q.data.slice();
            for (const address of written) after[address] = before[address]!;
            expect(new Uint8Array(after.buffer)).toEqual(new Uint8Array(before.buffer));
          }),
          { numRuns: 60 },
        );
        distance.check();
      });

      test("the fallback gives the same as the fused kernel, also with a flat [H*D] weight", () => {
        for (const shape of [[16], [3, 16], [48]]) {
          const spec: Spec = { ...rms, weight: filled(5, shape, "bf16"), rounding: "hf" };
          const make = (): Tensor => filled(6, [4, 3, 16], "bf16");
          const [fused] = applyQkNorm(make(), make(), norm(spec), norm(spec), 16);
          const [two] = applyQkNorm(make(), make(), norm(spec), norm(spec), 16, { path: "fallback" });
          expect(two.data).toEqual(fused.data);
        }
      });

      test("q and k without a token or without a head are returned as they are", () => {
        const weight = filled(1, [8], "f32");
        for (const [q, k] of [
          [Tensor.zeros([0, 16]), Tensor.zeros([0, 8])],
          [Tensor.zeros([2, 0, 3, 8]), Tensor.zeros([2, 0, 1, 8])],
          [Tensor.zeros([5, 0]), Tensor.zeros([5, 0])],
        ] as const) {
          const spec = { ...rms, weight };
          expect(applyQkNorm(q, k, norm(spec), norm(spec), 8)).toEqual([q, k]);
        }
        const [q, k] = [filled(2, [3, 16], "f32"), Tensor.zeros([3, 0])];
        const exact = reference(q, 2, 8, rms);
        expect(applyQkNorm(q, k, norm(rms), norm(rms), 8)[1]).toBe(k);
        expect(Math.max(...q.toNumbers().map((y, i) => Math.abs(y - exact[i]!)))).toBeLessThan(1e-5);
      });

      test.each<[string, number, string, () => Packing]>([
        [
          "a head dim of 12",
          12,
          "head-dim",
          () => ({ q: filled(1, [3, 24], "f32"), k: filled(2, [3, 12], "f32") }),
        ],
        [
          "a last axis with gaps",
          8,
          "layout",
          () => ({ q: filled(1, [16, 3], "f32").transpose(0, 1), k: filled(2, [3, 8], "f32") }),
        ],
        [
          "a batch and tokens that have no common stride",
          8,
          "layout",
          () => ({ q: filled(1, [2, 5, 16], "f32").slice(1, 0, 3), k: filled(2, [2, 3, 8], "f32") }),
        ],
      ])("%s is refused by name, and the two norms give the right answer", (_, d, code, make) => {
        const { q, k } = make();
        const spec = { ...rms, weight: filled(3, [d], "f32") };
        const plan = planQkNorm({ q, k, qNorm: norm(spec), kNorm: norm(spec), headDim: d });
        expect(plan).toMatchObject({ path: "fallback", reasons: [{ code, provider: `cpu-${choice}` }] });
        const [nq, nk] = applyQkNorm(q, k, norm(spec), norm(spec), d);
        const distance = (x: Tensor, y: Tensor): number => {
          const exact = reference(x, (x.shape.at(-1) as number) / d, d, spec);
          return Math.max(...y.toNumbers().map((value, i) => Math.abs(value - exact[i]!)));
        };
        expect(distance(q, nq)).toBeLessThan(1e-5);
        expect(distance(k, nk)).toBeLessThan(1e-5);
      });

      test("a call across all heads of a token goes to the two norms and gives the right answer", () => {
        const row: Spec = { ...rms, axis: "row", weight: filled(3, [32], "f32") };
        const [q, k] = [filled(1, [3, 32], "f32"), filled(2, [3, 32], "f32")];
        const [nq] = applyQkNorm(q, k, norm(row), norm(row), 16);
        const exact = reference(q, 2, 16, row);
        expect(Math.max(...nq.toNumbers().map((y, i) => Math.abs(y - exact[i]!)))).toBeLessThan(1e-5);
      });

      const base = (): Tensor => filled(9, [64], "f32");
      const wrong: [
        string,
        QkNormErrorCode,
        () => [q: Tensor, k: Tensor, spec?: Partial<Spec>, options?: QkNormOptions],
      ][] = [
        ["integers", "ERR_QKNORM_DTYPE", () => [Tensor.zeros([2, 8], "i32"), Tensor.zeros([2, 8], "i32")]],
        [
          "q and k of two dtypes",
          "ERR_QKNORM_DTYPE",
          () => [filled(1, [2, 8], "f32"), filled(2, [2, 8], "bf16")],
        ],
        [
          "an integer weight",
          "ERR_QKNORM_DTYPE",
          () => [base().view([8, 8]), base().view([8, 8]), { weight: Tensor.zeros([8], "i32") }],
        ],
        [
          "a weight that is no tensor",
          "ERR_QKNORM_ARGUMENT",
          () => [base().view([8, 8]), base().view([8, 8]), { weight: new Float32Array(8) as never }],
        ],
        [
          "a weight of another length",
          "ERR_QKNORM_SHAPE",
          () => [base().view([8, 8]), base().view([8, 8]), { weight: Tensor.zeros([9]) }],
        ],
        [
          "a bias of another length",
          "ERR_QKNORM_SHAPE",
          () => [
            base().view([8, 8]),
            base().view([8, 8]),
            { weight: Tensor.zeros([8]), bias: Tensor.zeros([16]) },
          ],
        ],
        [
          "k within q",
          "ERR_QKNORM_OVERLAP",
          () => {
            const x = base();
            return [x.slice(0, 0, 32).view([4, 8]), x.slice(0, 24, 56).view([4, 8])];
          },
        ],
        [
          "q whose tokens lie on one another",
          "ERR_QKNORM_OVERLAP",
          () => [
            new Tensor(base().data, "f32", [4, 8], { strides: [0, 1] }),
            base().view([8, 8]).slice(0, 0, 4),
          ],
        ],
        [
          "k whose heads overlap",
          "ERR_QKNORM_OVERLAP",
          () => [
            base().view([8, 8]).slice(0, 0, 4),
            new Tensor(base().data, "f32", [4, 8], { strides: [4, 1] }),
          ],
        ],
        [
          "a weight within q",
          "ERR_QKNORM_OVERLAP",
          () => {
            const x = base();
            return [x.view([8, 8]), base().view([8, 8]), { weight: x.slice(0, 8, 16) }];
          },
        ],
        [
          "a bias within k",
          "ERR_QKNORM_OVERLAP",
          () => {
            const x = base();
            return [base().view([8, 8]), x.view([8, 8]), { bias: x.slice(0, 8, 16) }];
          },
        ],
        [
          "a detached weight",
          "ERR_QKNORM_LAYOUT",
          () => {
            const weight = Tensor.zeros([8]);
            detach(weight.data);
            return [base().view([8, 8]), base().view([8, 8]), { weight }];
          },
        ],
        [
          "detached q",
          "ERR_QKNORM_LAYOUT",
          () => {
            const x = base().view([8, 8]);
            detach(x.data);
            return [x, base().view([8, 8])];
          },
        ],
      ];

      test.each(wrong)("%s: an error before anything is written", (_, code, make) => {
        const [q, k, over = {}, options] = make();
        const spec = { ...rms, ...over };
        const memory = [q, k].map((x) => x.data);
        const held = () => memory.map((data) => Array.from({ length: data.length }, (_, i) => data[i]));
        const before = held();
        failure(code, () => applyQkNorm(q, k, norm(spec), norm(spec), 8, options));
        expect(held()).toEqual(before);
      });

      test("overlapping q and k may be read: out of place they are normalised and stay", () => {
        const x = base();
        const before = x.clone();
        const [q, k] = [x.slice(0, 0, 32).view([4, 8]), x.slice(0, 24, 56).view([4, 8])];
        const [nq, nk] = applyQkNorm(q, k, norm(rms), norm(rms), 8, { allowInplace: false });
        expect(x).toEqual(before);
        const distance = (x: Tensor, y: Tensor): number =>
          Math.max(...reference(x, 1, 8, rms).map((value, i) => Math.abs(value - y.toNumbers()[i]!)));
        expect(Math.max(distance(q, nq), distance(k, nk))).toBeLessThan(1e-5);
      });
    },
  );
});
