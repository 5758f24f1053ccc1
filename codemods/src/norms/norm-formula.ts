import { traceFunction } from "../flow/evaluate.ts";
import type { Trace } from "../flow/trace.ts";
import { holds, type Value } from "../flow/value.ts";
import { classDecorators } from "../form/class-decorators.ts";
import type { ClassForm, FileForm, FunctionForm } from "../form/form.ts";
import { operationOf, withoutCasts } from "./tensor-algebra.ts";

/** Decorators of a forward that leave its result as it is. */
const harmless =
  /^(?:override|final|no_grad|inference_mode|disable|script_method|export|ignore|unused|custom_fwd|typechecked|jaxtyped|\w*compile\w*|dynamic_\w*|use_kernel\w*)$/;

/** Decorators of a class that leave what it computes as it is. */
const harmlessForClasses =
  /^(?:register\w*|use_kernel\w*|dataclass|final|script|\w*compile\w*|allow_in_graph|maybe_allow_in_graph|typechecked|jaxtyped|injectable)$/;

/**
 * Whether a norm's code shows that it computes something else than x / sqrt(mean(x^2) + eps), times a weight at most: a bias, one more
 * factor, a sum instead of a mean, eps outside of the root, an activation; or that something else runs around it, as a decorator does. Code
 * that hands x to a kernel shows nothing.
 */
export function computesOther(forward: FunctionForm, cls: ClassForm, form: FileForm): boolean {
  const hasOtherCall = forward.name !== "__call__" && cls.methods.some(({ name }) => name === "__call__");
  const isWrapped = forward.decorators.some((name) => !harmless.test(name.split(".").at(-1) ?? ""));
  const isReplaced = classDecorators(cls, form).some(
    (name) => !harmlessForClasses.test(name.split(".").at(-1) ?? ""),
  );
  return hasOtherCall || isWrapped || isReplaced || new Formula(forward, { cls, form, depth: 0 }).isOther();
}

interface Where {
  readonly cls: ClassForm;
  readonly form: FileForm;
  /** How many of the class's own methods lead here. */
  readonly depth: number;
}

/** `isUnder`: what the product is divided by. */
interface Factor {
  readonly value: Value;
  readonly isUnder: boolean;
}

/** Longer ones are no norm that people write. */
const mostFactors = 8;
const mostWays = 16;
const otherNorms = /(?:group|batch|instance|layer)_?norm|normali[sz]e$/i;

class Formula {
  readonly #where: Where;
  readonly #trace: Trace;
  readonly #input: Value | undefined;

  constructor(forward: FunctionForm, where: Where) {
    this.#where = where;
    this.#trace = traceFunction(forward, () => undefined);
    this.#input = this.#trace.params[0];
  }

