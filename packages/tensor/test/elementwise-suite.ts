// Ops of single elements and of rows on a device, against the same ops of the CPU.
import { describe, expect, test } from "vitest";
import {
  type Activation,
  activate,
  add,
  clamp,
  convert,
  type Device,
  type FloatDtype,
  gatherRows,
  Indices,
  mul,
  scale,
  softCap,
  Tensor,
  tidy,
  xielu,
} from "../src/index.ts";
import { Distance } from "./distance.ts";
import { filled } from "./qk-norm-cases.ts";

const dtypes = ["f32", "bf16", "f16"] as const;

// What a function does at its ends, and more than one block of threads with a last chunk that is not whole.
const special = [0, -0, 1e-30, -1e-30, 0.5, -3, -9, -30, 30, 88, -88, 200, -200];
const numbers = (dtype: FloatDtype): Tensor =>
  Tensor.from([...special, ...filled(5, [2090], "f32", 2).toNumbers()], [special.length + 2090], dtype);

export function elementwiseSuite(device: Device): void {
  describe.each(dtypes)("of %s", (dtype) => {
    /** The same op there and here, of operands that start where `skip` says. */
    const bothOf = (op: (...operands: Tensor[]) => Tensor, operands: readonly Tensor[], skip: number) =>
      tidy(() => {
        const there = operands.map((x) => x.to(device).slice(0, skip, x.size));
        const here = operands.map((x) => x.slice(0, skip, x.size));
        return [op(...there).to("cpu"), op(...here)] as const;
      });

    test.each([0, 1, 2, 4])("sums and products have the CPU's bits, from element %i on", (skip) => {
      const operands = [numbers(dtype), filled(6, [special.length + 2090], dtype, 3)];
      for (const op of [add, mul]) {
        const [there, here] = bothOf(op, operands, skip);
        expect(there.data).toEqual(here.toContiguous().data);
      }
    });

    test("conversions and factors have the CPU's bits, and so have relu and its square", () => {
      const x = numbers(dtype);
      const ops: ((x: Tensor) => Tensor)[] = [
        ...dtypes.map((to) => (x: Tensor) => convert(x, to)),
        (x) => scale(x, 0.0883883),
        (x) => clamp(x, 2.51),
        (x) => activate(x, "relu"),
        (x) => activate(x, "relu2"),
      ];
      for (const op of ops) {
        const [there, here] = bothOf(op, [x], 0);
        expect(there.data).toEqual(here.data);
      }
    });

    test.each(["silu", "gelu", "gelu-tanh", "sigmoid", "softplus", "tanh", "soft-cap", "xielu"] as const)(
      "%s is the CPU's within a rounding, at its ends too",
      (kind) => {
        const distance = new Distance();
        const scalar = (value: number) => Tensor.from([value], [1], dtype);
        const parameters = {
          alphaP: scalar(0.8),
          alphaN: scalar(0.8),
          beta: scalar(0.5),
          eps: scalar(-1e-6),
        };
        const on = (where: Device) => ({
          ...parameters,
          ...Object.fromEntries(Object.entries(parameters).map(([name, x]) => [name, x.to(where)])),
        });
        const op = (x: Tensor): Tensor => {
          if (kind === "soft-cap") return softCap(x, 15);
          return kind === "xielu" ? xielu(x, on(x.device)) : activate(x, kind satisfies Activation);
        };
        const [there, here] = bothOf(op, [numbers(dtype)], 0);
        // The CPU's gelu cancels in double for large negative x; the device's does not.
        const x = numbers(dtype).toNumbers();
        const magnitudes = here.toNumbers().map((y, i) => Math.abs(y) + 1e-8 * Math.abs(x[i] as number));
        distance.add(there, here.toNumbers(), { relative: 2e-7, magnitudes });
        tidy(() => expect(op(scalar(Number.NaN).to(device)).to("cpu").toNumbers()[0]).toBeNaN());
      },
    );

    test("rows are gathered with the CPU's bits, whatever the table's rows and the dtype", () => {
      for (const [skip, width, to] of [
        [0, 64, dtype],
        [0, 24, "bf16"],
        [3, 13, "f32"],
      ] as const) {
        const table = filled(7, [19, 70], dtype);
        const ids = Indices.from([0, 18, 7, 7, 3]);
        tidy(() => {
          const gathered = (x: Tensor) => gatherRows(x.slice(1, skip, skip + width), ids, to);
          expect(gathered(table.to(device)).to("cpu").data).toEqual(gathered(table).data);
          const made = Indices.onDevice(Tensor.from([2, 0, 5], [3], "i32").to(device), 19);
          const here = gatherRows(table, Indices.from([2, 0, 5]), to);
          expect(gatherRows(table.to(device), made, to).to("cpu").data).toEqual(here.data);
        });
      }
    });
  });
}
