import {
  type CausalLm,
  type ForwardTrace,
  generate,
  type Sampler,
  TextStream,
  type Tokenizer,
} from "@qknorm/models";

/** Why an answer ended: an end-of-text token, the length asked for, the end of the context, or its reader. */
export type FinishReason = "stop" | "length" | "context" | "interrupted";

/** How one prompt was answered. */
export interface Answer {
  readonly text: string;
  /** Of the prompt. */
  readonly promptIds: readonly number[];
  /** Of the answer; an end-of-text token is none of them. */
  readonly ids: readonly number[];
  readonly finishReason: FinishReason;
  /** Until the first token. */
  readonly prefillSeconds: number;
  /** From then on, for `decodeSteps` forward passes. */
  readonly decodeSeconds: number;
  readonly decodeSteps: number;
}

/** Hears of an answer as it comes. */
export interface Listener {
  /** The prompt can be answered, and work begins. */
  readonly onStart?: (() => void) | undefined;
  /** Text that no later token can change. */
  readonly onText?: ((piece: string) => void) | undefined;
  readonly onTrace?: ((trace: ForwardTrace) => void) | undefined;
  /** Ends the answer after the token that is being made, or the layer of the prefill. */
  readonly signal?: AbortSignal | undefined;
}

/** What to continue, and how. */
export interface Task {
  readonly model: CausalLm;
  readonly tokenizer: Tokenizer;
  readonly promptIds: readonly number[];
  readonly sample: Sampler;
  readonly stopIds: readonly number[];
  readonly maxTokens: number;
}

/** Continues a prompt to its end. Throws before the first call of `listen` when the prompt cannot be answered. */
export async function answer(task: Task, listen: Listener = {}): Promise<Answer> {
  const { model, tokenizer, promptIds, maxTokens } = task;
  const stream = new TextStream(tokenizer, { skipSpecialTokens: true });
  const tokens = generate(model, promptIds, { ...task, onTrace: listen.onTrace, signal: listen.signal });
  const ids: number[] = [];
  let text = "";
  const give = (piece: string): void => {
    text += piece;
    if (piece !== "") listen.onText?.(piece);
  };

  listen.onStart?.();
  const started = performance.now();
  let prefilled = started;
  for await (const id of tokens) {
    if (ids.length === 0) prefilled = performance.now();
    ids.push(id);
    give(stream.push(id));
    // A turn of the event loop, in which a signal or a closed pipe is heard of.
    await new Promise(setImmediate);
  }
  give(stream.end());
  const ended = performance.now();

  const finishReason = reason(ids.length, task, listen.signal);
  // A stop token ends the text after a step of its own, which the text does not show.
  const decodeSteps = ids.length === 0 ? 0 : ids.length - (finishReason === "stop" ? 0 : 1);
  if (ids.length === 0) prefilled = ended;
  return {
    text,
    promptIds,
    ids,
    finishReason,
    prefillSeconds: (prefilled - started) / 1000,
    decodeSeconds: (ended - prefilled) / 1000,
    decodeSteps,
  };

  function reason(count: number, { model }: Task, signal?: AbortSignal): FinishReason {
    if (signal?.aborted === true) return "interrupted";
    if (count === maxTokens) return "length";
    return promptIds.length + count > model.maxPositions ? "context" : "stop";
  }
}
