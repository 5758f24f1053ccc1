import type { FloatDtype, QkNormErrorCode } from "@qknorm/core";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadNativeKernels } from "../src/backends/cpu/native/kernels.ts";
import {
  causalConv,
  type DeltaGates,
  gatedDeltaRule,
  type KernelChoice,
  Tensor,
  useKernels,
} from "../src/index.ts";
import { Distance } from "./distance.ts";
import { failure } from "./errors.ts";
import { between, gapped } from "./naive-ops.ts";
import { type DeltaInputs, naiveCausalConv, naiveGatedDelta } from "./naive-recurrence.ts";
import { dtypes, random, seeds, sizeOf } from "./random-tensors.ts";
import { normal } from "./random-values.ts";

const runs = { numRuns: 60 };
const upTo = (max: number) => fc.integer({ min: 1, max });
const make = (gap: boolean, seed: number, shape: readonly number[], dtype: FloatDtype): Tensor =>
  gap ? gapped(normal(seed, sizeOf(shape)), shape, dtype) : random(seed, shape, dtype);

const { reason } = loadNativeKernels();
const choices = ["typescript", "native"] satisfies KernelChoice[];

describe.each(choices)("with %s kernels", (choice) => {
  describe.skipIf(choice === "native" && reason !== null)(reason === null ? "loaded" : `(${reason})`, () => {
    let former: KernelChoice = "auto";
    beforeAll(() => {
      former = useKernels(choice);
    });
    afterAll(() => {
      useKernels(former);
    });

    test("causalConv weighs each channel's last L values, and the state becomes the last L - 1 rows", () => {
      const distance = new Distance();
      fc.assert(
        fc.property(
          dtypes,
          dtypes,
          fc.option(dtypes),
          fc.boolean(),
          seeds,
          upTo(9),
          upTo(40),
          upTo(5),
          (dtype, weightDtype, biasDtype, gap, seed, tokens, channels, taps) => {
            const x = make(gap, seed, [tokens, channels], dtype);
            const weight = make(gap, seed + 1, [channels, taps], weightDtype);
            const bias = biasDtype && random(seed + 2, [channels], biasDtype);
            const state = random(seed + 3, [taps - 1, channels], dtype);
            const args = [x, weight].map((tensor) => tensor.toNumbers()) as [Float64Array, Float64Array];
            const exact = naiveCausalConv(...args, bias?.toNumbers() ?? null, state.toNumbers(), {
              tokens,
              channels,
              taps,
            });
            const out = causalConv(x, weight, bias, state);
            distance.add(out, exact.out, { relative: 1e-5, magnitudes: exact.out.map(() => 3 * taps) });
            expect([...state.toNumbers()]).toEqual(exact.state);
          },
        ),
        runs,
      );
      distance.check();
    });

    test("gatedDeltaRule forgets, corrects what a key recalls, and recalls by the query", () => {
      const distance = new Distance();
      fc.assert(
        fc.property(
          dtypes,
          fc.constantFrom("once" as const, "hf" as const),
          fc.boolean(),
          seeds,
          fc.tuple(upTo(6), upTo(3), upTo(3), upTo(20), upTo(40)),
          (dtype, rounding, gap, seed, [tokens, keyHeads, group, keyDim, valueDim]) => {
            const heads = keyHeads * group;
            const inputs = deltaInputs({ tokens, keyHeads, heads, keyDim, valueDim }, gap, seed, dtype);
            const state = random(seed + 9, [heads, keyDim, valueDim], "f32");
            const numbers = Object.fromEntries(
              Object.entries(inputs).map(([name, tensor]) => [name, tensor.toNumbers()]),
            ) as unknown as DeltaInputs;
            const sizes = { tokens, keyHeads, heads, keyDim, valueDim };
            const round = between(dtype, rounding);
            const exact = naiveGatedDelta(numbers, state.toNumbers(), sizes, 0.5, round);
            const { q, k, v, ...gates } = inputs;
            const out = gatedDeltaRule(q, k, v, gates, state, { scale: 0.5, rounding });
            // The state is rounded to f32 at every token.
            const magnitude = Math.max(1, ...exact.state.map(Math.abs)) * keyDim;
            distance.add(out, exact.out, { relative: 1e-5, magnitudes: exact.out.map(() => magnitude) });
            distance.add(state, exact.state, {
              relative: 1e-5,
              magnitudes: exact.state.map(() => magnitude),
            });
          },
        ),
        runs,
      );
      distance.check();
    });

    test("a sequence in pieces is the sequence, to the bit", () => {
      const [x, weight] = [random(1, [7, 12], "bf16"), random(2, [12, 4], "bf16")];
      const whole = causalConv(x, weight, null, Tensor.zeros([3, 12], "bf16"));
      const state = Tensor.zeros([3, 12], "bf16");
      const pieces = [x.slice(0, 0, 2), x.slice(0, 2, 3), x.slice(0, 3, 7)].map((piece) =>
        causalConv(piece, weight, null, state).toNumbers(),
      );
      expect(pieces.flatMap((piece) => [...piece])).toEqual([...whole.toNumbers()]);

      const sizes = { tokens: 5, keyHeads: 1, heads: 2, keyDim: 8, valueDim: 16 };
      const inputs = deltaInputs(sizes, false, 3, "f32");
      const spec = { scale: 1, rounding: "once" } as const;
      const run = (from: number, to: number, memory: Tensor): Tensor => {
        const cut = (tensor: Tensor): Tensor => tensor.slice(0, from, to);
        const { q, k, v, a, b, ...perHead } = inputs;
        const gates = { a: cut(a), b: cut(b), ...perHead };
        return gatedDeltaRule(cut(q), cut(k), cut(v), gates, memory, spec);
      };
      const all = run(0, 5, Tensor.zeros([2, 8, 16]));
      const memory = Tensor.zeros([2, 8, 16]);
      const parts = [run(0, 1, memory), run(1, 5, memory)].flatMap((part) => [...part.toNumbers()]);
      expect(parts).toEqual([...all.toNumbers()]);
    });
  });
});

