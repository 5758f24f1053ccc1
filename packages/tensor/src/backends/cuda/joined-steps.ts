import { isQkNormError, type NormRounding } from "@qknorm/core";
import {
  type ByteRange,
  type CudaAttentionForm,
  type CudaChainForm,
  CudaDecodeSteps,
  type CudaKernels,
  CudaMemory,
  type CudaStream,
  DecodeFlow,
  type DecodeForm,
  type DecodeHeads,
  type DecodeNorm,
  type DecodePages,
  type DecodeProduct,
  type DecodeStep,
  decodeRing,
  mostDecodeSteps,
} from "@qknorm/native/cuda";
import { cudaKernels } from "./device-state.ts";
import { type JoinableNorm, type JoinableSum, launchSumAndNorm } from "./joined-sum.ts";

type ProductStep = Extract<DecodeStep, { product: number }>;
type AttentionStep = Extract<DecodeStep, { product: "attention" }>;

/** A product of one row that may be a step among others. */
export interface JoinableProduct {
  readonly kind: "product";
  readonly dtype: "bf16" | "f16";
  /** Of its norm and gate; null for a product with neither. */
  readonly rounding: NormRounding | null;
  readonly form: DecodeProduct;
  readonly norm: DecodeNorm | null;
  readonly operands: Omit<ProductStep, "product">;
}

/** The chain of one token, in place, into a cache of its dtype. */
export interface JoinableChain {
  readonly kind: "chain";
  readonly form: CudaChainForm;
  readonly operands: Pick<AttentionStep, "q" | "k" | "v" | "kCache" | "vCache" | "qWeight" | "kWeight">;
  readonly heads: Pick<
    DecodeHeads,
    "position" | "cos" | "sin" | "places" | "headStrides" | "kCache" | "vCache" | "qEps" | "kEps" | "capacity"
  >;
  /** i32 `[1]`: the token's. */
  readonly slot: ByteRange;
}

/** Attention of one token over the cache that the chain wrote. */
export interface JoinableAttention {
  readonly kind: "attention";
  readonly form: CudaAttentionForm;
  readonly group: number;
  readonly operands: Pick<AttentionStep, "q" | "kCache" | "vCache" | "out">;
  readonly qHeadStride: number;
  readonly inHalves: boolean;
  /** i32 `[1]`: the keys before the token; null, where keys lie in pages. */
  readonly past: ByteRange | null;
  readonly pages: Omit<DecodePages, "slot"> | null;
  readonly heads: Pick<
    DecodeHeads,
    | "kCache"
    | "vCache"
    | "scale"
    | "softCap"
    | "kvHeads"
    | "capacity"
    | "window"
    | "chunk"
    | "pieces"
    | "leastKeys"
  >;
}

/** An op as it may be joined with others, and how it is queued by itself; `step` null: only that. */
export interface Joinable {
  readonly step: JoinableProduct | JoinableChain | JoinableAttention | JoinableSum | JoinableNorm | null;
  run(stream: CudaStream): void;
}

/** Fewer steps than these are not worth a grid that waits for itself. */
const leastSteps = 3;
/** The same, where so many keys of a head are one block's work: all others wait for it, and have the less to wait with. */
const coarse = { keys: 512, leastSteps: 6 };
const noNorm: DecodeNorm = { kind: "rms", weight: "f32", weightOffset: 0 };

// What captures would have had, had it been loaded.
const missed: (() => void)[] = [];

/** Loads what captures of this thread were without since this was called last; whether another capture would have it. */
export function loadMissed(): boolean {
  let loaded = false;
  for (const load of missed.splice(0)) {
    try {
      load();
      loaded = true;
    } catch (error) {
      tell(error);
    }
  }
  return loaded;
}

const told = new Set<string>();

/** Warns, once, that a kernel cannot be made: its ops run one by one. Throws what is no reason for that. */
function tell(error: unknown): void {
  if (!isQkNormError(error) || !["ERR_NVRTC", "ERR_CUDA"].includes(error.code)) throw error;
  const message = `ops of a decoder's step run one by one, since their kernel cannot be made: ${error.message}`;
  if (!told.has(message)) process.emitWarning(message, { code: "QKNORM_JIT" });
  told.add(message);
}

/** Queues ops in their order: those that fit one another in one launch, the others by themselves. */
export function launchJoined(ordinal: number, stream: CudaStream, ops: readonly Joinable[]): void {
  const kernels = cudaKernels(ordinal);
  for (let at = 0; at < ops.length; ) {
    const [one, next] = [ops[at]?.step, ops[at + 1]?.step];
    if (one?.kind === "sum" && next?.kind === "norm of the sum") {
      const load = launchSumAndNorm(kernels, stream, next);
      if (load === null) {
        at += 2;
        continue;
      }
      missed.push(load);
    }
    const run = new Run(kernels);
    const taken = run.take(ops, at);
    const packed = taken === 0 ? null : run.pack();
    if (packed === null) {
      for (const end = at + Math.max(1, taken); at < end; at++) (ops[at] as Joinable).run(stream);
      continue;
    }
    const own = new CudaMemory(stream, packed.bytes, "zeros");
    try {
      packed.run(stream, own);
    } finally {
      own.free();
    }
    at += taken;
  }
}

/** Neighbouring ops that one launch takes. */
class Run {
  readonly #kernels: CudaKernels;
  readonly #steps: DecodeStep[] = [];
  readonly #products: DecodeProduct[] = [];
  readonly #flow = new DecodeFlow();
  #dtype: JoinableProduct["dtype"] | null = null;
  #rounding: NormRounding | null = null;
  #norm: DecodeNorm | null = null;
  #heads: Heads | null = null;

