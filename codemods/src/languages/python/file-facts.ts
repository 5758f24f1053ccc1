import type { Comment, Span } from "../../form/form.ts";
import { indentAt, lineStart } from "./lines.ts";
import { once } from "./once.ts";
import { parsePython, partsOf, type SyntaxNode, spanOf } from "./syntax.ts";

/** What lowering one declaration needs to know about the whole file. */
export interface FileFacts {
  readonly comments: () => readonly Comment[];
  /** The strings of `__all__`, if the file has it. */
  readonly listed: readonly SyntaxNode[];
  /** Comments on lines of their own directly above `offset`, as far as no other line comes between, from the top. */
  commentsAbove(offset: number): readonly Span[];
  /** Whether importers of this file may expect the top-level name. */
  exports(name: string): boolean;
  /** A whole `def`, where the sketch left out all of it but its name. */
  functionAt(start: number): SyntaxNode | undefined;
}

/** The tree that a sketch stands for, and what the sketch left out of it; see `Sketch`. */
export interface WholeTree {
  readonly whole: () => SyntaxNode;
  readonly left: ReadonlyMap<number, Span>;
}

/** `root` is the tree of a sketch. */
export function readFileFacts(root: SyntaxNode, text: string, { whole, left }: WholeTree): FileFacts {
  const listed = listedNames(root);
  const names = new Set(listed.map((node) => node.text.slice(1, -1)));
  const comments = once(() =>
    whole()
      .all("comment")
      .map((node) => ({ span: spanOf(node) })),
  );
  const commentAt = once(() => new Map(comments().map(({ span }) => [span.start, span])));
  return {
    comments,
    listed,
    commentsAbove(offset) {
      const above: Span[] = [];
      const indent = indentAt(text, offset);
      let line = lineStart(text, offset);
      while (line > 0) {
        line = lineStart(text, lineBefore(text, line));
        if (text[line + indent.length] !== "#") break;
        const comment = commentAt().get(line + indent.length);
        if (comment === undefined || indentAt(text, line) !== indent) break;
        above.unshift(comment);
      }
      return above;
    },
    exports: (name) => names.has(name) || !name.startsWith("_"),
    functionAt(start) {
      const span = left.get(start);
      if (span === undefined) return undefined;
      const alone = { text: text.slice(span.start, span.end), shifts: [{ from: 0, by: span.start }] };
      return parsePython(text, alone).firstChild;
    },
  };
}

/** The strings assigned or added to `__all__` at the top level. */
function listedNames(root: SyntaxNode): readonly SyntaxNode[] {
  return partsOf(root).flatMap((statement) => {
    const assignment = statement.is("expression_statement") ? statement.firstChild : undefined;
    if (assignment?.field("left")?.text !== "__all__") return [];
    return assignment.all("string");
  });
}

/** An offset on the line before the one that starts at `start`. */
function lineBefore(text: string, start: number): number {
  return text.startsWith("\r\n", start - 2) ? start - 2 : start - 1;
}
