type Result = IteratorResult<number, void>;

interface Reader {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Tokens from one who makes them to one who reads them, each at its own pace. It ends once: by `finish`, `fail`, or by the
 * reader, who returns; `onReturn` hears of that.
 */
export class TokenQueue implements AsyncGenerator<number, void, undefined> {
  readonly #tokens: number[] = [];
  readonly #readers: Reader[] = [];
  readonly #onReturn: () => void;
  #ended = false;
  /** What the reader is told after the last token, once. */
  #failure: { readonly error: unknown } | null = null;

  constructor(onReturn: () => void) {
    this.#onReturn = onReturn;
  }

  get ended(): boolean {
    return this.#ended;
  }

  push(token: number): void {
    if (this.#ended) return;
    const reader = this.#readers.shift();
    if (reader === undefined) this.#tokens.push(token);
    else reader.resolve({ done: false, value: token });
  }

  /** No more tokens come; those that are here can still be read. */
  finish(): void {
    this.#ended = true;
    for (const reader of this.#readers.splice(0)) reader.resolve({ done: true, value: undefined });
  }

  /** As `finish`, and the reader is told why. */
  fail(error: unknown): void {
    if (this.#ended) return;
    const reader = this.#readers.shift();
    if (reader === undefined) this.#failure = { error };
    else reader.reject(error);
    this.finish();
  }

  next(): Promise<Result> {
    const token = this.#tokens.shift();
    if (token !== undefined) return Promise.resolve({ done: false, value: token });
    if (!this.#ended) return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
    const failure = this.#failure;
    this.#failure = null;
    return failure === null
      ? Promise.resolve({ done: true, value: undefined })
      : Promise.reject(failure.error);
  }

  return(): Promise<Result> {
    this.#tokens.length = 0;
    this.#failure = null;
    if (!this.#ended) {
      this.finish();
      this.#onReturn();
    }
    return Promise.resolve({ done: true, value: undefined });
  }

  async throw(error: unknown): Promise<Result> {
    await this.return();
    throw error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
