import type { FilesMentioning } from "../files/mention-index.ts";
import type { Value } from "../flow/value.ts";
import type { ClassForm, FileForm, FunctionForm } from "../form/form.ts";
import { ownerOf } from "../form/per-form.ts";
import { Refusal } from "../match/reasons.ts";
import { dottedName } from "../norms/class-members.ts";
import type { NormFacts } from "../norms/norm-facts.ts";
import type { Profile } from "../profiles/profile.ts";
import type { Project } from "../project/project.ts";

export interface DerivedQuestion {
  readonly form: FileForm;
  readonly fn: FunctionForm;
  readonly norms: readonly Value[];
  readonly profile: Profile;
  readonly facts: NormFacts;
  readonly project: Project;
  readonly filesMentioning: FilesMentioning;
}

/** Throws when a derived class puts a norm into the same attribute that the helper cannot stand for. */
export function refuseOtherNormsBelow(question: DerivedQuestion): void {
  const { form, fn, norms, profile, facts, project, filesMentioning } = question;
  const owner = ownerOf(fn, form);
  const names = norms.flatMap((norm) =>
    norm.kind === "attribute" && norm.object.kind === "self" && !isPrivate(norm.name) ? [norm.name] : [],
  );
  // A helper that calls any norm module as it is has nothing to fear from another one.
  if (owner === undefined || names.length === 0 || profile.norms.includes("unknown")) return;
  for (const path of new Set([form.path, ...filesMentioning(owner.name)])) {
    const other = path === form.path ? form : project.form(path);
    for (const cls of other?.classes ?? []) {
      if (cls === owner || other === undefined || !derivesFrom(cls, other, owner, project)) continue;
      const strange = names.find(
        (name) => !profile.norms.includes(facts.ownFact(cls, other, name)?.kind ?? profile.norms[0]!),
      );
      if (strange !== undefined) {
        throw new Refusal(
          "unknown-norm",
          `${cls.name} in ${path} derives from ${owner.name} and has another norm as ${strange}`,
        );
      }
    }
  }
}

/** A derived class cannot see `#qNorm`, and may have a field of that name beside it. */
function isPrivate(name: string): boolean {
  return name.startsWith("#");
}

function derivesFrom(cls: ClassForm, form: FileForm, owner: ClassForm, project: Project, depth = 0): boolean {
  return cls.bases.some((base) => {
    const found = project.resolveClass(dottedName(base) ?? "", form);
    if (found === undefined || !("declaration" in found) || depth > 8) return false;
    const isSame = found.declaration.name === owner.name && found.declaration.span.start === owner.span.start;
    return isSame || derivesFrom(found.declaration, found.form, owner, project, depth + 1);
  });
}
