import type { Span } from "../../form/form.ts";
import { type SyntaxNode, spanOf } from "./syntax.ts";

/** Python writes names in any script. */
const name = /[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}]*/gu;

/**
 * Every name of a file with its places, in order: those in code, in f-string holes, in quoted annotations and in
 * `__all__`; not those in comments and other strings. Keywords count as names, which does no harm.
 */
export function mentionsOf(
  root: SyntaxNode,
  text: string,
  listed: readonly SyntaxNode[],
): ReadonlyMap<string, readonly Span[]> {
  const code = blankOutside(root, text, listed);
  const mentions = new Map<string, Span[]>();
  for (const match of code.matchAll(name)) {
    const span = { start: match.index, end: match.index + match[0].length };
    const known = mentions.get(match[0]);
    if (known === undefined) mentions.set(match[0], [span]);
    else known.push(span);
  }
  return mentions;
}

/** The text with comments and string contents blanked, every other character in its place. */
function blankOutside(root: SyntaxNode, text: string, listed: readonly SyntaxNode[]): string {
  const kept = new Set(listed.map((string) => spanOf(string).start));
  for (const type of root.all("type"))
    for (const string of type.all("string")) kept.add(spanOf(string).start);
  const pieces: string[] = [];
  let end = 0;
  let keep = false;
  for (const node of root.all("comment", "string_start", "string_content")) {
    const span = spanOf(node);
    if (node.is("string_start")) keep = kept.has(span.start);
    // The prefix of a string (`f`, `rb`) is no name either.
    if (node.is("string_content") && keep) continue;
    pieces.push(text.slice(end, span.start), " ".repeat(Math.max(0, span.end - Math.max(end, span.start))));
    end = Math.max(end, span.end);
  }
  return pieces.join("") + text.slice(end);
}
