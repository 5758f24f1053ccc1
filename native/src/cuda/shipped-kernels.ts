import { keyOf } from "./kernel-request.ts";
import type { LoadableKernel } from "./kernels.ts";
import { tunedDevices } from "./launch-config.ts";
import type { CudaNormForm } from "./norm-form.ts";
import { CudaQkNorm } from "./qk-norm.ts";
import { CudaRowNorm } from "./row-norm.ts";

const dtypes = ["bf16", "f16"] as const;
const roundings = ["once", "hf"] as const;

/** The head dims of nearly all models. */
const headDims = [64, 128, 256] as const;

/**
 * The kernels that the package ships for where there is no NVRTC: RMS norms with a weight of the activations' dtype.
 * Fused in place, with every launch configuration that a table picks; and one by one, for the fallback, in place and
 * out of it, with either offset, which serves all rows of a multiple of 8 elements.
 */
export function shippedKernels(arch: string): LoadableKernel[] {
  return [...new Map(wanted(arch).map((kernel) => [keyOf(kernel), kernel])).values()];
}

/** Some of them twice: two tables may pick the same. */
function wanted(arch: string): LoadableKernel[] {
  return dtypes.flatMap((dtype) =>
    roundings.flatMap((rounding) => {
      const form: CudaNormForm = {
        ...{ headDim: 8, dtype, kind: "rms", weight: dtype, bias: null, weightOffset: 0, rounding },
        ...{ inPlace: true, alignment: 16, weightAlignment: 16 },
      } as const;
      const fused = headDims.flatMap((headDim) =>
        tunedDevices().flatMap((name) => CudaQkNorm.requests({ ...form, headDim }, { name, arch })),
      );
      const alone = [true, false].flatMap((inPlace) =>
        ([0, 1] as const).flatMap((weightOffset) =>
          CudaRowNorm.requests({ ...form, inPlace, weightOffset }, arch),
        ),
      );
      return [...fused, ...alone];
    }),
  );
}
