import { diffArrays } from "diff";
import type { LanguageFrontEnd } from "../languages/front-end.ts";
import { frontEndFor } from "../languages/front-ends.ts";
import type { Finding } from "../plan/change.ts";
import type { FileResult, RunResult } from "../run/run.ts";
import { splitLines } from "../text/text-lines.ts";

const tag = "TODO(qk-norm): ";

/** Marks every file of a result; see `markFile`. */
export async function markFiles(result: RunResult): Promise<RunResult> {
  const marked = result.files.map(async (file) => markFile(file, await frontEndFor(file.language)));
  return { ...result, files: await Promise.all(marked) };
}

/**
 * The file with a comment above every copy that is kept, saying why. A copy that has one keeps it as it is, unless the reason is
 * another by now; the comment of a copy that is replaced goes. Where no comment can stand, none is written. Files that
 * do not parse, or that a program writes, are left alone.
 */
function markFile(file: FileResult, frontEnd: LanguageFrontEnd): FileResult {
  const { before, findings } = file;
  const after = file.after ?? before;
  const old = splitLines(before);
  let lines = splitLines(after);
  const placeOf = places(old, lines);
  const marked = findings.filter(({ reason }) => reason !== "parse-error" && reason !== "generated-file");
  // From the last line up, so that the lines above keep their numbers.
  for (const finding of [...marked].sort((a, b) => b.line - a.line)) {
    if (finding.kind === "replaced") lines = without(lines, placeOf(markAbove(old, finding.line - 1)));
    else
      lines = withMark(
        lines,
        placeOf(finding.line - 1),
        finding,
        (text) => frontEnd.lower({ ...file, text }),
        frontEnd,
      );
  }
  const text = lines.join("");
  return text === after ? file : { ...file, after: text };
}

type Lower = (text: string) => ReturnType<LanguageFrontEnd["lower"]>;

function withMark(
  lines: readonly string[],
  at: number | undefined,
  { reason, message }: Finding,
  lower: Lower,
  { writeComment }: LanguageFrontEnd,
): readonly string[] {
  if (at === undefined) return lines;
  const known = markAbove(lines, at);
  if (known !== undefined && lines[known]!.includes(`${tag}${reason}:`)) return lines;
  const line = lines[at]!;
  // A line of another file, `(norms.ts:26)`, would be another one tomorrow.
  const words = message.replace(/ \([^()]+:\d+\)/g, "").replace(/\s+/g, " ");
  const comment = writeComment(`${tag}${reason}: ${words}`);
  const lineEnd = /\r\n|\n|\r/.exec(line) ?? /\r\n|\n|\r/.exec(lines[0] ?? "") ?? ["\n"];
  const added = `${/^[ \t]*/.exec(line)![0]}${comment}${lineEnd[0]}`;
  const marked = without(lines, known).toSpliced(known ?? at, 0, added);
  // In the middle of a template or of a continued line it would not be a comment.
  const { errors, comments, text } = lower(marked.join(""));
  const isComment = comments.some(({ span }) => text.slice(span.start, span.end) === comment);
  return errors.length === 0 && isComment ? marked : lines;
}

/** Index of the mark among the comments right above a line. */
function markAbove(lines: readonly string[], at: number): number | undefined {
  for (let i = at - 1; i >= 0 && /^\s*(?:\/\/|#)/.test(lines[i]!); i--) {
    if (lines[i]!.includes(tag)) return i;
  }
  return undefined;
}

function without(lines: readonly string[], index: number | undefined): readonly string[] {
  return index === undefined ? lines : lines.toSpliced(index, 1);
}

/** Where a line of the old text stands in the new one; undefined for one that is gone. */
function places(
  old: readonly string[],
  lines: readonly string[],
): (index: number | undefined) => number | undefined {
  const place = new Map<number, number>();
  let from = 0;
  let to = 0;
  for (const { added, removed, count } of diffArrays([...old], [...lines])) {
    if (!added && !removed) for (let i = 0; i < count; i++) place.set(from + i, to + i);
    if (!added) from += count;
    if (!removed) to += count;
  }
  return (index) => (index === undefined ? undefined : place.get(index));
}
