import type { Span } from "./span.ts";
import { lineEndAt, lineStart } from "./text-edits.ts";

const tools =
  /(?:^|[#/*\s])(?:noqa\b|type:\s*ignore|pyright:|mypy:|pylint:|ruff:|fmt:|yapf:|isort:|nosec\b|pragma:|ty:\s*ignore|pyre-|pytype:|@ts-|\$Flow|eslint-|oxlint-|tslint:|biome-ignore|prettier-ignore|dprint-ignore|deno-(?:lint|fmt)|webpack\w+:|stryker\b|istanbul\b|[cv]8 ignore)/i;
/** Those that speak of everything up to another one. */
const ranges =
  /(?:es|ox)lint-(?:disable|enable)(?!-)|(?:fmt|isort|yapf):\s*(?:off|on|disable|enable)|pylint:\s*(?:disable|enable)|-ignore-(?:start|end)/i;

/** A comment that tells a tool something about the code beside it: `# noqa: E702`, `// @ts-expect-error`. */
export function isDirective(comment: string): boolean {
  return tools.test(comment);
}

export function isRangeDirective(comment: string): boolean {
  return ranges.test(comment);
}

/** The whole lines of a statement, with the lines directly above that hold nothing but a comment. */
export function linesWithComments({ start, end }: Span, text: string): Span {
  let first = lineStart(text, start);
  while (first > 0) {
    const above = lineStart(text, text.startsWith("\r\n", first - 2) ? first - 2 : first - 1);
    if (!/^[ \t]*(?:#|\/\/|\/\*|\*)/.test(text.slice(above, first))) break;
    first = above;
  }
  return { start: first, end: lineEndAt(text, end) };
}
