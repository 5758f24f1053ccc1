// What the tests of the chain draw from, and what it has to give: the ops in turn, each with its own rounding.
import {
  applyQkNorm,
  type FloatDtype,
  type QkNormRopeOptions,
  type QkNormRopeOrder,
  type RopeSpec,
} from "@qknorm/core";
import * as fc from "fast-check";
import {
  type CacheDtype,
  type CacheWriteScales,
  type Device,
  Indices,
  rope,
  Tensor,
  writeCache,
} from "../src/index.ts";
import { calls, filled, norm, type Packing, packings, rms, type Spec, specOn } from "./qk-norm-cases.ts";

export interface ChainCase {
  readonly packing: string;
  readonly tokens: number;
  readonly hq: number;
  readonly hkv: number;
  readonly d: number;
  readonly dtype: FloatDtype;
  readonly seed: number;
  readonly qSpec: Spec | null;
  readonly kSpec: Spec | null;
  readonly allowInplace: boolean;
  readonly order: QkNormRopeOrder;
  /** R, and how pairs lie; null: nothing turns. */
  readonly turn: {
    readonly half: number;
    readonly layout: "halves" | "interleaved";
    readonly rounding: "hf" | "once";
  } | null;
  readonly cache: { readonly dtype: CacheDtype; readonly mode: "computed" | "given" } | null;
  readonly pad: number;
  readonly skip: number;
}

/** Chains of every spec, rotation and cache, over the packings that models have. */
export const chains: fc.Arbitrary<ChainCase> = fc
  .constantFrom(...Object.keys(packings))
  .chain((packing) =>
    fc
      .tuple(
        calls(packing),
        fc.record({
          order: fc.constantFrom<QkNormRopeOrder>("norm-rope", "norm-rope", "rope-norm"),
          // Of all, none, half, a quarter or an odd number of pairs.
          share: fc.constantFrom(1, 1, 1, 0, 0.5, 0.25, 0.3),
          layout: fc.constantFrom("halves", "halves", "interleaved"),
          rounding: fc.constantFrom("hf", "once"),
          without: fc.constantFrom("", "", "", "q", "k", "qk"),
          cache: fc.option(
            fc.record({
              dtype: fc.constantFrom<CacheDtype | "own">("own", "own", "f32", "bf16", "f16", "e4m3"),
              mode: fc.constantFrom("computed", "given"),
            }),
            { freq: 4 },
          ),
        }),
      )
      .map(([call, drawn]) => {
        const half = Math.floor((call.d / 2) * drawn.share);
        const { cache } = drawn;
        return {
          ...call,
          packing,
          qSpec: drawn.without.includes("q") ? null : call.qSpec,
          kSpec: drawn.without.includes("k") ? null : call.kSpec,
          order: drawn.order,
          turn: half === 0 ? null : { half, layout: drawn.layout, rounding: drawn.rounding },
          cache: cache && { ...cache, dtype: cache.dtype === "own" ? call.dtype : cache.dtype },
        } as ChainCase;
      }),
  )
  // [B, T, D] of one head each reads as [T, H, D].
  .filter(({ packing, hq, hkv }) => packing !== "a batch of two" || hq > 1 || hkv > 1);

const plain: ChainCase = {
  ...{ packing: "flat heads", tokens: 5, hq: 3, hkv: 2, d: 128, dtype: "bf16", seed: 3, pad: 0, skip: 0 },
  qSpec: { ...rms, rounding: "hf", weight: filled(1, [128], "bf16") },
  kSpec: { ...rms, rounding: "hf", weight: filled(2, [128], "bf16") },
  ...{ allowInplace: true, order: "norm-rope" },
  turn: { half: 64, layout: "halves", rounding: "hf" },
  cache: { dtype: "bf16", mode: "computed" },
};
const small = { d: 64, qSpec: { ...rms, kind: "layer" as const }, kSpec: { ...rms, kind: "layer" as const } };
const half = (of: number, layout: "halves" | "interleaved" = "halves") =>
  ({ half: of, layout, rounding: "once" }) as const;

