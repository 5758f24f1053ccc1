import { type Arguments, typeName, type Value } from "./values.ts";

/** The arguments of a call by the names of its parameters, as Python binds them. */
export interface Bound {
  value(name: string): Value | undefined;
  /** As `value`, or what stands for an argument that was not given. */
  or(name: string, fallback: Value): Value;
  /** @throws for what is no text */
  text(name: string, fallback: string): string;
  /** @throws for what is no int */
  int(name: string, fallback: number): number;
  flag(name: string): boolean;
}

/** @throws for an argument too many, or of a name that no parameter has */
export function bind(owner: string, parameters: readonly string[], { positional, named }: Arguments): Bound {
  if (positional.length > parameters.length)
    throw new Error(`${owner} takes at most ${parameters.length} arguments, ${positional.length} given`);
  const values = new Map(positional.map((value, i) => [parameters[i]!, value]));
  for (const [name, value] of named) {
    if (!parameters.includes(name) || values.has(name))
      throw new Error(`${owner} got an unexpected argument '${name}'`);
    values.set(name, value);
  }
  const wrong = (name: string, value: Value): never => {
    throw new Error(`${owner}: ${name} must not be of type ${typeName(value)}`);
  };
  const or = (name: string, fallback: Value): Value => {
    const value = values.get(name);
    return value === undefined ? fallback : value;
  };
  return {
    value: (name) => values.get(name),
    or,
    text(name, fallback) {
      const value = or(name, fallback);
      return typeof value === "string" ? value : wrong(name, value);
    },
    int(name, fallback) {
      const value = or(name, BigInt(fallback));
      return typeof value === "bigint" || typeof value === "boolean" ? Number(value) : wrong(name, value);
    },
    flag(name) {
      const value = or(name, false);
      return typeof value === "boolean" ? value : wrong(name, value);
    },
  };
}
