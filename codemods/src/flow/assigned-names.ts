import type { Step, Target } from "../form/form.ts";

/** The variables that the steps assign, those of nested blocks included. */
export function namesAssignedIn(steps: readonly Step[]): readonly string[] {
  return steps.flatMap((step): readonly string[] => {
    switch (step.kind) {
      case "assign":
        return namesOf(step.target);
      case "branch":
        return [...namesAssignedIn(step.then), ...namesAssignedIn(step.otherwise)];
      case "scope":
      case "opaque":
        return namesAssignedIn(step.body);
      case "loop":
        return [...(step.target ? namesOf(step.target) : []), ...namesAssignedIn(step.body)];
      default:
        return [];
    }
  });
}

/** The variables that a target assigns. */
export function namesOf(target: Target): readonly string[] {
  if (target.kind === "name") return [target.name];
  if (target.kind === "tuple") return target.items.flatMap((item) => (item ? namesOf(item) : []));
  if (target.kind === "record") return target.fields.flatMap(({ target: inner }) => namesOf(inner));
  return target.kind === "rest" ? namesOf(target.target) : [];
}
