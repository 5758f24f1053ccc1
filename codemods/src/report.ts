import type { ScanReport } from "./scan.ts";

const longestText = 160;

/** One `path:line: text` per step, then a summary in words. */
export function formatReport(report: ScanReport): string {
  const steps = report.files.flatMap(({ path, candidates }) =>
    candidates
      .filter(({ role }) => role === "step")
      .map(({ line, text }) => `${path}:${line}: ${shorten(text)}`),
  );
  const lines = [
    ...steps,
    ...(steps.length > 0 ? [""] : []),
    `${count(steps.length, "candidate line")} in ${count(report.files.length, "file")} (${report.filesScanned} scanned).`,
  ];
  if (report.setupOnly.length > 0) {
    lines.push(
      `${count(report.setupOnly.length, "more file")} only set up a QK norm: ${report.setupOnly.join(", ")}`,
    );
  }
  for (const { path, reason } of report.skipped) lines.push(`Skipped ${path}: ${reason}.`);
  lines.push("Candidates are found by name. Rewriting them is not there yet; no file was changed.");
  return `${lines.join("\n")}\n`;
}

function shorten(text: string): string {
  return text.length <= longestText ? text : `${text.slice(0, longestText - 1)}…`;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
