import { QkNormError } from "@qknorm/core";
import { bytesOf } from "./alignment.ts";
import { cacheBytesOf } from "./cache-dtype.ts";
import { requireFields, requireKernels } from "./call-arguments.ts";
import { type CudaChainForm, chainMacros } from "./chain-form.ts";
import type { CudaKernels, LoadableKernel } from "./kernels.ts";
import {
  type ConfigRange,
  configRanges,
  divider,
  type LaunchConfig,
  launchShape,
  rangeOf,
} from "./launch-config.ts";
import type { CudaNormSide } from "./norm-form.ts";
import { type NormGeometry, NormLaunch, type OtherOperand, sideParameters } from "./norm-launch.ts";
import { CudaOp, faultsParameter, type ParameterType } from "./op.ts";
import type { DeviceKind } from "./qk-norm.ts";

/** The memory of keys or values, `[S, Hkv, D]`, and its scales, `[S, Hkv]`. Strides are in bytes. */
export interface CudaCacheSide {
  readonly slotStride: number;
  readonly headStride: number;
  readonly scaleSlotStride?: number;
  readonly scaleHeadStride?: number;
}

export interface CudaQkNormRopeOptions {
  readonly form: CudaChainForm;
  /** Without it k is taken alone. */
  readonly q?: CudaNormSide;
  /** Without it q is taken alone, and nothing is stored. */
  readonly k?: CudaNormSide;
  /** P of the tables; with a rotation. */
  readonly places?: number;
  /** With a cache: how v `[T, Hkv, D]` lies, and where keys and values go. */
  readonly store?: {
    readonly v: { readonly tokenStride: number; readonly headStride: number };
    readonly slots: number;
    readonly k: CudaCacheSide;
    readonly vCache: CudaCacheSide;
  };
  /** In place of what the launch table says, for measurements. */
  readonly config?: LaunchConfig;
}

/** The addresses of a launch: those of `CudaQkNorm`, and what rotation and cache have. */
export type QkNormRopeOperand =
  | `${"q" | "k"}${"Input" | "Output" | "Weight" | "Bias"}`
  | "v"
  | "cos"
  | "sin"
  | "positions"
  | "slots"
  | "kCache"
  | "kScales"
  | "vCache"
  | "vScales";

const cacheParameters = (side: "k" | "v"): Record<string, ParameterType> => ({
  [`${side}Cache`]: "address",
  [`${side}Scales`]: "address",
  [`${side}SlotStride`]: "i64",
  [`${side}CacheHeadStride`]: "i64",
  [`${side}ScaleSlotStride`]: "i64",
  [`${side}ScaleHeadStride`]: "i64",
});

const op = new CudaOp<CudaChainForm, string>({
  kernel: "qk_norm_rope",
  includes: ["faults.cuh", "norm_rows.cuh", "rope.cuh", "e4m3.cuh", "cache_rows.cuh", "tensor_core.cuh"],
  parameters: {
    ...sideParameters("q"),
    qHeads: "u32",
    ...sideParameters("k"),
    kHeads: "u32",
    v: "address",
    vTokenStride: "i64",
    vHeadStride: "i64",
    cos: "address",
    sin: "address",
    positions: "address",
    slots: "address",
    ...cacheParameters("k"),
    ...cacheParameters("v"),
    tokens: "u32",
    places: "u32",
    cacheSlots: "u32",
    qGroups: "u32",
    kGroups: "u32",
    groups: "u32",
    slices: "u32",
    trips: "u32",
    multiplier: "u32",
    shift: "u32",
    ...faultsParameter,
  },
  macros: chainMacros,
});
const absent: CudaNormSide = { heads: 0, eps: 0, tokenStride: 0, headStride: 0 };

/**
 * Norm, rotation and cache write of q, k and v in one launch of qk_norm_rope.cu, specialised and packed once and run many
 * times; used like `CudaQkNorm`. A row's bits are those of the three in turn: they depend on that row, its angles and its
 * scale alone.
 *
 * Positions are i32 `[T]` below P; one outside takes the last row of the tables, and is told (`CudaStream.synchronize`).
 * Slots are i32 `[T]`; -1 stores nothing, and so does any other outside of S, which is told.
 */
export class CudaQkNormRope extends NormLaunch<QkNormRopeOperand> {
  readonly #ranges: readonly ConfigRange[];
  readonly #wanted: readonly LoadableKernel[];
  readonly #headDim: number;
  readonly #multiprocessors: number;
  readonly #heads: { readonly q: number; readonly k: number; readonly v: number };

  /** Throws as `CudaQkNorm` does. */
  constructor(kernels: CudaKernels, options: CudaQkNormRopeOptions) {
    requireKernels(kernels);
    requireFields(options, "the options of a chain", ["form"]);
    requireFields(options.form, "the form of a chain", ["norm"]);
    const { form, q = absent, k = absent, store, places = 0, config } = options;
    const { device } = kernels;
    const ranges = rangesOf(form, device, [q, k], config);
    super(kernels, op, form.norm, { q, k }, otherOperands(options));
    this.#ranges = ranges;
    this.#wanted = ranges.map((range) => kernelOf(form, range.config, device.arch));
    this.#headDim = form.norm.headDim;
    this.#multiprocessors = device.multiprocessors;
    this.#heads = { q: q.heads, k: k.heads, v: store === undefined ? 0 : k.heads };
    this.launch.set("qHeads", q.heads).set("kHeads", k.heads).set("places", places);
    if (store === undefined) return;
    this.launch
      .set("vTokenStride", store.v.tokenStride)
      .set("vHeadStride", store.v.headStride)
      .set("cacheSlots", store.slots);
    for (const [side, cache] of [
      ["k", store.k],
      ["v", store.vCache],
    ] as const) {
      this.launch
        .set(`${side}SlotStride`, cache.slotStride)
        .set(`${side}CacheHeadStride`, cache.headStride)
        .set(`${side}ScaleSlotStride`, cache.scaleSlotStride ?? 0)
        .set(`${side}ScaleHeadStride`, cache.scaleHeadStride ?? 0);
    }
  }

