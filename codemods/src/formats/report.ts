import type { WrittenResult } from "../edits/write-files.ts";
import type { Finding } from "../plan/change.ts";
import type { FileResult } from "../run/run.ts";
import { adviceFor } from "./advice.ts";
import { paintPatch, printable } from "./paint-patch.ts";
import { type Paint, paintFor } from "./terminal.ts";

export interface ReportStyle {
  readonly color: boolean;
  readonly written: boolean;
}

/** The report for people: what can be replaced and how, what is kept and what to do about it, then where things stand. */
export function formatReport(result: WrittenResult, style: ReportStyle): string {
  const paint = paintFor(style);
  const sections = [
    heading(result, paint),
    helperSection(result, style, paint),
    replacedSection(result, style, paint),
    keptSection(result, paint),
    troubleSection(result, paint),
    summary(result, style, paint),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`;
}

function heading({ files, scanned }: WrittenResult, paint: Paint): readonly string[] {
  const copies = files.flatMap(({ findings }) => findings).length;
  if (copies === 0) return [];
  return [
    `${paint.bold(`QK norm: ${count(copies, "copy", "copies")} of the step in ${count(scanned, "file", "files")}.`)}`,
  ];
}

function helperSection({ files }: WrittenResult, { written }: ReportStyle, paint: Paint): readonly string[] {
  const file = files.find(({ helper, after }) => helper !== undefined && after !== undefined);
  if (file === undefined) return [];
  const did = written ? "Wrote the helper to" : "Would write the helper to";
  const patch = written ? [] : ["", ...indented(paintPatch(file, paint), 6)];
  return [paint.bold(`${did} ${printable(file.path)}`), ...patch];
}

function replacedSection(
  { files }: WrittenResult,
  { written }: ReportStyle,
  paint: Paint,
): readonly string[] {
  const changed = files.filter(({ findings }) => findings.some(isReplaced));
  if (changed.length === 0) return [];
  const blocks = changed.map((file) => {
    const lines = file.findings.filter(isReplaced).map((finding) => {
      const note = finding.reason === undefined ? "" : ` ${paint.yellow(`[${finding.reason}]`)}`;
      return `  ${place(file, finding, paint)}\n    ${printable(finding.message)}${note}`;
    });
    const isShown = !written && file.after !== undefined && file.helper === undefined;
    const patch = !isShown ? [] : ["", ...indented(paintPatch(file, paint), 6)];
    return [...lines, ...patch].join("\n");
  });
  return [paint.bold(written ? "Replaced" : "Can be replaced"), "", blocks.join(written ? "\n" : "\n\n")];
}

function keptSection({ files }: WrittenResult, paint: Paint): readonly string[] {
  const blocks = files.flatMap((file) =>
    file.findings
      .filter((finding) => !isReplaced(finding))
      .map((finding) => {
        const reason = finding.reason!;
        return [
          `  ${place(file, finding, paint)}  ${paint.yellow(`[${reason}]`)}`,
          `    ${printable(finding.message)}`,
          `    ${paint.cyan("To do:")} ${adviceFor[reason].byHand}`,
        ].join("\n");
      }),
  );
  return blocks.length === 0 ? [] : [paint.bold("Kept as they are"), "", blocks.join("\n\n")];
}

function troubleSection({ skipped, errors }: WrittenResult, paint: Paint): readonly string[] {
  return [
    ...skipped.map(({ path, reason }) => `${paint.yellow("skipped")}  ${printable(path)}: ${reason}`),
    ...errors.map(({ path, message }) => `${paint.red("error")}  ${printable(path)}: ${printable(message)}`),
  ];
}

function summary(result: WrittenResult, { written }: ReportStyle, paint: Paint): readonly string[] {
  const { files, scanned, errors, undo } = result;
  const findings = files.flatMap((file) => file.findings);
  const replaced = findings.filter(isReplaced).length;
  const changed = files.filter(({ after }) => after !== undefined).length;
  const looked = `${count(scanned, "file", "files")} looked at`;
  if (findings.length === 0) {
    if (errors.length === 0) return [`No copy of the QK-norm step found, ${looked}.`];
    const result = written ? "Nothing was replaced" : "No copy of the QK-norm step found";
    return [`${result}, ${looked}, ${count(errors.length, "error", "errors")}.`];
  }
  const did = written ? "replaced" : "can be replaced";
  const kept = findings.length - replaced;
  const problems = errors.length === 0 ? [] : [count(errors.length, "error", "errors")];
  const parts = [`${count(replaced, "copy", "copies")} ${did}`, `${kept} kept`, looked, ...problems];
  return [paint.bold(`${parts.join(", ")}.`), ...nextSteps(changed, written, undo)];
}

function nextSteps(changed: number, written: boolean, undo: string | undefined): readonly string[] {
  if (written) {
    if (undo === undefined) return ["Nothing was written."];
    return [`${count(changed, "file was", "files were")} written. To take it back:`, `  ${undo}`];
  }
  if (changed === 0) return ["Nothing to write."];
  return [
    `Nothing was written. ${count(changed, "file", "files")} would change; to go on, add`,
    "  --write          apply all of it, leaving a patch that undoes it",
    "  --interactive    decide one by one",
    "  --html FILE      read it as a page",
  ];
}

function place({ path }: FileResult, { line, symbol }: Finding, paint: Paint): string {
  return `${paint.bold(`${printable(path)}:${line}`)}  ${symbol}`;
}

function isReplaced({ kind }: Finding): boolean {
  return kind === "replaced";
}

function indented(lines: readonly string[], width: number): readonly string[] {
  return lines.map((line) => `${" ".repeat(width)}${line}`.trimEnd());
}

function count(n: number, one: string, many: string): string {
  return `${n.toLocaleString("en-US")} ${n === 1 ? one : many}`;
}
