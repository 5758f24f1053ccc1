import { calleeName } from "../flow/tensor-calls.ts";
import type { Block, Read, Trace } from "../flow/trace.ts";
import type { Value } from "../flow/value.ts";
import type { Expr, Span, Step } from "../form/form.ts";
import { expressionsOf, pathTo, within } from "../form/traversal.ts";
import type { Place } from "../languages/front-end.ts";
import type { Profile } from "../profiles/profile.ts";
import type { Project } from "../project/project.ts";
import { isElsewhere } from "./exclusive.ts";
import type { Memory } from "./memory.ts";
import { repeatsMemory, seesVariables } from "./tensor-operations.ts";

export interface HoldQuestion {
  readonly inputs: { readonly q: Value; readonly k: Value };
  readonly trace: Trace;
  readonly place: Place;
  readonly project: Project;
  /** Where the helper will stand. */
  readonly block: Block;
  readonly step: Step;
  /** Text that goes. */
  readonly removed: readonly Span[];
  /** What the helper can overwrite; see `Profile`. */
  readonly profile: Pick<Profile, "viewsTokens">;
  /** Whether callers may have what they gave; they may unless this is said. */
  readonly callers?: "give it up";
  /** What is known to lie in other memory than what goes into it. */
  readonly made?: Value;
}

/** The search for whoever may hold one tensor: what may have kept it before the helper, and what reads it after. */
export class HolderSearch {
  readonly #input: Value;
  readonly #memory: Memory;
  readonly #question: HoldQuestion;
  readonly #order: number;
  /** The outermost loop around the helper: what stands before it there runs after it too. */
  readonly #loop: Span | undefined;

  constructor(input: Value, memory: Memory, question: HoldQuestion) {
    this.#input = input;
    this.#memory = memory;
    this.#question = question;
    this.#order = question.trace.steps.get(question.step)?.order ?? 0;
    this.#loop = loopAround(question.block);
  }

  find(): string | undefined {
    const pieces = this.#memory.of(this.#input);
    const outside = pieces.find(({ isHeld }) => isHeld);
    if (pieces.length === 0 || outside !== undefined) return nameOf(outside?.root);
    if (pieces.some(({ path }) => path.some(({ index }) => isRepeated(index)))) return "its own other places";
    return (
      this.#inClosure() ?? this.#inStore() ?? this.#inCall() ?? this.#inStatement() ?? this.#inVariable()
    );
  }

