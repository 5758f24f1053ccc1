import type { FileResult } from "../run/run.ts";
import { adviceFor } from "./advice.ts";
import type { CodeRole } from "./code-role.ts";
import { printable } from "./paint-patch.ts";
import { type KeptCopy, type ReasonGroup, reasonGroups, reasonTotals } from "./reason-groups.ts";
import { count, place } from "./report-line.ts";
import type { Paint } from "./terminal.ts";

/** Up to so many copies of a repository are told one by one. */
export const mostInFull = 12;
/** Of each reason, so many are shown where there are more. */
const examples = 3;

export const roleTitles: Readonly<Record<CodeRole, string>> = {
  model: "Kept as they are",
  kernel: "Kept in kernels and what calls them",
  reference: "Kept in tests, benchmarks and reference implementations",
};

export interface KeptStyle {
  readonly length: "all" | "folded";
  /** Left out of paths. */
  readonly folder: string;
  readonly paint: Paint;
}

/** What is kept and what to do about it: models first, code that is not meant to call a helper after them. */
export function keptSections(files: readonly FileResult[], style: KeptStyle): readonly (readonly string[])[] {
  const groups = reasonGroups(files);
  const total = [...groups.values()].flat().reduce((sum, { copies }) => sum + copies.length, 0);
  return [...groups].map(([role, ofRole]) => {
    if (ofRole.length === 0) return [];
    const blocks =
      style.length === "all" || total <= mostInFull
        ? ofRole
            .flatMap(({ copies }) => copies)
            .sort(byPlace)
            .map((copy) => inFull(copy, style))
        : ofRole.map((group) => folded(group, role, style));
    return [style.paint.bold(roleTitles[role]), "", blocks.join("\n\n")];
  });
}

function byPlace(a: KeptCopy, b: KeptCopy): number {
  if (a.file.path !== b.file.path) return a.file.path < b.file.path ? -1 : 1;
  return a.finding.line - b.finding.line;
}

function inFull({ file, finding }: KeptCopy, { folder, paint }: KeptStyle): string {
  const reason = finding.reason!;
  return [
    `  ${place(file, finding, folder, paint)}  ${paint.yellow(`[${reason}]`)}`,
    `    ${printable(finding.message)}`,
    `    ${paint.cyan("To do:")} ${adviceFor[reason].byHand}`,
  ].join("\n");
}

function folded(
  { reason, copies, files, from }: ReasonGroup,
  role: CodeRole,
  { folder, paint }: KeptStyle,
): string {
  const shown = copies.slice(0, role === "model" ? examples : 1);
  const more = copies.length > shown.length ? "; --all lists them" : "";
  const origin = from === undefined ? "" : `, from ${from}`;
  const told = `${copies.length} in ${count(files, "file", "files")}${origin}${more}`;
  // Code that is not a model is seldom meant to call a helper, so nothing is advised.
  const advice = role === "model" ? [`    ${paint.cyan("To do:")} ${adviceFor[reason].byHand}`] : [];
  return [
    `  ${paint.yellow(reason)}: ${told}`,
    ...advice,
    ...shown.map(({ file, finding }) => {
      const message = folder === "" ? finding.message : finding.message.replaceAll(folder, "");
      return `    ${place(file, finding, folder, paint)}: ${printable(message)}`;
    }),
  ].join("\n");
}

/** One line for each reason, those first about which most can be done. */
export function reasonTable(files: readonly FileResult[], paint: Paint): readonly string[] {
  const totals = reasonTotals(files);
  if (totals.reduce((sum, { copies }) => sum + copies, 0) <= mostInFull) return [];
  const rows = totals.map(({ reason, copies, files: inFiles }) =>
    [
      `  ${reason.padEnd(18)}`,
      String(copies).padStart(6),
      String(inFiles).padStart(6),
      ` ${adviceFor[reason].title}`,
    ].join(" "),
  );
  return [paint.bold(`  ${"reason".padEnd(18)} ${"copies".padStart(6)} ${"files".padStart(6)}`), ...rows];
}