  /** All kernels that a form may run with, as `CudaQkNorm.requests`. `weightPerHead`: each head has a row of weights. */
  static requests(
    form: CudaChainForm,
    device: DeviceKind,
    choice: { readonly weightPerHead?: boolean; readonly configs?: readonly LaunchConfig[] } = {},
  ): LoadableKernel[] {
    const sides = choice.weightPerHead === true ? [{ ...absent, weightHeadStride: 1 }] : [];
    const configs = choice.configs ?? rangesOf(form, device, sides).map(({ config }) => config);
    const names = configs.map((config) => JSON.stringify(config));
    return configs
      .filter((_, i) => names.indexOf(names[i] as string) === i)
      .map((config) => kernelOf(form, config, device.arch));
  }

  protected override geometryOf(tokens: number): NormGeometry {
    const { q, k, v } = this.#heads;
    const range = rangeOf(this.#ranges, this.#headDim, q + k + v, tokens);
    const { config } = this.#ranges[range] as ConfigRange;
    const groupsOf = (heads: number): number => Math.ceil(heads / config.rows);
    const [qGroups, kGroups] = [groupsOf(q), groupsOf(k)];
    const groups = qGroups + kGroups + groupsOf(v);
    const { blocks, slices, trips } = launchShape(
      { ...config, rows: 1 },
      groups,
      tokens,
      this.#multiprocessors,
    );
    const [multiplier, shift] = divider(Math.max(1, groups));
    this.launch.set("tokens", tokens).set("qGroups", qGroups).set("kGroups", kGroups).set("groups", groups);
    this.launch.set("slices", slices).set("trips", trips);
    this.launch.set("multiplier", multiplier).set("shift", shift);
    return { kernel: this.#wanted[range] as LoadableKernel, blocks, threads: config.block };
  }
}

/** What a launch reads and writes besides the norms' tensors. */
function otherOperands({ form, k = absent, places = 0, store }: CudaQkNormRopeOptions): OtherOperand[] {
  const { norm, rope, cache } = form;
  const { headDim } = norm;
  const operands: OtherOperand[] = [];
  const index = { alignment: 4, width: 4, tokenStride: 4 };
  if (rope !== null) {
    const table = { alignment: rope.alignment, width: places * rope.half * 4, tokenStride: 0 };
    operands.push({ name: "cos", ...table }, { name: "sin", ...table }, { name: "positions", ...index });
  }
  if (cache === null || store === undefined) return operands;
  const across = (headStride: number, row: number): number => (k.heads - 1) * headStride + row;
  operands.push({ name: "slots", ...index });
  operands.push({
    name: "v",
    alignment: norm.alignment,
    width: across(store.v.headStride, headDim * bytesOf(norm.dtype)),
    tokenStride: store.v.tokenStride,
  });
  for (const [side, { slotStride, headStride, scaleSlotStride = 0, scaleHeadStride = 0 }] of [
    ["k", store.k],
    ["v", store.vCache],
  ] as const) {
    const last = store.slots - 1;
    operands.push({
      name: `${side}Cache`,
      alignment: cache.alignment,
      width: last * slotStride + across(headStride, headDim * cacheBytesOf(cache.dtype)),
      tokenStride: 0,
    });
    if (cache.scales === "none") continue;
    const width = last * scaleSlotStride + across(scaleHeadStride, 4);
    operands.push({ name: `${side}Scales`, alignment: 4, width, tokenStride: 0 });
  }
  return operands;
}

/**
 * What the launch table says. Heads that share a lane group share a weight: with one for each, a group has one head. Copies
 * into shared memory move 16 bytes, on sm_80 and later: without them, rows are not asked for ahead.
 */
function rangesOf(
  { norm }: CudaChainForm,
  { name, arch }: DeviceKind,
  sides: readonly CudaNormSide[],
  config?: LaunchConfig,
): ConfigRange[] {
  const { headDim, dtype } = norm;
  if (!Number.isInteger(headDim) || headDim < 8 || headDim > 1024 || headDim % 8 !== 0) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `head dim must be a multiple of 8 from 8 to 1024, got ${String(headDim)}`,
    );
  }
  const ranges =
    config === undefined
      ? configRanges(headDim, bytesOf(dtype), name, "qk_norm_rope_table")
      : [{ chunksBelow: Number.POSITIVE_INFINITY, config }];
  const copies = norm.alignment === 16 && Number(/\d+/.exec(arch)) >= 80;
  const ownWeights = sides.some(({ weightHeadStride = 0 }) => weightHeadStride !== 0);
  return ranges.map(({ chunksBelow, config }) => {
    return {
      chunksBelow,
      config: { ...config, ...(!copies && { loop: 0 }), ...(ownWeights && { rows: 1 }) },
    };
  });
}

function kernelOf(form: CudaChainForm, config: LaunchConfig, arch: string): LoadableKernel {
  return op.request(form, arch, {
    QK_LANES: config.lanes,
    QK_ROWS: config.rows,
    QK_BLOCK: config.block,
    QK_TRIGGER: config.trigger,
    QK_PREFETCH: config.prefetch,
    QK_RADIX: config.radix,
    QK_LOOP: config.loop,
    QK_FRUGAL: config.late ?? 0,
    QK_RESIDENT: config.resident ?? 1,
  });
}
