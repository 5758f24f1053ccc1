import { splitWords } from "../candidates/names.ts";
import type { Trace } from "../flow/trace.ts";
import type { Value } from "../flow/value.ts";
import type { Place } from "../languages/front-end.ts";
import type { Project } from "../project/project.ts";
import { layersOf } from "./aliases.ts";
import { isProjection } from "./projection.ts";
import { Refusal } from "./reasons.ts";
import { axesOf, sameAxes } from "./tensor-axes.ts";
import { isProjected } from "./transposed.ts";

export interface SourceQuestion {
  readonly trace: Trace;
  readonly place: Place;
  readonly project: Project;
}

/**
 * Throws `helper-mismatch` when q and k are projected from different tensors, as in cross attention, or have another number of axes: they may be
 * of different length, and the helper takes tensors that differ in their heads only.
 */
export function refuseOtherSources(q: Value, k: Value, helper: string, question: SourceQuestion): void {
  const [qAxes, kAxes] = [axesOf(q), axesOf(k)];
  const isOpen = [qAxes, kAxes].some((axes) => axes?.some((axis) => axis.of === "batch"));
  if (!isOpen && qAxes !== undefined && kAxes !== undefined && qAxes.length !== kAxes.length)
    throw new Refusal(
      "helper-mismatch",
      `q has ${qAxes.length} axes and k ${kAxes.length}; ${helper} takes both with the same`,
    );
  if (armsOf(q, k).every(([ofQ, ofK]) => mayBeOfOneLength(ofQ, ofK, question))) return;
  throw new Refusal(
    "helper-mismatch",
    `q and k are made from different tensors, which may differ in length; ${helper} takes both of one length`,
  );
}

/** What q and k are on each way that chooses for both: `if self.is_cross: k = given`. */
function armsOf(q: Value, k: Value): readonly (readonly [Value, Value])[] {
  const [a, b] = [q, k].map((side) => layersOf(side).find((one) => one.kind === "choice"));
  if (a?.kind !== "choice" || b?.kind !== "choice" || a.test !== b.test) return [[q, k]];
  return [...armsOf(a.then, b.then), ...armsOf(a.otherwise, b.otherwise)];
}

function mayBeOfOneLength(q: Value, k: Value, question: SourceQuestion): boolean {
  const [ofQ, ofK] = [q, k].map((side) => new Sources(question).of(side)) as [Set<Value>, Set<Value>];
  if (ofQ.size > 0 && ofK.size > 0)
    return [...ofK].every((one) => ofQ.has(one)) && [...ofQ].every((one) => ofK.has(one));
  const { fn } = question.place;
  if ([fn.name, fn.owner ?? ""].some((name) => splitWords(name).includes("cross"))) return false;
  return isGiven(q) === isGiven(k);
}

/** Whether a tensor comes from outside as it is, and is not made by a call of this function. */
function isGiven(value: Value): boolean {
  const base = layersOf(value).at(-1)!;
  if (base.kind !== "call") return base.kind === "param" || base.kind === "attribute";
  const { callee } = base;
  return callee.kind === "attribute" && sameAxes.test(callee.name) && isGiven(callee.object);
}

class Sources {
  readonly #question: SourceQuestion;
  readonly #seen = new Set<Value>();

  constructor(question: SourceQuestion) {
    this.#question = question;
  }

  /** The parameters and attributes that a projection on the way is given; empty where there is no projection on any way. */
  of(value: Value): Set<Value> {
    const found = new Set<Value>();
    for (const projection of this.#projections(value)) {
      const [input] = projection.args;
      if (input !== undefined) for (const one of this.#inputs(input)) found.add(one);
    }
    return found;
  }

  #projections(value: Value): readonly Extract<Value, { kind: "call" }>[] {
    if (this.#seen.has(value)) return [];
    this.#seen.add(value);
    if (value.kind === "call") {
      const { place, project } = this.#question;
      if (isProjected(value) || isProjection(value.callee, place, project)) return [value];
    }
    return this.#madeFrom(value).flatMap((one) => this.#projections(one));
  }

  /** Where a projection's input comes from: each parameter, attribute or other call once. */
  #inputs(value: Value): readonly Value[] {
    switch (value.kind) {
      case "param":
      case "free":
        return [value];
      case "attribute":
        return value.object.kind === "self" ? [value] : this.#inputs(value.object);
      case "norm":
        return this.#inputs(value.of);
      case "unknown": {
        const inside = this.#question.trace.contents.get(value) ?? [];
        return this.#once(value) ? inside.flatMap((one) => this.#inputs(one)) : [];
      }
      default: {
        if (!this.#once(value)) return [];
        return this.#madeFrom(value).flatMap((one) => this.#inputs(one));
      }
    }
  }

  #once(value: Value): boolean {
    const isNew = !this.#seen.has(value);
    this.#seen.add(value);
    return isNew;
  }

  #madeFrom(value: Value): readonly Value[] {
    const layers = layersOf(value).slice(1);
    if (layers.length > 0) return layers;
    switch (value.kind) {
      case "operation":
        return value.operands;
      case "choice":
        return [value.then, value.otherwise];
      case "await":
        return [value.of];
      case "tuple":
        return value.items;
      case "call":
        return this.#argumentsOf(value);
      default:
        return [];
    }
  }

  /** The tensor that a call is about: its receiver, unless that is a module, else its first argument. */
  #argumentsOf({ callee, args }: Extract<Value, { kind: "call" }>): readonly Value[] {
    const receiver = callee.kind === "attribute" ? callee.object : undefined;
    const isModule = receiver === undefined || ["self", "free", "attribute"].includes(receiver.kind);
    return isModule ? args.slice(0, 1) : [receiver];
  }
}
