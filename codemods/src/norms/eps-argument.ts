import type { Argument, Expr, FileForm, FunctionForm } from "../form/form.ts";

/**
 * The eps that a norm is given, as text, so that two can be compared; undefined when none is given or none can be told.
 * `declared` is the function or constructor that takes the arguments, if its code is in reach.
 */
export function epsArgument(
  args: readonly Argument[],
  declared: FunctionForm | undefined,
  form: FileForm,
): string | undefined {
  const positional = args.filter(({ keyword }) => keyword === undefined);
  const place = declared?.params.findIndex(({ name }) => isEps(name)) ?? -1;
  const given =
    args.find(({ keyword }) => keyword !== undefined && isEps(keyword)) ??
    positional[place] ??
    (place === -1 ? positional.find(({ value }) => saysEps(value)) : undefined);
  return given && textOf(given.value, form);
}

export function isEps(name: string): boolean {
  return /eps/i.test(name);
}

function saysEps(value: Expr): boolean {
  if (value.kind === "literal") return isSmall(value.value);
  return (value.kind === "name" || value.kind === "attribute") && isEps(value.name);
}

/** Nothing else that a norm is built with is so small and not zero. */
export function isSmall(value: unknown): boolean {
  return typeof value === "number" && value > 0 && value < 0.1;
}

/** `1e-6` and `0.000001` are one number. */
function textOf(value: Expr, { text }: FileForm): string {
  return value.kind === "literal" ? String(value.value) : text.slice(value.span.start, value.span.end);
}
