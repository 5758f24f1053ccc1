import { isMarkedGenerated } from "../files/git-attributes.ts";
import type { SourceContent } from "../files/source-files.ts";
import type { FileForm } from "../form/form.ts";
import type { Project } from "../project/project.ts";
import type { Finding, WrittenPlace } from "./change.ts";
import { writtenPlace } from "./written-place.ts";

/** What says that a program writes the file: one of its lines, or `.gitattributes`. */
export function markOfGenerated(path: string, { generatedBy }: SourceContent): string | undefined {
  return generatedBy ?? (isMarkedGenerated(path) ? ".gitattributes" : undefined);
}

/** The findings of a file that a program writes: each is told with where its code is written, none is rewritten, as it would come back. */
export function generatedFindings(
  findings: readonly Finding[],
  form: FileForm,
  mark: string,
  project: Project,
): readonly Finding[] {
  return findings
    .filter(({ reason }) => reason !== "parse-error")
    .map(({ line, endLine, symbol }) => {
      const writtenIn = writtenPlace(form, symbol, project);
      return {
        line,
        endLine,
        symbol,
        kind: "refused",
        reason: "generated-file",
        message: `${mark} says that a program writes this file; ${whatToChange(writtenIn)} instead`,
        ...(writtenIn && { writtenIn }),
      };
    });
}

function whatToChange(place: WrittenPlace | undefined): string {
  if (place === undefined) return "change the generator";
  const { path, line, symbol } = place;
  return symbol === undefined ? `change ${path}` : `change ${symbol} (${path}:${line})`;
}
