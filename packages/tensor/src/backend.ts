import type { NormRounding, NormSpec, QkNormRopeOrder, Refusal } from "@qknorm/core";
import type { Device } from "./device.ts";
import type { Dtype, FloatDtype, HostArray } from "./dtype.ts";
import type {
  Activation,
  CacheScales,
  CacheWriteScales,
  DeltaGates,
  DeltaSpec,
  GrowingTexts,
  Pointwise,
  RopeTable,
  RouterSpec,
  TokenDraws,
  XieluParameters,
} from "./op-specs.ts";
import type { View } from "./strides.ts";

/** Memory of one device under one or more tensors. */
export interface Memory {
  readonly backend: Backend;
  /** What two memories are told apart by, and the first byte in it: two typed arrays may lie in one buffer. */
  readonly region: object;
  readonly start: number;
  /** Elements of a dtype that it holds now: 0 once it was freed, or taken away. */
  capacity(dtype: Dtype): number;
  /** The elements in V8 memory; `null` where only the device can read them. */
  readonly data: HostArray | null;
  /** Whether it was given back. Memory that belongs to the garbage collector never is. */
  readonly freed: boolean;
  /** Gives it back once what is queued has run. Twice is allowed. */
  free(): void;
}

/** Elements of a memory: all of a tensor that a backend needs. */
export interface TensorView extends View {
  readonly memory: Memory;
  readonly dtype: Dtype;
  readonly size: number;
}

/** Integers that address something: all of `Indices` that a backend needs. */
export interface IndexView {
  readonly length: number;
  /** Every value is below it. */
  readonly bound: number;
  /** On the host; `null` for values that a device made. */
  readonly values: Int32Array | null;
  /** On a device: i32 `[N]`. */
  on(backend: Backend): TensorView;
}

/** Where the queries of an attention call stand among its keys. */
export interface AttentionSpan {
  /** One number: query `t` sees keys `0..past + t`. On a device it may be written after a graph was captured. */
  readonly past: IndexView;
  /** `none`: every query sees all `past + T` keys. */
  readonly mask: "causal" | "none";
  /** Causal only: a query sees this many keys at most, its own included (sliding window); 0 is no limit. */
  readonly window: number;
  /** Causal only: a query at key `p` sees none before `p - p % chunk` (Llama 4); 0 is no limit. */
  readonly chunk: number;
  /** Factor on the scores, usually `1 / sqrt(D)`. */
  readonly scale: number;
  /** Scores become `softCap * tanh(score / softCap)` after the scale, before the mask (Gemma 2); 0: they stay. */
  readonly softCap: number;
  /** `[Hq]`: scores that take their part of each softmax and add nothing (gpt-oss); `null`: none. */
  readonly sinks: TensorView | null;
  /** Of keys and values of e4m3, whose values count as rounded to the dtype of q with rounding `hf`; `null`: none. */
  readonly scales: CacheScales<TensorView> | null;
  /**
   * `hf` rounds to the dtype where transformers' eager attention does: the scores, the scaled scores, each step of a cap
   * or a sink, and the probabilities. `once` rounds the result alone.
   */
  readonly rounding: NormRounding;
}

/**
 * B sequences whose keys lie in pages of one cache `[S, Hkv, D]`: key `i` of sequence `b` is in slot
 * `pages[b * P + i / pageSize] * pageSize + i % pageSize`. All indices may lie on the device, and change between the
 * replays of a graph.
 */
export interface PagedAttentionSpan extends Omit<AttentionSpan, "past"> {
  /** `[B + 1]`: the queries of sequence `b` are tokens `queryStarts[b]` up to, but not with, `queryStarts[b + 1]`. */
  readonly queryStarts: IndexView;
  /** `[B]`: keys of each sequence. Its queries stand at the last of them. */
  readonly lengths: IndexView;
  /** `[B * P]`, row-major. */
  readonly pages: IndexView;
  readonly pageSize: number;
  /** No sequence has more queries. */
  readonly mostQueries: number;
}

/** The weights of E experts `down(act(gate(x)) * up(x))`. */
export interface ExpertViews {
  /** `[E, I, C]` each, the last axis dense: parts of one tensor `[E, 2I, C]`, or apart. */
  readonly gate: TensorView;
  readonly up: TensorView;
  /** `[E, C, I]`. */
  readonly down: TensorView;
}

