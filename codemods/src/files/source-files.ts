import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { extname, join, normalize, resolve, sep } from "node:path";
import { describeFailure } from "../failures/failure.ts";
import { generatedMark } from "./generated-mark.ts";

export type Language = "typescript" | "javascript" | "python";

export interface SourceFile {
  /** As the user would write it: relative stays relative, always with forward slashes. */
  readonly path: string;
  readonly language: Language;
}

/** A path that was asked for and is not there, is no source file, or cannot be read. */
export class SourcePathError extends Error {
  override readonly name = "SourcePathError";
}

const languages: Readonly<Record<string, Language>> = {
  ".ts": "typescript",
  ".mts": "typescript",
  ".cts": "typescript",
  ".tsx": "typescript",
  ".js": "javascript",
  ".mjs": "javascript",
  ".cjs": "javascript",
  ".jsx": "javascript",
  ".py": "python",
};

/** The language of a file by its extension, or undefined. */
export function languageOf(path: string): Language | undefined {
  return languages[extname(path)];
}

export const extensions = Object.keys(languages);

/** Folders that are never entered. */
export const excludedFolders = ["node_modules", ".git", ".venv", "__pycache__"] as const;

/** Which folders are entered and which files are taken. */
export interface SourceFilter {
  readonly enters: (folder: string) => boolean;
  readonly accepts: (path: string) => boolean;
}

export interface SourceListing {
  /** Each file once, sorted by path. */
  readonly files: readonly SourceFile[];
  /** Folders that could not be read. */
  readonly errors: readonly { readonly path: string; readonly message: string }[];
}

/**
 * Source files at or under `paths`. Links inside folders are not followed.
 * Throws `SourcePathError` for a path that does not exist or is a file in no known language.
 */
export async function listSourceFiles(
  paths: readonly string[],
  filter: SourceFilter,
): Promise<SourceListing> {
  const listing: MutableListing = { files: [], errors: [] };
  for (const path of paths) await filesAt(normalize(path), filter, listing);
  const unique = paths.length === 1 ? listing.files : eachOnce(listing.files);
  const files = unique.filter((file) => filter.accepts(file.path));
  return { files: files.sort((a, b) => (a.path < b.path ? -1 : 1)), errors: listing.errors };
}

/** Only paths that overlap list a file twice; to ask costs as much memory as the list has. */
function eachOnce(files: readonly SourceFile[]): readonly SourceFile[] {
  return [...new Map(files.map((file) => [resolve(file.path), file])).values()];
}

interface MutableListing {
  readonly files: SourceFile[];
  readonly errors: { path: string; message: string }[];
}

/** Nobody writes files of this size by hand, and a parser needs hundreds of times as much memory. */
const largestFile = 4_000_000;
/** A bundler's work, or data. */
const longestLine = 100_000;

/** The text of a file without its byte order mark. */
export interface SourceContent {
  readonly text: string;
  readonly byteOrderMark: boolean;
  /** What in it says that a program writes the file, such as `line 1`; see also `markOfGenerated`. */
  readonly generatedBy: string | undefined;
  /** The file that it says it is made from. */
  readonly generatedFrom?: string;
}

/** The content of a file, or why it is not read as code. Throws what the file system throws. */
export function readSourceFile(path: string): SourceContent | { readonly skipped: string } {
  // Synchronous: one small file after the other is read faster so, and nothing else waits for the thread.
  return sourceContent(readFileSync(path));
}

/** The content that these bytes are, or why they are not read as code. */
export function sourceContent(bytes: Buffer): SourceContent | { readonly skipped: string } {
  if (bytes.length > largestFile) return { skipped: `larger than ${largestFile / 1e6} MB` };
  // Rewriting a file that is not UTF-8 would change bytes that nobody asked to change.
  if (!isUtf8(bytes)) return { skipped: "not UTF-8" };
  const raw = bytes.toString("utf8");
  const byteOrderMark = raw.startsWith("\uFEFF");
  const text = byteOrderMark ? raw.slice(1) : raw;
  if (text.includes("\0")) return { skipped: "binary" };
  if (hasEndlessLine(text)) return { skipped: `a line of more than ${longestLine / 1000},000 characters` };
  const mark = generatedMark(text);
  return {
    text,
    byteOrderMark,
    generatedBy: mark?.by,
    ...(mark?.from !== undefined && { generatedFrom: mark.from }),
  };
}

function hasEndlessLine(text: string): boolean {
  for (let start = 0; text.length - start > longestLine; ) {
    const next = text.slice(start, start + longestLine + 1).search(/[\r\n]/);
    if (next === -1) return true;
    start += next + 1;
  }
  return false;
}

async function filesAt(path: string, filter: SourceFilter, { files, errors }: MutableListing): Promise<void> {
  const info = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    const isMissing = cause.code === "ENOENT";
    const message = isMissing
      ? `there is no file or folder at ${path}`
      : `${path}: ${describeFailure(cause)}`;
    throw new SourcePathError(message, { cause });
  });
  if (info.isDirectory()) return filesUnder(path, filter, { files, errors });
  const language = languages[extname(path)];
  if (language === undefined || !info.isFile()) {
    throw new SourcePathError(`${path} is not a source file (${extensions.join(" ")})`);
  }
  files.push({ path: withSlashes(path), language });
}

async function filesUnder(folder: string, filter: SourceFilter, listing: MutableListing): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    listing.errors.push({ path: folder, message: describeFailure(error) });
    return [];
  });
  for (const entry of entries) {
    const path = join(folder, entry.name);
    const language = languages[extname(entry.name)];
    if (entry.isDirectory()) {
      const isNever = (excludedFolders as readonly string[]).includes(entry.name);
      if (!isNever && filter.enters(path)) await filesUnder(path, filter, listing);
    } else if (entry.isFile() && language !== undefined) {
      listing.files.push({ path: withSlashes(path), language });
    }
  }
}

function withSlashes(path: string): string {
  return path.split(sep).join("/");
}
