// Whose cubins are taken. One on disk is taken whichever NVRTC made it, the newest first: finding it must not take
// opening NVRTC, which costs more than all the rest. But once this process has opened an NVRTC, or `QKNORM_LIBNVRTC`
// names one, cubins of other versions are as good as absent. One of a CUDA later than the driver's is never taken: the
// driver may refuse it.
import { requireBinding } from "../loader.ts";
import { driverMajor } from "./driver.ts";
import { openNvrtc } from "./nvrtc.ts";

/** The version of the NVRTC that this process has opened, or is told to open; undefined: any will do. */
export function chosenCompiler(): string | undefined {
  const opened = requireBinding().nvrtcLibrary();
  if (opened !== null) return opened.version;
  if (!process.env.QKNORM_LIBNVRTC) return undefined;
  try {
    return openNvrtc().version;
  } catch {
    return undefined; // the attempt to compile says why
  }
}

/** Whether the driver loads what an NVRTC of this version made. */
export function canRun(compiler: string): boolean {
  const newest = driverMajor();
  return newest === 0 || Number.parseInt(compiler, 10) <= newest;
}
