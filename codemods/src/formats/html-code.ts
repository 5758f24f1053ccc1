import { diffWordsWithSpace } from "diff";
import type { Finding } from "../plan/change.ts";
import type { FileResult } from "../run/run.ts";
import { type LineChange, lineChanges, splitLines } from "../text/text-lines.ts";
import { escapeHtml } from "./html-text.ts";

/** Lines around a change, or a copy that is kept, that are shown with it. */
const context = 3;
/** Of a line and of a copy that is kept; nobody reads on from there. */
const widest = 400;
const longest = 80;

interface Row {
  readonly kind: "same" | "removed" | "added" | "gap" | "kept";
  readonly old: number | undefined;
  readonly new: number | undefined;
  readonly html: string;
}

const marks: Readonly<Record<Row["kind"], string>> = {
  same: "",
  removed: "-",
  added: "+",
  gap: "",
  kept: "|",
};

/** What changes in a file: line numbers before and after, and the words that differ where lines stand against each other. */
export function changeTable(file: FileResult, label: string): string {
  const before = splitLines(file.before);
  const rows: Row[] = [];
  let shift = 0;
  let shown = 0;
  const same = (from: number, to: number) => {
    for (let i = from; i < to; i++)
      rows.push({ kind: "same", old: i + 1, new: i + 1 + shift, html: lineHtml(before[i]!) });
  };
  const changes = lineChanges(before, splitLines(file.after ?? file.before));
  for (const [index, change] of changes.entries()) {
    const start = Math.max(shown, change.from - context);
    if (start > shown) rows.push(gap);
    same(start, change.from);
    const added = splitLines(change.text);
    rows.push(...changedRows(before, change, added, change.from + shift));
    shift += added.length - (change.to - change.from);
    shown = Math.min(before.length, change.to + context, changes[index + 1]?.from ?? before.length);
    same(change.to, shown);
  }
  return table(rows, label);
}

/** The lines of a copy that is kept, with some around them. */
export function excerptTable({ before }: FileResult, { line, endLine }: Finding, label: string): string {
  const lines = splitLines(before);
  const end = Math.min(endLine, line + longest);
  const rows: Row[] = [];
  for (let at = Math.max(1, line - context); at <= Math.min(lines.length, end + context); at++) {
    const isKept = at >= line && at <= end;
    rows.push({ kind: isKept ? "kept" : "same", old: at, new: undefined, html: lineHtml(lines[at - 1]!) });
  }
  if (end < endLine) rows.push(gap);
  return table(rows, label);
}

const gap: Row = { kind: "gap", old: undefined, new: undefined, html: "…" };

function changedRows(
  before: readonly string[],
  { from, to }: LineChange,
  added: readonly string[],
  newFrom: number,
): readonly Row[] {
  const removed = before.slice(from, to);
  const pairs = removed.length === added.length ? removed.map((line, i) => words(line, added[i]!)) : [];
  return [
    ...removed.map(
      (line, i): Row => ({
        kind: "removed",
        old: from + i + 1,
        new: undefined,
        html: pairs[i]?.removed ?? lineHtml(line),
      }),
    ),
    ...added.map(
      (line, i): Row => ({
        kind: "added",
        old: undefined,
        new: newFrom + i + 1,
        html: pairs[i]?.added ?? lineHtml(line),
      }),
    ),
  ];
}

/** What differs between two lines that stand against each other. */
function words(before: string, after: string): { removed: string; added: string } {
  const parts = diffWordsWithSpace(cut(before), cut(after));
  const side = (other: "added" | "removed", tag: string) =>
    parts
      .filter((part) => !part[other])
      .map(({ value, added, removed }) =>
        added || removed ? `<${tag}>${escapeHtml(value)}</${tag}>` : escapeHtml(value),
      )
      .join("");
  return { removed: side("added", "del"), added: side("removed", "ins") };
}

function lineHtml(line: string): string {
  return escapeHtml(cut(line));
}

function cut(line: string): string {
  const text = line.replace(/[\r\n]+$/, "");
  return text.length > widest ? `${text.slice(0, widest)}…` : text;
}

function table(rows: readonly Row[], label: string): string {
  const body = rows.map(
    ({ kind, old, new: now, html }) =>
      `<tr class="${kind}"><td class="n">${old ?? ""}</td><td class="n">${now ?? ""}</td><td class="m">${marks[kind]}</td><td class="c">${html}</td></tr>`,
  );
  const name = escapeHtml(label);
  return `<div class="code" tabindex="0" role="region" aria-label="${name}"><table><tbody>\n${body.join("\n")}\n</tbody></table></div>`;
}