  constructor(kernels: CudaKernels) {
    this.#kernels = kernels;
  }

  /** Takes ops from number `first` on, and says how many: 0, where a launch is not worth it. */
  take(ops: readonly Joinable[], first: number): number {
    let at = first;
    while (this.#steps.length < mostDecodeSteps) {
      const [one, next] = [ops[at]?.step ?? null, ops[at + 1]?.step ?? null];
      if (one?.kind === "product") {
        if (!this.#addProduct(one)) break;
        at += 1;
      } else if (one?.kind === "chain" && next?.kind === "attention") {
        if (!this.#addAttention(one, next)) break;
        at += 2;
      } else break;
    }
    const { leastKeys } = this.#heads?.attention.heads ?? { leastKeys: 0 };
    const least = leastKeys < coarse.keys ? leastSteps : coarse.leastSteps;
    return this.#heads === null || this.#steps.length < least ? 0 : at - first;
  }

  /** The launch of what was taken; null where its kernel cannot be made. */
  pack(): CudaDecodeSteps | null {
    const { chain, attention } = this.#heads as Heads;
    const form: DecodeForm = {
      dtype: this.#dtype as JoinableProduct["dtype"],
      products: this.#products,
      norm: this.#norm ?? noNorm,
      chain: chain.form,
      attention: attention.form,
      ...{ inHalves: attention.inHalves, group: attention.group },
      steps: Math.ceil(this.#steps.length / 16) * 16,
    };
    const pages = attention.pages && { ...attention.pages, slot: chain.slot };
    try {
      return new CudaDecodeSteps(
        this.#kernels,
        form,
        { ...chain.heads, ...attention.heads, pages },
        this.#steps,
      );
    } catch (error) {
      if (isQkNormError(error) && error.code === "ERR_QKNORM_SCOPE") {
        missed.push(() => CudaDecodeSteps.load(this.#kernels, form));
      } else tell(error);
      return null;
    }
  }

  #addProduct({ dtype, rounding, norm, form, operands }: JoinableProduct): boolean {
    if (this.#dtype !== null && this.#dtype !== dtype) return false;
    if (!this.#roundsAs(rounding)) return false;
    if (norm !== null && this.#norm !== null && !same(norm, this.#norm)) return false;
    const known = this.#products.findIndex((other) => same(other, form));
    const all = known < 0 ? [...this.#products, form] : this.#products;
    if (decodeRing(all, this.#kernels.device) === null) return false;
    const step: ProductStep = { product: known < 0 ? this.#products.length : known, ...operands };
    if (!this.#flow.addProduct(step, form.outputs)) return false;
    if (known < 0) this.#products.push(form);
    this.#dtype = dtype;
    this.#rounding ??= rounding;
    this.#norm ??= norm;
    this.#steps.push(step);
    return true;
  }

  /** The chain, and attention over what it wrote. */
  #addAttention(chain: JoinableChain, attention: JoinableAttention): boolean {
    const belong =
      samePlace(chain.operands.q, attention.operands.q) &&
      samePlace(chain.operands.kCache, attention.operands.kCache) &&
      samePlace(chain.operands.vCache, attention.operands.vCache) &&
      standsAlike(chain, attention) &&
      chain.heads.capacity === attention.heads.capacity &&
      chain.heads.headStrides.q === attention.qHeadStride &&
      same([chain.heads.kCache, chain.heads.vCache], [attention.heads.kCache, attention.heads.vCache]) &&
      chain.form.norm.dtype === this.#dtype &&
      (!chain.form.normalizes || chain.form.norm.rounding === attention.form.rounding) &&
      this.#roundsAs(attention.form.rounding);
    if (!belong || !(this.#heads === null || sameHeads(this.#heads, { chain, attention }))) return false;
    const step: AttentionStep = { product: "attention", ...chain.operands, out: attention.operands.out };
    const { group, form, heads } = attention;
    if (!this.#flow.addAttention(step, { ...heads, group, headDim: form.headDim })) return false;
    this.#steps.push(step);
    this.#rounding = form.rounding;
    this.#heads = { chain, attention };
    return true;
  }

  #roundsAs(rounding: NormRounding | null): boolean {
    return rounding === null || this.#rounding === null || rounding === this.#rounding;
  }
}

interface Heads {
  readonly chain: JoinableChain;
  readonly attention: JoinableAttention;
}

/** Whether the token goes to where attention looks for it: with pages the kernel finds out. */
function standsAlike(
  { heads: { position }, slot }: JoinableChain,
  { past, pages }: JoinableAttention,
): boolean {
  return pages !== null || (samePlace(position, slot) && samePlace(position, past));
}

/** Whether attention steps differ in their operands alone. */
function sameHeads(a: Heads, b: Heads): boolean {
  const numbers = ({ chain, attention }: Heads) => {
    const { position: _, cos: __, sin: ___, ...own } = chain.heads;
    const { form, group, inHalves, heads, pages } = attention;
    return [chain.form, own, form, group, inHalves, heads, pages && [pages.count, pages.size]];
  };
  const places = ({ chain: { heads, slot }, attention: { pages } }: Heads) => [
    ...[heads.position, heads.cos, heads.sin, slot],
    ...[pages?.keys ?? null, pages?.table ?? null],
  ];
  return (
    same(numbers(a), numbers(b)) &&
    places(a).every((place, i) => samePlace(place, places(b)[i] as ByteRange | null))
  );
}

function samePlace(a: ByteRange | null, b: ByteRange | null): boolean {
  return a === b || (a !== null && b !== null && a.memory === b.memory && a.offset === b.offset);
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
