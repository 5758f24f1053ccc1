import { calleeName } from "../flow/tensor-calls.ts";
import type { Block, Trace } from "../flow/trace.ts";
import type { Value, ValueOf } from "../flow/value.ts";
import type { Place } from "../languages/front-end.ts";
import type { Project } from "../project/project.ts";
import { CallUses, isModule } from "./call-uses.ts";
import { areDisjoint, type Selector } from "./disjoint.ts";
import { isProjection } from "./projection.ts";
import { operatorUse } from "./tensor-operations.ts";
import { isPlain } from "./twin-branches.ts";

/** Memory that a value may lie in: the value that it was made as, and the way from there to a part of it. */
export interface Piece {
  readonly root: Value;
  readonly path: readonly Selector[];
  /** Whether somebody outside of the function, or a function that is not known, may have it too. */
  readonly isHeld: boolean;
}

export interface MemoryQuestion {
  readonly trace: Trace;
  readonly place: Place;
  readonly project: Project;
  /** Norms that the helper stands for, and calls that come to it: what they give is new. */
  readonly replaced: ReadonlySet<Value>;
  /** Where the helper will stand: of a branch around it, the other arm has not run. */
  readonly block: Block;
  /** Whether a parameter is memory that nobody else has; see `HoldQuestion`. */
  readonly callers?: "give it up";
}

/** Which memory values may lie in, by the table of `tensor-operations.ts`. */
export class Memory {
  readonly #question: MemoryQuestion;
  /** What calls do with what they are given. */
  readonly uses: CallUses;
  readonly #known = new Map<Value, readonly Piece[]>();
  readonly #arms: ReadonlyMap<Value, "then" | "otherwise">;

  constructor(question: MemoryQuestion) {
    this.#question = question;
    this.uses = new CallUses(question.place, question.project);
    this.#arms = armsAround(question.block, question.trace);
  }

  /** Nothing for what is no tensor. */
  of(value: Value): readonly Piece[] {
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    // What a loop carries round may hold itself.
    this.#known.set(value, []);
    const pieces = this.#compute(value);
    this.#known.set(value, pieces);
    return pieces;
  }

  overlap(a: Value, b: Value): boolean {
    return this.of(a).some((one) => this.of(b).some((other) => mayMeet(one, other)));
  }

  #compute(value: Value): readonly Piece[] {
    switch (value.kind) {
      case "self":
      case "literal":
      case "shape":
        return [];
      case "param":
        return [{ root: value, path: [], isHeld: this.#question.callers === undefined }];
      case "free":
        return [{ root: value, path: [], isHeld: true }];
      case "attribute":
        return this.#ofAttribute(value);
      case "tuple":
        return this.#ofAll(value.items);
      case "item":
        return this.#selected(value.of, { of: value.of, index: value.index });
      case "reshape":
      case "owned":
      case "await":
        return this.of(value.of);
      case "norm":
        return this.#question.replaced.has(value) ? [] : this.#unknown(value, [value.of]);
      case "operation": {
        const use = operatorUse(value.operator);
        if (use === "either") return this.#ofAll(value.operands);
        // `held + [k]`, `held |= {"k": k}`: of containers the operator makes one that holds the same.
        const held = this.#ofAll(value.operands.filter(isContainer));
        if (use === "first") return [...this.#ofAll(value.operands.slice(0, 1)), ...held];
        return [{ root: value, path: [], isHeld: false }, ...held];
      }
      case "choice":
        return this.#ofChoice(value);
      case "unknown":
        return this.#unknown(value, this.#question.trace.contents.get(value) ?? []);
      case "call":
        return this.#question.replaced.has(value) ? [] : this.#ofCall(value);
      default:
        return value satisfies never;
    }
  }

  #ofAll(values: readonly Value[]): readonly Piece[] {
    return values.flatMap((one) => this.of(one));
  }

  #selected(of: Value, selector: Selector): readonly Piece[] {
    return this.of(of).map((piece) => ({ ...piece, path: [...piece.path, selector] }));
  }

  #unknown(value: Value, given: readonly Value[]): readonly Piece[] {
    return [...this.#ofAll(given), { root: value, path: [], isHeld: true }];
  }