  isOther(): boolean {
    const { result, values, stores } = this.#trace;
    // It counts, or keeps what it is given.
    if (stores.length > 0 || [...values.values()].some((value) => this.#writesInput(value))) return true;
    if ([...values.keys()].some((expr) => expr.kind === "opaque" && expr.what === "yield")) return true;
    if (result === undefined) return false;
    return this.#mayGiveInput(result) || this.#ways(result).some((way) => this.#isOtherWay(way));
  }

  /** Whether x comes back as it is for a reason that is not x's own: in training alone, by a flag. An empty x has nothing to normalise. */
  #mayGiveInput(given: Value): boolean {
    const value = withoutCasts(given);
    if (value.kind !== "choice" || this.#isInput(value)) return false;
    const arms = [value.then, value.otherwise];
    const isSkipped = arms.some((arm) => this.#isInput(arm)) && !this.#isAboutInput(value.test);
    return isSkipped || arms.some((arm) => this.#mayGiveInput(arm));
  }

  #isAboutInput(test: Value): boolean {
    return this.#input !== undefined && holds(test, this.#input);
  }

  /** `x *= scale`, `x.mul_(scale)`: whoever has x sees it. */
  #writesInput(value: Value): boolean {
    if (value.kind === "operation")
      return /^(?:\*\*|\/\/|[-+*/])=$/.test(value.operator) && this.#isInput(value.operands[0]!);
    if (value.kind !== "call" || value.callee.kind !== "attribute") return false;
    return /[a-z\d]_$/.test(value.callee.name) && this.#isInput(value.callee.object);
  }

  /** What it gives on each way through it; several values at once are not looked at here. */
  #ways(given: Value): readonly Value[] {
    const value = withoutCasts(given);
    if (value.kind === "choice") return [value.then, value.otherwise].flatMap((one) => this.#ways(one));
    return value.kind === "tuple" || this.#isInput(value) ? [] : [value];
  }

  #isOtherWay(value: Value): boolean {
    if (value.kind === "unknown") return (this.#trace.contents.get(value) ?? []).some(isWrittenOut);
    const products = this.#products({ value, isUnder: false });
    return products.length === 0 || products.some((factors) => !this.#isNorm(factors));
  }

  #isNorm(factors: readonly Factor[]): boolean {
    const [first, second, ...more] = factors.filter((one) => !this.#isWeight(one));
    if (first === undefined || more.length > 0 || factors.length > 3) return false;
    if (second === undefined) return factors.length < 3 && !first.isUnder && this.#isKernel(first.value);
    return [
      [first, second],
      [second, first],
    ].some(([x, root]) => !x!.isUnder && this.#isInput(x!.value) && this.#isInverseRoot(root!));
  }

  /** A call that is handed x as it is; the class's own methods are looked into. */
  #isKernel(value: Value): boolean {
    if (value.kind !== "call" && value.kind !== "norm") return !isWrittenOut(value);
    const { callee, args } = value;
    const name = callee.kind === "attribute" || callee.kind === "free" ? callee.name : "";
    if (otherNorms.test(name) || args.some(isWrittenOut)) return false;
    const isOwn = callee.kind === "attribute" && callee.object.kind === "self";
    const own = isOwn ? this.#where.cls.methods.find((method) => method.name === name) : undefined;
    if (own !== undefined && this.#where.depth < 2)
      return !new Formula(own, { ...this.#where, depth: this.#where.depth + 1 }).isOther();
    return !isWrittenOut(value);
  }

  /** The factors, once for each way that choices among them leave; none where there are too many. */
  #products({ value: given, isUnder }: Factor): readonly (readonly Factor[])[] {
    const value = withoutCasts(given);
    if (value.kind === "literal" && value.value === 1) return [[]];
    if (value.kind === "choice" && !this.#isInput(value)) {
      const ways = [value.then, value.otherwise].flatMap((one) => this.#products({ value: one, isUnder }));
      return ways.length > mostWays ? [] : ways;
    }
    const { name, of } = operationOf(value) ?? { name: "", of: [] };
    const isSplit = name === "*" || name === "/" || name === "reciprocal";
    if (!isSplit) return [[{ value, isUnder }]];
    return of.reduce<readonly (readonly Factor[])[]>(
      (ways, one, i) => {
        const isBelow = name === "reciprocal" || (name === "/" && i > 0);
        const more = this.#products({ value: one, isUnder: isBelow !== isUnder });
        const all = ways.flatMap((way) => more.map((other) => [...way, ...other]));
        return all.length > mostWays || all.some(({ length }) => length > mostFactors) ? [] : all;
      },
      [[]],
    );
  }

  /** One number for each column: an attribute, or what the function is given besides x. */
  #isWeight({ value: given, isUnder }: Factor): boolean {
    const value = withoutCasts(given);
    if (isUnder) return false;
    if (value.kind === "reshape") return this.#isWeight({ value: value.of, isUnder }) && isRow(value.to);
    if (value.kind === "item") return this.#isWeight({ value: value.of, isUnder }) && isRow(value.index);
    const isOwn = value.kind === "attribute" && value.object.kind === "self" && !this.#isComputed(value.name);
    return isOwn || value.kind === "free" || (value.kind === "param" && value !== this.#input);
  }

  /** `@property def scale(self)`: what it makes of the weight is not asked. */
  #isComputed(name: string): boolean {
    return this.#where.cls.methods.some((method) => method.kind === "accessor" && method.name === name);
  }

  /** x, with the residual added that only some callers give. */
  #isInput(given: Value): boolean {
    const value = withoutCasts(given);
    if (value.kind === "reshape") return this.#isInput(value.of);
    if (value.kind !== "choice") return value === this.#input;
    const arms = [value.then, value.otherwise].filter((arm) => this.#isInput(arm));
    return arms.length === 2 || (arms.length === 1 && this.#isAboutAnother(value.test));
  }

  #isAboutAnother(test: Value): boolean {
    return this.#trace.params.slice(1).some((param) => holds(test, param));
  }

  #isInverseRoot({ value, isUnder }: Factor): boolean {
    const { name, of } = operationOf(withoutCasts(value)) ?? { name: "", of: [] };
    const isRoot = isUnder
      ? name === "sqrt" || (name === "**" && isNumber(of[1], 0.5))
      : name === "rsqrt" || (name === "**" && isNumber(of[1], -0.5));
    return isRoot && this.#isMeanSquare(of[0]);
  }

  /** mean(x^2) over the last axis, and what is added to it that does not come from x. */
  #isMeanSquare(given: Value | undefined): boolean {
    const value = given && withoutCasts(given);
    const { name, of } = (value && operationOf(value)) ?? { name: "", of: [] };
    if (name === "+") {
      const ofInput = of.filter((one) => this.#input !== undefined && holds(one, this.#input));
      const isEps = of.every((one) => ofInput.includes(one) || !isWrittenOut(one));
      return ofInput.length === 1 && isEps && this.#isMeanSquare(ofInput[0]);
    }
    if (name === "/" || name === "*") return this.#isReduced(of[0], "sum");
    return this.#isReduced(value, "mean");
  }

  #isReduced(given: Value | undefined, wanted: "mean" | "sum"): boolean {
    const { name, of } = (given && operationOf(withoutCasts(given))) ?? { name: "", of: [] };
    if (name !== wanted || !this.#isSquare(of[0])) return false;
    // Without an axis a tensor of a script may take the last one; in Python it takes all.
    if (this.#where.form.language !== "python") return true;
    const axes = of.slice(1).flatMap((one) => (one.kind === "tuple" ? one.items : [one]));
    const numbers = axes.filter((axis) => axis.kind === "literal" && typeof axis.value === "number");
    return axes.some(({ kind }) => kind !== "literal") || (numbers.length === 1 && isNumber(numbers[0], -1));
  }

  #isSquare(given: Value | undefined): boolean {
    const { name, of } = (given && operationOf(withoutCasts(given))) ?? { name: "", of: [] };
    const [base, other] = of;
    if (base === undefined || !this.#isInput(base)) return false;
    if (name === "square") return true;
    return name === "**" ? isNumber(other, 2) : name === "*" && other !== undefined && this.#isInput(other);
  }
}

/** Whether arithmetic on tensors shows anywhere in it. */
function isWrittenOut(value: Value): boolean {
  const operation = operationOf(value);
  if (operation !== undefined) return true;
  switch (value.kind) {
    case "reshape":
    case "await":
    case "item":
      return isWrittenOut(value.of);
    case "choice":
      return isWrittenOut(value.then) || isWrittenOut(value.otherwise);
    case "tuple":
      return value.items.some(isWrittenOut);
    case "attribute":
      return isWrittenOut(value.object);
    case "call":
    case "norm":
      return value.args.some(isWrittenOut) || isWrittenOut(value.callee);
    default:
      return false;
  }
}

/** `[1, -1]`, `[None, :]`: the columns as they are. */
function isRow(shape: Value): boolean {
  const axes = shape.kind === "tuple" ? shape.items : [shape];
  const isOne = (axis: Value) =>
    axis.kind === "literal" && (axis.value === 1 || axis.value === null || axis.value === undefined);
  return axes.slice(0, -1).every(isOne) && axes.at(-1)?.kind !== "tuple" && !isNumber(axes.at(-1), 1);
}

function isNumber(value: Value | undefined, wanted: number): boolean {
  return value?.kind === "literal" && value.value === wanted;
}
