import { QkNormError } from "@qknorm/core";
import { isJsonObject, type JsonObject } from "./json-file.ts";
import { shown } from "./shown-value.ts";

/**
 * Typed reading of a configuration object. Each reader returns the field, or `fallback` where the field is absent
 * or null and a fallback was given; anything else throws ERR_CHECKPOINT, such as
 * "config.json: hidden_size must be a positive integer, got null".
 *
 * It remembers which keys were asked for, so that a parser can say at its end what nobody read: `unread`.
 */
export class ConfigFields {
  /** What the object came from; errors begin with it. */
  readonly source: string;
  readonly raw: JsonObject;
  readonly #prefix: string;
  readonly #asked = new Set<string>();
  readonly #nested = new Map<string, ConfigFields>();

  constructor(raw: JsonObject, source: string, prefix = "") {
    this.raw = raw;
    this.source = source;
    this.#prefix = prefix;
  }

  /** Written in the file, and not null. */
  has(key: string): boolean {
    return this.#value(key) !== undefined;
  }

  /** The value as it is written, of any type; undefined where it is absent or null. */
  value(key: string): unknown {
    return this.#value(key);
  }

  /** Keys, here and in objects that were read, that hold something and that no reader asked for: "rope_scaling.mrope". */
  unread(): string[] {
    const here = Object.keys(this.raw).filter((key) => !this.#asked.has(key) && this.raw[key] !== null);
    const below = [...this.#nested.values()].flatMap((nested) => nested.unread());
    return [...here.map((key) => this.#prefix + key), ...below];
  }

  positiveInteger(key: string, fallback?: number): number {
    return this.#read(key, "a positive integer", (value) => isInteger(value) && value > 0, fallback);
  }

  nonNegativeInteger(key: string, fallback?: number): number {
    return this.#read(key, "an integer from 0", (value) => isInteger(value) && value >= 0, fallback);
  }

  /** Finite. */
  number(key: string, fallback?: number): number {
    return this.#read(
      key,
      "a number",
      (value) => typeof value === "number" && Number.isFinite(value),
      fallback,
    );
  }

  positiveNumber(key: string, fallback?: number): number {
    const accept = (value: unknown) => typeof value === "number" && Number.isFinite(value) && value > 0;
    return this.#read(key, "a positive number", accept, fallback);
  }

  boolean(key: string, fallback?: boolean): boolean {
    return this.#read(key, "true or false", (value) => typeof value === "boolean", fallback);
  }

  string(key: string, fallback?: string): string {
    return this.#read(key, "a string", (value) => typeof value === "string", fallback);
  }

  /** Finite numbers, one at least. */
  numbers(key: string): readonly number[] {
    const value = this.#value(key);
    if (Array.isArray(value) && value.length > 0 && value.every((item) => Number.isFinite(item))) {
      return Object.freeze([...(value as number[])]);
    }
    return this.fail(key, `must be a list of numbers, got ${shown(value)}`);
  }

  /** One of the words; `fallback` where the field is absent or null. */
  oneOf<Word extends string>(key: string, words: readonly Word[], fallback: Word): Word {
    const value = this.string(key, fallback);
    return (
      words.find((word) => word === value) ??
      this.fail(key, `must be ${words.map((word) => `"${word}"`).join(" or ")}, got ${shown(value)}`)
    );
  }

  /** One token id, or a list of them; `[]` where the field is absent or null. */
  tokenIds(key: string): readonly number[] {
    const value = this.#value(key) ?? [];
    const ids: unknown[] = Array.isArray(value) ? value : [value];
    if (!ids.every((id) => isInteger(id) && id >= 0))
      this.fail(key, `must be a token id or a list of them, got ${shown(value)}`);
    return Object.freeze([...new Set(ids as number[])]);
  }

  /** The fields of a nested object, or null where it is absent or null. */
  object(key: string): ConfigFields | null {
    const value = this.#value(key);
    if (value === undefined) return null;
    if (!isJsonObject(value)) return this.fail(key, `must be an object, got ${shown(value)}`);
    const nested = this.#nested.get(key) ?? new ConfigFields(value, this.source, `${this.#prefix}${key}.`);
    this.#nested.set(key, nested);
    return nested;
  }

  /** @throws ERR_CHECKPOINT "config.json: key problem" */
  fail(key: string, problem: string): never {
    throw new QkNormError("ERR_CHECKPOINT", `${this.source}: ${this.#prefix}${key} ${problem}`);
  }

  #value(key: string): unknown {
    this.#asked.add(key);
    return Object.hasOwn(this.raw, key) ? (this.raw[key] ?? undefined) : undefined;
  }

  #read<T>(key: string, kind: string, accept: (value: unknown) => boolean, fallback: T | undefined): T {
    const value = this.#value(key);
    if (value === undefined && fallback !== undefined) return fallback;
    if (accept(value)) return value as T;
    if (!Object.hasOwn(this.raw, key)) return this.fail(key, `is missing; it must be ${kind}`);
    return this.fail(key, `must be ${kind}, got ${shown(this.raw[key])}`);
  }
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
