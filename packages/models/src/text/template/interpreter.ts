import type { Budget } from "./budget.ts";
import { Expressions } from "./expressions.ts";
import { callFilter } from "./filters.ts";
import { checkField } from "./functions.ts";
import { GENERATION, type Node } from "./jinja.ts";
import { bindMacro } from "./macro.ts";
import { pythonText } from "./python-text.ts";
import { Scope } from "./scope.ts";
import { Callable, iterate, Loop, Namespace, truth, type Value } from "./values.ts";

/** What `break` and `continue` throw. */
class LoopControl extends Error {}

/** Runs a parsed template as Jinja does: scopes, loops and macros have its rules, and values those of Python. */
export class Interpreter {
  readonly #budget: Budget;
  readonly #expressions: Expressions;

  constructor(budget: Budget) {
    this.#budget = budget;
    this.#expressions = new Expressions(budget);
  }

  /** The text of a template. @throws whatever the template raises, what is not supported, and `TemplateLimit` */
  run(template: Node, scope: Scope): string {
    return this.#textOf(template.body!, scope);
  }

  /** What a block prints. */
  #textOf(statements: readonly Node[], scope: Scope): string {
    const out: string[] = [];
    this.#block(statements, scope, out);
    return this.#budget.made(out.join(""));
  }

  #block(statements: readonly Node[], scope: Scope, out: string[]): void {
    for (const statement of statements) this.#statement(statement, scope, out);
  }

  #statement(node: Node, scope: Scope, out: string[]): void {
    switch (node.type) {
      case "Set":
        this.#set(node, scope);
        break;
      case "If":
        this.#block(truth(this.#value(node.test!, scope)) ? node.body! : node.alternate!, scope, out);
        break;
      case "For":
        this.#for(node, scope, out);
        break;
      case "Macro":
        scope.set((node.name as Node).value as string, this.#macro(node, scope));
        break;
      case "CallStatement":
        out.push(pythonText(this.#callBlock(node, scope)));
        break;
      case "FilterStatement":
        out.push(this.#filtered(node.filter!, node.body!, scope));
        break;
      case "Break":
      case "Continue":
        throw new LoopControl(node.type);
      default:
        out.push(pythonText(this.#value(node, scope)));
    }
  }

  #value(node: Node, scope: Scope): Value {
    return this.#expressions.evaluate(node, scope);
  }

  #set({ assignee, value, body }: Node, scope: Scope): void {
    const target = assignee!;
    if (value !== null && value !== undefined) this.#assign(target, this.#value(value as Node, scope), scope);
    // {% set name | filter %}
    else if (target.type === "FilterExpression")
      this.#assign(target.operand!, this.#filtered(target.filter!, body!, scope), scope);
    else this.#assign(target, this.#inner(body!, scope), scope);
  }

  #assign(target: Node, value: Value, scope: Scope): void {
    if (target.type === "Identifier") scope.set(target.value as string, value);
    else if (target.type === "TupleLiteral") this.#unpack(target.value as readonly Node[], value, scope);
    else this.#assignField(target, value, scope);
  }

  #unpack(names: readonly Node[], value: Value, scope: Scope): void {
    const items = iterate(value);
    if (items.length !== names.length)
      throw new Error(`expected ${names.length} values to unpack, got ${items.length}`);
    for (const [i, name] of names.entries()) this.#assign(name, items[i]!, scope);
  }

  #assignField({ type, computed, object, property }: Node, value: Value, scope: Scope): void {
    const holder = type === "MemberExpression" && computed === false ? this.#value(object!, scope) : null;
    if (!(holder instanceof Namespace)) throw new Error("cannot assign attribute on non-namespace object");
    const name = property!.value as string;
    checkField(name);
    holder.fields.set(name, value);
  }

  /** What a block prints that has a scope of its own. */
  #inner(body: readonly Node[], scope: Scope): string {
    return this.#textOf(body, new Scope(scope));
  }

  #filtered(filter: Node, body: readonly Node[], scope: Scope): string {
    const text = this.#inner(body, scope);
    if (filter.value === GENERATION) return text;
    const { name, args } = this.#expressions.filterOf(filter, scope);
    return pythonText(this.#budget.made(callFilter(name, text, args)));
  }

  #for({ iterable, loopvar, body, defaultBlock }: Node, scope: Scope, out: string[]): void {
    const loop = new Loop(this.#loopItems(iterable!, loopvar!, scope));
    let completed = 0;
    for (const [i, item] of loop.items.entries()) {
      this.#budget.step();
      loop.index0 = i;
      const inner = new Scope(scope);
      inner.set("loop", loop);
      this.#assign(loopvar!, item, inner);
      try {
        this.#block(body!, inner, out);
        completed += 1;
      } catch (control) {
        if (!(control instanceof LoopControl)) throw control;
        if (control.message === "Break") break;
      }
    }
    // Jinja counts no turn that was left early.
    if (completed === 0) this.#block(defaultBlock!, new Scope(scope), out);
  }

  /** What is gone through, less what `for ... if` leaves out. */
  #loopItems(iterable: Node, loopvar: Node, scope: Scope): readonly Value[] {
    if (iterable.type !== "SelectExpression") return iterate(this.#value(iterable, scope));
    return iterate(this.#value(iterable.lhs!, scope)).filter((item) => {
      const inner = new Scope(scope);
      this.#assign(loopvar, item, inner);
      return truth(this.#value(iterable.test!, inner));
    });
  }

  #macro({ name, args, body }: Node, scope: Scope): Callable {
    const called = (name as Node).value as string;
    return new Callable(called, (given) => {
      const inner = new Scope(scope);
      bindMacro(called, args!, given, inner, (node) => this.#expressions.evaluate(node, inner));
      return this.#textOf(body!, inner);
    });
  }

  #callBlock({ call, callerArgs, body }: Node, scope: Scope): Value {
    const caller = this.#macro({ type: "Macro", name: CALLER, args: callerArgs ?? [], body: body! }, scope);
    return this.#expressions.call(call!, scope, caller);
  }
}

const CALLER: Node = { type: "Identifier", value: "caller" };
