import type { RunResult } from "../run/run.ts";

/** The object of `--json`; `schema/report.schema.json` describes it. `version` goes up when a field changes its meaning. */
export function jsonReport(result: RunResult): object {
  const findings = result.files.flatMap((file) => file.findings);
  return {
    version: 1,
    summary: {
      files: result.scanned,
      candidates: result.candidates,
      replaced: findings.filter(({ kind }) => kind === "replaced").length,
      refused: findings.filter(({ kind }) => kind === "refused").length,
      errors: result.errors.length,
      ms: result.ms,
    },
    files: result.files.map(({ path, language, findings: own }) => ({
      path,
      language,
      findings: own.map(({ line, endLine, kind, reason, symbol, message, writtenIn }) => ({
        line,
        endLine,
        kind,
        ...(reason && { reason }),
        symbol,
        message,
        ...(writtenIn && { writtenIn }),
      })),
    })),
  };
}
