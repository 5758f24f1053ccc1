import type { NormRounding } from "@qknorm/core";
import {
  type ByteRange,
  CudaDecodeSteps,
  type CudaKernels,
  DecodeFlow,
  type DecodeForm,
  type DecodeNorm,
  type DecodeProduct,
  type DecodeStep,
  decodeRing,
  mostDecodeSteps,
} from "@qknorm/native/cuda";
import type {
  AttentionStep,
  Joinable,
  JoinableAttention,
  JoinableChain,
  JoinableProduct,
  ProductStep,
} from "./joinable.ts";

/** What is worth a grid that waits for itself. Tests of joined steps ask for less. */
export const worth = {
  steps: 3,
  /** Where so many keys of a head are one block's work, all others wait for it: weights of so many bytes for each attention. */
  coarse: { keys: 512, weightBytes: 256 << 20 },
};
const noNorm: DecodeNorm = { kind: "rms", weight: "f32", weightOffset: 0 };

/** Neighbouring ops that one launch takes. */
export class JoinedRun {
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
    return this.#heads === null || this.#steps.length < worth.steps ? 0 : at - first;
  }

  /** Whether what was taken is the faster for it. */
  get isFaster(): boolean {
    const { attention } = this.#heads as Heads;
    if (attention.heads.leastKeys < worth.coarse.keys) return true;
    const products = this.#steps.filter((step) => step.product !== "attention");
    const bytes = products.reduce((sum, { weight }) => sum + weight.length, 0);
    return bytes / (this.#steps.length - products.length) >= worth.coarse.weightBytes;
  }

  /** What its launch is specialised for. */
  get form(): DecodeForm {
    const { chain, attention } = this.#heads as Heads;
    return {
      dtype: this.#dtype as JoinableProduct["dtype"],
      products: this.#products,
      norm: this.#norm ?? noNorm,
      chain: chain.form,
      attention: attention.form,
      ...{ inHalves: attention.inHalves, group: attention.group },
      steps: Math.ceil(this.#steps.length / 16) * 16,
    };
  }

  /** The launch of what was taken. Throws what `CudaDecodeSteps` does. */
  pack(): CudaDecodeSteps {
    const { chain, attention } = this.#heads as Heads;
    const pages = attention.pages && { ...attention.pages, slot: chain.slot };
    const heads = { ...chain.heads, ...attention.heads, pages };
    return new CudaDecodeSteps(this.#kernels, this.form, heads, this.#steps);
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
