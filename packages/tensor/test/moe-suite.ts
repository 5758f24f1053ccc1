// Mixtures of experts on any device, against the CPU's.
import type { FloatDtype, NormRounding } from "@qknorm/core";
import { expect, test } from "vitest";
import {
  type Activation,
  type Device,
  DeviceGraph,
  Indices,
  type MoeOptions,
  moe,
  route,
  settle,
  Tensor,
  tidy,
} from "../src/index.ts";
import { filled } from "./qk-norm-cases.ts";

export interface MoeSizes {
  readonly tokens: number;
  readonly experts: number;
  readonly choices: number;
  readonly hidden: number;
  readonly intermediate: number;
}

/**
 * How far results may be apart, as a part of their size, where each step is rounded: some roundings of the dtype fall on the
 * other side of a tie. With one rounding at the end few do.
 */
const apart: Readonly<Record<FloatDtype, number>> = { f32: 1e-6, bf16: 2 ** -8, f16: 2 ** -11 };

function made(
  { tokens, experts, choices, hidden, intermediate }: MoeSizes,
  dtype: FloatDtype,
  stacks: FloatDtype,
) {
  return {
    x: filled(1, [tokens, hidden], dtype),
    gateUp: filled(2, [experts, 2 * intermediate, hidden], stacks, hidden ** -0.5),
    down: filled(3, [experts, hidden, intermediate], stacks, intermediate ** -0.5),
    chosen: Indices.from(Array.from({ length: tokens * choices }, (_, i) => (i * i * 7 + 3 * i) % experts)),
  };
}

type Made = ReturnType<typeof made>;

function run(
  { x, gateUp, down, chosen }: Made,
  weights: Tensor,
  options: MoeOptions,
  device: Device,
): Tensor {
  const stacks = { gateUp: gateUp.to(device), down: down.to(device) };
  return moe(x.to(device), stacks, { experts: chosen, weights: weights.to(device) }, options);
}

function expectNear(result: Tensor, expected: Tensor, dtype: FloatDtype, rounding: NormRounding): void {
  const [got, wanted] = [result.toNumbers(), expected.toNumbers()];
  const size = Math.hypot(...wanted);
  const distance = Math.hypot(...wanted.map((value, i) => value - (got[i] as number)));
  expect(size).toBeGreaterThan(0);
  expect(distance / size).toBeLessThanOrEqual(
    apart[dtype] * (rounding === "once" && dtype !== "f32" ? 1 / 4 : 1),
  );
}

export interface MoeCases {
  readonly dtypes: readonly FloatDtype[];
  readonly sizes: readonly MoeSizes[];
  readonly activations: readonly Activation[];
}

/** Declares the tests. */
export function moeSuite(device: Device, { dtypes, sizes, activations }: MoeCases): void {
  const each = dtypes.flatMap((dtype) =>
    (["hf", "once"] as const).flatMap((rounding) =>
      (["output", "input"] as const).map((weighs) => [dtype, rounding, weighs] as const),
    ),
  );
  test.each(each)("moe of %s rounds as the CPU's: %s, weights weigh the %s", (dtype, rounding, weighs) => {
    for (const size of sizes) {
      for (const [i, activation] of activations.entries()) {
        tidy(() => {
          const of = made(size, dtype, i % 2 === 0 ? dtype : "f32");
          const weights = filled(5, [size.tokens, size.choices], weighs === "input" ? "f32" : dtype);
          const options = { activation, rounding: rounding as NormRounding, weighs };
          expectNear(run(of, weights, options, device), run(of, weights, options, "cpu"), dtype, rounding);
        });
      }
    }
  });

  test("a token has the same bits in any company", () => {
    const size = { tokens: 12, experts: 3, choices: 2, hidden: 72, intermediate: 40 };
    tidy(() => {
      const of = made(size, "bf16", "bf16");
      const weights = filled(5, [12, 2], "f32");
      const options = { activation: "silu", rounding: "hf" } as const;
      const whole = run(of, weights, options, device).to("cpu");
      const chosen = Indices.from([...(of.chosen.values as Int32Array)].slice(0, 10));
      const some = run({ ...of, x: of.x.slice(0, 0, 5), chosen }, weights.slice(0, 0, 5), options, device).to(
        "cpu",
      );
      expect(some.clone().data).toEqual(whole.slice(0, 0, 5).clone().data);
      const first = Indices.from([...(of.chosen.values as Int32Array)].slice(0, 2));
      const alone = run(
        { ...of, x: of.x.slice(0, 0, 1), chosen: first },
        weights.slice(0, 0, 1),
        options,
        device,
      ).to("cpu");
      expect(alone.clone().data).toEqual(whole.slice(0, 0, 1).clone().data);
    });
  });
}

/** For devices that record. */
export function moeGraphSuite(device: Device): void {
  test("a mixture of experts in a graph follows the experts that the device is told of", () => {
    const size = { tokens: 6, experts: 4, choices: 2, hidden: 64, intermediate: 24 };
    const { x, gateUp, down } = made(size, "bf16", "bf16");
    const weights = filled(5, [6, 2], "f32");
    const options = { activation: "silu", rounding: "hf" } as const;
    const there = [x, gateUp, down, weights].map((one) => one.to(device)) as [Tensor, Tensor, Tensor, Tensor];
    const ids = Tensor.from(new Int32Array(12), [12], "i32").to(device);
    const experts = Indices.onDevice(ids, 4);
    const stacks = { gateUp: there[1], down: there[2] };
    const queue = () => moe(there[0], stacks, { experts, weights: there[3] }, options);
    tidy(() => {
      queue();
    });
    let result: Tensor | undefined;
    const graph = DeviceGraph.capture(device, () => {
      result = queue();
    });
    for (const seed of [1, 2]) {
      const chosen = Int32Array.from({ length: 12 }, (_, i) => (i * seed + (i >> 1)) % 4);
      tidy(() => {
        ids.copyFrom(Tensor.from(chosen, [12], "i32").to(device));
        graph.replay();
        const expected = moe(x, { gateUp, down }, { experts: Indices.from([...chosen]), weights }, options);
        expectNear((result as Tensor).to("cpu"), expected, "bf16", "hf");
      });
    }
    graph.dispose();
    for (const one of [...there, ids, result]) one?.dispose();
  });

  test.each([1, 6])(
    "of %i tokens, weights that are settled are those of the experts that the op in front chose",
    (tokens) => {
      tidy(() => {
        const { x, gateUp, down } = made(
          { tokens, experts: 16, choices: 4, hidden: 256, intermediate: 64 },
          "bf16",
          "bf16",
        );
        const here = x.to(device);
        const written = { gateUp: gateUp.to(device), down: down.to(device) };
        const settled = { gateUp: gateUp.to(device), down: down.to(device) };
        settle(Object.values(settled));
        const routers = Array.from({ length: 12 }, (_, i) => filled(20 + i, [tokens, 16], "f32").to(device));
        const router = { score: "softmax", topK: 4, groups: null, normalize: { eps: 0 }, factor: 1 } as const;
        const through = (stacks: typeof settled) =>
          routers.map((logits) =>
            moe(here, stacks, route(logits, null, router, "f32"), { activation: "silu", rounding: "once" }),
          );
        const expected = through(written).map((y) => y.to("cpu").clone().data);
        through(settled);
        let found: Tensor[] = [];
        using graph = DeviceGraph.capture(device, () => {
          found = through(settled);
        });
        for (let turn = 0; turn < 3; turn++) graph.replay();
        expect(found.map((y) => y.to("cpu").clone().data)).toEqual(expected);
      });
    },
  );
}
