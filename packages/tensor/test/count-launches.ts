import { CudaDecodeSteps } from "@qknorm/native/cuda";

/** Counts launches of several ops, queued or captured, until it is restored: the portable folder has no spies. */
export function countLaunches(): { readonly count: number; restore(): void } {
  const { run } = CudaDecodeSteps.prototype;
  const counted = {
    count: 0,
    restore: () => {
      CudaDecodeSteps.prototype.run = run;
    },
  };
  CudaDecodeSteps.prototype.run = function (this: CudaDecodeSteps, ...given) {
    counted.count += 1;
    return run.apply(this, given);
  };
  return counted;
}
