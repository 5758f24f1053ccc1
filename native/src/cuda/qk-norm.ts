import { QkNormError } from "@qknorm/core";
import { bytesOf } from "./alignment.ts";
import { requireFields, requireKernels } from "./call-arguments.ts";
import type { CudaDevice } from "./device.ts";
import type { CudaKernels, LoadableKernel } from "./kernels.ts";
import {
  type ConfigRange,
  configRanges,
  divider,
  type LaunchConfig,
  launchShape,
  rangeOf,
} from "./launch-config.ts";
import { type CudaNormForm, type CudaNormSide, formMacros } from "./norm-form.ts";
import { type NormGeometry, NormLaunch, sideParameters } from "./norm-launch.ts";
import { CudaOp } from "./op.ts";

export interface CudaQkNormOptions {
  readonly form: CudaNormForm;
  readonly q: CudaNormSide;
  /** Without it q is normalised alone. */
  readonly k?: CudaNormSide;
  /** In place of what the launch table says, for measurements. */
  readonly config?: LaunchConfig;
}

/** What decides how a form is launched, and compiled: every `CudaDevice` is one. */
export type DeviceKind = Pick<CudaDevice, "name" | "arch">;

/** The addresses of a launch. Weights and biases are bound if the form has them, outputs if it is not in place. */
export type QkNormOperand =
  | "qInput"
  | "qOutput"
  | "qWeight"
  | "qBias"
  | "kInput"
  | "kOutput"
  | "kWeight"
  | "kBias";

const op = new CudaOp<CudaNormForm, string>({
  kernel: "qk_norm",
  includes: ["norm_rows.cuh"],
  parameters: {
    ...sideParameters("q"),
    qHeads: "u32",
    ...sideParameters("k"),
    kHeads: "u32",
    tokens: "u32",
    heads: "u32",
    slices: "u32",
    trips: "u32",
    multiplier: "u32",
    shift: "u32",
  },
  macros: (form) => ({ QK_HEAD_DIM: form.headDim, ...formMacros(form) }),
});
const absent: CudaNormSide = { heads: 0, eps: 0, tokenStride: 0, headStride: 0 };

/**
 * QK norm on a device: one launch of qk_norm.cu, specialised and packed once and run many times. Head dims are
 * multiples of 8 from 8 to 1024. Head strides may be larger than a head, token strides larger than a token.
 *
 *     const launch = new CudaQkNorm(kernels, { form, q, k });
 *     launch.bind("qWeight", weights).bind("kWeight", weights, kWeightOffset);
 *     launch.tokens(T).bind("qInput", qkv, 0).bind("kInput", qkv, kOffset).run(stream);
 *
 * `run` is one call of the addon. Nothing on the way allocates. A number of tokens for which the launch table picks
 * another configuration takes another kernel, which is looked up, and compiled on first use. A row's bits depend on
 * that row alone: not on the tokens, the heads or the configuration.
 */
export class CudaQkNorm extends NormLaunch<QkNormOperand> {
  readonly #ranges: readonly ConfigRange[];
  readonly #wanted: readonly LoadableKernel[];
  readonly #headDim: number;
  readonly #heads: number;
  readonly #multiprocessors: number;

  /**
   * Throws `ERR_QKNORM_SHAPE` (head dim), `ERR_QKNORM_DTYPE`, `ERR_QKNORM_LAYOUT` (a stride that is not of the form's
   * alignment), `ERR_QKNORM_ARGUMENT` (any other value of the wrong type or range).
   */
  constructor(kernels: CudaKernels, options: CudaQkNormOptions) {
    requireKernels(kernels);
    requireFields(options, "the options of a QK norm", ["form", "q"]);
    const { form, q, k = absent, config } = options;
    const ranges = rangesOf(form, kernels.device.name, config);
    super(kernels, op, form, { q, k });
    const { arch, multiprocessors } = kernels.device;
    this.#ranges = ranges;
    this.#wanted = ranges.map((range) => kernelOf(form, range.config, arch));
    this.#headDim = form.headDim;
    this.#heads = q.heads + k.heads;
    this.#multiprocessors = multiprocessors;
    const [multiplier, shift] = divider(Math.max(1, this.#heads));
    this.launch.set("qHeads", q.heads).set("kHeads", k.heads).set("heads", this.#heads);
    this.launch.set("multiplier", multiplier).set("shift", shift);
  }

  /**
   * All kernels that a form may run with, whatever the heads and the tokens, for `CudaKernels.warmUp`; or those of other
   * configurations than the launch table's. Throws as the constructor does.
   */
  static requests(
    form: CudaNormForm,
    { name, arch }: DeviceKind,
    configs: readonly LaunchConfig[] = rangesOf(form, name).map(({ config }) => config),
  ): LoadableKernel[] {
    const names = configs.map((config) => JSON.stringify(config));
    return configs
      .filter((_, i) => names.indexOf(names[i] as string) === i)
      .map((config) => kernelOf(form, config, arch));
  }

  protected override geometryOf(tokens: number): NormGeometry {
    const range = rangeOf(this.#ranges, this.#headDim, this.#heads, tokens);
    const { config } = this.#ranges[range] as ConfigRange;
    const { blocks, slices, trips } = launchShape(config, this.#heads, tokens, this.#multiprocessors);
    this.launch.set("tokens", tokens).set("slices", slices).set("trips", trips);
    return { kernel: this.#wanted[range] as LoadableKernel, blocks, threads: config.block };
  }
}

function rangesOf(form: CudaNormForm, deviceName: string, config?: LaunchConfig): ConfigRange[] {
  const { headDim, dtype } = form;
  if (!Number.isInteger(headDim) || headDim < 8 || headDim > 1024 || headDim % 8 !== 0) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `head dim must be a multiple of 8 from 8 to 1024, got ${String(headDim)}`,
    );
  }
  if (config !== undefined) return [{ chunksBelow: Number.POSITIVE_INFINITY, config }];
  return configRanges(headDim, bytesOf(dtype), deviceName);
}

function kernelOf(form: CudaNormForm, config: LaunchConfig, arch: string): LoadableKernel {
  return op.request(form, arch, {
    QK_LANES: config.lanes,
    QK_ROWS: config.rows,
    QK_BLOCK: config.block,
    QK_TRIGGER: config.trigger,
    QK_LOOP: config.loop,
    QK_PREFETCH: config.prefetch,
    QK_RADIX: config.radix,
  });
}
