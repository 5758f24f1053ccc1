import type { FloatDtype, QkNormErrorCode } from "@qknorm/core";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadNativeKernels } from "../src/backends/cpu/native/kernels.ts";
import {
  type Activation,
  activate,
  clamp,
  type KernelChoice,
  mul,
  scale,
  softCap,
  Tensor,
  useKernels,
  xielu,
} from "../src/index.ts";
import { Distance } from "./distance.ts";
import { detach, failure } from "./errors.ts";
import { between, gapped } from "./naive-ops.ts";
import { naiveActivations, naiveSoftCap, naiveXielu } from "./naive-pointwise.ts";
import { dtypes, seeds } from "./random-tensors.ts";
import { normal } from "./random-values.ts";

const runs = { numRuns: 60 };
const sizes = fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constant(600));
const kinds = Object.keys(naiveActivations) as Activation[];
const { reason } = loadNativeKernels();

/** `[2, n]` with every way to lie. */
const make = (lie: number, seed: number, n: number, dtype: FloatDtype, spread = 1): Tensor => {
  const values = normal(seed, 2 * n, spread);
  if (lie === 0) return Tensor.from(values, [2, n], dtype);
  return lie === 1 ? gapped(values, [2, n], dtype) : Tensor.from(values, [n, 2], dtype).transpose(0, 1);
};
const lies = fc.integer({ min: 0, max: 2 });

function near(distance: Distance, out: Tensor, exact: number[], magnitude = 0): void {
  distance.add(out, exact, {
    relative: 1e-6,
    magnitudes: exact.map((value) => Math.abs(value) + magnitude + 1e-6),
  });
}

describe.each(["typescript", "native"] satisfies KernelChoice[])("with %s kernels", (choice) => {
  describe.skipIf(choice === "native" && reason !== null)(reason === null ? "loaded" : `(${reason})`, () => {
    let former: KernelChoice = "auto";
    beforeAll(() => {
      former = useKernels(choice);
    });
    afterAll(() => {
      useKernels(former);
    });

    test.each(kinds)("activate is %s of every element, rounded once", (kind) => {
      const distance = new Distance();
      fc.assert(
        fc.property(dtypes, lies, seeds, sizes, (dtype, lie, seed, n) => {
          const x = make(lie, seed, n, dtype, 1.5);
          near(distance, activate(x, kind), [...x.toNumbers()].map(naiveActivations[kind]));
        }),
        runs,
      );
      distance.check();
    });

    test("activations are right at the ends: far below, far above, zero, infinity, NaN", () => {
      const ends = [-1000, -90, -20, 0, 20, 90, 1000, Number.POSITIVE_INFINITY];
      for (const kind of kinds) {
        const got = activate(Tensor.from([...ends, Number.NaN]), kind).toNumbers();
        expect(got.at(-1), kind).toBeNaN();
        for (const [i, end] of ends.entries()) {
          const wanted = Math.fround(naiveActivations[kind](end));
          const apart = got[i] === wanted ? 0 : Math.abs(got[i]! - wanted);
          expect(apart, `${kind} ${end}`).toBeLessThanOrEqual(1e-6 * Math.abs(wanted) + 1e-12);
        }
      }
    });

    test("scale and mul round one product of f32", () => {
      fc.assert(
        fc.property(dtypes, lies, seeds, sizes, (dtype, lie, seed, n) => {
          const [x, y] = [make(lie, seed, n, dtype), make((lie + 1) % 3, seed + 1, n, dtype)];
          const [xs, ys] = [x.toNumbers(), y.toNumbers()];
          const factor = Math.fround(0.3 + (seed % 7));
          const scaled = xs.map((value) => Math.fround(factor * value));
          expect(scale(x, factor)).toEqual(Tensor.from(scaled, [2, n], dtype));
          expect(mul(x, y)).toEqual(
            Tensor.from(
              xs.map((value, i) => value * ys[i]!),
              [2, n],
              dtype,
            ),
          );
        }),
        runs,
      );
    });

    test("clamp cuts at its limit on both sides", () => {
      fc.assert(
        fc.property(dtypes, lies, seeds, sizes, (dtype, lie, seed, n) => {
          const x = make(lie, seed, n, dtype, 3);
          const cut = x.toNumbers().map((value) => (Math.abs(value) > 2 ? 2 * Math.sign(value) : value));
          expect(clamp(x, 2)).toEqual(Tensor.from(cut, [2, n], dtype));
        }),
        runs,
      );
      expect(clamp(Tensor.from([Number.NaN]), 1).toNumbers()[0]).toBeNaN();
    });

    test("softCap bends numbers towards its cap, rounded at every step", () => {
      const distance = new Distance();
      fc.assert(
        fc.property(dtypes, lies, seeds, sizes, fc.constantFrom(0.5, 15, 30), (dtype, lie, seed, n, cap) => {
          const x = make(lie, seed, n, dtype, 20);
          const round = between(dtype, "hf");
          near(
            distance,
            softCap(x, cap),
            [...x.toNumbers()].map((value) => naiveSoftCap(value, cap, round)),
          );
        }),
        runs,
      );
      distance.check();
    });

    test("xielu is quadratic above zero and exponential below", () => {
      const distance = new Distance();
      fc.assert(
        fc.property(dtypes, dtypes, lies, seeds, sizes, (dtype, parameterDtype, lie, seed, n) => {
          const x = make(lie, seed, n, dtype, 3);
          const [alphaP, alphaN, beta, eps] = [0.8, 0.8, 0.5, -1e-6].map((value, i) =>
            Tensor.from([value * (1 + ((seed >> i) % 3))], [1], parameterDtype),
          ) as [Tensor, Tensor, Tensor, Tensor];
          const parameters = { alphaP, alphaN, beta, eps };
          const numbers = { alphaP: 0, alphaN: 0, beta: 0, eps: 0 };
          for (const name of Object.keys(numbers) as (keyof typeof numbers)[]) {
            numbers[name] = parameters[name].toNumbers()[0]!;
          }
          const exact = [...x.toNumbers()].map((value) => naiveXielu(value, numbers));
          near(distance, xielu(x, parameters), exact, 1);
        }),
        runs,
      );
      distance.check();
    });
  });
});

