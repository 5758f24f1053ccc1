// What `together` promises on every device: the bits of ops that are queued one by one, wherever they leave any. Only
// vitest's test, describe, expect and hooks are used, so that the same file runs where there is a GPU and nothing else.
import { afterAll, beforeAll, expect, test } from "vitest";
import { worth } from "../src/backends/cuda/joined-run.ts";
import { type Device, DeviceGraph, type Tensor, tidy, together } from "../src/index.ts";
import { countLaunches } from "./count-launches.ts";
import { failure } from "./errors.ts";
import { decoder, type StepCase } from "./together-decoder.ts";

export function togetherSuite(device: Device, cases: Readonly<Record<string, StepCase>>): void {
  // No weights here are large.
  const { weightBytes } = worth.coarse;
  beforeAll(() => {
    worth.coarse.weightBytes = 0;
  });
  afterAll(() => {
    worth.coarse.weightBytes = weightBytes;
  });

  test.each(Object.entries(cases))("%s: the bits of ops one by one", (_, one) => {
    const launches = countLaunches();
    try {
      tidy(() => {
        const { step, forget, stand } = decoder(one, device);
        for (const past of one.past) {
          stand(past);
          forget();
          const apart = tidy(() => read(step()));
          forget();
          const joined = tidy(() => read(together(device, step)));
          expectSame(joined, apart);
        }
      });
      // With a gap, what is between those of two layers.
      const ofStep = one.dtype === "f32" ? 0 : one.gap === true ? one.layers - 1 : 1;
      expect(launches.count).toBe(ofStep * one.past.length);
    } finally {
      launches.restore();
    }
  });

  test("a token that stands outside of the cache is told by who reads, and the next step is whole", () => {
    tidy(() => {
      const [one] = Object.values(cases) as [StepCase];
      // f32 is never joined.
      const op = one.dtype === "f32" ? "applyQkNormRope" : "a decode step";
      const { step, forget, stand } = decoder(one, device);
      let left: readonly Tensor[] = [];
      tidy(() => together(device, step));
      using graph = DeviceGraph.capture(device, () =>
        together(device, () => {
          left = step();
        }),
      );
      for (const past of [one.capacity, -1, 2 ** 31 - 1]) {
        stand(past);
        graph.replay();
        const told = failure("ERR_QKNORM_ARGUMENT", () => left[0]?.toNumbers());
        expect(told).toContain(`position ${past} at 0 is outside 0..${one.capacity - 1}: ${op} on ${device}`);
      }
      stand(3);
      forget();
      const apart = tidy(() => read(step()));
      forget();
      graph.replay();
      expectSame(read(left), apart);
    });
  });

  test.each(Object.entries(cases))("%s: the same by a replayed graph, at places that move", (_, one) => {
    tidy(() => {
      const { step, forget, stand } = decoder(one, device);
      tidy(() => together(device, step));
      let left: readonly Tensor[] = [];
      using graph = DeviceGraph.capture(device, () =>
        together(device, () => {
          left = step();
        }),
      );
      for (const past of one.past) {
        stand(past);
        forget();
        const apart = tidy(() => read(step()));
        forget();
        graph.replay();
        expectSame(read(left), apart);
      }
    });
  });
}

function expectSame(joined: readonly ArrayLike<number>[], apart: readonly ArrayLike<number>[]): void {
  for (const [i, values] of joined.entries()) {
    for (let at = 0; at < values.length; at++) {
      if (Object.is(values[at], apart[i]?.[at])) continue;
      const where = `tensor ${i} of ${joined.length}, element ${at} of ${values.length}`;
      expect([where, values[at]]).toEqual([where, apart[i]?.[at]]);
    }
  }
}

function read(tensors: readonly Tensor[]): ArrayLike<number>[] {
  return tensors.map((tensor) => tensor.toNumbers());
}
