import type { Budget } from "./budget.ts";
import { callFilter } from "./filters.ts";
import type { Node } from "./jinja.ts";
import { attributeOf, itemOf, sliceOf } from "./members.ts";
import { OPERATORS, unary } from "./python-operators.ts";
import type { Scope } from "./scope.ts";
import { callTest } from "./tests.ts";
import { BRACKETS, testOf } from "./tokens.ts";
import {
  type Arguments,
  Callable,
  iterate,
  Tuple,
  truth,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

const COMPARISONS = ["==", "!=", "<", ">", "<=", ">=", "in", "not in"];

/** Evaluates expressions with Python's rules. */
export class Expressions {
  readonly #budget: Budget;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** @throws what Python raises, and for what is not supported */
  evaluate(node: Node, scope: Scope): Value {
    this.#budget.step();
    switch (node.type) {
      case "StringLiteral":
        return node.value as string;
      case "IntegerLiteral":
        if (!Number.isSafeInteger(node.value)) throw new Error("an int of the template has too many digits");
        return BigInt(node.value as number);
      case "FloatLiteral":
        return node.value as number;
      case "ArrayLiteral":
        return this.#all(node.value as readonly Node[], scope);
      case "TupleLiteral":
        return new Tuple(this.#all(node.value as readonly Node[], scope));
      case "ObjectLiteral":
        return this.#dict(node.value as ReadonlyMap<Node, Node>, scope);
      case "Identifier":
        return scope.get(node.value as string);
      case "MemberExpression":
        return this.#member(node, scope);
      case "CallExpression":
        return this.call(node, scope);
      case "FilterExpression":
        return this.#filter(node, scope);
      case "TestExpression":
        return (
          callTest((node.test as Node).value as string, this.evaluate(node.operand!, scope), NO_ARGUMENTS) !==
          node.negate
        );
      case "UnaryExpression":
        return unary(node.operator!.value, this.evaluate(node.argument!, scope));
      case "BinaryExpression":
        return this.#operate(node, scope);
      case "Ternary":
        return this.evaluate(
          truth(this.evaluate(node.condition!, scope)) ? node.trueExpr! : node.falseExpr!,
          scope,
        );
      case "SelectExpression":
        return truth(this.evaluate(node.test!, scope))
          ? this.evaluate(node.lhs!, scope)
          : new Undefined(
              "the inline if-expression evaluated to false and no else section was defined, so that it",
            );
      default:
        throw new Error(`"${node.type}" is not supported here`);
    }
  }

  /** The value of a call; `caller` is what stands in the call block around it. */
  call({ callee, args }: Node, scope: Scope, caller: Callable | null = null): Value {
    const called = this.evaluate(callee!, scope);
    if (called instanceof Undefined) throw called.error;
    if (!(called instanceof Callable)) throw new Error(`'${typeName(called)}' object is not callable`);
    const given = this.#arguments(args!, scope);
    if (caller !== null) given.named.set("caller", caller);
    return this.#budget.made(called.call(given));
  }

  /** A filter's name and arguments. */
  filterOf(filter: Node, scope: Scope): { readonly name: string; readonly args: Arguments } {
    const { type, callee, args } = filter;
    const named = type === "CallExpression" ? callee! : filter;
    if (named.type !== "Identifier") throw new Error(`"${named.type}" is no filter`);
    return {
      name: named.value as string,
      args: type === "CallExpression" ? this.#arguments(args!, scope) : NO_ARGUMENTS,
    };
  }

  #filter({ operand, filter }: Node, scope: Scope): Value {
    const value = this.evaluate(operand!, scope);
    if (filter!.value === BRACKETS) return value;
    const { name, args } = this.filterOf(filter!, scope);
    const test = testOf(name);
    if (test !== null) return callTest(test.name, value, args) !== test.negated;
    return this.#budget.made(callFilter(name, value, args));
  }

  #operate({ operator, left, right }: Node, scope: Scope): Value {
    const sign = operator!.value;
    if (COMPARISONS.includes(sign)) return this.#compare(left!, sign, right!, scope).holds;
    const first = this.evaluate(left!, scope);
    if (sign === "and") return truth(first) ? this.evaluate(right!, scope) : first;
    if (sign === "or") return truth(first) ? first : this.evaluate(right!, scope);
    return this.#budget.made(operate(sign, first, this.evaluate(right!, scope)));
  }

  /** `a < b`, and `a < b < c`, which is `a < b and b < c`; with the value that a further comparison would look at. */
  #compare(
    left: Node,
    sign: string,
    right: Node,
    scope: Scope,
  ): { readonly holds: Value; readonly last: Value } {
    const before = left.operator?.value ?? "";
    const chained = left.type === "BinaryExpression" && COMPARISONS.includes(before);
    const { holds, last } = chained
      ? this.#compare(left.left!, before, left.right!, scope)
      : { holds: true, last: this.evaluate(left, scope) };
    if (!truth(holds)) return { holds, last };
    const next = this.evaluate(right, scope);
    return { holds: operate(sign, last, next), last: next };
  }

  #member({ object, property, computed }: Node, scope: Scope): Value {
    const value = this.evaluate(object!, scope);
    if (computed !== true) {
      const name = property!.value;
      return typeof name === "string" ? attributeOf(value, name) : itemOf(value, BigInt(name as number));
    }
    if (property!.type !== "SliceExpression") return itemOf(value, this.evaluate(property!, scope));
    const bound = (node: Node | undefined) => (node === undefined ? null : this.evaluate(node, scope));
    const { start, stop, step } = property!;
    return this.#budget.made(sliceOf(value, bound(start), bound(stop), bound(step)));
  }

  #all(nodes: readonly Node[], scope: Scope): Value[] {
    return nodes.map((node) => this.evaluate(node, scope));
  }

  #dict(entries: ReadonlyMap<Node, Node>, scope: Scope): Map<string, Value> {
    const dict = new Map<string, Value>();
    for (const [key, value] of entries) {
      const name = this.evaluate(key, scope);
      if (typeof name !== "string") throw new Error("keys of dicts other than texts are not supported");
      dict.set(name, this.evaluate(value, scope));
    }
    return dict;
  }

  #arguments(nodes: readonly Node[], scope: Scope): { positional: Value[]; named: Map<string, Value> } {
    const positional: Value[] = [];
    const named = new Map<string, Value>();
    const name = (key: string, value: Value): void => {
      if (named.has(key)) throw new Error(`got multiple values for keyword argument '${key}'`);
      named.set(key, value);
    };
    for (const node of nodes) {
      if (node.type === "KeywordArgumentExpression")
        name(node.key!.value as string, this.evaluate(node.value as Node, scope));
      else if (node.type === "SpreadExpression")
        positional.push(...iterate(this.evaluate(node.argument!, scope)));
      else if (node.type === "KeywordSpreadExpression") {
        const spread = this.evaluate(node.argument!, scope);
        if (!(spread instanceof Map))
          throw new Error(`argument after ** must be a mapping, not ${typeName(spread)}`);
        for (const [key, value] of spread) name(key, value);
      } else positional.push(this.evaluate(node, scope));
    }
    return { positional, named };
  }
}

const NO_ARGUMENTS: Arguments = { positional: [], named: new Map() };

function operate(sign: string, left: Value, right: Value): Value {
  const run = OPERATORS[sign];
  if (run === undefined) throw new Error(`the operator "${sign}" is not supported`);
  return run(left, right);
}
