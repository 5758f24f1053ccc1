import { fstatSync, readFileSync } from "node:fs";
import { QkNormError } from "@qknorm/core";
import { JsonText } from "@qknorm/models";
import { UsageError } from "./failure.ts";
import type { Options, Setting } from "./options.ts";

/** Something to answer. */
export type Request =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "ids"; readonly ids: readonly number[] }
  | { readonly kind: "messages"; readonly messages: JsonText };

/** Largest file of a prompt, in bytes. */
const LARGEST = 64 * 2 ** 20;

/** So long `npm start` waits for somebody to write to its stdin before it answers with its own prompts. */
const PATIENCE_MS = 1000;

/**
 * What to answer: what the options name, or else all of stdin where something is piped in, or else the setting's own
 * prompts. Empty where nothing is asked, which on a terminal means a conversation.
 *
 * @throws UsageError for a file that cannot be read
 */
export async function readRequests(options: Options, { fallback }: Setting): Promise<readonly Request[]> {
  const { prompt, promptFile, ids, messages } = options;
  if (ids !== undefined) return [{ kind: "ids", ids }];
  if (messages !== undefined) return [{ kind: "messages", messages: readJson(messages) }];
  const asked = [
    ...(await Promise.all((prompt ?? []).map(async (text) => (text === "-" ? await readStdin() : text)))),
    ...(await Promise.all((promptFile ?? []).map((file) => (file === "-" ? readStdin() : readPrompt(file))))),
  ];
  if (asked.length > 0) return asked.map((text) => ({ kind: "text", text }));
  if (options.interactive === true) return [];
  const own = options.model === fallback?.model ? fallback.prompts : [];
  if (stdinIsPiped() && (own.length === 0 || (await stdinHasData()))) {
    const text = await readStdin();
    if (text !== "") return [{ kind: "text", text }];
  }
  return own.map((text) => ({ kind: "text", text }));
}

/** A JSON file, kept as text so that 1.0 stays 1.0. @throws UsageError, or ERR_GENERATION for what is not JSON */
export function readJson(file: string): JsonText {
  return new JsonText(readFile(file), file);
}

function readPrompt(file: string): string {
  return withoutLineEnd(readFile(file));
}

function readFile(file: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new UsageError(`${file}: cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown"})`);
  }
  return decode(bytes, file);
}

async function readStdin(): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > LARGEST) break;
  }
  return withoutLineEnd(decode(Buffer.concat(chunks), "stdin"));
}

function decode(bytes: Uint8Array, source: string): string {
  if (bytes.length > LARGEST)
    throw new UsageError(`${source}: a prompt may have ${LARGEST} bytes, and this has more`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new QkNormError("ERR_GENERATION", `${source} is not UTF-8`, { cause });
  }
}

// As $(...) of a shell, but one line end only: a prompt may end with an empty line.
function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, "");
}

function stdinIsPiped(): boolean {
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isFile() || stat.isSocket();
  } catch {
    return false;
  }
}

// Whoever starts a process with a pipe for its stdin need not write to it, nor close it.
async function stdinHasData(): Promise<boolean> {
  const { stdin } = process;
  return new Promise((resolve) => {
    const decide = (has: boolean): void => {
      clearTimeout(timer);
      stdin.off("readable", onReadable);
      stdin.off("end", onEnd);
      if (!has) stdin.unref?.();
      resolve(has);
    };
    const onReadable = (): void => decide(stdin.readableLength > 0);
    const onEnd = (): void => decide(false);
    const timer = setTimeout(() => decide(false), PATIENCE_MS);
    stdin.on("readable", onReadable).on("end", onEnd);
  });
}
