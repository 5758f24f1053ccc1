import { baseOf, type Value } from "../flow/value.ts";
import type { ClassForm, FileForm, TypeName } from "../form/form.ts";
import { ownerOf } from "../form/per-form.ts";
import type { TypeOrigin } from "../helper/helper-form.ts";
import type { Traced } from "../match/match.ts";
import type { NormFacts } from "../norms/norm-facts.ts";
import type { Project } from "../project/project.ts";
import { lineAt } from "../text/line-index.ts";
import { sourceOfName } from "./origin.ts";

/** The type of the tensors: what the norm's class takes, else how the function's own q and k are annotated. */
export function tensorType(
  at: Traced,
  norm: Value,
  { project, facts }: { readonly project: Project; readonly facts: NormFacts },
): TypeOrigin | undefined {
  const own = at.fn.params.find(({ type }) => type !== undefined && !type.nullable && isTensorLike(type));
  // Python's annotations are taken over from the copy; without any, the helper has none either.
  if (at.form.language === "python") return own?.type && originOfType(own.type, at.form, project);
  const { resolved } = facts.factOf(norm, at);
  const home = resolved.from === "code" ? project.form(resolved.path) : undefined;
  const cls = home?.classes.find(
    ({ span }) => resolved.from === "code" && lineAt(home.text, span.start) === resolved.line,
  );
  const given = cls && forwardOf(cls)?.params[0]?.type;
  const found = home && given && originOfType(given, home, project);
  return found ?? (own?.type && originOfType(own.type, at.form, project));
}

/** The declared type of the attribute or parameter that holds the second stream. */
export function streamType(at: Traced, alt: Value, project: Project): TypeOrigin | undefined {
  const { form, fn } = at;
  if (form.language === "python") return undefined;
  const base = baseOf(alt);
  const owner = ownerOf(fn, form);
  const type =
    base.kind === "param"
      ? fn.params[base.index]?.type
      : base.kind === "attribute" && base.object.kind === "self"
        ? owner?.fields.find(({ name }) => name === base.name)?.type
        : undefined;
  return type && originOfType(type, form, project);
}

function forwardOf({ methods }: ClassForm) {
  return methods.find(({ name }) => /^(?:forward|call|apply)$/.test(name));
}

function isTensorLike({ name }: TypeName): boolean {
  return /(?:tensor|array)$/i.test(name);
}

function originOfType({ name }: TypeName, form: FileForm, project: Project): TypeOrigin | undefined {
  const source = sourceOfName(name, form, project);
  if (source.kind === "global" || source.origin === undefined) return undefined;
  return { ...source.origin, written: name };
}
