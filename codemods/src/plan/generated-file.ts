import type { Finding } from "./change.ts";

/** The findings of a file that a program writes: each pair in it is told, none is rewritten, as it would come back. */
export function generatedFindings(findings: readonly Finding[], markedAt: number): readonly Finding[] {
  return findings
    .filter(({ reason }) => reason !== "one-sided" && reason !== "parse-error")
    .map(({ line, endLine, symbol }) => ({
      line,
      endLine,
      symbol,
      kind: "refused",
      reason: "generated-file",
      message: `line ${markedAt} says that a program writes this file; change the generator instead`,
    }));
}
