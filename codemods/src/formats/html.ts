import { createHash } from "node:crypto";
import type { Finding } from "../plan/change.ts";
import type { FileResult, RunResult } from "../run/run.ts";
import { adviceFor } from "./advice.ts";
import { changeTable, excerptTable } from "./html-code.ts";
import { foldersOf, keptGroups, reasonSummary } from "./html-groups.ts";
import { script } from "./html-script.ts";
import { style } from "./html-style.ts";
import { escapeHtml } from "./html-text.ts";
import { mostInFull } from "./kept-report.ts";
import { byUse } from "./reason-groups.ts";
import { sharedFolder } from "./short-paths.ts";

export interface HtmlOptions {
  readonly version: string;
  /** For each replacement its file as it would be if nothing else were replaced. */
  readonly alone: ReadonlyMap<Finding, FileResult>;
}

/**
 * One page with every finding, before and after, that filters by kind, reason and folder; what is kept is folded by reason. It loads
 * nothing, and its own policy forbids it to; without scripts everything can be seen.
 */
export function htmlPage(result: RunResult, { version, alone }: HtmlOptions): string {
  const { files, scanned } = result;
  const findings = files.flatMap((file) => file.findings);
  const replaced = findings.filter(({ kind }) => kind === "replaced").length;
  const counts = `${replaced} can be replaced, ${findings.length - replaced} kept, ${scanned} ${scanned === 1 ? "file" : "files"} looked at.`;
  const folder = findings.length > mostInFull ? sharedFolder(files.map(({ path }) => path)) : "";
  const changes = files.flatMap((file) =>
    file.findings
      .filter(({ kind }) => kind === "replaced")
      .map((finding) => article({ file, finding, folder, alone: alone.get(finding) })),
  );
  const kept = keptGroups(files, ({ file, finding }) => article({ file, finding, folder, alone: undefined }));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>Copies of the QK norm: ${counts}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>Copies of the QK norm</h1>
<p>${counts}</p>
${folder === "" ? "" : `<p class="soft">Paths are in <code>${escapeHtml(folder)}</code></p>`}
${reasonSummary(files)}
</header>
${filterForm(files, folder)}
<main>
${helperArticle(files)}${changes.length === 0 ? "" : `<section class="role">\n<h2>Can be replaced</h2>\n${changes.join("\n")}\n</section>`}
${kept}
${findings.length === 0 ? "<p>No copy of the step was found.</p>" : ""}
${troubleList(result)}
</main>
<footer><p class="soft">qknorm-codemod ${escapeHtml(version)}. Keys: j and k go to the next and the previous finding, / to the search.</p></footer>
<script>${script}</script>
</body>
</html>
`;
}

const policy = `default-src 'none'; style-src '${hash(style)}'; script-src '${hash(script)}'; base-uri 'none'; form-action 'none'`;

function hash(source: string): string {
  return `sha256-${createHash("sha256").update(source).digest("base64")}`;
}

function filterForm(files: readonly FileResult[], folder: string): string {
  const findings = files.flatMap((file) => file.findings);
  const number = (kind: string) => findings.filter((one) => one.kind === kind).length;
  const reasons = [...new Set(findings.flatMap(({ reason }) => reason ?? []))].sort(byUse);
  const ofReasons = reasons.map((reason) => {
    const times = findings.filter((one) => one.reason === reason).length;
    return `<option value="${reason}">${reason} (${times})</option>`;
  });
  const paths = files.flatMap(({ path, findings: own }) => (own.length > 0 ? path.slice(folder.length) : []));
  const ofFolders = foldersOf(paths).map((one) => {
    const name = escapeHtml(one);
    return `<option value="${name}">${name}</option>`;
  });
  const box = (kind: string, label: string) =>
    `<label><input type="checkbox" name="kind" value="${kind}" checked> ${label} (${number(kind)})</label>`;
  return `<form role="search" aria-label="Findings" hidden>
<fieldset aria-label="Kind">${box("replaced", "can be replaced")}${box("refused", "kept")}</fieldset>
<label>Reason <select name="reason"><option value="">all</option>${ofReasons.join("")}</select></label>
<label>Folder <select name="folder"><option value="">all</option>${ofFolders.join("")}</select></label>
<label class="search">Search <input type="search" name="words" placeholder="file, class, words" autocomplete="off"></label>
<output aria-live="polite" class="soft"></output>
</form>`;
}

interface Article {
  readonly file: FileResult;
  readonly finding: Finding;
  /** Left out of paths. */
  readonly folder: string;
  readonly alone: FileResult | undefined;
}

function article({ file, finding, folder, alone }: Article): string {
  const { kind, reason, symbol, message, line } = finding;
  const path = file.path.slice(folder.length);
  const place = `${path}:${line}`;
  const label = `${symbol} in ${place}`;
  const isReplaced = kind === "replaced";
  const code = alone?.after === undefined ? excerptTable(file, finding, label) : changeTable(alone, label);
  const advice =
    reason === undefined ? "" : `<p><b>${reason}</b>: ${escapeHtml(adviceFor[reason].byHand)}</p>\n`;
  const words = [file.path, symbol, message, reason ?? ""].join(" ").toLowerCase();
  const data = `data-kind="${kind}" data-reason="${reason ?? ""}" data-path="${escapeHtml(path)}" data-words="${escapeHtml(words)}"`;
  return `<article class="${isReplaced ? "replace" : "keep"}" tabindex="-1" ${data}>
<h3><span class="kind">${isReplaced ? "replace" : "keep"}</span>${escapeHtml(symbol)}</h3>
<p class="soft"><code>${escapeHtml(place)}</code></p>
<p>${escapeHtml(message)}</p>
${advice}${code}
</article>`;
}

/** The file that `--emit-helper` writes; it is part of every replacement, so no filter hides it. */
function helperArticle(files: readonly FileResult[]): string {
  const file = files.find(({ helper, after }) => helper !== undefined && after !== undefined);
  if (file === undefined) return "";
  return `<section>
<h2>The helper</h2>
<p class="soft"><code>${escapeHtml(file.path)}</code></p>
${changeTable(file, `the helper in ${file.path}`)}
</section>
`;
}

function troubleList({ skipped, errors }: RunResult): string {
  if (skipped.length + errors.length === 0) return "";
  const item = (word: string, { path, text }: { path: string; text: string }) =>
    `<li class="${word}">${word}: <code>${escapeHtml(path)}</code>: ${escapeHtml(text)}</li>`;
  const items = [
    ...errors.map(({ path, message }) => item("error", { path, text: message })),
    ...skipped.map(({ path, reason }) => item("skipped", { path, text: reason })),
  ];
  return `<section aria-label="Not looked at"><h2>Not looked at</h2><ul>${items.join("\n")}</ul></section>`;
}
