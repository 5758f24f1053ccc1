import type { FileForm } from "../form/form.ts";

/** Lowered files kept at a time, and what they take. */
const mostForms = 512;
const mostBytes = 75_000_000;

/** The files that were lowered last, by path; undefined for one that could not be. The one that was not asked for longest goes first. */
export class KeptForms {
  readonly #forms = new Map<string, FileForm | undefined>();
  /** Bytes that a form takes, roughly. */
  readonly #bytesOf: (form: FileForm) => number;
  #bytes = 0;

  constructor(bytesOf: (form: FileForm) => number) {
    this.#bytesOf = bytesOf;
  }

  has(path: string): boolean {
    return this.#forms.has(path);
  }

  /** Does not count as asking for it. */
  peek(path: string): FileForm | undefined {
    return this.#forms.get(path);
  }

  get(path: string): FileForm | undefined {
    const form = this.#forms.get(path);
    this.keep(path, form);
    return form;
  }

  keep(path: string, form: FileForm | undefined): void {
    this.#drop(path);
    this.#forms.set(path, form);
    this.#bytes += this.#sizeOf(form);
    for (const oldest of this.#forms.keys()) {
      const fits = this.#forms.size <= mostForms && this.#bytes <= mostBytes;
      if (fits || oldest === path) break;
      this.#drop(oldest);
    }
  }

  #drop(path: string): void {
    this.#bytes -= this.#sizeOf(this.#forms.get(path));
    this.#forms.delete(path);
  }

  #sizeOf(form: FileForm | undefined): number {
    return form === undefined ? 0 : this.#bytesOf(form);
  }
}
