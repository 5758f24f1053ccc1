import type { FileForm } from "../form/form.ts";
import type { Profile } from "../profiles/profile.ts";
import type { Project } from "../project/project.ts";

/** Why a file cannot call the helper: one that lives in the scanned repository has to be there first. */
export function lackOfHelper(form: FileForm, profile: Profile, project: Project): string | undefined {
  const { module, name } = profile.helper;
  const asked = { ...form, functions: [], classes: [], imports: [importOf(module, name)] };
  const found = project.resolveFunction(name, asked);
  if (found !== undefined && "declaration" in found) return undefined;
  return `the helper ${name} of profile ${profile.name} is not in ${module}, so nothing is changed; pass --assume-helper to call it all the same, or --emit-helper FILE to have one written`;
}

function importOf(module: string, name: string) {
  const span = { start: 0, end: 0 };
  const names = [{ imported: name, local: name, typeOnly: false, span }];
  return { module, names, span, typeOnly: false, topLevel: true, reexport: false };
}
