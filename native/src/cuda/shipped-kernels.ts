import type { LoadableKernel } from "./kernels.ts";
import { CudaQkNorm } from "./qk-norm.ts";

const headDims = [64, 128, 256] as const;
const dtypes = ["bf16", "f16"] as const;
const roundings = ["once", "hf"] as const;

/**
 * The kernels that the package ships for where there is no NVRTC: RMS norms in place with a weight of the activations'
 * dtype, for the head dims of nearly all models; every launch configuration that the table picks for them.
 */
export function shippedKernels(arch: string): LoadableKernel[] {
  return headDims.flatMap((headDim) =>
    dtypes.flatMap((dtype) =>
      roundings.flatMap((rounding) =>
        CudaQkNorm.requests(
          {
            ...{ headDim, dtype, kind: "rms", weight: dtype, bias: null, weightOffset: 0, rounding },
            ...{ inPlace: true, alignment: 16, weightAlignment: 16 },
          },
          arch,
        ),
      ),
    ),
  );
}
