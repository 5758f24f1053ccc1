import { type Hole, NotRead, type Token } from "./tokens.ts";
import { TreeNode } from "./tree-node.ts";

/** A string with its content and its holes; `inHole` reads what stands in one. */
export function stringNode(
  text: string,
  token: Token,
  inHole: (hole: Hole) => readonly TreeNode[],
): TreeNode {
  const { start, end, string } = token;
  if (string === undefined) throw new NotRead("no string");
  const { content, holes } = string;
  const leaf = (kind: string, from: number, to: number, named = true) =>
    new TreeNode(kind, text, { start: from, end: to }, { named });
  const interpolation = (hole: Hole, kind: string): TreeNode => {
    const parts = [leaf("{", hole.start, hole.start + 1, false), ...inHole(hole)];
    const { conversion, specifier } = hole;
    if (conversion !== undefined)
      parts.push(leaf("type_conversion", conversion.start, conversion.end).as("type_conversion"));
    if (specifier !== undefined) {
      const colon = leaf(":", specifier.start, specifier.start + 1, false);
      const children = [colon, ...specifier.holes.map((inner) => interpolation(inner, "format_expression"))];
      parts.push(
        new TreeNode("format_specifier", text, spanOf(specifier), { children }).as("format_specifier"),
      );
    }
    parts.push(leaf("}", hole.end - 1, hole.end, false));
    return new TreeNode(kind, text, spanOf(hole), { children: parts });
  };
  const parts = [leaf("string_start", start, content.start)];
  let done = content.start;
  for (const hole of holes) {
    if (hole.start > done) parts.push(leaf("string_content", done, hole.start));
    parts.push(interpolation(hole, "interpolation"));
    done = hole.end;
  }
  if (content.end > done) parts.push(leaf("string_content", done, content.end));
  parts.push(leaf("string_end", content.end, end));
  return new TreeNode("string", text, { start, end }, { children: parts });
}

function spanOf({ start, end }: { readonly start: number; readonly end: number }) {
  return { start, end };
}
