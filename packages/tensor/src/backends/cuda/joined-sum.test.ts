import type { NormSpec } from "@qknorm/core";
import { add, DeviceGraph, type FloatDtype, normalize, Tensor, tidy, together } from "@qknorm/tensor";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normal } from "../../../test/random-values.ts";
import { expectCleanDevices, missing, notes } from "../../../test/stand-in.ts";

const device = "cuda:0";

describe.skipIf(missing !== "")(`a sum and the norm of it, on a stand-in driver${missing}`, () => {
  // What imitates a norm alone has other bits than the text of both.
  expectCleanDevices({ "own text": 1 });

  const scenes = fc.record({
    dtype: fc.constantFrom<FloatDtype>("f32", "bf16"),
    rows: fc.integer({ min: 1, max: 5 }),
    width: fc.constantFrom(8, 64),
    /** What is done with the sum: the norm of all of it, of its rows cut in two, of something else, or all after a change. */
    what: fc.constantFrom("norm", "two heads", "another", "between"),
    weight: fc.constantFrom("none", "row"),
    seed: fc.nat(1000),
  });
  type Scene = typeof scenes extends fc.Arbitrary<infer T> ? T : never;

  function results({ dtype, rows, width, what, weight, seed }: Scene, join: boolean): number[][] {
    return tidy(() => {
      const made = (offset: number, ...shape: number[]) =>
        Tensor.from(
          normal(
            seed + offset,
            shape.reduce((a, b) => a * b),
          ),
          shape,
          dtype,
          device,
        );
      const [a, b] = [made(1, rows, 2 * width), made(2, rows, 2 * width)];
      const last = what === "two heads" ? width : 2 * width;
      const spec: NormSpec<Tensor> = {
        ...({ kind: "rms", axis: "head", eps: 1e-6, weightOffset: 0, rounding: "once" } as const),
        weight: weight === "none" ? null : made(3, last),
      };
      const work = (): Tensor[] => {
        const sum = add(a, b);
        if (what === "another") return [sum, normalize(a, spec), normalize(sum, spec)];
        if (what === "two heads") return [sum, normalize(sum.reshape([rows, 2, width]), spec)];
        if (what === "between") return [add(sum, b), normalize(sum, spec), sum];
        const normed = normalize(sum, spec);
        return [normed, add(sum, normed)];
      };
      return (join ? together(device, work) : work()).map((x) => [...x.toNumbers()]);
    });
  }

  it("has the bits of both, whatever is normalised", () => {
    fc.assert(
      fc.property(scenes, (scene) => {
        expect(results(scene, true)).toEqual(results(scene, false));
      }),
      { numRuns: 60 },
    );
  });

  it("is one launch in a graph too, whose kernel nobody had loaded, and two where it is of something else", () => {
    tidy(() => {
      const made = (seed: number, ...shape: number[]) => Tensor.from(normal(seed, 96), shape, "f16", device);
      const [a, b, other] = [made(1, 4, 24), made(2, 4, 24), made(3, 4, 24)];
      const spec: NormSpec<Tensor> = {
        ...({ kind: "rms", axis: "head", eps: 1e-5, weightOffset: 0, rounding: "once" } as const),
        weight: null,
      };
      // Their own kernels are loaded, that of both at once is not.
      const apart = [...normalize(add(a, b), spec).toNumbers()];
      const launches = (work: () => Tensor) => {
        let last: Tensor | undefined;
        using graph = DeviceGraph.capture(device, () =>
          together(device, () => {
            last?.dispose();
            last = work();
          }),
        );
        notes();
        graph.replay();
        const nodes = notes().map((note) => Number(/^graph of (\d+)/.exec(note)?.[1] ?? 0));
        return { nodes: Math.max(...nodes), values: [...(last as Tensor).toNumbers()] };
      };
      const both = () => tidy(() => normalize(add(a, b), spec));
      expect(launches(both)).toEqual({ nodes: 1, values: apart });
      const neither = launches(() =>
        tidy(() => {
          add(a, b);
          return normalize(other, spec);
        }),
      );
      expect(neither).toEqual({ nodes: 2, values: [...normalize(other, spec).toNumbers()] });
    });
  });
});
