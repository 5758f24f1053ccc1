import { type CausalLm, generateNow } from "../../src/index.ts";

/** Milliseconds of one turn. */
export interface Turn {
  readonly prefillMs: number;
  /** Of one decode step; absent where none was asked for. */
  readonly stepMs?: number;
}

/**
 * One text of a prompt and `tokens` more, as any program has it from `generateNow`: the prompt until its first token, and
 * then the mean of the steps. The device has finished at both ends, since the token was read.
 */
export function decodeTurn(model: CausalLm, prompt: readonly number[], tokens: number): Turn {
  const text = generateNow(model, prompt, { maxTokens: tokens + 1 });
  try {
    const began = performance.now();
    text.next();
    const first = performance.now();
    for (let i = 0; i < tokens; i++) text.next();
    const stepMs = (performance.now() - first) / tokens;
    return { prefillMs: first - began, ...(tokens > 0 && { stepMs }) };
  } finally {
    text.return();
  }
}

/** The same ids on every machine. */
export function promptOf(length: number, vocabSize: number): number[] {
  return Array.from({ length }, (_, i) => (i * 7919 + 11) % vocabSize);
}