/** Where tokens go, and how the experts' outputs are joined. */
export interface MoeSpec {
  /** `[T * K]`: the experts of each token, below E. */
  readonly experts: IndexView;
  /** `[T, K]`, dense; f32 or of x's dtype. */
  readonly weights: TensorView;
  /** What a weight multiplies: the expert's output, or its input (Llama 4). */
  readonly weighs: "output" | "input";
  readonly activation: Activation;
  /**
   * `hf` rounds to x's dtype where transformers does: every product of matrices, the activation, its product with up, a
   * weighed input, and a weighed output where the weights are of x's dtype; the sum over K is wide. `once` rounds the
   * result alone.
   */
  readonly rounding: NormRounding;
}

/** What stands around a linear layer: see the op. */
export interface ProjectSpec {
  /** Of a row of x. */
  readonly norm: NormSpec<TensorView> | null;
  /** `[N]`, or `[2I]`. */
  readonly bias: TensorView | null;
  /** w is `[2I, K]`, gates first, and N is I: the rounding of `siluMul`. */
  readonly swiglu: NormRounding | null;
  /** `[M, N]`. */
  readonly residual: TensorView | null;
}

/**
 * The arithmetic of a transformer on one device. Arguments were checked by the ops in front of it: ranks and dtypes are
 * as written here, all lie on the device, and the last axis is dense. Accumulation is f32 or wider, and each result is
 * rounded to the dtype of `out` (more often with rounding `hf`: see each op).
 */
export interface Ops {
  /** `out [T, H, D] = norm(x [T, H, D])`; formulas and roundings: `NormSpec`. */
  normalize(x: TensorView, out: TensorView, spec: NormSpec<TensorView>): void;
  /** `sum [T, C] = x [T, C] + residual [T, C]` and `out [T, C] = norm(sum)`, with the bits of those two ops. */
  addNormalize(
    x: TensorView,
    residual: TensorView,
    sum: TensorView,
    out: TensorView,
    spec: NormSpec<TensorView>,
  ): void;
  /** `out [M, N] = x [M, K] * w [N, K]^T + bias [N]`. */
  linear(x: TensorView, w: TensorView, bias: TensorView | null, out: TensorView): void;
  /**
   * `out [M, N] = residual + swiglu(norm(x [M, K]) * w^T + bias)` with the bits of the ops that it stands for. `false`, with
   * nothing done, where those in turn are the better way.
   */
  project(x: TensorView, w: TensorView, out: TensorView, spec: ProjectSpec): boolean;
  /** Rotates `x [T, H, D]` in place; one position a token. */
  rope(x: TensorView, table: RopeTable<TensorView>, positions: IndexView, rounding: NormRounding): void;
  /** `out [T, Hq, D]` from `q [T, Hq, D]`, `k` and `v` `[S, Hkv, D]`. */
  attention(q: TensorView, k: TensorView, v: TensorView, out: TensorView, span: AttentionSpan): void;
  /**
   * Token `t` of `k` and `v` `[T, Hkv, D]` goes to slot `slots[t]` of the caches `[S, Hkv, D]`, each value rounded once to
   * their dtype, divided by its scale where there are scales: see the op. A slot below 0 or past the caches writes nothing.
   */
  writeCache(
    k: TensorView,
    v: TensorView,
    kCache: TensorView,
    vCache: TensorView,
    slots: IndexView,
    scales: CacheWriteScales<TensorView> | null,
  ): void;
  /** `out [T, Hq, D]` from `q [T, Hq, D]` over caches `[S, Hkv, D]`: see the op. */
  pagedAttention(
    q: TensorView,
    kCache: TensorView,
    vCache: TensorView,
    out: TensorView,
    span: PagedAttentionSpan,
  ): void;
  /** `out [T, I] = silu(gateUp[:, :I]) * gateUp[:, I:]`. */
  siluMul(gateUp: TensorView, out: TensorView, rounding: NormRounding): void;
  /** `out [N] = f(x [N])`. */
  pointwise(x: TensorView, out: TensorView, f: Pointwise): void;
  /** `out [N] = xIELU(x [N])`: see the op. */
  xielu(x: TensorView, out: TensorView, parameters: XieluParameters<TensorView>): void;
  /** `out [N] = a [N] * b [N]`. */
  mul(a: TensorView, b: TensorView, out: TensorView): void;
  /** `out [N] = a [N] + b [N]`. */
  add(a: TensorView, b: TensorView, out: TensorView): void;
  /** The k best of `logits [T, E] + bias [E]`: `experts` i32 and `weights`, both `[T, K]`; see the op. */
  route(
    logits: TensorView,
    bias: TensorView | null,
    experts: TensorView,
    weights: TensorView,
    spec: RouterSpec,
  ): void;
  /** `out [T, C]`: each token of `x [T, C]` through its experts, weighed and summed. */
  moe(x: TensorView, experts: ExpertViews, out: TensorView, spec: MoeSpec): void;
  /**
   * `out [T, C]`: each column of `[state, x]` over its own L weights `[C, L]`, plus `bias [C]`; `state [L - 1, C]`, in the
   * dtype of x, becomes the last L - 1 rows.
   */
  causalConv(
    x: TensorView,
    weight: TensorView,
    bias: TensorView | null,
    state: TensorView,
    out: TensorView,
  ): void;
  /** `out [T, N, dv]` from `q` and `k` `[T, K, dk]`, `v [T, N, dv]`, and `state` f32 `[N, dk, dv]`, overwritten: see the op. */
  gatedDeltaRule(
    q: TensorView,
    k: TensorView,
    v: TensorView,
    gates: DeltaGates<TensorView>,
    state: TensorView,
    out: TensorView,
    spec: DeltaSpec,
  ): void;
  /** `out [T, C] = table[ids [T]]`. */
  gatherRows(table: TensorView, ids: IndexView, out: TensorView): void;
  /** The largest of each row of `logits [B, V]` becomes the next token of a text: see the op. */
  likeliest(logits: TensorView, texts: GrowingTexts<TensorView>): void;
  /** A token drawn by each row of `logits [B, V]` becomes the next one of a text: see the op. */
  sample(logits: TensorView, texts: GrowingTexts<TensorView>, draws: TokenDraws<TensorView>): void;
  /** `out [N] = x [N]`, rounded to the dtype of `out`. */
  convert(x: TensorView, out: TensorView): void;
}