describe("bad arguments are typed errors", () => {
  const x = Tensor.from([1, 2]);
  const gone = (): Tensor => {
    const lost = Tensor.from([1, 2]);
    detach(lost.data);
    return lost;
  };
  const one = Tensor.from([1]);
  const parameters = { alphaP: one, alphaN: one, beta: one, eps: one };
  const whole = Tensor.from([1, 2], [2], "i32");
  const none = null as never;

  test.each<[string, QkNormErrorCode, () => unknown]>([
    ["activate: no tensor", "ERR_QKNORM_ARGUMENT", () => activate(none, "silu")],
    ["activate: a name that is none", "ERR_QKNORM_ARGUMENT", () => activate(x, "swish" as never)],
    ["activate: integers", "ERR_QKNORM_DTYPE", () => activate(whole, "silu")],
    ["activate: detached memory", "ERR_QKNORM_LAYOUT", () => activate(gone(), "silu")],
    ["scale: a factor that is NaN", "ERR_QKNORM_ARGUMENT", () => scale(x, Number.NaN)],
    ["scale: a factor that is none", "ERR_QKNORM_ARGUMENT", () => scale(x, "2" as never)],
    ["scale: integers", "ERR_QKNORM_DTYPE", () => scale(whole, 2)],
    ["softCap: a cap of 0", "ERR_QKNORM_ARGUMENT", () => softCap(x, 0)],
    ["softCap: no cap", "ERR_QKNORM_ARGUMENT", () => softCap(x, none)],
    ["clamp: no limit", "ERR_QKNORM_ARGUMENT", () => clamp(x, none)],
    ["mul: unequal shapes", "ERR_QKNORM_SHAPE", () => mul(x, one)],
    ["mul: unequal dtypes", "ERR_QKNORM_DTYPE", () => mul(x, Tensor.from([1, 2], [2], "f16"))],
    ["mul: no tensor", "ERR_QKNORM_ARGUMENT", () => mul(x, 2 as never)],
    ["xielu: no tensor", "ERR_QKNORM_ARGUMENT", () => xielu(2 as never, parameters)],
    ["xielu: a parameter of two elements", "ERR_QKNORM_SHAPE", () => xielu(x, { ...parameters, beta: x })],
    ["xielu: integers", "ERR_QKNORM_DTYPE", () => xielu(whole, parameters)],
    ["xielu: a parameter that is none", "ERR_QKNORM_ARGUMENT", () => xielu(x, { ...parameters, eps: none })],
    ["xielu: no parameters", "ERR_QKNORM_ARGUMENT", () => xielu(x, none)],
    ["xielu: a parameter that is missing", "ERR_QKNORM_ARGUMENT", () => xielu(x, { alphaP: one } as never)],
  ])("%s", (_, code, call) => {
    failure(code, call);
  });
});