describe("bad arguments are typed errors, and the state stays", () => {
  const f = (...shape: number[]): Tensor => random(1, shape, "f32");
  const [x, weight] = [f(2, 4), f(4, 3)];
  const gates: DeltaGates<Tensor> = { a: f(2, 4), b: f(2, 4), aLog: f(4), dtBias: f(4) };
  const spec = { scale: 1, rounding: "once" } as const;
  const none = null as never;

  test.each<[string, QkNormErrorCode, (state: Tensor) => unknown]>([
    ["no tensor", "ERR_QKNORM_ARGUMENT", (state) => causalConv(none, weight, null, state)],
    ["weights of other channels", "ERR_QKNORM_SHAPE", (state) => causalConv(x, f(3, 3), null, state)],
    ["a state of another length", "ERR_QKNORM_SHAPE", (state) => causalConv(x, f(4, 4), null, state)],
    ["no taps", "ERR_QKNORM_SHAPE", (state) => causalConv(x, f(4, 0), null, state)],
    ["a bias of another length", "ERR_QKNORM_SHAPE", (state) => causalConv(x, weight, f(3), state)],
    [
      "another dtype",
      "ERR_QKNORM_DTYPE",
      (state) => causalConv(random(1, [2, 4], "f16"), weight, null, state),
    ],
    [
      "a state with gaps",
      "ERR_QKNORM_SHAPE",
      () => causalConv(x, weight, null, gapped([1, 2, 3, 4, 5, 6, 7, 8], [2, 4], "f32")),
    ],
    ["a state within x", "ERR_QKNORM_OVERLAP", (state) => causalConv(state, weight, null, state)],
  ])("causalConv: %s", (_, code, call) => {
    const state = f(2, 4);
    const before = state.clone();
    failure(code, () => call(state));
    expect(state).toEqual(before);
  });

  test.each<[string, QkNormErrorCode, (state: Tensor) => unknown]>([
    [
      "no gates",
      "ERR_QKNORM_ARGUMENT",
      (state) => gatedDeltaRule(f(2, 2, 3), f(2, 2, 3), f(2, 4, 5), none, state, spec),
    ],
    [
      "no spec",
      "ERR_QKNORM_ARGUMENT",
      (state) => gatedDeltaRule(f(2, 2, 3), f(2, 2, 3), f(2, 4, 5), gates, state, none),
    ],
    [
      "a scale that is NaN",
      "ERR_QKNORM_ARGUMENT",
      (state) =>
        gatedDeltaRule(f(2, 2, 3), f(2, 2, 3), f(2, 4, 5), gates, state, { ...spec, scale: Number.NaN }),
    ],
    [
      "q and k of two shapes",
      "ERR_QKNORM_SHAPE",
      (state) => gatedDeltaRule(f(2, 2, 3), f(2, 1, 3), f(2, 4, 5), gates, state, spec),
    ],
    [
      "heads that do not divide",
      "ERR_QKNORM_SHAPE",
      (state) => gatedDeltaRule(f(2, 3, 3), f(2, 3, 3), f(2, 4, 5), gates, state, spec),
    ],
    [
      "gates of other heads",
      "ERR_QKNORM_SHAPE",
      (state) => gatedDeltaRule(f(2, 2, 3), f(2, 2, 3), f(2, 4, 5), { ...gates, b: f(2, 2) }, state, spec),
    ],
    [
      "rates of other heads",
      "ERR_QKNORM_SHAPE",
      (state) => gatedDeltaRule(f(2, 2, 3), f(2, 2, 3), f(2, 4, 5), { ...gates, aLog: f(2) }, state, spec),
    ],
    [
      "a state of another shape",
      "ERR_QKNORM_SHAPE",
      (state) => gatedDeltaRule(f(2, 2, 3), f(2, 2, 3), f(2, 4, 5), gates, state.transpose(1, 2), spec),
    ],
    [
      "a state in bf16",
      "ERR_QKNORM_DTYPE",
      () => gatedDeltaRule(f(2, 2, 3), f(2, 2, 3), f(2, 4, 5), gates, random(1, [4, 3, 5], "bf16"), spec),
    ],
    [
      "a state within v",
      "ERR_QKNORM_OVERLAP",
      (state) =>
        gatedDeltaRule(
          f(2, 2, 3),
          f(2, 2, 3),
          state.view([60]).slice(0, 0, 40).view([2, 4, 5]),
          gates,
          state,
          spec,
        ),
    ],
  ])("gatedDeltaRule: %s", (_, code, call) => {
    const state = f(4, 3, 5);
    const before = state.clone();
    failure(code, () => call(state));
    expect(state).toEqual(before);
  });
});

function deltaInputs(
  {
    tokens,
    keyHeads,
    heads,
    keyDim,
    valueDim,
  }: Record<"tokens" | "keyHeads" | "heads" | "keyDim" | "valueDim", number>,
  gap: boolean,
  seed: number,
  dtype: FloatDtype,
): DeltaInputs<Tensor> {
  const unit = (at: number): Tensor => {
    const values = normal(at, tokens * keyHeads * keyDim).map((value) => value / Math.sqrt(keyDim));
    const shape = [tokens, keyHeads, keyDim];
    return gap ? gapped(values, shape, "f32") : Tensor.from(values, shape, "f32");
  };
  return {
    q: unit(seed),
    k: unit(seed + 1),
    v: make(gap, seed + 2, [tokens, heads, valueDim], dtype),
    a: make(gap, seed + 3, [tokens, heads], dtype),
    b: make(gap, seed + 4, [tokens, heads], dtype),
    aLog: random(seed + 5, [heads], dtype),
    dtBias: random(seed + 6, [heads], dtype),
  };
}
