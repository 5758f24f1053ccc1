import { describe, expect, test } from "vitest";
import { CudaOp, type ParameterType } from "./op.ts";

const op = (parameters: Record<string, ParameterType>) =>
  new CudaOp<object, string>({ kernel: "silu_mul", parameters, macros: () => ({ QK_DTYPE: 0 }) });

describe("the arguments of a declared op", () => {
  test("lie where C++ puts the fields of a struct", () => {
    const mixed = op({ count: "u32", x: "address", factor: "f32", stride: "i64", last: "i32" });
    const places = ["count", "x", "factor", "stride", "last"].map((name) => mixed.field(name).at);
    expect(places).toEqual([0, 8, 16, 24, 32]);
    expect(mixed.argumentBytes).toBe(40);
    expect(op({ a: "u32", b: "f32", c: "i32" }).argumentBytes).toBe(12);
  });

  test("are those that the kernel is asked for with", () => {
    const request = op({ x: "address", n: "u32" }).request({}, "sm_90", { QK_LANES: 4 });
    expect(request).toMatchObject({
      ...{ name: "silu_mul", arch: "sm_90", argumentBytes: 16, macros: { QK_DTYPE: 0, QK_LANES: 4 } },
    });
    expect(request.source).toContain("silu_mul(const __grid_constant__ Args args)");
  });

  test("have no others: a name that is not declared is refused", () => {
    expect(() => op({ n: "u32" }).field("m")).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_ARGUMENT", message: "kernel silu_mul has no parameter m" }),
    );
  });
});
