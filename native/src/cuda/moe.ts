import { type FloatDtype, QkNormError } from "@qknorm/core";
import { activationNumbers } from "../numbers.ts";
import { type Alignment, bytesOf } from "./alignment.ts";
import { requireFields, requireKernels } from "./call-arguments.ts";
import type { CudaKernels, LoadableKernel } from "./kernels.ts";
import { CudaMemory } from "./memory.ts";
import {
  chunk,
  type ExpertStack,
  join,
  lanes,
  type MoeForm,
  order,
  type Product,
  product,
  rowsOfWarp,
  warps,
} from "./moe-kernels.ts";
import type { OpLaunch } from "./op.ts";
import type { ByteRange } from "./product.ts";
import type { CudaStream } from "./stream.ts";

export interface MoeOperands {
  readonly x: ByteRange;
  readonly gate: ByteRange;
  readonly up: ByteRange;
  readonly down: ByteRange;
  /** i32 `[T * K]`. */
  readonly experts: ByteRange;
  /** `[T, K]`, dense. */
  readonly weights: ByteRange;
  readonly y: ByteRange;
}

/** Choices of one expert that share a reading of its weights, where there are many tokens. */
const choicesOfRun = 8;
/** Up to so many tokens each choice is a run by itself: two would rarely meet at an expert. */
const fewTokens = 4;

interface Step {
  readonly launch: OpLaunch<string>;
  readonly wanted: LoadableKernel;
  readonly grid: readonly number[];
  readonly threads: number;
  readonly sharedBytes: number;
}

/**
 * A mixture of experts on a device, packed once and run many times: three launches for few tokens, four for more, none of
 * which the host waits for. Its scratch memory is allocated at each run and lives as long as what was queued.
 */
export class CudaMoe {
  readonly #form: MoeForm;
  readonly #run: number;
  readonly #runs: number;
  readonly #inner: FloatDtype;
  readonly #order: Step | null;
  readonly #gateUp: Step;
  readonly #down: Step;
  readonly #join: Step;

