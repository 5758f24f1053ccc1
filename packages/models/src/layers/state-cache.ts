import { QkNormError } from "@qknorm/core";
import { type Device, type FloatDtype, keep, Tensor } from "@qknorm/tensor";
import { assertNumber, assertObject, assertText } from "./layer-arguments.ts";

/** One thing that a layer carries from token to token. */
export interface CarriedState {
  /** Which layer's. */
  readonly layer: number;
  /** What it is: `conv`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Default: that of the cache. */
  readonly dtype?: FloatDtype;
}

interface Held {
  readonly tensor: Tensor;
  /** Tokens that went into it. */
  tokens: number;
}

/**
 * What layers without keys and values carry from token to token (convolutions, linear attention), for one sequence: a
 * tensor of one size each, whatever the length, of zeros before the first token.
 */
export class StateCache {
  readonly #dtype: FloatDtype;
  readonly #device: Device | undefined;
  readonly #states = new Map<string, Held>();
  #disposed = false;

  constructor(dtype: FloatDtype, device: Device | undefined) {
    this.#dtype = dtype;
    this.#device = device;
  }

  /**
   * The state after `past` tokens, for the layer to overwrite with that after `count` more.
   *
   * @throws ERR_GENERATION when other tokens went into it: unlike keys, a state cannot be written twice, so a sequence
   *   whose last step failed does not go on
   * @throws ERR_QKNORM_ARGUMENT for a state without a layer or a name
   */
  advance(state: CarriedState, past: number, count: number): Tensor {
    assertObject(state, "what a layer carries");
    const { layer, name, shape, dtype = this.#dtype } = state;
    assertNumber(layer, "a layer");
    assertText(name, "the name of what a layer carries");
    if (this.#disposed) throw new QkNormError("ERR_GENERATION", "this cache was disposed");
    const key = `${layer}.${name}`;
    const held = this.#states.get(key) ?? {
      tensor: keep(Tensor.zeros(shape, dtype, this.#device)),
      tokens: 0,
    };
    if (held.tokens !== past) {
      throw new QkNormError(
        "ERR_GENERATION",
        `layer ${layer} has taken in ${held.tokens} tokens and the cache holds ${past}: the step before did not end; start a new cache`,
      );
    }
    held.tokens += count;
    this.#states.set(key, held);
    return held.tensor;
  }

  /** Says how many tokens went into every state. */
  holds(tokens: number): void {
    for (const held of this.#states.values()) held.tokens = tokens;
  }

  /** Frees what it holds; `advance` throws `ERR_GENERATION` from then on. Twice is allowed. */
  dispose(): void {
    for (const { tensor } of this.#states.values()) tensor.dispose();
    this.#states.clear();
    this.#disposed = true;
  }
}
