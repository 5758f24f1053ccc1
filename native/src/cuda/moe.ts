import { type FloatDtype, type NormRounding, QkNormError } from "@qknorm/core";
import { activationNumbers, dtypeNumbers } from "../numbers.ts";
import { type Alignment, bytesOf } from "./alignment.ts";
import type { CudaKernels, LoadableKernel } from "./kernels.ts";
import { CudaMemory } from "./memory.ts";
import { CudaOp, type OpLaunch } from "./op.ts";
import type { ByteRange } from "./product.ts";
import type { CudaStream } from "./stream.ts";

/** The stacked weights of all experts `[E, N, K]`, the last axis dense. Strides in bytes. */
export interface ExpertStack {
  readonly dtype: FloatDtype;
  readonly rowStride: number;
  readonly expertStride: number;
  readonly alignment: Alignment;
}

/** Each token of `x [T, C]` through its K experts `down(act(gate(x)) * up(x))`, weighed and summed: `[T, C]`. */
export interface MoeForm {
  /** Of x and y. */
  readonly dtype: FloatDtype;
  /** Of the weights of choices. */
  readonly weights: FloatDtype;
  readonly weighs: "output" | "input";
  readonly activation: keyof typeof activationNumbers;
  readonly rounding: NormRounding;
  readonly tokens: number;
  readonly choices: number;
  readonly experts: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly xStride: number;
  readonly xAlignment: Alignment;
  readonly yStride: number;
  readonly yAlignment: Alignment;
  /** Gate and up are of one dtype. */
  readonly gate: ExpertStack;
  readonly up: ExpertStack;
  readonly down: ExpertStack;
}

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

const chunk = 8;
const lanes = 32;
const warps = 4;
const rowsOfWarp = 4;
/** Choices of one expert that share a reading of its weights, where there are many tokens. */
const choicesOfRun = 8;
/** Up to so many tokens each choice is a run by itself: two would rarely meet at an expert. */
const fewTokens = 4;

const order = new CudaOp<number, string>({
  kernel: "moe_order",
  parameters: {
    ...{ experts: "address", runs: "address", order: "address" },
    ...{ choices: "u32", count: "u32", mostRuns: "u32" },
  },
  macros: (tokens) => ({ QK_TOKENS: tokens }),
});

interface Product {
  readonly x: FloatDtype;
  readonly y: FloatDtype;
  readonly weight: FloatDtype;
  readonly round: FloatDtype;
  readonly run: number;
  readonly inputs: number;
  readonly xAlignment: Alignment;
  readonly weightAlignment: Alignment;
  readonly activation: number | null;
  /** The dtype of what x is multiplied by. */
  readonly weighed: FloatDtype | null;
}

const product = new CudaOp<Product, string>({
  kernel: "moe_gemv",
  includes: ["matvec.cuh", "activation.cuh"],
  parameters: {
    ...{
      x: "address",
      w: "address",
      up: "address",
      weights: "address",
      runs: "address",
      order: "address",
      y: "address",
    },
    ...{ xStride: "i64", wStride: "i64", wExpert: "i64", upStride: "i64", upExpert: "i64", yStride: "i64" },
    ...{ chunks: "u32", outputs: "u32", rowsOf: "u32" },
  },
  macros: (form) => ({
    QK_X: dtypeNumbers[form.x],
    QK_W: dtypeNumbers[form.weight],
    QK_Y: dtypeNumbers[form.y],
    QK_ROUND: dtypeNumbers[form.round],
    QK_TOKENS: form.run,
    QK_ROWS: rowsOfWarp,
    QK_WARPS: warps,
    QK_DEPTH: Math.min(form.run === 1 ? 4 : 2, Math.ceil(form.inputs / (chunk * lanes))),
    QK_X_ALIGN: form.xAlignment,
    QK_W_ALIGN: form.weightAlignment,
    QK_TAIL: form.inputs % chunk,
    QK_GATED: form.activation === null ? 0 : 1,
    QK_ACTIVATION: form.activation ?? 0,
    QK_WEIGH: form.weighed === null ? 0 : 1,
    QK_WEIGHT_DTYPE: dtypeNumbers[form.weighed ?? "f32"],
  }),
});

interface Join {
  readonly form: MoeForm;
  readonly from: FloatDtype;
  readonly round: FloatDtype;
}

const join = new CudaOp<Join, string>({
  kernel: "moe_join",
  includes: ["matvec.cuh"],
  parameters: {
    ...{ outputs: "address", weights: "address", y: "address", outputStride: "i64", yStride: "i64" },
    ...{ chunks: "u32", rows: "u32", choices: "u32" },
  },
  macros: ({ form, from, round }) => ({
    QK_FROM: dtypeNumbers[from],
    QK_TO: dtypeNumbers[form.dtype],
    QK_WEIGH: form.weighs === "output" ? 1 : 0,
    QK_WEIGHT_DTYPE: dtypeNumbers[form.weights],
    QK_ROUND: dtypeNumbers[round],
    QK_ALIGN: form.yAlignment,
    QK_TAIL: form.hidden % chunk,
  }),
});

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
      ...{ w: form.gate, up: form.up, activation: activationNumbers[form.activation] },
    });
    this.#down = this.#product(kernels, {
      ...{ x: this.#inner, y: this.#inner, inputs: intermediate, outputs: hidden, weighed: null },
      ...{ xStride: this.#innerStride, xAlignment: 16, yStride: this.#outputStride, rowsOf: 1 },
      ...{ w: form.down, up: null, activation: null },
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
    of: Pick<Product, "x" | "y" | "inputs" | "xAlignment" | "activation" | "weighed"> & {
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
      .set("rowsOf", of.rowsOf);
    const outputsOfBlock = (warps * rowsOfWarp) / (up === null ? 1 : 2);
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