export type OpName = keyof Ops;

/** One tensor of a fused QK norm as `[T, H, D]`, its last axis dense, with the norm of its heads. */
export interface NormSide {
  readonly x: TensorView;
  readonly heads: number;
  /** Elements between tokens and between heads; 0 where there is one at most. */
  readonly tokenStride: number;
  readonly headStride: number;
  readonly spec: NormSpec<TensorView>;
}

/** A fused QK norm that every check has passed: shapes, dtypes, devices, weights, overlap. */
export interface QkNormCall {
  readonly q: NormSide;
  readonly k: NormSide;
  readonly dtype: FloatDtype;
  readonly headDim: number;
  readonly tokens: number;
  /** Otherwise the results are dense `[T, H, D]`. */
  readonly inPlace: boolean;
}

/**
 * Runs a prepared QK norm for tensors that lie as those of its call do, starting anywhere. `false`, with nothing done,
 * when these start where its kernel's accesses may not, or when the tokens need a kernel that cannot be made.
 */
export type QkNormRun = (
  q: TensorView,
  k: TensorView,
  qOut: TensorView,
  kOut: TensorView,
  tokens: number,
) => boolean;

/** One of q and k of a chain as `[T, H, D]`, its last axis dense; `spec` is null for one without a norm. */
export interface QkNormRopeSide extends Omit<NormSide, "spec"> {
  readonly spec: NormSpec<TensorView> | null;
}

/** A chain of norm, rotation and cache write that every check has passed. */
export interface QkNormRopeCall extends Omit<QkNormCall, "q" | "k"> {
  readonly q: QkNormRopeSide;
  readonly k: QkNormRopeSide;
  readonly order: QkNormRopeOrder;
  /** Null: nothing turns. */
  readonly rope: { readonly table: RopeTable<TensorView>; readonly rounding: NormRounding } | null;
  /** Null: nothing is stored. */
  readonly write: {
    readonly v: Omit<NormSide, "spec">;
    /** `[S, Hkv, D]`, the last axis dense. */
    readonly kCache: TensorView;
    readonly vCache: TensorView;
    readonly scales: CacheWriteScales<TensorView> | null;
  } | null;
}

