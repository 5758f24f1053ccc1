// Draws of tokens on a device: the CPU's, token by token, whatever the settings.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type CudaDeviceName, DeviceGraph, type FloatDtype, sample, Tensor, tidy } from "../src/index.ts";
import { normal } from "./random-values.ts";

interface Scene {
  readonly rows: number;
  readonly width: number;
  readonly dtype: FloatDtype;
  readonly seed: number;
  /** Logits are rounded to multiples of 1 / steps, so that many are alike. */
  readonly steps: number;
  readonly settings: readonly (readonly number[])[];
  readonly keys: readonly (readonly number[])[];
  readonly penalties: boolean;
}

const fraction = fc.double({ min: 0, max: 1, noNaN: true });
const off = <T>(arbitrary: fc.Arbitrary<T>, value: T) => fc.oneof(fc.constant(value), arbitrary);
const scenes = (mostWidth: number) =>
  fc.integer({ min: 1, max: 3 }).chain((rows) =>
    fc.record<Scene>({
      rows: fc.constant(rows),
      width: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: mostWidth })),
      dtype: fc.constantFrom<FloatDtype>("f32", "bf16", "f16"),
      seed: fc.integer({ min: 1, max: 2 ** 30 }),
      steps: fc.constantFrom(1, 8, 2 ** 20),
      settings: fc.array(
        fc.tuple(
          ...[off(fc.double({ min: 0.05, max: 3, noNaN: true }), 0), off(fraction, 1), off(fraction, 0)],
          ...[off(fc.double({ min: 0.5, max: 2, noNaN: true }), 1), fraction, fraction],
        ),
        { minLength: rows, maxLength: rows },
      ),
      keys: fc.array(fc.tuple(off(fc.nat(60), 0), fc.integer(), fc.integer()), {
        minLength: rows,
        maxLength: rows,
      }),
      penalties: fc.boolean(),
    }),
  );

/** Ids, positions, log and what was seen, after three draws. */
function drawn(device: CudaDeviceName | "cpu", scene: Scene): number[][] {
  const { rows, width, dtype, seed, steps, settings, keys, penalties } = scene;
  const values = normal(seed, rows * width).map((x) => Math.round(3 * x * steps) / steps);
  const counts = normal(seed + 1, rows * width).map((x) => (x > 1 ? Math.floor(3 * x) : 0));
  return tidy(() => {
    const made = (list: Iterable<number>, shape: readonly number[]) =>
      Tensor.from(Int32Array.from(list), shape, "i32", device);
    const texts = {
      ids: made(new Array(rows).fill(7), [rows]),
      positions: made(new Array(rows).fill(0), [rows]),
      log: made(new Array(rows * 2).fill(5), [rows, 2]),
    };
    const draws = {
      settings: Tensor.from(settings.flat(), [rows, 6], "f32", device),
      keys: made(keys.flat(), [rows, 3]),
      seen: penalties ? made(counts, [rows, width]) : null,
    };
    const logits = Tensor.from(values, [rows, width], dtype, device);
    const found: number[] = [];
    for (let counter = 0; counter < 3; counter++) {
      sample(logits, texts, { ...draws, counters: made(new Array(rows).fill(counter), [rows]) });
      found.push(...texts.ids.toNumbers());
    }
    const rest = [texts.positions, texts.log, ...(draws.seen === null ? [] : [draws.seen])];
    return [found, ...rest.map((x) => [...x.toNumbers()])];
  });
}

