import type { WrittenResult } from "../edits/write-files.ts";
import type { Language } from "../files/source-files.ts";
import type { ReasonCode } from "../match/reasons.ts";
import type { Finding } from "../plan/change.ts";
import { keptSections, mostInFull, reasonTable } from "./kept-report.ts";
import { paintPatch, printable } from "./paint-patch.ts";
import { count, place } from "./report-line.ts";
import { sharedFolder } from "./short-paths.ts";
import { type Paint, paintFor } from "./terminal.ts";

export interface ReportStyle {
  readonly color: boolean;
  readonly written: boolean;
  /** `all` lists every copy with its change or its advice, `folded` what a person reads. */
  readonly length: "all" | "folded";
  /** The language of the helper that the run makes; null: calls are of one that is there. */
  readonly emitted: Language | null;
}

/** From so many files on, changes are told in a line each. */
const mostPatches = 8;
/** And no more than so many of them. */
const mostChanges = 24;

/** The report for people: what can be replaced and how, what is kept and what to do about it, then where things stand. */
export function formatReport(result: WrittenResult, style: ReportStyle): string {
  const paint = paintFor(style);
  const folder = style.length === "all" ? "" : folderOf(result);
  const sections = [
    heading(result, folder, paint),
    helperSection(result, style, paint),
    replacedSection(result, style, folder, paint),
    ...keptSections(result.files, { length: style.length, folder, paint }),
    troubleSection(result, paint),
    ...(style.length === "all" ? [] : [reasonTable(result.files, paint)]),
    summary(result, style, paint),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`;
}

/** The folder that paths are told without, where there are many and it is long. */
function folderOf({ files }: WrittenResult): string {
  const copies = files.flatMap(({ findings }) => findings).length;
  const folder = sharedFolder(files.map(({ path }) => path));
  return copies > mostInFull && folder.split("/").length > 2 ? folder : "";
}

function heading({ files, scanned }: WrittenResult, folder: string, paint: Paint): readonly string[] {
  const copies = files.flatMap(({ findings }) => findings).length;
  if (copies === 0) return [];
  const told = `QK norm: ${count(copies, "copy", "copies")} of the step in ${count(scanned, "file", "files")}.`;
  return [paint.bold(told), ...(folder === "" ? [] : [`Paths are in ${printable(folder)}`])];
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
  { written, length }: ReportStyle,
  folder: string,
  paint: Paint,
): readonly string[] {
  const changed = files.filter(({ findings }) => findings.some(isReplaced));
  if (changed.length === 0) return [];
  const title = paint.bold(written ? "Replaced" : "Can be replaced");
  if (length === "folded" && changed.length > mostPatches) {
    const copies = changed.flatMap((file) =>
      file.findings.filter(isReplaced).map((one) => [file, one] as const),
    );
    const lines = copies
      .slice(0, mostChanges)
      .map(([file, one]) => `  ${place(file, one, folder, paint)}${note(one, paint)}`);
    const more = copies.length - lines.length;
    const how = written
      ? "--all lists what each became"
      : "--diff prints the changes, --all this report with them";
    return [title, "", ...lines, ...(more > 0 ? [`  and ${more} more`] : []), `  ${how}`];
  }
  const blocks = changed.map((file) => {
    const lines = file.findings
      .filter(isReplaced)
      .map((one) => `  ${place(file, one, folder, paint)}\n    ${printable(one.message)}${note(one, paint)}`);
    const isShown = !written && file.after !== undefined && file.helper === undefined;
    const patch = !isShown ? [] : ["", ...indented(paintPatch(file, paint), 6)];
    return [...lines, ...patch].join("\n");
  });
  return [title, "", blocks.join(written ? "\n" : "\n\n")];
}

function note({ reason }: Finding, paint: Paint): string {
  return reason === undefined ? "" : ` ${paint.yellow(`[${reason}]`)}`;
}

function troubleSection({ skipped, errors, parted }: WrittenResult, paint: Paint): readonly string[] {
  return [
    ...parted.map((one) => `${paint.yellow("note")}  ${printable(one.path)}: ${partedMessage(one)}`),
    ...skipped.map(({ path, reason }) => `${paint.yellow("skipped")}  ${printable(path)}: ${reason}`),
    ...errors.map(({ path, message }) => `${paint.red("error")}  ${printable(path)}: ${printable(message)}`),
  ];
}

/** What became of a file's hard links. */
export function partedMessage({ others }: WrittenResult["parted"][number]): string {
  const names =
    others === 1
      ? "another name (a hard link), which still has"
      : `${others} other names (hard links), which still have`;
  return `the file had ${names} the old text`;
}

function summary(result: WrittenResult, { written, emitted }: ReportStyle, paint: Paint): readonly string[] {
  const { files, scanned, errors, undo } = result;
  const findings = files.flatMap((file) => file.findings);
  const replaced = findings.filter(isReplaced).length;
  const changed = files.filter(({ after }) => after !== undefined).length;
  const looked = `${count(scanned, "file", "files")} looked at`;
  if (findings.length === 0) {
    const told = written && errors.length > 0 ? "Nothing was replaced" : "No copy of the QK-norm step found";
    const problems = errors.length === 0 ? "" : `, ${count(errors.length, "error", "errors")}`;
    // Elsewhere there may be many, as the same command without a helper of its own says.
    const others =
      emitted === null ? [] : [`Only ${emitted} was searched: the helper's file is of that language.`];
    return [`${told}, ${looked}${problems}.`, ...others];
  }
  const did = written ? "replaced" : "can be replaced";
  const kept = findings.length - replaced;
  const problems = errors.length === 0 ? [] : [count(errors.length, "error", "errors")];
  const parts = [`${count(replaced, "copy", "copies")} ${did}`, `${kept} kept`, looked, ...problems];
  const others = replaced > 0 || emitted !== null ? [] : otherHelper(findings);
  return [paint.bold(`${parts.join(", ")}.`), ...nextSteps(changed, written, undo), ...others];
}

/** Reasons that a helper made from the copies may not have, since it overwrites nothing and calls whatever norms it is given. */
const ofTheHelper: ReadonlySet<string | undefined> = new Set<ReasonCode>([
  "unit-offset-norm",
  "layer-norm",
  "unknown-norm",
  "norm-not-per-head",
  "aliased-input",
  "helper-mismatch",
]);

function otherHelper(findings: readonly Finding[]): readonly string[] {
  const copies = findings.filter(({ reason }) => ofTheHelper.has(reason)).length;
  if (copies === 0) return [];
  const told = `${count(copies, "copy is", "copies are")} kept for what this helper is like. One made from the copies may do for them; add`;
  return [told, "  --emit-helper FILE  write it to FILE, and call that"];
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

function isReplaced({ kind }: Finding): boolean {
  return kind === "replaced";
}

function indented(lines: readonly string[], width: number): readonly string[] {
  return lines.map((line) => `${" ".repeat(width)}${line}`.trimEnd());
}
