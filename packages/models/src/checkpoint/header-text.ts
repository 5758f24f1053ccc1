const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;

/** What is being read, for a message: built only when there is one. */
export type Owner = string | (() => string);

/**
 * A cursor over the JSON text of a safetensors header.
 *
 * `JSON.parse` is not used for the whole: it lets duplicate keys pass (the last wins), and a header of 100 MB of
 * brackets would fill the heap before it could be judged. Here every key is seen, and the first wrong one ends it.
 */
export class HeaderText {
  readonly #text: string;
  readonly #fail: (problem: string) => never;
  #at = 0;

  constructor(text: string, fail: (problem: string) => never) {
    this.#text = text;
    this.#fail = fail;
  }

  /** Calls `field` at each value of an object of at most so many keys; a duplicate key fails, named after `owner`. */
  object(owner: Owner, most: number, field: (key: string) => void): void {
    const seen = new Set<string>();
    this.#list("{", "}", owner, () => {
      const key = this.string(() => `a key of ${nameOf(owner)}`);
      if (seen.has(key)) this.#fail(`${nameOf(owner)} has the key ${JSON.stringify(key.slice(0, 80))} twice`);
      if (seen.size === most) this.#fail(`${nameOf(owner)} has more than ${most} keys`);
      seen.add(key);
      this.#expect(":", owner);
      field(key);
    });
  }

  /** An array of at most so many numbers, of any kind: the caller judges their range. */
  numbers(owner: Owner, most: number): number[] {
    const values: number[] = [];
    this.#list("[", "]", owner, () => {
      if (values.length === most) this.#fail(`${nameOf(owner)} has more than ${most} numbers`);
      NUMBER.lastIndex = this.#at;
      if (!NUMBER.test(this.#text))
        this.#fail(`${nameOf(owner)} must be a list of numbers (at character ${this.#at} of the header)`);
      values.push(Number(this.#text.slice(this.#at, NUMBER.lastIndex)) + 0); // -0 is 0
      this.#at = NUMBER.lastIndex;
    });
    return values;
  }

  /** Takes `null`, if it stands here. */
  nullValue(): boolean {
    this.#skipSpace();
    if (!this.#text.startsWith("null", this.#at)) return false;
    this.#at += 4;
    return true;
  }

  string(owner: Owner): string {
    this.#skipSpace();
    const start = this.#at;
    if (this.#text[start] !== '"')
      this.#fail(`${nameOf(owner)} must be a string (at character ${start} of the header)`);
    let end = start + 1;
    let plain = true;
    for (; end < this.#text.length; end++) {
      const code = this.#text.charCodeAt(end);
      if (code === QUOTE) break;
      if (code === BACKSLASH) end++;
      if (code === BACKSLASH || code < 0x20) plain = false;
    }
    if (plain && end < this.#text.length) {
      this.#at = end + 1;
      return this.#text.slice(start + 1, end);
    }
    try {
      const value: unknown = JSON.parse(this.#text.slice(start, end + 1));
      this.#at = end + 1;
      return value as string;
    } catch {
      return this.#fail(`${nameOf(owner)} is not a valid JSON string (at character ${start} of the header)`);
    }
  }

  /** Only space may follow. */
  end(): void {
    this.#skipSpace();
    if (this.#at < this.#text.length)
      this.#fail(`the header goes on after its end, at character ${this.#at}`);
  }

  #list(open: string, close: string, owner: Owner, item: () => void): void {
    this.#expect(open, owner);
    if (this.#take(close)) return;
    do {
      this.#skipSpace();
      item();
    } while (this.#take(","));
    this.#expect(close, owner);
  }

  #expect(char: string, owner: Owner): void {
    if (!this.#take(char)) {
      this.#fail(
        `the header is not valid JSON: expected "${char}" in ${nameOf(owner)}, at character ${this.#at}`,
      );
    }
  }

  #take(char: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function nameOf(owner: Owner): string {
  return typeof owner === "string" ? owner : owner();
}
