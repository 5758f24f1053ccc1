import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { extname, join, normalize, resolve, sep } from "node:path";

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

/**
 * Source files at or under `paths`, each once, sorted by path. Links inside folders are not followed.
 * Throws `SourcePathError` for a path that does not exist or is a file in no known language, and for a folder that
 * cannot be read.
 */
export async function listSourceFiles(paths: readonly string[]): Promise<readonly SourceFile[]> {
  const found = new Map<string, SourceFile>();
  for (const path of paths) {
    for (const file of await filesAt(normalize(path))) found.set(resolve(file.path), file);
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Nobody writes files of this size by hand, and a parser needs hundreds of times as much memory. */
const largestFile = 4_000_000;

/** The text of a file without its byte order mark. */
export interface SourceContent {
  readonly text: string;
  readonly byteOrderMark: boolean;
  /** Line of the marker that says that a program writes the file, or undefined. */
  readonly generatedBy: number | undefined;
}

/** The content of a file, or why it is not read as code. Throws what the file system throws. */
export function readSourceFile(path: string): SourceContent | { readonly skipped: string } {
  // Synchronous: one small file after the other is read faster so, and nothing else waits for the thread.
  const bytes = readFileSync(path);
  if (bytes.length > largestFile) return { skipped: `larger than ${largestFile / 1e6} MB` };
  // Rewriting a file that is not UTF-8 would change bytes that nobody asked to change.
  if (!isUtf8(bytes)) return { skipped: "not UTF-8" };
  return sourceContent(bytes.toString("utf8"));
}

/** The content that a text is, or why it is not read as code. */
export function sourceContent(raw: string): SourceContent | { readonly skipped: string } {
  const byteOrderMark = raw.startsWith("\uFEFF");
  const text = byteOrderMark ? raw.slice(1) : raw;
  if (text.includes("\0")) return { skipped: "binary" };
  const marker = /@generated\b|\bdo not (?:edit|modify)\b/i.exec(text.slice(0, 1000));
  const generatedBy = marker === null ? undefined : text.slice(0, marker.index).split(/\r\n|\n|\r/).length;
  return { text, byteOrderMark, generatedBy };
}

async function filesAt(path: string): Promise<readonly SourceFile[]> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new SourcePathError(`there is no file or folder at ${path}`, { cause });
  });
  if (info.isDirectory()) return filesUnder(path);
  const language = languages[extname(path)];
  if (language === undefined || !info.isFile()) {
    throw new SourcePathError(`${path} is not a source file (${extensions.join(" ")})`);
  }
  return [{ path: withSlashes(path), language }];
}

async function filesUnder(folder: string): Promise<readonly SourceFile[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new SourcePathError(`the folder ${folder} cannot be read`, { cause });
  });
  const files: SourceFile[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    const language = languages[extname(entry.name)];
    if (entry.isDirectory() && !(excludedFolders as readonly string[]).includes(entry.name)) {
      files.push(...(await filesUnder(path)));
    } else if (entry.isFile() && language !== undefined) {
      files.push({ path: withSlashes(path), language });
    }
  }
  return files;
}

function withSlashes(path: string): string {
  return path.split(sep).join("/");
}
