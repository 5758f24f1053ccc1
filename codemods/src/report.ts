import pc from "picocolors";
import { filePatch } from "./patch.ts";
import type { Finding } from "./plan/change.ts";
import type { FileResult, RunResult } from "./run.ts";

export interface ReportStyle {
  readonly color: boolean;
  readonly written: boolean;
}

/** The report for people: every file with its findings, what would change, then a summary in words. */
export function formatReport(result: RunResult, { color, written }: ReportStyle): string {
  const paint = pc.createColors(color);
  const blocks = result.files.map((file) => fileBlock(file, paint, written));
  const lines = [
    ...blocks,
    ...skippedLines(result),
    ...result.errors.map(({ path, message }) => paint.red(`error: ${path}: ${message}`)),
  ];
  return `${[...lines, summary(result, written)].join("\n")}\n`;
}

type Paint = ReturnType<typeof pc.createColors>;

function fileBlock(file: FileResult, paint: Paint, written: boolean): string {
  const lines = [
    paint.bold(file.path),
    ...file.findings.map((finding) => findingLine(finding, paint, written)),
  ];
  if (!written && file.after !== undefined) lines.push(coloredDiff(file, paint));
  return `${lines.join("\n")}\n`;
}

function findingLine(
  { kind, reason, line, symbol, message }: Finding,
  paint: Paint,
  written: boolean,
): string {
  const place = `${String(line).padStart(5)}  `;
  if (kind === "replaced")
    return `${place}${paint.green(written ? "replaced" : "replace ")}  ${symbol}: ${message}`;
  return `${place}${paint.yellow("keep    ")}  ${symbol}: ${message} ${paint.dim(`[${reason}]`)}`;
}

function coloredDiff(file: FileResult, paint: Paint): string {
  const [, , ...lines] = filePatch(file).trimEnd().split("\n");
  return lines.map((line) => `       ${paintLine(line, paint)}`).join("\n");
}

function paintLine(line: string, paint: Paint): string {
  if (line.startsWith("+")) return paint.green(line);
  if (line.startsWith("-")) return paint.red(line);
  return line.startsWith("@@") ? paint.cyan(line) : paint.dim(line);
}

function skippedLines({ skipped }: RunResult): readonly string[] {
  return skipped.map(({ path, reason }) => `Skipped ${path}: ${reason}.`);
}

function summary({ files, scanned, errors }: RunResult, written: boolean): string {
  const findings = files.flatMap((file) => file.findings);
  const replaced = findings.filter(({ kind }) => kind === "replaced").length;
  const kept = findings.length - replaced;
  const changed = files.filter(({ after }) => after !== undefined).length;
  const did = written ? "replaced" : "can be replaced";
  const parts = [
    `${count(replaced, "copy", "copies")} ${did} in ${count(changed, "file", "files")}, ${kept} kept (${count(scanned, "file", "files")} scanned).`,
  ];
  if (errors.length > 0) parts.push(`${count(errors.length, "error", "errors")}.`);
  if (!written && changed > 0) parts.push("Nothing was written; pass --write to apply.");
  return parts.join(" ");
}

function count(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`;
}
