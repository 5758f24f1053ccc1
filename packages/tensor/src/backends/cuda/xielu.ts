import { QkNormError } from "@qknorm/core";
import { cudaXielu } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import type { XieluParameters } from "../../op-specs.ts";
import { floatDtypeOf, placeOf, queueOf } from "./places.ts";

/** `out [N] = xIELU(x [N])`. Throws `ERR_QKNORM_DTYPE` for scalars of different dtypes. */
export function xielu(x: TensorView, out: TensorView, parameters: XieluParameters<TensorView>): void {
  const { alphaP, alphaN, beta, eps } = parameters;
  for (const other of [alphaN, beta, eps]) {
    if (other.dtype === alphaP.dtype) continue;
    throw new QkNormError(
      "ERR_QKNORM_DTYPE",
      `the scalars of xIELU must be of one dtype on CUDA, got ${alphaP.dtype} and ${other.dtype}`,
    );
  }
  cudaXielu(...queueOf(out), {
    ...{ dtype: floatDtypeOf(x), count: out.size, x: placeOf(x), y: placeOf(out) },
    parameters: floatDtypeOf(alphaP),
    scalars: {
      alphaP: placeOf(alphaP),
      alphaN: placeOf(alphaN),
      beta: placeOf(beta),
      eps: placeOf(eps),
    },
  });
}
