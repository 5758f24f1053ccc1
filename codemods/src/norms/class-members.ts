import type { ClassForm, Expr, Step, Target } from "../form/form.ts";

/** `a.b.C` of a chain of names, or undefined. */
export function dottedName(expr: Expr): string | undefined {
  if (expr.kind === "name") return expr.name;
  if (expr.kind !== "attribute") return undefined;
  const object = dottedName(expr.object);
  return object && `${object}.${expr.name}`;
}

/** The values that `this.name` is given, also as one of several: `self.a, self.b = A(), B()`. */
export function valuesGivenTo(name: string, steps: readonly Step[]): readonly Expr[] {
  return steps.flatMap((step): readonly Expr[] => {
    if (step.kind === "assign") return assigned(step.target, step.value, name);
    if (step.kind === "branch")
      return [...valuesGivenTo(name, step.then), ...valuesGivenTo(name, step.otherwise)];
    return "body" in step ? valuesGivenTo(name, step.body) : [];
  });
}

function assigned(target: Target, value: Expr, name: string): readonly Expr[] {
  if (target.kind === "attribute")
    return target.object.kind === "self" && target.name === name ? [value] : [];
  if (target.kind !== "tuple" || value.kind !== "tuple") return [];
  return target.items.flatMap((item, i) => {
    const part = value.items[i];
    return item && part ? assigned(item, part, name) : [];
  });
}

/** The attributes that a class declares or sets on itself. */
export function attributesOf(cls: ClassForm): readonly string[] {
  const names = new Set(cls.fields.map(({ name }) => name));
  const visit = (steps: readonly Step[]): void => {
    for (const step of steps) {
      if (step.kind === "assign" && step.target.kind === "attribute" && step.target.object.kind === "self") {
        names.add(step.target.name);
      }
      if (step.kind === "branch") visit([...step.then, ...step.otherwise]);
      if ("body" in step) visit(step.body);
    }
  };
  for (const { body } of cls.methods) visit(body);
  return [...names];
}
