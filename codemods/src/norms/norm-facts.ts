import { traceFunction } from "../flow/evaluate.ts";
import type { Trace } from "../flow/trace.ts";
import type { Value } from "../flow/value.ts";
import type { CallExpr, ClassForm, Expr, FileForm, FunctionForm, TypeName } from "../form/form.ts";
import { ownerOf } from "../form/per-form.ts";
import type { Place } from "../languages/front-end.ts";
import type { Declared, Project } from "../project/project.ts";
import { agreedFact, joinFacts } from "./agreed-fact.ts";
import { builtWeight } from "./built-weight.ts";
import { classFact, declared, namedClassFact, nothing } from "./class-fact.ts";
import { dottedName, valuesGivenTo } from "./class-members.ts";
import { epsArgument } from "./eps-argument.ts";
import { functionFact } from "./function-fact.ts";
import { axisOfSizes } from "./norm-axis.ts";
import type { NormFact, NormKind } from "./norm-fact.ts";

/** What is known about the norms of one run, looked up in the code of their classes. */
export class NormFacts {
  readonly #project: Project;
  readonly #known = new Map<string, NormFact>();

  constructor(project: Project) {
    this.#project = project;
  }

  /** The fact about a norm module: `self.q_norm`, `attn.qNorm`, a parameter. */
  factOf(norm: Value, place: Place): NormFact {
    const written = this.#writtenFact(norm, place);
    return written.kind === "unknown" ? (this.#checkedFact(norm, place) ?? written) : written;
  }

  /** The fact about a norm that is a function: `rmsNorm(x, weight, eps)`. */
  functionFact(callee: Value, args: readonly Value[], { form, fn }: Place): NormFact {
    return functionFact(callee, args, fn, form, this.#project);
  }

  /** What the class itself, not a base, puts into an attribute; undefined when it leaves it alone. */
  ownFact(cls: ClassForm, form: FileForm, name: string): NormFact | undefined {
    const isField = cls.fields.some((field) => field.name === name && field.initial !== undefined);
    return this.#ownMember(cls, form, name) ?? (isField ? nothing : undefined);
  }

  /** By names and annotations alone. */
  #writtenFact(norm: Value, place: Place): NormFact {
    if (norm.kind === "attribute") {
      const owner = this.#classOf(norm.object, place);
      if (owner !== undefined) return this.#memberFact(owner, norm.name);
    }
    if (norm.kind === "param") {
      const type = place.fn.params[norm.index]?.type;
      if (type !== undefined) return this.#typeFact(type, place.form);
    }
    return nothing;
  }

  /** By the type of the expression, which may not contradict what the norm is seen to be given. */
  #checkedFact(norm: Value, place: Place): NormFact | undefined {
    const classes = this.#project.classesOf(norm, place).map((found) => classFact(found, this.#project));
    if (classes.length === 0) return undefined;
    const owner = norm.kind === "attribute" ? this.#classOf(norm.object, place) : undefined;
    const built = owner === undefined || norm.kind !== "attribute" ? [] : this.#built(owner, norm.name, 0);
    return agreedFact(classes, built);
  }

