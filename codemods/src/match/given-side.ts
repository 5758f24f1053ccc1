import { splitWords } from "../candidates/names.ts";
import type { NormEvent } from "../flow/trace.ts";
import type { Value, ValueOf } from "../flow/value.ts";
import type { Expr } from "../form/form.ts";
import { type SideName, sideOfName, speaksOfBoth } from "./side-of.ts";

/** The side that an applied norm belongs to: by its own name; a function without one, or a module for both, by the tensor that it is given. */
export function sideOfEvent(event: NormEvent): SideName | undefined {
  const { norm, style } = event.value;
  const named = "name" in norm ? sideOfName(norm.name) : undefined;
  if (named !== undefined && norm === event.value.callee && style === "function")
    return sideGiven(event) && named;
  const isForAny = style === "function" || ("name" in norm && speaksOfBoth(norm.name));
  return named ?? (isForAny ? sideGiven(event) : undefined);
}

/** The side that the tensor speaks of which the norm is given, by its name or by where it came from. */
export function sideGiven({ value, call, site, inlined }: NormEvent): SideName | undefined {
  const outer = inlined && site.kind === "call" ? site.args : undefined;
  // Of a helper's arguments any variable may be the tensor; of the norm's own it is known which one is.
  const own = isOwnMethod(value) && call.callee.kind === "attribute" ? call.callee.object : undefined;
  const tensors = outer?.flatMap((arg) => (arg.value.kind === "name" ? arg.value : [])) ?? [
    own ?? call.args[value.args.indexOf(value.of)]?.value,
  ];
  const sides = new Set(tensors.flatMap((one) => (one && sideOfName(tensorName(one))) ?? []));
  // What is given q and k is a norm of neither alone: `applyQkNorm(q, k)`.
  const given = new Set(
    (outer ?? call.args).flatMap(({ value: arg }) => (arg.kind === "name" && sideOfName(arg.name)) || []),
  );
  if (value.style === "function" && given.has("q") && given.has("k")) return undefined;
  return sides.size === 1 ? [...sides][0] : sideOfTensor(value.of);
}

/** Whether the norm is a method of the tensor that it normalises: `q.rmsNorm({ eps })`. */
export function isOwnMethod(
  value: ValueOf<"norm">,
): value is ValueOf<"norm"> & { readonly callee: ValueOf<"attribute"> } {
  return value.callee.kind === "attribute" && value.callee.object === value.of;
}

const views =
  /^(?:ref|T|astype|to|type|type_as|float|half|contiguous|clone|reshape|view|unflatten|flatten|transpose\w*|permute|swapaxes|slice|narrow|squeeze|unsqueeze)$/;

/** The variable or attribute that a tensor is read from, also through another view of it; empty for anything else. */
function tensorName(expr: Expr): string {
  switch (expr.kind) {
    case "name":
      return expr.name;
    case "attribute":
      return views.test(expr.name) ? tensorName(expr.object) : expr.name;
    case "index":
      return tensorName(expr.object);
    case "call": {
      if (expr.callee.kind !== "attribute" || !views.test(expr.callee.name)) return "";
      const { object } = expr.callee;
      // `ops.reshape(q, shape)`: of a module the first argument is what is looked at.
      const [first] = expr.args;
      return sideOfName(tensorName(object)) === undefined && first
        ? tensorName(first.value)
        : tensorName(object);
    }
    default:
      return "";
  }
}

function sideOfTensor(value: Value): SideName | undefined {
  switch (value.kind) {
    case "param":
    case "free":
    case "attribute":
      return sideOfName(value.name);
    case "reshape":
    case "norm":
    case "owned":
    case "await":
    case "item":
      return sideOfTensor(value.of);
    case "call":
      return sideOfCall(value.callee, value.args);
    default:
      return undefined;
  }
}

/** `this.qProj.forward(x)`, `linear(qProj, x)`, `q.astype(f32)`. */
function sideOfCall(callee: Value, args: readonly Value[]): SideName | undefined {
  if (callee.kind === "attribute" && views.test(callee.name)) {
    const [first] = args;
    return sideOfTensor(callee.object) ?? (first && sideOfTensor(first));
  }
  const projections = [callee, ...(callee.kind === "attribute" ? [callee.object] : []), ...args];
  const sides = new Set(projections.flatMap((one) => ("name" in one && sideOfProjection(one.name)) || []));
  return sides.size === 1 ? [...sides][0] : undefined;
}

function sideOfProjection(name: string): SideName | undefined {
  const words = splitWords(name);
  const isWeight = words.some((word) => /^(?:proj|projection|linear|weight|w|to|[wx][qkv])$/.test(word));
  return isWeight ? sideOfName(name) : undefined;
}
