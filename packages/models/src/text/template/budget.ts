import { Range, Tuple, type Value, View } from "./values.ts";

/** What one rendering may do; the longest templates of published models stay a hundred times below. */
export const LIMITS = {
  /** Nodes of the template that are evaluated. */
  steps: 5_000_000,
  /** Characters of a text, besides twice those that it is given. */
  characters: 2 ** 20,
  /** Items of a list, and numbers of a `range`: Jinja's own sandbox has the same. */
  items: 100_000,
  /** Characters, and items, of all texts and lists that calls, filters and operators make. */
  charactersInAll: 2 ** 27,
  itemsInAll: 5_000_000,
};

/** Says which limit a template ran into. */
export class TemplateLimit extends Error {}

/** Counts what a rendering does, so that it can neither fill the memory nor make a text of any length. */
export class Budget {
  readonly #longest: number;
  #steps = 0;
  #characters = 0;
  #items = 0;

  /** @param given characters of the variables, as JSON */
  constructor(given: number) {
    this.#longest = LIMITS.characters + 2 * given;
  }

  /** @throws TemplateLimit for a step too many */
  step(): void {
    this.#steps += 1;
    if (this.#steps > LIMITS.steps) throw new TemplateLimit(`it takes more than ${LIMITS.steps} steps`);
  }

  /** Notes a value that was made. @throws TemplateLimit for one too large, or too much in all */
  made<V extends Value>(value: V): V {
    if (typeof value === "string") this.#text(value.length);
    else if (Array.isArray(value)) this.#list(value.length);
    else if (value instanceof Tuple || value instanceof View || value instanceof Range)
      this.#list(value.items.length);
    return value;
  }

  #text(length: number): void {
    if (length > this.#longest) throw new TemplateLimit(`a text has more than ${this.#longest} characters`);
    this.#characters += length;
    this.#checkTotals();
  }

  #list(length: number): void {
    if (length > LIMITS.items) throw new TemplateLimit(`a list has more than ${LIMITS.items} items`);
    this.#items += length;
    this.#checkTotals();
  }

  #checkTotals(): void {
    const characters = Math.max(LIMITS.charactersInAll, 16 * this.#longest);
    if (this.#characters <= characters && this.#items <= LIMITS.itemsInAll) return;
    throw new TemplateLimit(
      `it makes more than ${characters} characters or ${LIMITS.itemsInAll} items in all`,
    );
  }
}
