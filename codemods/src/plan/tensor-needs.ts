import { tensorType } from "../copies/type-origin.ts";
import type { Value } from "../flow/value.ts";
import type { Traced } from "../match/match.ts";
import { Refusal } from "../match/reasons.ts";
import type { NormFacts } from "../norms/norm-facts.ts";
import type { Profile } from "../profiles/profile.ts";
import type { Project } from "../project/project.ts";
import { lineAt } from "../text/line-index.ts";

/** What the tensors of a module's helper must have, by the module: always, and where their heads share one axis. */
const needs: Readonly<Record<string, Readonly<Record<"apart" | "flat", readonly string[]>>>> = {
  "@qknorm/core": { apart: ["shape"], flat: ["reshape", "shape"] },
};

/** Throws when the tensors are of a class whose code is in reach and shows that the helper would refuse them when it runs. */
export function refuseOtherTensors(
  at: Traced,
  norm: Value,
  heads: "apart" | "flat",
  {
    project,
    facts,
    profile,
  }: { readonly project: Project; readonly facts: NormFacts; readonly profile: Profile },
): void {
  const { name, module } = profile.helper;
  const wanted = needs[module]?.[heads] ?? [];
  const origin = wanted.length === 0 ? undefined : tensorType(at, norm, { project, facts });
  const home = origin?.path === undefined ? undefined : project.form(origin.path);
  const found = origin && home && project.resolveClass(origin.imported, home);
  if (found === undefined || !("declaration" in found) || found.declaration.bases.length > 0) return;
  const { declaration, form } = found;
  const text = form.text.slice(declaration.span.start, declaration.span.end);
  const missing = wanted.filter((member) => !new RegExp(`\\b${member}\\b`).test(text));
  if (missing.length === 0) return;
  const place = `${form.path}:${lineAt(form.text, declaration.span.start)}`;
  throw new Refusal(
    "helper-mismatch",
    `${name} asks a tensor for ${missing.join(" and ")}, which ${declaration.name} (${place}) does not have; --emit-helper FILE writes a helper that does without`,
  );
}
