import { type MlxArray, mx } from "./mlx-like.ts";

/**
 * An array library in jax-js's manner: every operation consumes its arguments. A consumed array throws on any use, its
 * shape included; `ref` gives one more handle, and each handle is good for one use.
 */
export class ConsumingArray {
  /** Handles that were made and not consumed yet. */
  static live = 0;
  readonly #value: MlxArray;
  #handles = 1;

  constructor(value: MlxArray) {
    this.#value = value;
    ConsumingArray.live += 1;
  }

  get shape(): number[] {
    this.#assertLive();
    return this.#value.shape();
  }

  get ref(): this {
    this.#assertLive();
    this.#handles += 1;
    ConsumingArray.live += 1;
    return this;
  }

  reshape(shape: number[]): ConsumingArray {
    return new ConsumingArray(this.consume().reshape(shape));
  }

  square(): ConsumingArray {
    return new ConsumingArray(mx.square(this.consume()));
  }

  mean(): ConsumingArray {
    return new ConsumingArray(mx.mean(this.consume()));
  }

  add(by: number): ConsumingArray {
    return new ConsumingArray(mx.addScalar(this.consume(), by));
  }

  rsqrt(): ConsumingArray {
    return new ConsumingArray(mx.rsqrt(this.consume()));
  }

  mul(other: ConsumingArray): ConsumingArray {
    return new ConsumingArray(mx.multiply(this.consume(), other.consume()));
  }

  /** The value, for this one use. */
  consume(): MlxArray {
    this.#assertLive();
    this.#handles -= 1;
    ConsumingArray.live -= 1;
    return this.#value;
  }

  #assertLive(): void {
    if (this.#handles === 0) throw new ReferenceError("the array was already consumed");
  }
}