/** `size` bounds how long rows and how many runs there are. */
export function sampleSuite(
  device: CudaDeviceName,
  size: { readonly width: number; readonly runs: number },
): void {
  test("draws are the CPU's, for any settings, ties, penalties and dtype", () => {
    fc.assert(
      fc.property(scenes(size.width), (scene) => {
        expect(drawn(device, scene)).toEqual(drawn("cpu", scene));
      }),
      { numRuns: size.runs },
    );
  });

  test("draws are the CPU's over a row that a whole block reads in turns", () => {
    const settings = [
      [1.5, 0.95, 0, 1.2, 0.3, 0.1],
      [1, 1, 0, 1, 0, 0],
    ];
    const wide = { rows: 2, width: 4500, dtype: "bf16", seed: 12, steps: 8, penalties: true } as const;
    const scene = {
      ...wide,
      settings,
      keys: [
        [40, 1, 2],
        [0, 3, 4],
      ],
    };
    expect(drawn(device, scene)).toEqual(drawn("cpu", scene));
  });

  test("draws are the CPU's where top-k lists few tokens, more than the list holds, and ties without end", () => {
    const rows = (steps: number, topK: number) => ({
      ...({ rows: 2, width: 4500, dtype: "f32", seed: 31, steps, penalties: false } as const),
      settings: [
        [0.7, 0.95, 0, 1, 0, 0],
        [2, 0.5, 0.01, 1, 0, 0],
      ],
      keys: [
        [topK, 1, 2],
        [topK, 3, 4],
      ],
    });
    const few = rows(2 ** 20, 20);
    expect(drawn(device, few)).toEqual(drawn("cpu", few));
    // A maximum of each of 141 chunks does not tell the thousandth largest; with steps of 10 standard deviations all are alike.
    const many = rows(2 ** 20, 1000);
    expect(drawn(device, many)).toEqual(drawn("cpu", many));
    const alike = rows(1 / 30, 20);
    expect(drawn(device, alike)).toEqual(drawn("cpu", alike));
  });

  test("min-p leaves nothing below it to be drawn, with a top-k and without", () => {
    const settings = new Array(3).fill([3, 1, 0.6, 1, 0, 0]);
    const wide = { rows: 3, width: 4500, dtype: "f32", seed: 5, steps: 2 ** 20, penalties: false } as const;
    const keys = [0, 3, 400].map((topK) => [topK, 8, 9]);
    expect(drawn(device, { ...wide, settings, keys })).toEqual(drawn("cpu", { ...wide, settings, keys }));
  });

  test("a min-p above 1 leaves nothing: -1 in the log, and nothing is counted as drawn", () => {
    const settings = [
      [1, 1, 1.5, 1.1, 0, 0],
      [1, 0.9, 1.5, 1.1, 0, 0],
      [1, 0.9, 1.5, 1.1, 0, 0],
    ];
    const keys = [0, 0, 5].map((topK) => [topK, 8, 9]);
    const none = { rows: 3, width: 300, dtype: "f32", seed: 5, steps: 8, penalties: true } as const;
    const there = drawn(device, { ...none, settings, keys });
    expect(there[0]).toEqual(new Array(9).fill(0));
    expect(there).toEqual(drawn("cpu", { ...none, settings, keys }));
  });

  test("the largest is found wherever it stands", () => {
    const width = 4500;
    const places = [0, 31, 32, 1023, 1024, 4479, 4480, 4499];
    const rows = places.length;
    const logits = new Float32Array(rows * width);
    for (const [row, place] of places.entries()) logits[row * width + place] = 40;
    for (const [temperature, topK] of [
      [0, 0],
      [1, 0],
      [1, 1],
      [1, 5],
    ] as const) {
      const found = tidy(() => {
        const zeros = (...shape: number[]) => Tensor.zeros(shape, "i32", device);
        const texts = { ids: zeros(rows), positions: zeros(rows), log: zeros(rows, 1) };
        const settings = new Array(rows).fill([temperature, 1, 0, 1, 0, 0]).flat();
        const keys = Int32Array.from(places.flatMap(() => [topK, 0, 0]));
        sample(Tensor.from(logits, [rows, width], "f32", device), texts, {
          settings: Tensor.from(settings, [rows, 6], "f32", device),
          keys: Tensor.from(keys, [rows, 3], "i32", device),
          ...{ counters: zeros(rows), seen: null },
        });
        return [...texts.ids.toNumbers()];
      });
      expect(found).toEqual(places);
    }
  });

  test("a row without a finite largest is -1 in the log, and a token of the embedding in ids", () => {
    const rows = [[1, Number.NaN, 3], [1, Number.POSITIVE_INFINITY, 3], new Array(3).fill(-Infinity)].flat();
    const of = (where: CudaDeviceName | "cpu") =>
      tidy(() => {
        const zeros = (...shape: number[]) => Tensor.zeros(shape, "i32", where);
        const texts = { ids: zeros(3), positions: zeros(3), log: zeros(3, 1) };
        const settings = Tensor.from(new Array(3).fill([1, 0.9, 0, 1, 0, 0]).flat(), [3, 6], "f32", where);
        const draws = { settings, keys: zeros(3, 3), counters: zeros(3), seen: null };
        sample(Tensor.from(rows, [3, 3], "f32", where), texts, draws);
        return [[...texts.ids.toNumbers()], [...texts.log.toNumbers()]];
      });
    expect(of(device)).toEqual([
      [0, 0, 0],
      [-1, -1, -1],
    ]);
    expect(of("cpu")).toEqual(of(device));
  });

  test("counters may be the positions: each draw has the number of its place", () => {
    const width = 50;
    const of = (where: CudaDeviceName | "cpu", apart: boolean) =>
      tidy(() => {
        const made = (values: readonly number[], ...shape: number[]) =>
          Tensor.from(values, shape, "i32", where);
        const texts = {
          ids: made([0, 0], 2),
          positions: made([3, 40], 2),
          log: Tensor.zeros([2, 64], "i32", where),
        };
        const draws = {
          settings: Tensor.from([1, 1, 0, 1, 0, 0, 2, 0.9, 0, 1, 0, 0], [2, 6], "f32", where),
          ...{ keys: made([0, 5, 0, 0, 6, 1], 2, 3), seen: null },
        };
        const logits = Tensor.from(normal(8, 2 * width), [2, width], "f32", where);
        for (let step = 0; step < 6; step++) {
          sample(logits, texts, {
            ...draws,
            counters: apart ? made([3 + step, 40 + step], 2) : texts.positions,
          });
        }
        return [...texts.log.toNumbers()];
      });
    const apart = of(device, true);
    expect(of(device, false)).toEqual(apart);
    expect(of("cpu", false)).toEqual(apart);
    // Numbers that differ from place to place draw more than one token.
    expect(new Set(apart.slice(3, 9)).size).toBeGreaterThan(1);
  });

  test("a graph that is replayed draws by the counters, settings and seeds that it finds", () => {
    tidy(() => {
      const there = (x: Tensor) => x.to(device);
      const logits = Tensor.from(normal(3, 64), [1, 64], "f32");
      const [ids, positions, counters] = [0, 1, 2].map(() => there(Tensor.zeros([1], "i32"))) as [
        Tensor,
        Tensor,
        Tensor,
      ];
      const log = there(Tensor.zeros([1, 8], "i32"));
      const settings = there(Tensor.zeros([1, 6], "f32"));
      const keys = there(Tensor.zeros([1, 3], "i32"));
      const onDevice = there(logits);
      const draw = () => sample(onDevice, { ids, positions, log }, { settings, keys, counters, seen: null });
      draw();
      using graph = DeviceGraph.capture(device, draw);
      for (const [counter, temperature, seed] of [
        [1, 0.7, 5],
        [2, 0.7, 5],
        [2, 2, 5],
        [2, 2, 6],
      ] as const) {
        const of = { settings: [temperature, 0.95, 0, 1, 0, 0], keys: [20, seed, 1], counters: [counter] };
        settings.copyFrom(Tensor.from(of.settings, [1, 6], "f32"));
        keys.copyFrom(Tensor.from(of.keys, [1, 3], "i32"));
        counters.copyFrom(Tensor.from(of.counters, [1], "i32"));
        graph.replay();
        const here = [
          Tensor.zeros([1], "i32"),
          Tensor.zeros([1], "i32"),
          Tensor.zeros([1, 8], "i32"),
        ] as const;
        sample(
          logits,
          { ids: here[0], positions: here[1], log: here[2] },
          {
            settings: Tensor.from(of.settings, [1, 6], "f32"),
            keys: Tensor.from(of.keys, [1, 3], "i32"),
            counters: Tensor.from(of.counters, [1], "i32"),
            seen: null,
          },
        );
        expect(ids.toNumbers()).toEqual(here[0].toNumbers());
      }
    });
  });
}
