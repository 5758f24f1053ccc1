import { type Device, type GrowingTexts, keep, likeliest, sample, Tensor } from "@qknorm/tensor";
import type { GrowingText } from "./growing-text.ts";
import { LIKELIEST, penalizes, type TokenDraw } from "./token-draw.ts";

/** How the rows of a step choose: all by their largest logit; some by a draw; some of those by what was said before, too. */
export type Choice = "likeliest" | "drawn" | "penalized";

/** Tokens that a row counts one by one; for more, all are counted anew. */
const FEW = 4;

/** What a row of `seen` has counted. */
interface Counted {
  readonly text: GrowingText;
  tokens: number;
}

/**
 * What the rows of decode steps choose their tokens by, on a device: settings and seed of each, and where there are penalties
 * what each has said. Rows whose text takes the likeliest token draw at a temperature of 0, beside others that draw.
 */
export class RowDraws {
  readonly #device: Device;
  readonly #rows: number;
  readonly #vocabSize: number;
  /** f32 `[B, 6]` and i32 `[B, 3]`: see `TokenDraws`. */
  #settings: Tensor | null = null;
  #keys: Tensor | null = null;
  /** i32 `[B, V]`, from the first text with penalties on. */
  #seen: Tensor | null = null;
  readonly #counted: (Counted | undefined)[] = [];

  constructor(device: Device, rows: number, vocabSize: number) {
    this.#device = device;
    this.#rows = rows;
    this.#vocabSize = vocabSize;
  }

  /** A row for each text, below the least power of two: its own, where what it has said is counted there. */
  rowsFor(texts: readonly GrowingText[]): number[] {
    const free = new Set(Array(2 ** Math.ceil(Math.log2(texts.length))).keys());
    const own = texts.map((text) => {
      const row = this.#counted.findIndex((counted) => counted?.text === text);
      return free.delete(row) ? row : null;
    });
    return own.map((row) => {
      if (row !== null) return row;
      const [lowest] = free as Iterable<number> as [number];
      free.delete(lowest);
      return lowest;
    });
  }

  /** Readies rows for the next token of texts of which all ids are known here, and says how they choose. */
  place(texts: readonly GrowingText[], rows: readonly number[]): Choice {
    const choice = choiceOf(texts);
    if (choice === "likeliest") return choice;
    const draws: TokenDraw[] = new Array(this.#rows).fill(LIKELIEST);
    for (const [i, row] of rows.entries()) draws[row] = texts[i]!.draw as TokenDraw;
    this.#settings ??= this.#made("f32", 6);
    this.#keys ??= this.#made("i32", 3);
    const settings = Float32Array.from(draws.flatMap(settingsOf));
    const keys = Int32Array.from(draws.flatMap(({ topK, seed }) => [topK, ...seed]));
    this.#settings.copyFrom(new Tensor(settings, "f32", this.#settings.shape));
    this.#keys.copyFrom(new Tensor(keys, "i32", this.#keys.shape));
    if (choice === "penalized") {
      // Whatever else has a row draws there, too.
      for (const row of this.#counted.keys()) if (!penalizes(draws[row]!)) this.#counted[row] = undefined;
      for (const [i, row] of rows.entries()) if (penalizes(draws[row]!)) this.#count(texts[i]!, row);
    }
    return choice;
  }

  /** Queues the choice of rows that were placed. The counters tell where their tokens stand. */
  choose(choice: Choice, logits: Tensor, texts: GrowingTexts<Tensor>, counters: Tensor): void {
    if (choice === "likeliest") {
      likeliest(logits, texts);
      return;
    }
    const first = (x: Tensor | null): Tensor => (x as Tensor).slice(0, 0, logits.dim(0));
    const seen = choice === "penalized" ? first(this.#seen) : null;
    sample(logits, texts, { settings: first(this.#settings), keys: first(this.#keys), counters, seen });
  }

  /** A step with these rows was queued, which counts what it draws. */
  drew(rows: readonly number[]): void {
    for (const row of rows) {
      const counted = this.#counted[row];
      if (counted !== undefined) counted.tokens += 1;
    }
  }

  dispose(): void {
    for (const held of [this.#settings, this.#keys, this.#seen]) held?.dispose();
  }

  #made(dtype: "f32" | "i32", width: number): Tensor {
    return keep(Tensor.zeros([this.#rows, width], dtype, this.#device));
  }

  /** Brings a row up to all ids of a text. */
  #count(text: GrowingText, row: number): void {
    this.#seen ??= this.#made("i32", this.#vocabSize);
    const there = this.#seen.slice(0, row, row + 1);
    const { ids, promptTokens } = text;
    const counted = this.#counted[row];
    const missing = counted?.text === text ? ids.slice(counted.tokens) : ids;
    const seen = new Map<number, number>();
    for (const id of ids.slice(0, promptTokens)) seen.set(id, 1);
    for (const id of ids.slice(promptTokens)) seen.set(id, (seen.get(id) ?? 0) + 2);
    if (counted?.text === text && missing.length <= FEW) {
      for (const id of missing)
        there.slice(1, id, id + 1).copyFrom(Tensor.from([seen.get(id) as number], [1, 1], "i32"));
    } else {
      const all = new Int32Array(this.#vocabSize);
      for (const [id, count] of seen) all[id] = count;
      there.copyFrom(new Tensor(all, "i32", there.shape));
    }
    this.#counted[row] = { text, tokens: ids.length };
  }
}

/** What all of these texts are able to choose by. */
export function choiceOf(texts: readonly GrowingText[]): Choice {
  const draws = texts.map(({ draw }) => draw as TokenDraw);
  if (draws.some(penalizes)) return "penalized";
  return draws.some(({ temperature }) => temperature > 0) ? "drawn" : "likeliest";
}

function settingsOf(draw: TokenDraw): number[] {
  const { temperature, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty } = draw;
  return [temperature, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty];
}