  #ofAttribute(value: ValueOf<"attribute">): readonly Piece[] {
    const { object, name } = value;
    if (this.uses.named(name) === "look") return [];
    const inner = this.of(object);
    return inner.length > 0 ? inner : [{ root: value, path: [], isHeld: true }];
  }

  /** An arm that the helper is in has run when somebody reads what the branch gives. */
  #ofChoice({ test, then, otherwise }: ValueOf<"choice">): readonly Piece[] {
    const arm = this.#arms.get(test);
    const taken = arm === "then" ? then : otherwise;
    if (arm !== undefined && this.#isAfterHelper(taken, isPlain(test))) return this.of(taken);
    return this.#ofAll([then, otherwise]);
  }

  /** Whether the value is what a norm gives that the helper stands for; with `anyhow`, whether that went into it in any way. */
  #isAfterHelper(value: Value, anyhow: boolean): boolean {
    const seen = new Set<Value>();
    const pending = [value];
    for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
      if (this.#question.replaced.has(one)) return true;
      if (seen.has(one)) continue;
      seen.add(one);
      if (one.kind === "call" && anyhow) pending.push(one.callee, ...one.args);
      else if (one.kind === "operation" && anyhow) pending.push(...one.operands);
      else if (one.kind === "attribute" && anyhow) pending.push(one.object);
      else if (one.kind === "tuple") pending.push(...one.items);
      else if (one.kind === "choice") pending.push(one.then, one.otherwise);
      else if ("of" in one) pending.push(one.of);
    }
    return false;
  }

  #ofCall(value: ValueOf<"call">): readonly Piece[] {
    const { callee, args } = value;
    const { place, project } = this.#question;
    const use = this.uses.of(callee);
    const receiver = callee.kind === "attribute" && !isModule(callee.object) ? [callee.object] : [];
    if (use === "look") return [];
    // `later()` may give back what the function holds.
    const held = callee.kind === "attribute" || callee.kind === "free" ? [] : [callee];
    const given = [...receiver, ...args];
    // `einsum("bhd->hbd", k)` only reorders axes.
    const isOfOne = calleeName(callee) === "einsum" && given.filter(isComputed).length < 2;
    if ((use === "new" && !isOfOne) || (use === undefined && isProjection(callee, place, project)))
      return [{ root: value, path: [], isHeld: false }];
    if (isOfOne) return this.#ofAll(given.filter(isComputed));
    if (use === undefined) return this.#unknown(value, [...held, ...given]);
    const [first, ...others] = given;
    // A method, or a function of its first argument; what else is given says how.
    if (first === undefined) return [];
    const selector = { of: first, index: value };
    return [
      ...this.#selected(first, selector),
      ...this.#ofAll(others.filter((one) => this.#mayBeTensor(one))),
    ];
  }

  /** A list, a set or an object is none. */
  #mayBeTensor(value: Value): boolean {
    return !["tuple", "unknown", "attribute", "self", "literal", "shape", "free"].includes(value.kind);
  }
}

/** A list, an object, a closure: what is not a tensor, and may hold some. */
function isContainer(value: Value): boolean {
  if (value.kind === "choice") return isContainer(value.then) || isContainer(value.otherwise);
  if (value.kind === "operation") return value.operands.some(isContainer);
  return value.kind === "tuple" || value.kind === "unknown";
}

function isComputed({ kind }: Value): boolean {
  return kind !== "literal" && kind !== "shape" && kind !== "self" && kind !== "free";
}

function mayMeet(a: Piece, b: Piece): boolean {
  if (a.root !== b.root) return false;
  return !a.path.some((one) => b.path.some((other) => areDisjoint(one, other)));
}

/** The tests of the branches around a block, and the arm of each that it is in. */
function armsAround(block: Block, trace: Trace): ReadonlyMap<Value, "then" | "otherwise"> {
  const arms = new Map<Value, "then" | "otherwise">();
  for (let one: Block | undefined = block; one?.parent !== undefined; one = one.parent.block) {
    const { step } = one.parent;
    const test = step.kind === "branch" ? trace.values.get(step.test) : undefined;
    if (test !== undefined && (one.kind === "then" || one.kind === "otherwise")) arms.set(test, one.kind);
  }
  return arms;
}