  /** Throws `ERR_QKNORM_SHAPE` for more than one launch takes. */
  constructor(kernels: CudaKernels, form: MoeForm) {
    requireKernels(kernels);
    requireFields(form, "the form of an MoE");
    const { tokens, choices, experts, hidden, intermediate, dtype } = form;
    this.#form = form;
    const all = tokens * choices;
    this.#run = tokens <= fewTokens ? 1 : choicesOfRun;
    this.#runs = this.#run === 1 ? all : Math.floor(all / choicesOfRun) + Math.min(experts, all);
    if (this.#runs > 65535)
      throw new QkNormError("ERR_QKNORM_SHAPE", `${tokens} tokens are too many for one launch`);
    this.#inner = form.rounding === "hf" ? dtype : "f32";
    const { arch } = kernels.device;
    this.#order =
      this.#run === 1
        ? null
        : {
            launch: order
              .launch(kernels, ["experts", "runs", "order"])
              .set("choices", all)
              .set("count", experts)
              .set("mostRuns", this.#runs),
            wanted: order.request(choicesOfRun, arch),
            ...{ grid: [1], threads: 1024, sharedBytes: 4 * experts },
          };
    const weighed = form.weighs === "input" ? form.weights : null;
    this.#gateUp = this.#product(kernels, {
      ...{ x: dtype, y: this.#inner, inputs: hidden, outputs: intermediate, weighed },
      ...{ xStride: form.xStride, xAlignment: form.xAlignment, yStride: this.#innerStride, rowsOf: choices },
      ...{ w: form.gate, up: form.up, activation: activationNumbers[form.activation], early: false },
    });
    this.#down = this.#product(kernels, {
      ...{ x: this.#inner, y: this.#inner, inputs: intermediate, outputs: hidden, weighed: null },
      ...{ xStride: this.#innerStride, xAlignment: 16, yStride: this.#outputStride, rowsOf: 1 },
      ...{ w: form.down, up: null, activation: null, early: form.settled },
    });
    const chunks = Math.ceil(hidden / chunk);
    const round = form.rounding === "hf" && form.weights === dtype ? dtype : "f32";
    this.#join = {
      launch: join
        .launch(kernels, ["outputs", ...(form.weighs === "output" ? ["weights"] : []), "y"])
        .set("outputStride", this.#outputStride)
        .set("yStride", form.yStride)
        .set("chunks", chunks)
        .set("rows", tokens)
        .set("choices", choices),
      wanted: join.request({ form, from: this.#inner, round }, arch),
      ...{ grid: [Math.ceil((tokens * chunks) / 256)], threads: 256, sharedBytes: 0 },
    };
  }

  /** Queues it. Throws what launches and `CudaMemory` do. */
  run(stream: CudaStream, { x, gate, up, down, experts, weights, y }: MoeOperands): void {
    const all = this.#form.tokens * this.#form.choices;
    const whole = (memory: CudaMemory): ByteRange => ({ memory, offset: 0, length: memory.bytes });
    const scratch: CudaMemory[] = [];
    const allocate = (bytes: number): ByteRange => {
      const memory = new CudaMemory(stream, bytes);
      scratch.push(memory);
      return whole(memory);
    };
    try {
      const inner = allocate(all * this.#innerStride);
      const outputs = allocate(all * this.#outputStride);
      let [runs, sorted] = [experts, experts];
      if (this.#order !== null) {
        [runs, sorted] = [allocate(4 * this.#runs), allocate(4 * this.#runs * choicesOfRun)];
        queue(this.#order, stream, { experts, runs, order: sorted });
      }
      const routed = this.#order === null ? { runs } : { runs, order: sorted };
      const weighed = this.#form.weighs === "input" ? { weights } : {};
      queue(this.#gateUp, stream, { x, w: gate, up, ...weighed, ...routed, y: inner });
      queue(this.#down, stream, { x: inner, w: down, ...routed, y: outputs });
      queue(this.#join, stream, { outputs, ...(this.#form.weighs === "output" ? { weights } : {}), y });
    } finally {
      for (const memory of scratch) memory.free();
    }
  }

  /** Bytes between the rows of `act(gate(x)) * up(x) [T * K, I]`, and of the experts' outputs `[T * K, C]`. */
  get #innerStride(): number {
    return Math.ceil(this.#form.intermediate / chunk) * chunk * bytesOf(this.#inner);
  }

  get #outputStride(): number {
    return Math.ceil(this.#form.hidden / chunk) * chunk * bytesOf(this.#inner);
  }

  #product(
    kernels: CudaKernels,
    of: Pick<Product, "x" | "y" | "inputs" | "xAlignment" | "activation" | "weighed" | "early"> & {
      readonly outputs: number;
      readonly xStride: number;
      readonly yStride: number;
      readonly rowsOf: number;
      readonly w: ExpertStack;
      readonly up: ExpertStack | null;
    },
  ): Step {
    const { w, up, outputs, inputs } = of;
    const form = this.#form;
    const wanted = product.request(
      {
        ...of,
        weight: w.dtype,
        round: form.rounding === "hf" ? form.dtype : "f32",
        run: this.#run,
        weightAlignment: Math.min(w.alignment, up?.alignment ?? 16) as Alignment,
      },
      kernels.device.arch,
    );
    const names = [
      ...["x", "w", ...(up === null ? [] : ["up"]), ...(of.weighed === null ? [] : ["weights"]), "runs"],
      ...[...(this.#run === 1 ? [] : ["order"]), "y"],
    ];
    const launch = product
      .launch(kernels, names)
      .set("xStride", of.xStride)
      .set("wStride", w.rowStride)
      .set("wExpert", w.expertStride)
      .set("upStride", up?.rowStride ?? 0)
      .set("upExpert", up?.expertStride ?? 0)
      .set("yStride", of.yStride)
      .set("chunks", Math.ceil(inputs / chunk))
      .set("outputs", outputs)
      .set("rowsOf", of.rowsOf)
      .set("experts", form.experts);
    const rows = rowsOfWarp({ activation: of.activation, run: this.#run });
    const outputsOfBlock = (warps * rows) / (up === null ? 1 : 2);
    const grid = [Math.ceil(outputs / outputsOfBlock), this.#runs];
    return { launch, wanted, grid, threads: lanes * warps, sharedBytes: 0 };
  }
}

function queue(step: Step, stream: CudaStream, operands: Readonly<Record<string, ByteRange>>): void {
  const { launch, wanted, grid, threads, sharedBytes } = step;
  launch.use(wanted, grid, threads, sharedBytes);
  for (const [name, { memory, offset, length }] of Object.entries(operands))
    launch.bind(name, memory, offset, length);
  launch.run(stream);
}
