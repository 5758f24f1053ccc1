import { splitWords } from "../candidates/names.ts";
import type { Language } from "../files/source-files.ts";
import type { Value } from "../flow/value.ts";
import type { Traced } from "../match/match.ts";
import { Refusal } from "../match/reasons.ts";
import { meaningOfSize } from "../norms/norm-axis.ts";
import { renderValue, type Scope } from "./render.ts";

/** What is known of the head dim of a copy. */
export interface KnownHeadDim {
  readonly headDim: Value | undefined;
  /** The name of the size that q's norm is built with, where that is one name. */
  readonly sizeName?: string;
  readonly at: Traced;
}

/** The head dim by a name: as the code computes with it, else the attribute of the class that holds it. Throws `Refusal`. */
export function headDimText(known: KnownHeadDim, scope: Scope): string {
  const text = namedHeadDim(known, scope);
  if (text !== undefined) return text;
  throw new Refusal("ambiguous", "the head dim has no name here that the call could use");
}

/** As `headDimText`; undefined where it has no name. */
export function namedHeadDim({ headDim, sizeName, at }: KnownHeadDim, scope: Scope): string | undefined {
  if (headDim !== undefined) return renderValue(headDim, scope);
  const owner = at.form.classes.find(({ name }) => name === at.fn.owner);
  const all = new Set([...(owner?.fields.map(({ name }) => name) ?? []), ...attributesIn(at)]);
  const names = [...all].filter((name) => meaningOfSize({ id: -1, kind: "free", name }) === "head-dim");
  const isSaid = sizeName !== undefined && names.includes(sizeName);
  const name = isSaid
    ? sizeName
    : names.find((one) => sizeName === undefined || (isAnyHead(sizeName) && isAnyHead(one)));
  if (name !== undefined) return `${at.form.language === "python" ? "self" : "this"}.${name}`;
  if (sizeName !== undefined && !isAnyHead(sizeName)) return undefined;
  // The head dim that the function itself computes with, such as `config.headDim`, if it knows just one.
  const used = new Set(
    [...at.trace.values.values()].filter(
      (one) => one.kind === "attribute" && meaningOfSize(one) === "head-dim",
    ),
  );
  return used.size === 1 ? renderValue([...used][0]!, scope) : undefined;
}

/** `head_dim`, `qk_head_dim`, but not `v_head_dim` or `qk_nope_head_dim`, which is the width of something else. */
function isAnyHead(name: string): boolean {
  return splitWords(name).every((word) => headWords.has(word));
}

const headWords = new Set(
  "q k qk head heads hidden attn attention dim dims size width per d hd dh dhead headdim headsize channels kv".split(
    " ",
  ),
);

/** Of a tensor that is cut into heads, its last axis: `q.shape[-1]`; in TypeScript the shape may be a list of any length. */
export function lastAxisOf(name: string, language: Language): string {
  if (language === "python") return `${name}.shape[-1]`;
  return `${name}.shape[${name}.shape.length - 1]${language === "typescript" ? "!" : ""}`;
}

/** Attributes that the class sets on itself. */
function attributesIn({ form, fn }: Traced): readonly string[] {
  const owner = form.classes.find(({ name }) => name === fn.owner);
  const steps = owner?.methods.flatMap(({ body }) => body) ?? [];
  return steps.flatMap((step) =>
    step.kind === "assign" && step.target.kind === "attribute" ? [step.target.name] : [],
  );
}