  /** What the values say of themselves that an attribute is given, those of unknown class included. */
  #built({ declaration: cls, form }: Declared<ClassForm>, name: string, depth: number): readonly NormFact[] {
    const inMethods = cls.methods.flatMap((method) => {
      const values = givenIn(method, name, form);
      const trace = values.length === 0 ? undefined : traceFunction(method, () => undefined);
      return values.map((value) => ({ value, trace }));
    });
    const initial = cls.fields.find((one) => one.name === name)?.initial;
    const given = [...inMethods, ...(initial === undefined ? [] : [{ value: initial, trace: undefined }])];
    if (given.length > 0) {
      return given.flatMap(({ value, trace }): readonly NormFact[] => {
        const fact = this.#constructed(value, form, trace);
        if (fact !== undefined) return [fact];
        return value.kind === "call" ? [{ ...nothing, ...this.#builtWith(value, form, trace) }] : [];
      });
    }
    return (depth < 4 ? cls.bases : []).flatMap((base) => {
      const found = declared(this.#project.resolveClass(dottedName(base) ?? "", form));
      return found === undefined ? [] : this.#built(found, name, depth + 1);
    });
  }

  #classOf(object: Value, { form, fn }: Place): Declared<ClassForm> | undefined {
    if (object.kind === "self") {
      const declaration = ownerOf(fn, form);
      return declaration && { declaration, form };
    }
    const type = object.kind === "param" ? fn.params[object.index]?.type : undefined;
    if (type !== undefined) return declared(this.#project.resolveClass(type.name, form));
    if (object.kind !== "attribute") return undefined;
    const owner = this.#classOf(object.object, { form, fn });
    const field = owner?.declaration.fields.find(({ name }) => name === object.name);
    if (owner === undefined || field?.type === undefined) return undefined;
    return declared(this.#project.resolveClass(field.type.name, owner.form));
  }

  #memberFact(owner: Declared<ClassForm>, name: string): NormFact {
    const key = `${owner.form.path}\0${owner.declaration.span.start}\0${name}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const fact = this.#lookUpMember(owner, name, 0);
    this.#known.set(key, fact);
    return fact;
  }

  #lookUpMember(owner: Declared<ClassForm>, name: string, depth: number): NormFact {
    const { declaration: cls, form } = owner;
    const own = this.#ownMember(cls, form, name);
    if (own !== undefined) return own;
    for (const base of depth < 4 ? cls.bases : []) {
      const found = declared(this.#project.resolveClass(dottedName(base) ?? "", form));
      const fact = found && this.#lookUpMember(found, name, depth + 1);
      if (fact !== undefined && fact.resolved.from !== "nothing") return fact;
    }
    return nothing;
  }

  #ownMember(cls: ClassForm, form: FileForm, name: string): NormFact | undefined {
    const built = this.#constructions(cls, form, name);
    const field = cls.fields.find((one) => one.name === name);
    const initial = field?.initial && this.#constructed(field.initial, form);
    const facts = [...built, ...(initial ? [initial] : [])];
    const typed = field?.type && this.#typeFact(field.type, form);
    return facts.length > 0 ? joinFacts(facts, typed) : typed;
  }

  /** Facts of all `this.name = new C(...)` in the class. */
  #constructions(cls: ClassForm, form: FileForm, name: string): readonly NormFact[] {
    return cls.methods.flatMap((method) => {
      const values = givenIn(method, name, form);
      if (values.length === 0) return [];
      const trace = traceFunction(method, () => undefined);
      return values.flatMap((value) => this.#given(value, method, form, trace));
    });
  }

  /** What an attribute is set to: nothing known, where it is no construction and no parameter with a type. */
  #given(value: Expr, method: FunctionForm, form: FileForm, trace: Trace): readonly NormFact[] {
    if (value.kind === "literal") return [];
    const built = this.#constructed(value, form, trace);
    if (built !== undefined) return [built];
    const known = trace.values.get(value);
    const type = known?.kind === "param" ? method.params[known.index]?.type : undefined;
    return [type === undefined ? nothing : this.#typeFact(type, form)];
  }

  /** `new C(size, eps)`, `C(size, eps=eps)`, either arm of a choice. */
  #constructed(value: Expr, form: FileForm, trace?: Trace): NormFact | undefined {
    if (value.kind === "choice") {
      // No norm at all in one arm is a guard; one that cannot be told is another norm.
      const given = [value.then, value.otherwise].filter(({ kind }) => kind !== "literal");
      const arms = given.map((arm) => this.#constructed(arm, form, trace));
      return arms.every((arm) => arm === undefined)
        ? undefined
        : joinFacts(
            arms.map((arm) => arm ?? nothing),
            undefined,
          );
    }
    if (value.kind !== "call") return undefined;
    const name = dottedName(value.callee);
    if (name === undefined) return undefined;
    const fact = namedClassFact(name, form, this.#project) ?? this.#factoryFact(name, form);
    if (fact === undefined) return undefined;
    const built = this.#builtWith(value, form, trace);
    const kind = this.#kindBuilt(fact, value, form);
    return { ...fact, kind, ...built, ...(fact.axis === "other" && { axis: "other" as const }) };
  }

  /** What it computes, built so: some classes go without their weight. */
  #kindBuilt({ kind }: NormFact, call: CallExpr, form: FileForm): NormKind {
    const cls = declared(this.#project.resolveClass(dottedName(call.callee) ?? "", form))?.declaration;
    if (kind !== "plain-rms" || cls === undefined) return kind;
    const weight = builtWeight(cls, call.args);
    return weight === "there" ? kind : weight === "missing" ? "weightless" : "unknown";
  }

  /** How far a norm reaches and which eps it has, by the arguments that it is built with. */
  #builtWith(call: CallExpr, form: FileForm, trace?: Trace): Pick<NormFact, "axis" | "sizeName" | "eps"> {
    const sizes = call.args
      .map(({ value: arg }) => trace?.values.get(arg))
      .filter((size) => size !== undefined);
    const eps = epsArgument(call.args, this.#builderOf(dottedName(call.callee) ?? "", form), form);
    const [size] = sizes;
    const named = size !== undefined && "name" in size ? { sizeName: size.name } : {};
    return { axis: axisOfSizes(sizes), ...named, ...(eps && { eps }) };
  }

  /** The constructor or the function that builds the norm. */
  #builderOf(name: string, form: FileForm): FunctionForm | undefined {
    const cls = declared(this.#project.resolveClass(name, form))?.declaration;
    const own = cls?.methods.find((method) => method.kind === "constructor");
    return own ?? declared(this.#project.resolveFunction(name, form))?.declaration;
  }

  #factoryFact(name: string, form: FileForm): NormFact | undefined {
    const found = this.#project.resolveFunction(name, form);
    if (found === undefined || !("declaration" in found)) return undefined;
    const { returns } = found.declaration;
    return returns && this.#typeFact(returns, found.form);
  }

  #typeFact(type: TypeName, form: FileForm): NormFact {
    return namedClassFact(type.name, form, this.#project) ?? { ...nothing, className: type.name };
  }
}

/** The values that a method gives to `this.name`; most methods need not be lowered to see that there are none. */
function givenIn(method: FunctionForm, name: string, { text }: FileForm): readonly Expr[] {
  const isNamed = text.slice(method.span.start, method.span.end).includes(name);
  return isNamed ? valuesGivenTo(name, method.body) : [];
}
