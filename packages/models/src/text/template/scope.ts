import { Undefined, type Value } from "./values.ts";

/** Names and their values; what a scope does not have, the one around it may. A name that is set is set here alone. */
export class Scope {
  readonly #values = new Map<string, Value>();
  readonly #outer: Scope | null;

  constructor(outer: Scope | null = null) {
    this.#outer = outer;
  }

  set(name: string, value: Value): void {
    this.#values.set(name, value);
  }

  get(name: string): Value {
    let scope: Scope | null = this;
    while (scope !== null) {
      const value = scope.#values.get(name);
      if (value !== undefined) return value;
      scope = scope.#outer;
    }
    return new Undefined(`'${name}'`);
  }
}