/** What one run of a chain takes: tensors that lie as those of its call do, starting anywhere. */
export interface QkNormRopeViews {
  readonly q: TensorView;
  readonly k: TensorView;
  /** q and k themselves where the call is in place. */
  readonly qOut: TensorView;
  readonly kOut: TensorView;
  readonly v: TensorView | null;
  readonly positions: IndexView | null;
  readonly slots: IndexView | null;
  readonly tokens: number;
}

/** As `QkNormRun`: false, with nothing done, where the kernel cannot take these. */
export type QkNormRopeRun = (views: QkNormRopeViews) => boolean;

/** The fused chain of one or more backends. */
export interface FusedQkNormRope {
  prepare(call: QkNormRopeCall): QkNormRopeRun | readonly Refusal[];
  warmUp?(call: QkNormRopeCall): Promise<void>;
}

/** The fused kernel of one or more backends. */
export interface FusedQkNorm {
  /** As plans name it: `cpu-native`. */
  readonly name: string;
  /** The call ready to run, or why there is no kernel for it. */
  prepare(call: QkNormCall): QkNormRun | readonly Refusal[];
  /** Makes kernels ready off the main thread, for any number of tokens. */
  warmUp?(call: QkNormCall): Promise<void>;
  /** The chain, where there is one. */
  readonly qkNormRope?: FusedQkNormRope;
}

/** Bytes of a file that is open. */
export interface FileRange {
  readonly descriptor: number;
  readonly position: number;
  readonly bytes: number;
}

/** Work that a device queued, to be queued again as a whole. */
export interface CapturedGraph {
  replay(): void;
  dispose(): void;
}

/** A point in the queue of a device, which moves: what was queued before can be read while later work runs. */
export interface QueueMark {
  /** It stands at the end of what is queued now. */
  set(): void;
  /** Fills an array once what was queued before the mark has run, whatever was queued after it. */
  readNow(memory: Memory, offset: number, into: HostArray): void;
  dispose(): void;
}

/**
 * One device: its memory and its arithmetic. Every promise is kept once what was queued before has run; where a device
 * can make the caller wait, the `Now` twin does.
 */
export interface Backend {
  readonly device: Device;
  /** For people: `native kernels, avx512, 2 threads`. */
  describe(): string;
  /** Memory of whatever it held, zeros on the CPU. `what` tells for whom, in the message of an error. */
  allocate(dtype: Dtype, elements: number, what: () => string): Memory;
  /** Zeros into all of it. */
  clear(memory: Memory): void;
  /** Copies an array into memory, from byte `offset` on. The array may change afterwards. */
  write(memory: Memory, offset: number, array: HostArray): void;
  /** Copies bytes of an open file into memory, from byte `offset` on, past no memory of JavaScript: how many there were. */
  writeFile?(memory: Memory, offset: number, file: FileRange): number;
  /** Copies the elements of a view into another one of the same shape and dtype; the two share no bytes. */
  copy(source: TensorView, target: TensorView): void;
  /** Fills an array from byte `offset` on. */
  read(memory: Memory, offset: number, into: HostArray): Promise<void>;
  readNow?(memory: Memory, offset: number, into: HostArray): void;
  /** A mark, at the end of what is queued; absent where nothing is queued. */
  mark?(): QueueMark;
  /** Nothing writes to these any more: waits for what is queued, and may read them ahead of order from then on. */
  settle?(memories: readonly Memory[]): void;
  /** What is missing here is composed of others by the op itself, or refused by name. */
  readonly ops: Partial<Ops>;
  readonly qkNorm: FusedQkNorm | null;
  /** Records what `work` queues; `null` for a device that runs at once. */
  readonly capture: ((work: () => unknown) => CapturedGraph) | null;
  /** Does `work`, of whose ops several may become one launch, queued at the latest when anything else is, or at the end. */
  together?<T>(work: () => T): T;
  /** Bytes that all threads hold there; `null` where the garbage collector counts. */
  readonly liveBytes: (() => number) | null;
  /** Bytes that an allocation may still get; `null` where the garbage collector counts. */
  readonly freeBytes: (() => number) | null;
  /** Whether it may still be used. */
  readonly closed: boolean;
  /** Nothing may be done on it afterwards but free what it holds. */
  close(): void;
}
