// Faults that chains of other engines had, as what must not happen here; on every device.
import { applyQkNormRope, type QkNormRopeOptions, setQkNormLogger } from "@qknorm/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, Indices, openDevice, settle, Tensor, tidy } from "../src/index.ts";
import { filled, norm, rms } from "./qk-norm-cases.ts";
import { tablesOn } from "./qk-norm-rope-cases.ts";

type Options = Omit<QkNormRopeOptions<Tensor>, "headDim">;

type Tables = ReturnType<typeof tablesOn>;

const D = 128;

/** Declares the tests for the tensors of a device. */
export function qkNormRopeFaults(device: Device): void {
  let logger: ReturnType<typeof setQkNormLogger> = null;
  beforeAll(async () => {
    logger = setQkNormLogger(null);
    await openDevice(device);
  });
  afterAll(() => {
    setQkNormLogger(logger);
  });

  const there = (x: Tensor): Tensor => x.to(device);
  const numbers = (x: Tensor): number[] => [...x.clone().toNumbers()];
  /** q and k `[T, H * D]` on the device. */
  const pair = (tokens: number, hq = 3, hkv = 1, dtype: "f32" | "bf16" = "f32") =>
    [1, 2].map((seed, i) => there(filled(seed, [tokens, [hq, hkv][i]! * D], dtype))) as [Tensor, Tensor];
  const normed = norm(rms);

  test("the rotary dim is passed on: of 128 values with 32 that turn, 96 are those of the norm", () => {
    tidy(() => {
      const rope = { ...tablesOn(device, 9, 16, 1), rounding: "once" } as const;
      const positions = Indices.from([3, 4, 5]);
      const [q, k] = applyQkNormRope(...pair(3), normed, normed, { headDim: D, rope, positions });
      const [nq, nk] = applyQkNormRope(...pair(3), normed, normed, { headDim: D });
      for (const [x, y] of [
        [q, nq],
        [k, nk],
      ] as const) {
        const [turned, plain] = [numbers(x), numbers(y)];
        const stays = (i: number) => i % D >= 32;
        expect(turned.filter((_, i) => stays(i))).toEqual(plain.filter((_, i) => stays(i)));
        expect(turned.filter((value, i) => !stays(i) && value !== plain[i]).length).toBeGreaterThan(0);
      }
    });
  });

  test("lanes whose values do not turn still meet the others: every number of heads and tokens ends and is right", () => {
    tidy(() => {
      const rope = { ...tablesOn(device, 9, 8, 1), rounding: "once" } as const;
      const all = pair(5, 3, 1);
      const whole = all.map((x) => x.clone());
      const positions = [0, 3, 1, 8, 2];
      applyQkNormRope(whole[0]!, whole[1]!, normed, normed, {
        headDim: D,
        rope,
        positions: Indices.from(positions),
      });
      for (let tokens = 1; tokens <= 5; tokens++) {
        const [q, k] = all.map((x) => x.slice(0, 0, tokens).clone()) as [Tensor, Tensor];
        const at = Indices.from(positions.slice(0, tokens));
        applyQkNormRope(q, k, normed, normed, { headDim: D, rope, positions: at });
        expect(numbers(q)).toEqual(numbers(whole[0]!).slice(0, q.size));
        expect(numbers(k)).toEqual(numbers(whole[1]!).slice(0, k.size));
      }
    });
  });

  test("a norm of another eps is another norm, whatever was kept of the first", () => {
    tidy(() => {
      const of = (eps: number): number[] => {
        const one = norm({ ...rms, eps });
        return numbers(applyQkNormRope(...pair(2), one, one, { headDim: D })[0]);
      };
      const [small, large, again] = [of(1e-6), of(1), of(1e-6)];
      expect(again).toEqual(small);
      expect(large).not.toEqual(small);
      // And of a module that changes its own.
      const moving: { spec: typeof rms; forward: typeof normed.forward } = { ...normed, spec: rms };
      expect(numbers(applyQkNormRope(...pair(2), moving, moving, { headDim: D })[0])).toEqual(small);
      moving.spec = { ...rms, eps: 1 };
      expect(numbers(applyQkNormRope(...pair(2), moving, moving, { headDim: D })[0])).toEqual(large);
    });
  });

  test("frequencies go over the part that turns: pair i has column i of tables of R columns", () => {
    tidy(() => {
      const half = 16;
      const columns = Array.from({ length: 9 * half }, (_, i) => (i % half) * 0.05 + Math.floor(i / half));
      const rope = {
        cos: there(Tensor.from(columns.map(Math.cos), [9, half])),
        sin: there(Tensor.from(columns.map(Math.sin), [9, half])),
        rounding: "once",
      } as const;
      const x = pair(1, 1, 1);
      const before = numbers(x[0]);
      applyQkNormRope(...x, null, null, { headDim: D, rope, positions: Indices.from([7]) });
      const after = numbers(x[0]);
      for (let i = 0; i < half; i++) {
        const angle = i * 0.05 + 7;
        const [a, b] = [before[i]!, before[i + half]!];
        expect(after[i]).toBeCloseTo(a * Math.cos(angle) - b * Math.sin(angle), 4);
        expect(after[i + half]).toBeCloseTo(b * Math.cos(angle) + a * Math.sin(angle), 4);
      }
    });
  });

  test("positions are read after the kernel before has written them, at every step", () => {
    tidy(() => {
      // The writer is a chain too: it lets its successor start early, and stores into the memory of positions and slots.
      const rope = { ...tablesOn(device, 64, D / 2, 1), rounding: "once" } as const;
      // A device may then read angles ahead, by where the position seems to be.
      settle([rope.cos, rope.sin]);
      const cache = there(Tensor.zeros([4, 1, 8], "f32"));
      const words = new Tensor(cache.memory, "f32", [4, 1, 8]);
      const asIndices = device === "cpu" ? null : new Tensor(cache.memory, "i32", [8]);
      const expectedOf = (position: number): number[] => {
        const positions = Indices.from([position]);
        return numbers(applyQkNormRope(...pair(1), normed, normed, { headDim: D, rope, positions })[0]);
      };
      const spare = there(Tensor.zeros([4, 1, 8], "f32"));
      for (let step = 0; step < 40; step++) {
        const bits = new Float32Array(Int32Array.from({ length: 8 }, () => (step * 7) % 64).buffer);
        const v = there(new Tensor(bits, "f32", [1, 1, 8]));
        const small = there(Tensor.zeros([1, 8], "f32"));
        const store = { k: spare, v: words, slots: Indices.from([0]) };
        applyQkNormRope(small, there(Tensor.zeros([1, 8], "f32")), null, null, {
          headDim: 8,
          v,
          cache: store,
        });
        const positions =
          asIndices === null
            ? Indices.from([new Int32Array((words.data as Float32Array).buffer)[0] as number])
            : Indices.onDevice(asIndices.slice(0, 0, 1), 64);
        const [q] = applyQkNormRope(...pair(1), normed, normed, { headDim: D, rope, positions });
        expect(numbers(q)).toEqual(expectedOf((step * 7) % 64));
      }
    });
  });

  test("settled tables that are written to again are read as they are then", () => {
    tidy(() => {
      const [first, second] = [1, 2].map((seed) => tablesOn(device, 9, D / 2, seed)) as [Tables, Tables];
      const positions = Indices.from([3]);
      const turned = ({ cos, sin }: Tables): number[] => {
        const rope = { cos, sin, rounding: "once" } as const;
        return numbers(applyQkNormRope(...pair(1), normed, normed, { headDim: D, rope, positions })[0]);
      };
      const wanted = turned(second);
      settle([first.cos, first.sin]);
      expect(turned(first)).not.toEqual(wanted);
      first.cos.copyFrom(second.cos);
      first.sin.copyFrom(second.sin);
      expect(turned(first)).toEqual(wanted);
    });
  });

  test("q and k that are every second head of a wider row are those heads, and the others stay", () => {
    tidy(() => {
      const rope = { ...tablesOn(device, 9, D / 2, 1), rounding: "hf" } as const;
      const positions = Indices.from([1, 8]);
      const wide = there(filled(5, [2, 8, D], "bf16"));
      const before = numbers(wide);
      const heads = (from: number) =>
        wide
          .view([2, 4, 2, D])
          .slice(2, from, from + 1)
          .view([2, 4, D]);
      const [q, k] = [heads(0).slice(1, 0, 2), heads(0).slice(1, 2, 4)];
      const dense = [q.clone(), k.clone()] as const;
      applyQkNormRope(q, k, normed, normed, { headDim: D, rope, positions });
      applyQkNormRope(...dense, normed, normed, { headDim: D, rope, positions });
      expect([numbers(q), numbers(k)]).toEqual(dense.map(numbers));
      const others = before.filter((_, i) => Math.floor(i / D) % 2 === 1);
      expect(numbers(heads(1))).toEqual(others);
    });
  });

  test("e4m3 is the OCP's: 448 is 0x7e, minus zero is 0x80 and no NaN, and NaN is 0x7f", () => {
    tidy(() => {
      const values = [448, -448, 240, 0, -0, 1, 2 ** -9, Number.NaN, 1e6, 464, 0.3];
      const row = Tensor.from([...values, ...new Array(D - values.length).fill(1)], [1, 1, D]);
      const [k, v] = [there(row), there(row.clone())];
      const cacheOf = () => there(Tensor.from(new Array(2 * D).fill(1), [2, 1, D], "e4m3"));
      const scale = () => there(Tensor.from([1, 1], [2, 1]));
      const cache = {
        ...{ k: cacheOf(), v: cacheOf(), slots: Indices.from([1]) },
        ...{ kScale: scale(), vScale: scale(), scales: "given" as const },
      } as const;
      applyQkNormRope(there(filled(1, [1, 1, D], "f32")), k, null, null, { headDim: D, v, cache });
      for (const side of [cache.k, cache.v]) {
        const stored = [...side.to("cpu").data];
        expect(stored.slice(D, D + values.length)).toEqual([
          ...[0x7e, 0xfe, 0x77, 0x00, 0x80, 0x38, 0x01, 0x7f, 0x7e, 0x7e, 0x2a],
        ]);
        expect(stored.slice(0, D)).toEqual(new Array(D).fill(0x38));
      }
    });
  });

  test("of a rejected speculative token nothing stays: its slot is the next token's, key, value and scale", () => {
    tidy(() => {
      const rope = { ...tablesOn(device, 9, D / 2, 1), rounding: "once" } as const;
      const memory = () => ({
        ...{ k: there(Tensor.zeros([4, 1, D], "e4m3")), v: there(Tensor.zeros([4, 1, D], "e4m3")) },
        ...{ kScale: there(Tensor.zeros([4, 1])), vScale: there(Tensor.zeros([4, 1])) },
      });
      const [speculated, plain] = [memory(), memory()];
      const write = (to: ReturnType<typeof memory>, seeds: number[], slots: number[], factor: number) => {
        const of = (heads: number, add: number): Tensor =>
          there(
            Tensor.from(
              seeds.flatMap((seed) => [...filled(seed + add, [heads * D], "f32", factor).toNumbers()]),
              [seeds.length, heads * D],
            ),
          );
        const options: Options = {
          ...{ rope, positions: Indices.from(slots.map((slot) => Math.max(0, slot))), v: of(1, 50) },
          cache: { ...to, slots: Indices.slots(slots) },
        };
        applyQkNormRope(of(2, 0), of(1, 20), normed, null, { headDim: D, ...options });
      };
      // Tokens 1 and 2 are proposed, with large values; 2 is rejected, and the right one takes its slot.
      write(speculated, [1, 2], [1, 2], 100);
      write(speculated, [3], [2], 1);
      // A token that is known to be rejected goes nowhere.
      write(speculated, [4], [-1], 100);
      write(plain, [1], [1], 100);
      write(plain, [3], [2], 1);
      for (const part of ["k", "v", "kScale", "vScale"] as const) {
        expect([...speculated[part].to("cpu").data]).toEqual([...plain[part].to("cpu").data]);
      }
    });
  });
}
