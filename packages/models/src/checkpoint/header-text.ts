const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
const SPACE = /[ \t\n\r]*/y;

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

  /** Calls `field` at each value of an object, with its key; a duplicate key fails, named after `owner`. */
  object(owner: string, field: (key: string) => void): void {
    const seen = new Set<string>();
    this.#list("{", "}", owner, () => {
      const key = this.string(`a key of ${owner}`);
      if (seen.has(key)) this.#fail(`${owner} has the key ${JSON.stringify(key.slice(0, 80))} twice`);
      seen.add(key);
      this.#expect(":", owner);
      field(key);
    });
  }

  /** An array of at most so many numbers, of any kind: the caller judges their range. */
  numbers(owner: string, most: number): number[] {
    const values: number[] = [];
    this.#list("[", "]", owner, () => {
      if (values.length === most) this.#fail(`${owner} has more than ${most} numbers`);
      NUMBER.lastIndex = this.#at;
      const match = NUMBER.exec(this.#text);
      if (match === null)
        this.#fail(`${owner} must be a list of numbers (at character ${this.#at} of the header)`);
      this.#at += match[0].length;
      values.push(Number(match[0]) + 0); // -0 is 0
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

  string(owner: string): string {
    this.#skipSpace();
    const start = this.#at;
    if (this.#text[start] !== '"')
      this.#fail(`${owner} must be a string (at character ${start} of the header)`);
    let end = start + 1;
    while (end < this.#text.length && this.#text[end] !== '"') end += this.#text[end] === "\\" ? 2 : 1;
    try {
      const value: unknown = JSON.parse(this.#text.slice(start, end + 1));
      this.#at = end + 1;
      return value as string;
    } catch {
      return this.#fail(`${owner} is not a valid JSON string (at character ${start} of the header)`);
    }
  }

  /** Only space may follow. */
  end(): void {
    this.#skipSpace();
    if (this.#at < this.#text.length)
      this.#fail(`the header goes on after its end, at character ${this.#at}`);
  }

  #list(open: string, close: string, owner: string, item: () => void): void {
    this.#expect(open, owner);
    if (this.#take(close)) return;
    do {
      this.#skipSpace();
      item();
    } while (this.#take(","));
    this.#expect(close, owner);
  }

  #expect(char: string, owner: string): void {
    if (!this.#take(char)) {
      this.#fail(`the header is not valid JSON: expected "${char}" in ${owner}, at character ${this.#at}`);
    }
  }

  #take(char: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #skipSpace(): void {
    SPACE.lastIndex = this.#at;
    this.#at += SPACE.exec(this.#text)?.[0].length ?? 0;
  }
}