  #has(value: Value | undefined): boolean {
    return value !== undefined && this.#memory.overlap(value, this.#input);
  }

  /** A closure from before reads a variable whenever it runs, whatever it held in between. */
  #inClosure(): string | undefined {
    const { captures, definitions, steps } = this.#question.trace;
    const outer = [...[...steps.keys()].flatMap(namesFromOutside), ...this.#undeclared()];
    const names = captures
      .filter(({ span, order }) => order < this.#order && this.#counts(span))
      .flatMap((one) => [...one.names]);
    const seen = new Set([...names, ...outer]);
    const found = definitions.find(({ name, value }) => seen.has(name) && this.#has(value));
    return found && `a function that sees \`${found.name}\``;
  }

  /** Variables of a script that the function assigns and does not declare. */
  #undeclared(): readonly string[] {
    const { place, trace } = this.#question;
    if (place.form.language === "python") return [];
    const own = new Set(
      trace.definitions
        .filter(({ step }) => step?.kind !== "assign" || step.declares !== undefined)
        .map(({ name }) => name),
    );
    return trace.definitions.flatMap(({ name }) => (own.has(name) ? [] : [name]));
  }

  #inStore(): string | undefined {
    const found = this.#question.trace.stores.find(
      ({ value, step }) => this.#counts(step.span) && this.#has(value),
    );
    return found && "an attribute or element";
  }

  /** A call of which nothing is known may keep what it is given: `taps.push(k)`, `setattr(self, "k", k)`, `Cache(k)`. */
  #inCall(): string | undefined {
    const { values, orders } = this.#question.trace;
    for (const [expr, value] of values) {
      const seer = this.#seer(expr);
      if (seer !== undefined) return `\`${seer}\``;
      if (!this.#isBefore(orders.get(expr) ?? 0, expr.span) || !this.#counts(expr.span)) continue;
      if (expr.kind === "opaque" && expr.what === "yield" && this.#has(value))
        return "whoever runs this generator";
      if (expr.kind !== "call" || this.#isHarmless(expr)) continue;
      const given = expr.args.map((arg) => values.get(arg.value));
      const receiver = expr.callee.kind === "attribute" ? [values.get(expr.callee.object)] : [];
      if ([...receiver, ...given].some((one) => this.#has(one)))
        return `\`${nameOf(values.get(expr.callee))}\``;
    }
    return undefined;
  }

  /** What sees all variables, by its name: before the helper it may keep them, after it it reads those that are there still. */
  #seer(expr: Expr): string | undefined {
    if (expr.kind !== "call" || expr.callee.kind !== "name" || !this.#counts(expr.span)) return undefined;
    return seesVariables(expr.callee.name) ? expr.callee.name : undefined;
  }

  #isGiven({ args }: Extract<Expr, { kind: "call" }>): boolean {
    return args.some(({ value }) => this.#has(this.#question.trace.values.get(value)));
  }

  /** A call that the table knows to keep nothing. */
  #isHarmless(expr: Extract<Expr, { kind: "call" }>): boolean {
    const callee = this.#question.trace.values.get(expr.callee);
    const isPlain =
      !expr.construct && !expr.args.some(({ keyword }) => keyword === "out" || keyword === "inplace");
    if (callee === undefined || !isPlain || this.#memory.uses.of(callee) === undefined) return false;
    return !this.#memory.uses.mayKeep(callee) || !this.#isGiven(expr);
  }

  /** A class declared inside, a statement of which nothing is known, a function that its decorator is given. */
  #inStatement(): string | undefined {
    const { steps, values } = this.#question.trace;
    const found = [...steps].find(([step, { order, assigned }]) => {
      if (!this.#isBefore(order, step.span) || !this.#counts(step.span)) return false;
      const isHandedOn = step.kind === "function" && step.declared.decorators.length > 0;
      const handed = isHandedOn ? assigned.map(({ value }) => value) : [];
      return [...handed, ...keptBy(step).map((part) => values.get(part))].some((one) => this.#has(one));
    });
    return found && "a statement before it";
  }

  #inVariable(): string | undefined {
    const { reads } = this.#question.trace;
    const found = reads.find(
      (read) => this.#isAfter(read) && this.#counts(read.expr.span) && this.#isSeenIn(read),
    );
    return found && `\`${found.expr.name}\``;
  }

  /** Whether the read sees the memory, and not only its shape, or a part of it that lies beside. */
  #isSeenIn(read: Read): boolean {
    const { definition, expr, step } = read;
    if (step.kind === "opaque" && step.what === "del") return false;
    // A handler may run whatever of the block before it has run.
    const isAnyTime = isInOpaque(read.block) && !isInOpaque(this.#question.block);
    const defined = isAnyTime
      ? this.#question.trace.definitions.filter(({ name }) => name === definition.name)
      : [definition];
    if (!defined.some(({ value }) => this.#has(value))) return false;
    return isAnyTime || this.#viewsOf(expr, step).every((value) => this.#has(value));
  }

  /** The value that is read, and those of the views that are taken of it at once: `qkv[..., n:]`, `q.shape`. */
  #viewsOf(expr: Expr, step: Step): readonly Value[] {
    const { values } = this.#question.trace;
    const path = expressionsOf(step).flatMap((root) => pathTo(root, (one) => one === expr) ?? []);
    const seen: Value[] = [];
    for (const one of path.toReversed().slice(1)) {
      const isCallee = one.kind === "attribute" || one.kind === "index";
      const callee = one.kind === "call" ? values.get(one.callee) : undefined;
      const use = callee && this.#memory.uses.of(callee);
      if (!isCallee && (use === undefined || use === "new")) break;
      const value = values.get(one);
      // `q.view` of `q.view(...)` is no tensor yet.
      const isMethod =
        one.kind === "attribute" && path.some((around) => around.kind === "call" && around.callee === one);
      if (value !== undefined && !isMethod) seen.push(value);
    }
    return seen;
  }

  #counts(span: Span): boolean {
    const { removed, block, step } = this.#question;
    return !isIn(span, removed) && !isElsewhere(span, { block, step });
  }

  #isBefore(order: number, span: Span): boolean {
    return order < this.#order || this.#isInLoop(span);
  }

  #isAfter({ order, expr }: Read): boolean {
    return order >= this.#order || this.#isInLoop(expr.span);
  }

  #isInLoop(span: Span): boolean {
    return this.#loop !== undefined && within(span, this.#loop);
  }
}

/** What a statement may keep of which nothing is known, or hand to whoever catches it. */
function keptBy(step: Step): readonly Expr[] {
  if (step.kind === "leave") return step.value === undefined ? [] : [step.value];
  return step.kind === "opaque" && !["del", "assert", "assignment"].includes(step.what) ? step.parts : [];
}

/** `expand` and its like, on the way from what was made to the tensor. */
function isRepeated(index: Value): boolean {
  const callee = index.kind === "call" ? calleeName(index.callee) : undefined;
  return callee !== undefined && repeatsMemory(callee);
}

function nameOf(value: Value | undefined): string {
  if (value === undefined) return "somebody";
  if (value.kind === "param") return `the caller (\`${value.name}\`)`;
  if (value.kind === "call") return nameOf(value.callee);
  return "name" in value ? value.name : "somebody";
}

/** Variables that are not the function's own: `global k`. */
function namesFromOutside(step: Step): readonly string[] {
  if (step.kind !== "opaque" || !["global", "nonlocal"].includes(step.what)) return [];
  return step.parts.flatMap((part) => (part.kind === "name" ? [part.name] : []));
}

function loopAround(block: Block): Span | undefined {
  let found: Span | undefined;
  for (let one: Block | undefined = block; one !== undefined; one = one.parent?.block)
    if (one.kind === "loop") found = one.parent?.step.span;
  return found;
}

function isInOpaque(block: Block): boolean {
  return block.kind === "opaque" || (block.parent !== undefined && isInOpaque(block.parent.block));
}

function isIn(span: Span, spans: readonly Span[]): boolean {
  return spans.some((one) => within(span, one));
}
