import { isMarkedGenerated } from "../files/git-attributes.ts";
import type { SourceContent } from "../files/source-files.ts";
import type { Finding } from "./change.ts";

/** What says that a program writes the file: one of its lines, or `.gitattributes`. */
export function markOfGenerated(path: string, { generatedBy }: SourceContent): string | undefined {
  return generatedBy ?? (isMarkedGenerated(path) ? ".gitattributes" : undefined);
}

/** The findings of a file that a program writes: each pair in it is told, none is rewritten, as it would come back. */
export function generatedFindings(findings: readonly Finding[], mark: string): readonly Finding[] {
  return findings
    .filter(({ reason }) => reason !== "one-sided" && reason !== "parse-error")
    .map(({ line, endLine, symbol }) => ({
      line,
      endLine,
      symbol,
      kind: "refused",
      reason: "generated-file",
      message: `${mark} says that a program writes this file; change the generator instead`,
    }));
}
