import { type Device, liveBytes } from "@qknorm/tensor";
import { type CausalLm, ContinuousBatch, generateNow } from "../../src/index.ts";
import { promptsOf } from "./decoding.ts";

/** Memory after so many tokens. */
export interface Look {
  readonly tokens: number;
  /** Of the process: all of it, and what V8 holds outside of its heap. */
  readonly rss: number;
  readonly external: number;
  /** Of the device. */
  readonly live: number;
}

/** How long decoding goes on, and how often memory is looked at. */
export interface Endurance {
  readonly tokens: number;
  readonly every: number;
  /** The most tokens of a text. */
  readonly length: number;
}

/** What may still come and go once everything is warm: pages of V8's heap, and buffers that nobody has collected yet. */
const mostRss = 16e6;
const mostExternal = 2e6;

/** Texts one after the other, each by a captured graph and a cache of its own. */
export async function decodeInTurn(model: CausalLm, device: Device, setting: Endurance): Promise<Look[]> {
  const looks = new Looks(device, setting.every);
  const [prompt = []] = promptsOf(1, 5, model);
  while (looks.tokens < setting.tokens) {
    const maxTokens = Math.min(setting.length, setting.tokens - looks.tokens);
    let made = 0;
    for (const _ of generateNow(model, prompt, { maxTokens })) made += 1;
    // A turn of the event loop: finalisers run in one.
    await new Promise(setImmediate);
    looks.add(made);
  }
  return looks.taken;
}

/** Texts of many lengths that join and leave one batch, `together` at a time. */
export async function decodeTogether(
  model: CausalLm,
  device: Device,
  setting: Endurance & { readonly together: number },
): Promise<Look[]> {
  const { tokens, length, together } = setting;
  const pageSize = 16;
  const pages = together * Math.ceil((5 + length) / pageSize);
  const looks = new Looks(device, setting.every);
  using batch = new ContinuousBatch(model, { cache: { pages, pageSize }, maxSequences: together });
  let asked = 0;
  let texts = 0;
  const worker = async (): Promise<void> => {
    while (asked < tokens) {
      const [prompt = []] = promptsOf(texts + 1, 5, model).slice(texts);
      // Lengths from a third of the longest up, so that none of them leave at once.
      const maxTokens = Math.min(
        Math.ceil(length / 3) + ((texts * 7919) % Math.ceil((2 * length) / 3)),
        tokens - asked,
      );
      asked += maxTokens;
      texts += 1;
      for await (const _ of batch.generate(prompt, { maxTokens })) looks.add(1);
    }
  };
  await Promise.all(Array.from({ length: together }, worker));
  return looks.taken;
}

/** Bytes that are live on a device; of the CPU the process tells. */
export function heldOn(device: Device): number {
  return device === "cpu" ? 0 : liveBytes(device);
}

/**
 * What of the memory grew from the third quarter to the last; null: nothing did. The least of each quarter counts: what is
 * more was there to be collected.
 */
export function growthOf(looks: readonly Look[]): string | null {
  const half = looks.slice(Math.floor(looks.length / 2));
  const middle = Math.floor(half.length / 2);
  if (middle === 0) return "there are too few looks to tell";
  const least = (part: readonly Look[], what: keyof Look) => Math.min(...part.map((look) => look[what]));
  const grown = (what: keyof Look, most: number) => {
    const bytes = least(half.slice(middle), what) - least(half.slice(0, middle), what);
    return bytes > most ? [`${what} grew by ${bytes} bytes`] : [];
  };
  const found = [...grown("rss", mostRss), ...grown("external", mostExternal), ...grown("live", 0)];
  return found.length === 0 ? null : found.join(", ");
}

/** Looks at the memory whenever so many tokens more are there. */
class Looks {
  readonly taken: Look[] = [];
  tokens = 0;
  readonly #device: Device;
  readonly #every: number;

  constructor(device: Device, every: number) {
    this.#device = device;
    this.#every = every;
  }

  add(tokens: number): void {
    const before = Math.floor(this.tokens / this.#every);
    this.tokens += tokens;
    if (Math.floor(this.tokens / this.#every) === before) return;
    (globalThis as { gc?: () => void }).gc?.();
    const { rss, external } = process.memoryUsage();
    this.taken.push({ tokens: this.tokens, rss, external, live: heldOn(this.#device) });
  }
}
