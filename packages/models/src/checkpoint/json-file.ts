import { readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { QkNormError } from "@qknorm/core";
import { shown } from "./shown-value.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export interface JsonFileOptions {
  /** A larger file is refused unread. Default 16 MiB. */
  readonly maxBytes?: number;
}

/** Parsed values take many times the memory of their text; the largest published tokenizer has half as many. */
const MOST_VALUES = 2 ** 22;

/**
 * Reads a JSON file whose top level is an object.
 *
 * @throws ERR_CHECKPOINT that names the file: missing, too large, not UTF-8, not JSON, not an object, too many values
 */
export function readJsonObject(path: string, options: JsonFileOptions = {}): JsonObject {
  const text = readTextFile(path, options);
  if (text.length > MOST_VALUES && hasManyValues(text))
    throw new QkNormError("ERR_CHECKPOINT", `${path}: has more than ${MOST_VALUES} values`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    // The engine's message quotes the text: keep it to one line.
    const reason = (cause as Error).message.replaceAll(/\s+/g, " ").slice(0, 160);
    throw new QkNormError("ERR_CHECKPOINT", `${path}: is not valid JSON (${reason})`, { cause });
  }
  if (!isJsonObject(value)) {
    throw new QkNormError(
      "ERR_CHECKPOINT",
      `${path}: ${basename(path)} must hold an object, got ${shown(value)}`,
    );
  }
  return value;
}

// Every value but the first stands after one of these; those in strings are few, and counted as well.
function hasManyValues(text: string): boolean {
  let count = 0;
  for (let i = 0; i < text.length && count <= MOST_VALUES; i++) {
    const unit = text.charCodeAt(i);
    if (unit === COMMA || unit === BRACKET || unit === BRACE) count += 1;
  }
  return count > MOST_VALUES;
}

const [COMMA, BRACKET, BRACE] = [",", "[", "{"].map((char) => char.charCodeAt(0));

/** Reads a UTF-8 file. @throws ERR_CHECKPOINT as `readJsonObject` */
export function readTextFile(path: string, { maxBytes = 16 * 2 ** 20 }: JsonFileOptions = {}): string {
  const fail = (problem: string, options?: ErrorOptions): never => {
    throw new QkNormError("ERR_CHECKPOINT", `${path}: ${problem}`, options);
  };
  let bytes: Uint8Array;
  try {
    const stat = statSync(path);
    if (!stat.isFile()) return fail("is not a file");
    if (stat.size > maxBytes) return fail(`is ${stat.size} bytes; at most ${maxBytes} are expected`);
    bytes = readFileSync(path);
  } catch (cause) {
    if (cause instanceof QkNormError) throw cause;
    return fail(`cannot be read (${(cause as Error).message})`, { cause });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    return fail("is not UTF-8", { cause });
  }
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
