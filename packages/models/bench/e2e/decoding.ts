import { type CausalLm, type ContinuousBatch, generateNow, type Sampler } from "../../src/index.ts";

/** Milliseconds of one turn. */
export interface Turn {
  /** From the prompts to the first token of each. */
  readonly prefillMs: number;
  /** Of one decode step of all texts; absent where none was asked for. */
  readonly stepMs?: number;
}

/**
 * Texts of a batch that begin and end together, `tokens` after the first of each, as any program has them. The device has
 * finished at both ends of what is timed, since the tokens were read. The batch takes all prompts in one step. Each text gets
 * a sampler of its own; without one it takes the likeliest tokens.
 */
export async function decodeTurn(
  batch: ContinuousBatch,
  prompts: readonly (readonly number[])[],
  tokens: number,
  sampler?: () => Sampler,
): Promise<Turn> {
  const began = performance.now();
  const texts = prompts.map((prompt) =>
    batch.generate(prompt, { maxTokens: tokens + 1, sample: sampler?.() }),
  );
  await Promise.all(texts.map((text) => text.next()));
  const first = performance.now();
  await Promise.all(
    texts.map(async (text) => {
      for await (const _ of text);
    }),
  );
  const stepMs = (performance.now() - first) / tokens;
  return { prefillMs: first - began, ...(tokens > 0 && { stepMs }) };
}

/** Tokens of a text that are not timed: what a device captures, it captures meanwhile. */
const FIRST = 8;

/** Milliseconds of a decode step of one text by itself, `tokens` of them after its first. */
export function textTurn(
  model: CausalLm,
  prompt: readonly number[],
  tokens: number,
  sample?: Sampler,
): number {
  const text = generateNow(model, prompt, { maxTokens: FIRST + tokens, sample });
  try {
    for (let i = 0; i < FIRST; i++) text.next();
    const began = performance.now();
    for (let i = 0; i < tokens; i++) text.next();
    return (performance.now() - began) / tokens;
  } finally {
    text.return();
  }
}

/** The same ids on every machine; each text has its own. */
export function promptsOf(count: number, length: number, { vocabSize }: CausalLm): number[][] {
  return Array.from({ length: count }, (_, text) =>
    Array.from({ length }, (__, i) => (i * 7919 + text * 104_729 + 11) % vocabSize),
  );
}
