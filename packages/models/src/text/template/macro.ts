import type { Node } from "./jinja.ts";
import type { Scope } from "./scope.ts";
import { type Arguments, Undefined, type Value } from "./values.ts";

/** Gives the parameters of a macro their values: by position, by name, by default, or undefined. @throws for arguments that fit none */
export function bindMacro(
  macro: string,
  parameters: readonly Node[],
  { positional, named }: Arguments,
  scope: Scope,
  evaluate: (node: Node) => Value,
): void {
  if (positional.length > parameters.length)
    throw new Error(`macro '${macro}' takes not more than ${parameters.length} argument(s)`);
  const left = new Map(named);
  for (const [i, parameter] of parameters.entries()) {
    const [name, fallback] = described(parameter);
    const given = i < positional.length ? positional[i] : left.get(name);
    left.delete(name);
    const missing = () => new Undefined(`parameter '${name}' was not provided, it`);
    const stated = () => (fallback === null ? missing() : evaluate(fallback));
    scope.set(name, given === undefined ? stated() : given);
  }
  // A call block hands itself over to whoever asks for it.
  const caller = left.get("caller");
  if (caller !== undefined) scope.set("caller", caller);
  left.delete("caller");
  const [unknown] = left.keys();
  if (unknown !== undefined) throw new Error(`macro '${macro}' takes no keyword argument '${unknown}'`);
}

function described({ type, value, key }: Node): readonly [string, Node | null] {
  return type === "Identifier" ? [value as string, null] : [key!.value as string, value as Node];
}
