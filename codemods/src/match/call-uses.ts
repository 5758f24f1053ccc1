import { calleeName } from "../flow/tensor-calls.ts";
import type { Value, ValueOf } from "../flow/value.ts";
import type { Place } from "../languages/front-end.ts";
import type { Project } from "../project/project.ts";
import { isProjection } from "./projection.ts";
import { sideOfName } from "./side-of.ts";
import { isLibraryName, type MemoryUse, memoryUseOf, operatorUse } from "./tensor-operations.ts";

/** What calls do with the memory that they are given, where it is sure that they are those of a tensor or of an array library. */
export class CallUses {
  readonly #place: Place;
  readonly #project: Project;
  readonly #tensors = new Map<Value, boolean>();

  constructor(place: Place, project: Project) {
    this.#place = place;
    this.#project = project;
  }

  /** What the table says of a call: of the function of an array library, or of a tensor's own method. */
  of(callee: Value): MemoryUse | undefined {
    const name = calleeName(callee);
    if (name === undefined) return undefined;
    const use = this.named(name, callee.kind === "free" ? "function" : "method");
    if (callee.kind === "free") return use === "new" && !this.#isKnown(name) ? undefined : use;
    if (callee.kind !== "attribute") return undefined;
    const { object } = callee;
    if (isModule(object)) return isLibrary(object) || use === "view" || use === "parts" ? use : undefined;
    // A parameter may be anything: what looks at a part of it, as of a tensor, makes nothing new.
    const isLook = use === "view" || use === "parts";
    return this.isTensor(object) || (object.kind === "param" && isLook) ? use : undefined;
  }

  /** Whether a call of a known name may still be that of something else, which keeps its arguments: `self.cache.select(k)`. */
  mayKeep(callee: Value): boolean {
    if (callee.kind === "free") return !this.#isKnown(callee.name);
    return callee.kind !== "attribute" || !(isLibrary(callee.object) || this.isTensor(callee.object));
  }

  /** Whether a bare function is the language's own or an array library's: one of the same name from elsewhere may do anything. */
  #isKnown(name: string): boolean {
    const { imports, functions } = this.#place.form;
    const source = imports.find(({ names }) => names.some(({ local }) => local === name));
    if (source === undefined) return !functions.some((fn) => fn.name === name);
    return source.module.split(/[./]/).some((part) => isLibraryName(part));
  }

  /** Whether the value is surely a tensor, whose methods the table knows: `add` may be that of a set, `log` that of a logger. */
  isTensor(value: Value): boolean {
    let known = this.#tensors.get(value);
    if (known === undefined) {
      known = this.#isSurelyTensor(value);
      this.#tensors.set(value, known);
    }
    return known;
  }

  #isSurelyTensor(value: Value): boolean {
    switch (value.kind) {
      case "reshape":
      case "norm":
        return true;
      case "owned":
      case "await":
      case "item":
        return this.isTensor(value.of);
      case "choice":
        return this.isTensor(value.then) && this.isTensor(value.otherwise);
      case "operation":
        return operatorUse(value.operator) === "new" || value.operands.every((one) => this.isTensor(one));
      case "param":
        return this.#isTensorParam(value);
      case "call": {
        const use = this.of(value.callee);
        return use === undefined ? isProjection(value.callee, this.#place, this.#project) : use !== "look";
      }
      default:
        return false;
    }
  }

  #isTensorParam({ name, index }: ValueOf<"param">): boolean {
    const type = this.#place.fn.params[index]?.type?.name ?? "";
    return (
      /tensor|array/i.test(type) || /^(?:x|hidden_?states|qkv)$/i.test(name) || sideOfName(name) !== undefined
    );
  }

  /** What the table says of a method of a tensor, or a function, of this name. */
  named(name: string, as: "method" | "function" = "method"): MemoryUse | undefined {
    return memoryUseOf(name, this.#place.form.language, as);
  }
}

/** `torch`, `self.mx`: what functions are called of. */
export function isModule(value: Value): boolean {
  return (
    value.kind === "free" ||
    (value.kind === "attribute" && (value.object.kind === "self" || isModule(value.object)))
  );
}

function isLibrary(value: Value): boolean {
  if (value.kind === "free") return isLibraryName(value.name);
  return value.kind === "attribute" && (isLibraryName(value.name) || isLibrary(value.object));
}
