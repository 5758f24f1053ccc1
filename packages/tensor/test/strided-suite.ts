// Copies and rotations of strided tensors on a device, against the CPU.
import { describe, expect, test } from "vitest";
import { type Device, type FloatDtype, Indices, type RopeLayout, rope, Tensor, tidy } from "../src/index.ts";
import { Distance } from "./distance.ts";
import { filled } from "./qk-norm-cases.ts";

export function stridedSuite(device: Device): void {
  describe("copies", () => {
    test.each([
      ["turned", (x: Tensor) => x.transpose(0, 1)],
      ["of heads out of packed rows", (x: Tensor) => x.view([6, 4, 10]).slice(2, 2, 10)],
      ["of wide pieces", (x: Tensor) => x.slice(1, 8, 24)],
      ["of single elements", (x: Tensor) => x.view([6, 20, 2]).slice(2, 1, 2).transpose(0, 1)],
      ["turned in three axes", (x: Tensor) => x.view([2, 3, 40]).transpose(0, 2)],
    ] as const)("%s hold the elements in order, in one launch", (_, viewed) => {
      for (const dtype of ["f32", "bf16", "i32"] as const) {
        const values = Array.from({ length: 240 }, (_, i) => (dtype === "bf16" ? i % 128 : i));
        const x = Tensor.from(values, [6, 40], dtype);
        tidy(() => {
          const there = viewed(x.to(device));
          expect(there.clone().to("cpu").data).toEqual(viewed(x).clone().data);
          const whole = Tensor.zeros([6, 40], dtype, device);
          viewed(whole).copyFrom(there);
          const expected = Tensor.zeros([6, 40], dtype);
          viewed(expected).copyFrom(viewed(x));
          expect(whole.to("cpu").data).toEqual(expected.data);
        });
      }
    });
  });

  describe("rope", () => {
    const places = 11;
    const table = (half: number) => {
      const angles = filled(9, [places, half], "f32", 3).toNumbers();
      return {
        cos: Tensor.from(angles.map(Math.cos), [places, half]),
        sin: Tensor.from(angles.map(Math.sin), [places, half]),
      };
    };
    // D, R, values between heads and before the first: whole chunks, a partial head, tails, and unaligned heads.
    const shapes = [
      [64, 32, 0, 0],
      [40, 8, 8, 8],
      [26, 11, 3, 1],
    ] as const;

    test.each(
      (["f32", "bf16", "f16"] as const).flatMap((dtype) =>
        (["halves", "interleaved"] as const).flatMap((layout) =>
          (["once", "hf"] as const).map((rounding) => [dtype, layout, rounding] as const),
        ),
      ),
    )(
      "of %s in %s with rounding %s turns what the CPU turns, and nothing else",
      (dtype, layout, rounding) => {
        for (const [d, half, gap, skip] of shapes) {
          const heads = (x: Tensor) => x.view([5, 3, d + gap + skip]).slice(2, skip, skip + d);
          const packed = () => filled(4, [5, 3 * (d + gap + skip)], dtype as FloatDtype);
          const { cos, sin } = table(half);
          const positions = [3, 0, 10, 10, 7];
          tidy(() => {
            const [here, there] = [packed(), packed().to(device)];
            rope(heads(here), { cos, sin, layout: layout as RopeLayout }, Indices.from(positions), rounding);
            const onDevice = Indices.onDevice(Tensor.from(positions, [5], "i32").to(device), places);
            const tables = { cos: cos.to(device), sin: sin.to(device), layout };
            rope(heads(there), tables, onDevice, rounding);
            const distance = new Distance();
            distance.add(there.to("cpu"), here.toNumbers(), { relative: 1e-6 });
            if (dtype !== "f32") distance.check();
            const [mine, untouched] = [there.to("cpu").toNumbers(), packed().toNumbers()];
            mine.forEach((value, i) => {
              const at = (i % (d + gap + skip)) - skip;
              if (at < 0 || at >= 2 * half) expect(value).toBe(untouched[i]);
            });
          });
        }
      },
    );
  });
}
