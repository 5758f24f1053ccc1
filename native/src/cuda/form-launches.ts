import { QkNormError } from "@qknorm/core";
import { requireKernels, requireList } from "./call-arguments.ts";
import type { CudaKernels, LoadableKernel } from "./kernels.ts";
import type { CudaMemory } from "./memory.ts";
import { CudaOp, type OpLaunch } from "./op.ts";

/** Where an operand starts; offsets and strides count elements. */
export interface CudaPlace {
  readonly memory: CudaMemory;
  readonly offset: number;
}

/** Rows of an operand, each dense. */
export interface CudaRows extends CudaPlace {
  readonly rowStride: number;
}

interface Kept<Name extends string> {
  readonly launch: OpLaunch<Name>;
  readonly wanted: LoadableKernel;
}

// Kernels count their threads, at most 256 a block, in 32 bits.
const mostBlocks = 2 ** 24;
// A process that met as many forms as this meets others as well: what is kept is forgotten.
const mostForms = 1024;

/**
 * The launches of an op, one for each form it was asked in, kept as long as the kernels of its device: a form that was
 * seen before costs a lookup, and compiles nothing inside a capture.
 */
export class FormLaunches<Form extends object, Name extends string> {
  readonly #op: CudaOp<Form, Name>;
  readonly #addresses: readonly Name[];
  readonly #byKernels = new WeakMap<CudaKernels, Map<string, Kept<Name>>>();

  constructor(op: CudaOp<Form, Name>, addresses: readonly Name[]) {
    if (!(op instanceof CudaOp)) throw new QkNormError("ERR_QKNORM_ARGUMENT", "launches need a CudaOp");
    requireList(addresses, "the addresses of launches");
    this.#op = op;
    this.#addresses = addresses;
  }

  /**
   * The launch of a form with this grid, to be bound and run at once: the next call of the same form binds it anew.
   * Throws `ERR_QKNORM_SHAPE` for more than 2^24 blocks, and what `OpLaunch.use` does.
   */
  take(kernels: CudaKernels, form: Form, blocks: number, threads: number, sharedBytes = 0): OpLaunch<Name> {
    requireKernels(kernels);
    if (blocks >= mostBlocks) {
      throw new QkNormError("ERR_QKNORM_SHAPE", `${blocks} blocks are too many for one launch`);
    }
    let known = this.#byKernels.get(kernels);
    if (known === undefined) {
      known = new Map();
      this.#byKernels.set(kernels, known);
    }
    const key = Object.values(form).join();
    let kept = known.get(key);
    if (kept === undefined) {
      if (known.size >= mostForms) known.clear();
      const wanted = this.#op.request(form, kernels.device.arch);
      kept = { launch: this.#op.launch(kernels, this.#addresses), wanted };
      known.set(key, kept);
    }
    return kept.launch.use(kept.wanted, blocks, threads, sharedBytes);
  }
}
