import { splitWords } from "../candidates/names.ts";
import { classDecorators } from "../form/class-decorators.ts";
import { ownerOf, perForm } from "../form/per-form.ts";
import type { Traced } from "./match.ts";
import { Refusal } from "./reasons.ts";

/** Throws `helper-mismatch` where the function is compiled by something that cannot compile what the helper does, such as `torch.jit`. */
export function refuseCompiled({ form, fn }: Traced): void {
  const owner = ownerOf(fn, form);
  const ofClass = owner === undefined ? [] : classDecorators(owner, form);
  const bases = owner?.bases.map(({ span }) => form.text.slice(span.start, span.end)) ?? [];
  const how =
    [...fn.decorators, ...ofClass].find(isCompiler) ??
    bases.find((base) => /\bScriptModule$/.test(base)) ??
    compiledNames(form).get(fn.owner ?? fn.name);
  if (how === undefined) return;
  throw new Refusal("helper-mismatch", `it is compiled (\`${how}\`), and the helper cannot be`);
}

/** What is given to `torch.jit.script` and the like, by its name. */
const compiledNames = perForm(
  ({ text }) =>
    new Map(
      [...text.matchAll(/\b(?:torch\.)?jit\.(?:script|trace)\w*\s*\(\s*([\w$]+)/g)].map(
        ([call, name]) => [name!, call] as const,
      ),
    ),
);

function isCompiler(decorator: string): boolean {
  const parts = decorator.split(".");
  return (
    parts.some((part) => /^(?:jit|njit|numba|triton)$/.test(part)) ||
    splitWords(parts.at(-1) ?? "")[0] === "script" ||
    decorator === "tf.function"
  );
}
