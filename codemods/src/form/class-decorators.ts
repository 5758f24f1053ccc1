import type { ClassForm, FileForm } from "./form.ts";

/** Names of the decorators of a class, without arguments. */
export function classDecorators({ span }: ClassForm, { text }: FileForm): readonly string[] {
  const code = text.slice(span.start, span.end);
  const head = code.slice(
    0,
    Math.max(0, code.search(/^\s*(?:export\s+)?(?:default\s+)?(?:abstract\s+)?class\b/m)),
  );
  return [...head.matchAll(/^\s*@([\w.$]+)/gm)].map(([, name]) => name!);
}