/** One of each kind, for devices where a form takes long to compile. */
export const fixedChains: Readonly<Record<string, ChainCase>> = {
  "Qwen3's, in place": plain,
  "out of place": { ...plain, allowInplace: false },
  "the rotation first": { ...plain, order: "rope-norm" },
  "q and k of f32 with gaps, and nothing stored": {
    ...{ ...plain, ...small, dtype: "f32", pad: 1, cache: null, turn: half(32) },
  },
  "f16 and interleaved": { ...plain, ...small, dtype: "f16", turn: half(32, "interleaved") },
  "part of a head": { ...plain, turn: half(16) },
  "an odd part of a head": { ...plain, ...small, turn: half(9) },
  "an odd part of a head, interleaved": { ...plain, ...small, turn: half(9, "interleaved") },
  "a head of an odd number of chunks": { ...plain, d: 80, qSpec: rms, kSpec: rms, turn: half(20) },
  "no positions": { ...plain, turn: null },
  "no norm": { ...plain, qSpec: null, kSpec: null },
  "neither, to write alone": { ...plain, qSpec: null, kSpec: null, turn: null },
  "a norm of k alone": { ...plain, qSpec: null },
  "a weight of each head": {
    ...plain,
    qSpec: { ...rms, weight: filled(1, [3, 128], "bf16") },
    kSpec: { ...rms, weight: filled(2, [2, 128], "bf16") },
  },
  "a gate between the heads of q": { ...plain, packing: "q interleaved with its gate, as in Qwen3-Next" },
  "a cache of f32": { ...plain, cache: { dtype: "f32", mode: "computed" } },
  "a cache of e4m3 with computed scales": { ...plain, cache: { dtype: "e4m3", mode: "computed" } },
  "a cache of e4m3 with given scales": { ...plain, cache: { dtype: "e4m3", mode: "given" } },
};

/** Tables of plausible angles, `[P, R]`. */
export function tablesOn(device: Device, places: number, half: number, seed: number) {
  const angle = (i: number): number => Math.floor(i / half) * 10 ** (-(i % half) / half) + (seed % 7);
  const of = (f: (x: number) => number): Tensor =>
    Tensor.from(
      Float32Array.from({ length: places * half }, (_, i) => f(angle(i))),
      [places, half],
    ).to(device);
  return { cos: of(Math.cos), sin: of(Math.sin) };
}

/** A case on a device, its cache filled with something to be seen. */
export interface Scene extends Packing {
  readonly v: Tensor | null;
  readonly qSpec: Spec | null;
  readonly kSpec: Spec | null;
  readonly options: QkNormRopeOptions<Tensor>;
  readonly rope: RopeSpec<Tensor> | null;
  readonly positions: Indices;
  readonly slots: Indices;
  readonly caches: {
    readonly k: Tensor;
    readonly v: Tensor;
    readonly scales: CacheWriteScales<Tensor> | null;
  } | null;
}

const places = 13;
const rows = 9;

