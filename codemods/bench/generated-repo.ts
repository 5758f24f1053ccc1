import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { attentionCode, normCode } from "./attention-code.ts";
import { ordinaryCode } from "./ordinary-code.ts";
import { Random } from "./random.ts";

export interface RepoSize {
  readonly files: number;
  /** On average; files are between a quarter and seven quarters of it. */
  readonly linesPerFile: number;
  /** Files with one copy of the QK-norm step each, spread evenly. */
  readonly copies: number;
}

/** What was written: lines counts line ends. */
export interface GeneratedRepo {
  readonly folder: string;
  readonly lines: number;
  readonly bytes: number;
}

const filesPerFolder = 50;

/** Writes a TypeScript model repo that is the same on every machine and for every run. */
export function writeGeneratedRepo(folder: string, { files, linesPerFile, copies }: RepoSize): GeneratedRepo {
  const random = new Random(20260101);
  let [lines, bytes] = [0, 0];
  for (let i = 0; i < files; i++) {
    const place = join(folder, "src", `part-${String(Math.floor(i / filesPerFolder)).padStart(4, "0")}`);
    if (i % filesPerFolder === 0) mkdirSync(place, { recursive: true });
    // A declaration is never cut, so a file may grow past what was wanted; the next one is shorter by as much.
    const excess = lines - i * linesPerFile;
    const wanted = random.integer(linesPerFile * 0.25, linesPerFile * 1.75) - excess / 2;
    const holdsCopy = Math.floor(((i + 1) * copies) / files) > Math.floor((i * copies) / files);
    const head = holdsCopy ? attentionCode("../part-0000/file-000000.ts", random) : "";
    const code = i === 0 ? normCode : `${head}${ordinaryCode(wanted - lineCount(head), random)}\n`;
    writeFileSync(join(place, `file-${String(i).padStart(6, "0")}.ts`), code);
    lines += lineCount(code);
    bytes += code.length;
  }
  return { folder, lines, bytes };
}

function lineCount(code: string): number {
  return code.split("\n").length - 1;
}
