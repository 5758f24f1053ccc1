import type { FileResult } from "../run/run.ts";
import { adviceFor } from "./advice.ts";
import { escapeHtml } from "./html-text.ts";
import { mostInFull, roleTitles } from "./kept-report.ts";
import { type KeptCopy, type ReasonGroup, reasonGroups, reasonTotals } from "./reason-groups.ts";
import { count } from "./report-line.ts";

/** More folders than that nobody looks through. */
const mostFolders = 300;

/** What is kept, folded by reason as in the report; where there is little of it, all stands open. */
export function keptGroups(files: readonly FileResult[], article: (copy: KeptCopy) => string): string {
  const groups = reasonGroups(files);
  const total = [...groups.values()].flat().reduce((sum, { copies }) => sum + copies.length, 0);
  const open = total <= mostInFull ? " open" : "";
  return [...groups]
    .filter(([, ofRole]) => ofRole.length > 0)
    .map(([role, ofRole]) => {
      const blocks = ofRole.map((group) => {
        const told = `<b>${group.reason}</b>: ${escapeHtml(sizeOf(group))}`;
        const copies = group.copies.map(article).join("\n");
        return `<details class="group"${open}>\n<summary>${told}</summary>\n<p>${escapeHtml(adviceFor[group.reason].byHand)}</p>\n${copies}\n</details>`;
      });
      return `<section class="role">\n<h2>${roleTitles[role]}</h2>\n${blocks.join("\n")}\n</section>`;
    })
    .join("\n");
}

/** How many copies are kept for each reason, most useful first; nothing where one look tells. */
export function reasonSummary(files: readonly FileResult[]): string {
  const totals = reasonTotals(files);
  if (totals.length < 2) return "";
  const rows = totals.map(
    ({ reason, copies, files: inFiles }) =>
      `<tr><td>${reason}</td><td class="n">${copies}</td><td class="n">${inFiles}</td><td>${escapeHtml(adviceFor[reason].title)}</td></tr>`,
  );
  return `<table class="reasons">
<thead><tr><th>Reason</th><th class="n">Copies</th><th class="n">Files</th><th>What it says</th></tr></thead>
<tbody>${rows.join("\n")}</tbody>
</table>`;
}

/** The folders that findings are in, as far down as a list of them can be read; each ends with a slash. */
export function foldersOf(paths: readonly string[]): readonly string[] {
  const folders = paths.map((path) => path.split("/").slice(0, -1));
  for (let depth = Math.max(0, ...folders.map(({ length }) => length)); depth > 0; depth--) {
    const cut = new Set(
      folders.filter(({ length }) => length > 0).map((one) => one.slice(0, depth).join("/")),
    );
    if (cut.size <= mostFolders || depth === 1) return [...cut].sort().map((folder) => `${folder}/`);
  }
  return [];
}

function sizeOf({ copies, files, from }: ReasonGroup): string {
  const size =
    files === copies.length
      ? count(files, "copy", "copies")
      : `${copies.length} in ${count(files, "file", "files")}`;
  return from === undefined ? size : `${size}, from ${from}`;
}
