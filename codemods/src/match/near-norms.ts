import { type CodePiece, nearCode } from "../candidates/near-code.ts";
import type { FileForm, FunctionForm, Step } from "../form/form.ts";

/** Those functions of a file that have to be looked into; see `NearCode`. */
export interface NearNorms {
  readonly near: ReadonlySet<FunctionForm>;
  /** In the order of the file. */
  readonly traced: readonly FunctionForm[];
}

interface FunctionPiece extends CodePiece {
  readonly fn: FunctionForm;
}

export function functionsNearNorms({ text, classes, functions, module, prose }: FileForm): NearNorms {
  const declared = [...classes.flatMap(({ methods }) => methods), ...functions, module].map(pieceOf);
  const outer = nearCode(text, declared, prose);
  const nested = [...outer.traced].flatMap(({ fn }) => (mayNest(fn, text) ? nestedIn(fn.body) : []));
  const all = [...declared.filter((piece) => outer.near.has(piece)), ...nested.map(pieceOf)];
  const { near, traced } = nested.length === 0 ? outer : nearCode(text, all, prose);
  return {
    near: new Set([...near].map(({ fn }) => fn)),
    // A constructor makes norms and applies none.
    traced: all
      .filter(({ fn }) => fn.kind !== "constructor")
      .flatMap((piece) => (traced.has(piece) ? piece.fn : [])),
  };
}

/** Whether a function may be declared in this one, told without its body: only then is it worth lowering. */
function mayNest({ span, nameSpan }: FunctionForm, text: string): boolean {
  return /\b(?:def|function)\b/.test(text.slice(nameSpan.end, span.end));
}

/** Does not ask for the body of a function, which may not have been lowered yet. */
function pieceOf(fn: FunctionForm): FunctionPiece {
  const ranges = fn.kind === "module" ? fn.body.map(({ span }) => span) : [fn.span];
  const isCalled = fn.kind === "method" || fn.kind === "function";
  return { fn, ranges, owner: fn.owner, calledAs: isCalled ? fn.name : undefined };
}

/** The functions declared among the steps, at any depth. */
export function nestedIn(steps: readonly Step[]): readonly FunctionForm[] {
  return steps.flatMap((step): readonly FunctionForm[] => {
    if (step.kind === "function") return [step.declared, ...nestedIn(step.declared.body)];
    if (step.kind === "branch") return [...nestedIn(step.then), ...nestedIn(step.otherwise)];
    return "body" in step ? nestedIn(step.body) : [];
  });
}
