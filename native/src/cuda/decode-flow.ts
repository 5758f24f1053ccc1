import { QkNormError } from "@qknorm/core";
import { type DecodeForm, type DecodeProduct, rowsOfGroup } from "./decode-form.ts";
import type { DecodeHeads, DecodeStep } from "./decode-step.ts";
import type { ByteRange } from "./product.ts";

/** Where the words of a step lie (`DecodeStep` of decode_steps.cuh), by their numbers; null: nobody tells or hears any. */
export interface StepWords {
  /** Of a product x and y; of attention q, k, v, its out and its pieces. */
  readonly at: readonly (number | null)[];
  /** y is left to the attention that reads it. */
  readonly left: boolean;
}

/** What the words of an attention depend on. */
export interface FlowHeads {
  readonly kvHeads: number;
  /** Query heads of a key/value head. */
  readonly group: number;
  readonly headDim: number;
  /** The most of a key/value head. */
  readonly pieces: number;
}

/** Two elements of 16 bits. */
const wordBytes = 4;
/** Words that are loaded at once. */
const wordsAtOnce = 4;

interface Left {
  readonly range: ByteRange;
  /** Of a product: how many elements. Attention's result has no owner. */
  readonly outputs: number | null;
  readonly step: number;
  /** Its words, once somebody is to hear them. */
  words: number | null;
  /** Attention has put something else in its place. */
  gone: boolean;
}

/**
 * What goes from step to step of a launch of decode_steps.cu, whose blocks do not wait for one another: what a step leaves
 * reaches others by words alone, or stays with the block that wrote it. Memory that is written is neither written nor read
 * otherwise by any other step.
 */
export class DecodeFlow {
  readonly #left: Left[] = [];
  readonly #read: ByteRange[] = [];
  readonly #written: ByteRange[] = [];
  readonly #steps: { readonly at: (() => number | null)[]; left: boolean }[] = [];
  #words = 0;

  /** Words of all steps, two elements or one f32 each. */
  get words(): number {
    return this.#words;
  }

  /** The words of each step, in order; once all are taken. */
  get steps(): readonly StepWords[] {
    return this.#steps.map(({ at, left }) => ({ at: at.map((words) => words()), left }));
  }

  /** Takes a product of so many outputs. False, and nothing changed: what it reads or writes does not reach it, or others. */
  addProduct(step: Extract<DecodeStep, { product: number }>, outputs: number): boolean {
    const { x, weight, normWeight, bias, residual, y } = step;
    const heard = this.#left.find(({ range, gone }) => !gone && same(range, x));
    const owned =
      residual === null ||
      this.#left.some((one) => !one.gone && one.outputs === outputs && same(one.range, residual));
    const plain = [heard === undefined ? x : null, weight, normWeight, bias, owned ? null : residual].filter(
      isRange,
    );
    if (!this.#isUntouched(plain) || !this.#isFree([y]) || overlaps(y, x)) return false;
    this.#read.push(...[x, ...plain, residual].filter(isRange));
    this.#written.push(y);
    const left: Left = { range: y, outputs, step: this.#steps.length, words: null, gone: false };
    this.#left.push(left);
    const words = heard === undefined ? null : this.#wordsOf(heard);
    this.#steps.push({ at: [() => words, () => left.words], left: false });
    return true;
  }

  /** Takes an attention, as `addProduct` does a product. */
  addAttention(step: Extract<DecodeStep, { product: "attention" }>, heads: FlowHeads): boolean {
    const { q, k, v, kCache, vCache, out, qWeight, kWeight } = step;
    const parts = [q, k, v].map((range) => this.#left.find((one) => !one.gone && holds(one, range)));
    const sources = new Set(parts);
    const side = 2 * heads.kvHeads * heads.headDim;
    const bytes = [heads.group * side, side, side];
    const covered = [...sources].every((source) => {
      const taken = bytes.filter((_, i) => parts[i] === source).reduce((sum, n) => sum + n, 0);
      return source !== undefined && taken === source.range.length;
    });
    const plain = [qWeight, kWeight].filter(isRange);
    if (!covered || !this.#isUntouched(plain) || !this.#isFree([kCache, vCache, out])) return false;
    this.#read.push(...plain);
    this.#written.push(kCache, vCache, out);
    const heard = parts.map((source, i) => {
      const range = [q, k, v][i] as ByteRange;
      return this.#wordsOf(source as Left) + (range.offset - (source as Left).range.offset) / wordBytes;
    });
    for (const source of sources as Set<Left>) {
      source.gone = true;
      (this.#steps[source.step] as { left: boolean }).left = true;
    }
    const left: Left = { range: out, outputs: null, step: this.#steps.length, words: null, gone: false };
    this.#left.push(left);
    // Heard or not: blocks tell it all the same.
    const [told, pieces] = [this.#wordsOf(left), this.#take(pieceWords(heads))];
    this.#steps.push({ at: [...heard, told, pieces].map((words) => () => words), left: false });
    return true;
  }

  #wordsOf(left: Left): number {
    left.words ??= this.#take(Math.ceil(left.range.length / wordBytes));
    return left.words;
  }

  #take(words: number): number {
    const first = this.#words;
    this.#words += Math.ceil(words / wordsAtOnce) * wordsAtOnce;
    return first;
  }

  #isUntouched(ranges: readonly ByteRange[]): boolean {
    return ranges.every((range) => !this.#written.some((other) => overlaps(range, other)));
  }

  #isFree(ranges: readonly ByteRange[]): boolean {
    return (
      this.#isUntouched(ranges) &&
      ranges.every((range) => !this.#read.some((other) => overlaps(range, other)))
    );
  }
}

/** The flow of all steps of a launch. Throws `ERR_QKNORM_OVERLAP` where one does not fit in. */
export function flowOf(
  { products, group, attention: { headDim } }: Pick<DecodeForm, "products" | "group" | "attention">,
  { kvHeads, pieces }: Pick<DecodeHeads, "kvHeads" | "pieces">,
  steps: readonly DecodeStep[],
): DecodeFlow {
  const flow = new DecodeFlow();
  for (const [i, step] of steps.entries()) {
    const fits =
      step.product === "attention"
        ? flow.addAttention(step, { kvHeads, group, headDim, pieces })
        : flow.addProduct(step, (products[step.product] as DecodeProduct).outputs);
    if (fits) continue;
    throw new QkNormError("ERR_QKNORM_OVERLAP", `step ${i} reads or writes what others of its launch write`);
  }
  return flow;
}

/** Words of what pieces leave for those that add them up (decode_pieces.cuh): values and state of each row. */
function pieceWords({ kvHeads, group, headDim, pieces }: FlowHeads): number {
  return kvHeads * pieces * rowsOfGroup(group) * (headDim + 4);
}

function isRange(range: ByteRange | null): range is ByteRange {
  return range !== null;
}

function overlaps(a: ByteRange, b: ByteRange): boolean {
  return a.memory === b.memory && a.offset < b.offset + b.length && b.offset < a.offset + a.length;
}

function same(a: ByteRange, b: ByteRange): boolean {
  return a.memory === b.memory && a.offset === b.offset && a.length === b.length;
}

/** Whether a range lies in what a product left, where words that are loaded at once begin. */
function holds({ range, outputs }: Left, part: ByteRange): boolean {
  const from = part.offset - range.offset;
  return (
    outputs !== null &&
    range.memory === part.memory &&
    from >= 0 &&
    from + part.length <= range.length &&
    from % (wordsAtOnce * wordBytes) === 0
  );
}
