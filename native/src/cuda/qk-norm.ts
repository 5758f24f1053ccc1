import { nativeError } from "../loader.ts";
import type { CudaDevice } from "./device.ts";
import { kernelSource } from "./kernel-source.ts";
import type { CudaKernels, LoadableKernel } from "./kernels.ts";
import {
  type ConfigRange,
  configRanges,
  divider,
  type LaunchConfig,
  launchShape,
  rangeOf,
} from "./launch-config.ts";
import { bytesOf, type CudaNormForm, type CudaNormSide, formMacros } from "./norm-form.ts";
import { type NormGeometry, NormLaunch } from "./norm-launch.ts";

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

const qNames = { input: "qInput", output: "qOutput", weight: "qWeight", bias: "qBias" } as const;
const kNames = { input: "kInput", output: "kOutput", weight: "kWeight", bias: "kBias" } as const;

// The kernel's `Args`: two sides, whose last field is their number of heads, then these.
const sideBytes = 80;
const headsAt = 76;
const place = { tokens: 160, heads: 164, slices: 168, trips: 172, multiplier: 176, shift: 180 } as const;
const argumentBytes = 184;
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
    const { form, q, k = absent, config } = options;
    const ranges = rangesOf(form, kernels.device.name, config);
    super(kernels, form, argumentBytes, [
      { side: q, at: 0, names: qNames },
      { side: k, at: sideBytes, names: kNames },
    ]);
    const { arch, multiprocessors } = kernels.device;
    this.#ranges = ranges;
    this.#wanted = ranges.map((range) => kernelOf(form, range.config, arch));
    this.#headDim = form.headDim;
    this.#heads = q.heads + k.heads;
    this.#multiprocessors = multiprocessors;
    this.packed.setUint32(headsAt, q.heads, true);
    this.packed.setUint32(sideBytes + headsAt, k.heads, true);
    const [multiplier, shift] = divider(Math.max(1, this.#heads));
    this.packed.setUint32(place.heads, this.#heads, true);
    this.packed.setUint32(place.multiplier, multiplier, true);
    this.packed.setUint32(place.shift, shift, true);
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

  protected override geometryOf(tokens: number, packed: DataView): NormGeometry {
    const range = rangeOf(this.#ranges, this.#headDim, this.#heads, tokens);
    const { config } = this.#ranges[range] as ConfigRange;
    const { blocks, slices, trips } = launchShape(config, this.#heads, tokens, this.#multiprocessors);
    packed.setUint32(place.tokens, tokens, true);
    packed.setUint32(place.slices, slices, true);
    packed.setUint32(place.trips, trips, true);
    return { kernel: this.#wanted[range] as LoadableKernel, blocks, threads: config.block };
  }
}

function rangesOf(form: CudaNormForm, deviceName: string, config?: LaunchConfig): ConfigRange[] {
  const { headDim, dtype } = form;
  if (!Number.isInteger(headDim) || headDim < 8 || headDim > 1024 || headDim % 8 !== 0) {
    throw nativeError(
      "ERR_QKNORM_SHAPE",
      `head dim must be a multiple of 8 from 8 to 1024, got ${String(headDim)}`,
    );
  }
  if (config !== undefined) return [{ chunksBelow: Number.POSITIVE_INFINITY, config }];
  return configRanges(headDim, bytesOf(dtype), deviceName);
}

function kernelOf(form: CudaNormForm, config: LaunchConfig, arch: string): LoadableKernel {
  return {
    name: "qk_norm",
    source: kernelSource("qk_norm"),
    macros: {
      QK_HEAD_DIM: form.headDim,
      ...formMacros(form),
      QK_LANES: config.lanes,
      QK_ROWS: config.rows,
      QK_BLOCK: config.block,
      QK_TRIGGER: config.trigger,
      QK_LOOP: config.loop,
      QK_PREFETCH: config.prefetch,
      QK_RADIX: config.radix,
    },
    arch,
    argumentBytes,
    waits: true,
  };
}