export function sceneOf(one: ChainCase, device: Device): Scene {
  const { hkv, d, dtype, seed, turn, cache, allowInplace, order, packing } = one;
  const { q, k } = (packings[packing] as (typeof packings)[string])(one as never, device);
  const tokens = q.size / (one.hq * d);
  const v =
    cache &&
    filled(seed + 7, [tokens, hkv, d], dtype, 2)
      .to(device)
      .view([...leadingOf(k, hkv, d), hkv, d]);
  const rope = turn && {
    ...tablesOn(device, places, turn.half, seed),
    ...{ layout: turn.layout, rounding: turn.rounding },
  };
  const positions = Indices.from(Array.from({ length: tokens }, (_, t) => (t * 5 + (seed % 11)) % places));
  // Every slot once at most; every third token goes nowhere where there are not enough.
  const order9 = Array.from({ length: rows }, (_, i) => (i * 4 + (seed % 5)) % rows);
  const slots = Indices.slots(
    Array.from({ length: tokens }, (_, t) => (t >= rows || t % 3 === 2 ? -1 : (order9[t] as number))),
  );
  const caches = cache && {
    k: filledCache(seed + 3, [rows, hkv, d], cache.dtype, device),
    v: filledCache(seed + 4, [rows, hkv, d], cache.dtype, device),
    scales:
      cache.dtype === "e4m3"
        ? { k: scalesOf(seed + 5, hkv, device), v: scalesOf(seed + 6, hkv, device), mode: cache.mode }
        : null,
  };
  const options: QkNormRopeOptions<Tensor> = {
    ...{ headDim: d, rope, positions, order, v, allowInplace },
    cache: caches && {
      ...{ k: caches.k, v: caches.v, slots },
      ...(caches.scales && { kScale: caches.scales.k, vScale: caches.scales.v, scales: caches.scales.mode }),
    },
  };
  return {
    ...{ q, k, v, rope, positions, slots, caches, options },
    qSpec: one.qSpec && specOn(device, one.qSpec),
    kSpec: one.kSpec && specOn(device, one.kSpec),
  };
}

function leadingOf(k: Tensor, hkv: number, d: number): readonly number[] {
  return k.shape.at(-1) === d && k.shape.at(-2) === hkv && k.shape.length > 2
    ? k.shape.slice(0, -2)
    : k.shape.slice(0, -1);
}

function filledCache(seed: number, shape: readonly number[], dtype: CacheDtype, device: Device): Tensor {
  return Tensor.from(filled(seed, shape, "f32").toNumbers(), shape, dtype).to(device);
}

function scalesOf(seed: number, hkv: number, device: Device): Tensor {
  const values = filled(seed, [rows * hkv], "f32").toNumbers();
  return Tensor.from(
    values.map((value) => 2 ** -8 + value ** 2 / 64),
    [rows, hkv],
  ).to(device);
}

/** The ops in turn on copies: norms on the device, rotation and write on the CPU. Never the chain. */
export function unfused({ q, k, v, qSpec, kSpec, rope: turn, positions, slots, caches, options }: Scene) {
  const { headDim, order } = options;
  const { device } = q;
  const heads = (x: Tensor): Tensor =>
    x.view([positions.length, x.size / (positions.length * headDim), headDim]);
  const normed = ([a, b]: [Tensor, Tensor]): [Tensor, Tensor] => {
    const [x, y] = [a.to(device), b.to(device)].map((one) => one.clone()) as [Tensor, Tensor];
    const one = norm(rms);
    const [nq, nk] = applyQkNorm(x, y, qSpec ? norm(qSpec) : one, kSpec ? norm(kSpec) : one, headDim);
    return [qSpec ? nq.to("cpu").clone() : a, kSpec ? nk.to("cpu").clone() : b];
  };
  const turned = (pair: [Tensor, Tensor]): [Tensor, Tensor] => {
    const tables = turn && { ...turn, cos: turn.cos.to("cpu"), sin: turn.sin.to("cpu") };
    if (tables !== null) for (const x of pair) rope(heads(x), tables, positions, tables.rounding);
    return pair;
  };
  const start: [Tensor, Tensor] = [q.clone().to("cpu").clone(), k.clone().to("cpu").clone()];
  const [nq, nk] = order === "rope-norm" ? normed(turned(start)) : turned(normed(start));
  const copied = caches && {
    k: caches.k.to("cpu").clone(),
    v: caches.v.to("cpu").clone(),
    scales: caches.scales && {
      k: caches.scales.k.to("cpu").clone(),
      v: caches.scales.v.to("cpu").clone(),
      mode: caches.scales.mode,
    },
  };
  if (copied && v) writeCache(heads(nk), heads(v.to("cpu")), copied.k, copied.v, slots, copied.scales);
  return { q: nq, k: nk, caches: copied };
}
