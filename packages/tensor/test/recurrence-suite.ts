// Routing and the parts of linear attention on a device, against the CPU.
import { describe, expect, test } from "vitest";
import {
  causalConv,
  type Device,
  type FloatDtype,
  gatedDeltaRule,
  type RouterSpec,
  route,
  Tensor,
  tidy,
} from "../src/index.ts";
import { Distance } from "./distance.ts";
import { filled } from "./qk-norm-cases.ts";

const softmax: RouterSpec = { score: "softmax", topK: 3, groups: null, normalize: null, factor: 1 };

export function recurrenceSuite(device: Device): void {
  describe("route", () => {
    const routers: [string, number, boolean, FloatDtype, RouterSpec][] = [
      ["by softmax", 10, false, "bf16", softmax],
      ["by softmax, normalized", 70, false, "f32", { ...softmax, normalize: { eps: 0 }, factor: 2.5 }],
      ["by sigmoid with a bias", 64, true, "f32", { ...softmax, score: "sigmoid", topK: 8 }],
      [
        "of groups",
        48,
        true,
        "f32",
        {
          ...{ score: "sigmoid", topK: 6, groups: { count: 8, kept: 3 } },
          ...{ normalize: { eps: 1e-20 }, factor: 1.5 },
        },
      ],
      ["of Qwen3-MoE's size", 128, false, "bf16", { ...softmax, topK: 8, normalize: { eps: 0 } }],
      ["of more experts than registers hold", 600, false, "f32", { ...softmax, topK: 40 }],
      ["of groups without a bias", 12, false, "f16", { ...softmax, groups: { count: 3, kept: 2 } }],
    ];
    test.each(routers)("%s chooses the CPU's experts, in their order and with their weights", (...router) => {
      const [, count, biased, dtype, spec] = router;
      const logits = filled(3, [37, count + 5], dtype).slice(1, 2, count + 2);
      const bias = biased ? filled(4, [count], "f32", 0.2) : null;
      tidy(() => {
        const here = route(logits, bias, spec, "f32");
        const there = route(
          filled(3, [37, count + 5], dtype)
            .to(device)
            .slice(1, 2, count + 2),
          bias?.to(device) ?? null,
          spec,
          "f32",
        );
        const experts = there.experts.on(there.weights.memory.backend);
        const chosen = new Tensor(experts.memory, "i32", experts.shape, experts);
        expect([...chosen.to("cpu").toNumbers()]).toEqual([...here.experts.values!]);
        new Distance().add(there.weights.to("cpu"), here.weights.toNumbers(), { relative: 2e-6 });
      });
    });

    test("takes the first of equal scores, and stays among the experts whatever the logits", () => {
      tidy(() => {
        const equal = Tensor.from([1, 2, 2, 2, 0, 2], [1, 6]);
        const zeros = Tensor.from([-1, -0, 0, Number.NEGATIVE_INFINITY, 0, -2], [1, 6]);
        const alike = Tensor.from(Array(70).fill(2), [1, 70]);
        const strange = Tensor.from(Array(6).fill(Number.NaN), [1, 6]);
        for (const [logits, expected] of [
          [equal, [1, 2, 3]],
          [zeros, [1, 2, 4]],
          [alike, [0, 1, 2]],
          [strange, [0, 0, 0]],
        ] as const) {
          const { experts, weights } = route(logits.to(device), null, softmax, "f32");
          const chosen = experts.on(weights.memory.backend);
          const there = new Tensor(chosen.memory, "i32", chosen.shape, chosen);
          expect([...there.to("cpu").toNumbers()]).toEqual(expected);
        }
      });
    });
  });

  test.each(["f32", "bf16"] as const)(
    "causalConv of %s goes on from piece to piece as the CPU's",
    (dtype) => {
      const [channels, taps] = [37, 4];
      const weight = filled(1, [channels, taps], dtype);
      for (const bias of [null, filled(2, [channels], "f32")]) {
        tidy(() => {
          const [here, there] = [
            Tensor.zeros([taps - 1, channels], dtype),
            Tensor.zeros([taps - 1, channels], dtype, device),
          ];
          for (const tokens of [5, 1, 2, 9]) {
            const x = filled(tokens, [tokens, channels + 3], dtype);
            const expected = causalConv(x.slice(1, 1, channels + 1), weight, bias, here);
            const got = causalConv(
              x.to(device).slice(1, 1, channels + 1),
              weight.to(device),
              bias?.to(device) ?? null,
              there,
            );
            new Distance().add(got.to("cpu"), expected.toNumbers(), { relative: 1e-6 });
            expect(there.to("cpu").data).toEqual(here.data);
          }
        });
      }
    },
  );

  test.each([
    ["f32", "once"],
    ["bf16", "hf"],
  ] as const)("gatedDeltaRule of %s keeps the CPU's state, whole and token by token", (dtype, rounding) => {
    const [keyHeads, heads, dk, dv] = [2, 4, 40, 24];
    const parameters = { aLog: filled(1, [heads], "f32", 0.5), dtBias: filled(2, [heads], "f32") };
    const spec = { scale: dk ** -0.5, rounding };
    tidy(() => {
      const [here, there] = [
        Tensor.zeros([heads, dk, dv], "f32"),
        Tensor.zeros([heads, dk, dv], "f32", device),
      ];
      for (const tokens of [6, 1, 1, 3]) {
        const inputs = [
          filled(tokens, [tokens, keyHeads, dk], dtype, 0.3),
          filled(tokens + 1, [tokens, keyHeads, dk], dtype, 0.3),
          filled(tokens + 2, [tokens, heads, dv], dtype),
        ] as const;
        const gates = { a: filled(8, [tokens, heads], dtype), b: filled(9, [tokens, heads], dtype) };
        const on = (where: Device) => {
          const [q, k, v] = inputs.map((x) => x.to(where)) as [Tensor, Tensor, Tensor];
          const all = { ...gates, ...parameters };
          const moved = Object.fromEntries(Object.entries(all).map(([name, x]) => [name, x.to(where)]));
          return [q, k, v, moved as unknown as typeof all] as const;
        };
        const expected = gatedDeltaRule(...on("cpu"), here, spec);
        const got = gatedDeltaRule(...on(device), there, spec);
        new Distance().add(got.to("cpu"), expected.toNumbers(), { relative: 1e-5 });
        new Distance().add(there.to("cpu"), here.toNumbers(), { relative: 1e-5 });
      }
    });
  });

  test.each([
    ["q, k, v", { k: "bf16" }],
    ["q, k, v", { v: "bf16" }],
    ["a, b", { b: "bf16" }],
    ["aLog, dtBias", { dtBias: "bf16" }],
  ] as const)("gatedDeltaRule of %s in two dtypes is refused, and leaves the state", (names, other) => {
    tidy(() => {
      const make = (name: string, shape: readonly number[]): Tensor =>
        filled(1, shape, (other as Record<string, FloatDtype>)[name] ?? "f32").to(device);
      const [q, k, v] = ["q", "k", "v"].map((name) => make(name, [2, 1, 8])) as [Tensor, Tensor, Tensor];
      const gates = {
        ...{ a: make("a", [2, 1]), b: make("b", [2, 1]) },
        ...{ aLog: make("aLog", [1]), dtBias: make("dtBias", [1]) },
      };
      const state = Tensor.zeros([1, 8, 8], "f32", device);
      const run = () => gatedDeltaRule(q, k, v, gates, state, { scale: 1, rounding: "once" });
      expect(run).toThrow(
        expect.objectContaining({
          code: "ERR_QKNORM_DTYPE",
          message: expect.stringContaining(`${names} must be of one dtype`),
        }),
      );
      expect(Math.max(...state.toNumbers())).toBe(0);
    });
  });
}
