// What a plan promises on every device: it says fused if and only if the run does not refuse, whatever the strides.
import { applyQkNorm, isQkNormError, planQkNorm, setQkNormLogger } from "@qknorm/core";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice, Tensor, tidy } from "../src/index.ts";
import { filled, norm, reference, rms } from "./qk-norm-cases.ts";

const D = 8;
const memorySize = 64 * D;

/** q or k: `[T, H, D]` anywhere in one memory, its strides as they come. Often disjoint, often not. */
const views = (tokens: number, order: "tokens-first" | "heads-first") =>
  fc
    .record({
      heads: fc.integer({ min: 1, max: 3 }),
      offset: fc.nat({ max: 4 * D }),
      token: fc.oneof(fc.constantFrom(0, D, 2 * D, 3 * D, 4 * D, 6 * D), fc.nat({ max: 6 * D })),
      head: fc.oneof(fc.constantFrom(D, 2 * D, 3 * D, 9 * D), fc.nat({ max: 4 * D })),
    })
    .map(({ heads, offset, token, head }) =>
      order === "tokens-first"
        ? { shape: [tokens, heads, D], strides: [token, head, 1], offset, heads }
        : { shape: [heads, tokens, D], strides: [head, token, 1], offset, heads },
    );

const pairs = fc
  .record({
    tokens: fc.integer({ min: 1, max: 4 }),
    order: fc.constantFrom("tokens-first" as const, "heads-first" as const),
    allowInplace: fc.constantFrom(true, true, true, false),
  })
  .chain(({ tokens, order, allowInplace }) =>
    fc.record({
      q: views(tokens, order),
      k: views(tokens, order),
      order: fc.constant(order),
      allowInplace: fc.constant(allowInplace),
    }),
  );

/** Declares the test for the tensors of a device. */
export function planIsRunSuite(device: Device): void {
  let logger: ReturnType<typeof setQkNormLogger> = null;
  beforeAll(async () => {
    logger = setQkNormLogger(null);
    await openDevice(device);
  });
  afterAll(() => {
    setQkNormLogger(logger);
  });

  test("a plan says fused if and only if the run does not refuse, and then the rows are normalised", () => {
    const seen = { fused: 0, fallback: 0, refused: 0 };
    fc.assert(
      fc.property(pairs, (pair) =>
        tidy(() => {
          const { order, allowInplace } = pair;
          const memory = filled(7, [memorySize], "f32").to(device);
          const [q, k] = [pair.q, pair.k].map(
            ({ shape, strides, offset }) => new Tensor(memory.memory, "f32", shape, { strides, offset }),
          ) as [Tensor, Tensor];
          const [qNorm, kNorm] = [norm(rms), norm(rms)];
          const options = { allowInplace, layout: order };
          const before = memory.toNumbers();
          const exact = [q, k].map((x) => reference(x, 1, D, rms));
          const plan = outcome(() => planQkNorm({ q, k, qNorm, kNorm, headDim: D, options }).path);
          expect(memory.toNumbers()).toEqual(before);
          const results = outcome(() => applyQkNorm(q, k, qNorm, kNorm, D, options));
          seen[plan.startsWith("ERR") ? "refused" : (plan as "fused")] += 1;
          if (typeof results === "string") {
            expect(results).toBe(plan);
            expect(memory.toNumbers()).toEqual(before);
            return;
          }
          expect(plan).toMatch(/^(fused|fallback)$/);
          for (const [i, result] of results.entries()) {
            const values = result.toNumbers();
            expect(values.every((value, j) => Math.abs(value - exact[i]![j]!) < 1e-5)).toBe(true);
          }
        }),
      ),
      { numRuns: 600 },
    );
    expect(Math.min(seen.fused, seen.refused)).toBeGreaterThan(60);
  });
}

function outcome<R>(run: () => R): R | string {
  try {
    return run();
  } catch (error) {
    if (isQkNormError(error)) return error.code;
    throw error;
  }
}
