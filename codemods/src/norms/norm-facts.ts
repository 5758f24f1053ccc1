import { traceFunction } from "../flow/evaluate.ts";
import type { Trace } from "../flow/trace.ts";
import type { Value } from "../flow/value.ts";
import type { ClassForm, Expr, FileForm, FunctionForm, TypeName } from "../form.ts";
import type { NormFact, NormKind } from "../norm-fact.ts";
import { lineAt } from "../plan/text-edits.ts";
import type { Declared, Project, Resolved } from "../project.ts";
import { attributesOf, dottedName, valuesGivenTo } from "./class-members.ts";
import { epsArgument } from "./eps-argument.ts";
import { functionFact } from "./function-fact.ts";
import { axisOfSizes } from "./norm-axis.ts";
import { kindOfClass, kindOfName } from "./norm-kind.ts";

const nothing: NormFact = {
  className: "",
  kind: "unknown",
  axis: "unknown",
  attributes: [],
  isAsync: false,
  resolved: { from: "nothing" },
};

/** Where an expression stands: its function, and the file around it. */
export interface Place {
  readonly form: FileForm;
  readonly fn: FunctionForm;
}

/** What is known about the norms of one run, looked up in the code of their classes. */
export class NormFacts {
  readonly #project: Project;
  readonly #known = new Map<string, NormFact>();

  constructor(project: Project) {
    this.#project = project;
  }

  /** The fact about a norm module: `self.q_norm`, `attn.qNorm`, a parameter. */
  factOf(norm: Value, place: Place): NormFact {
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

  /** The fact about a norm that is a function: `rmsNorm(x, weight, eps)`. */
  functionFact(callee: Value, args: readonly Value[], { form, fn }: Place): NormFact {
    return functionFact(callee, args, fn, form, this.#project);
  }

  /** What the class itself, not a base, puts into an attribute; undefined when it leaves it alone. */
  ownFact(cls: ClassForm, form: FileForm, name: string): NormFact | undefined {
    const facts = this.#constructions(cls, form, name);
    return facts.length === 0 ? undefined : joinFacts(facts, undefined);
  }

  #classOf(object: Value, { form, fn }: Place): Declared<ClassForm> | undefined {
    if (object.kind === "self") {
      const declaration = form.classes.find(({ name, methods }) => name === fn.owner && methods.includes(fn));
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
    const built = this.#constructions(cls, form, name);
    const field = cls.fields.find((one) => one.name === name);
    const initial = field?.initial && this.#constructed(field.initial, form);
    const facts = [...built, ...(initial ? [initial] : [])];
    const typed = field?.type && this.#typeFact(field.type, form);
    if (facts.length > 0) return joinFacts(facts, typed);
    if (typed !== undefined) return typed;
    for (const base of depth < 4 ? cls.bases : []) {
      const found = declared(this.#project.resolveClass(dottedName(base) ?? "", form));
      const fact = found && this.#lookUpMember(found, name, depth + 1);
      if (fact !== undefined && fact.resolved.from !== "nothing") return fact;
    }
    return nothing;
  }

  /** Facts of all `this.name = new C(...)` in the class. */
  #constructions(cls: ClassForm, form: FileForm, name: string): readonly NormFact[] {
    return cls.methods.flatMap((method) => {
      const values = valuesGivenTo(name, method.body);
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
      const arms = [value.then, value.otherwise].flatMap((arm) => this.#constructed(arm, form, trace) ?? []);
      return arms.length === 0 ? undefined : joinFacts(arms, undefined);
    }
    if (value.kind !== "call") return undefined;
    const name = dottedName(value.callee);
    if (name === undefined) return undefined;
    const fact = this.#classFact(name, form) ?? this.#factoryFact(name, form);
    if (fact === undefined) return undefined;
    const sizes = value.args
      .map(({ value: arg }) => trace?.values.get(arg))
      .filter((size) => size !== undefined);
    const eps = epsArgument(value.args, this.#builderOf(name, form), form);
    const [size] = sizes;
    const named = size !== undefined && "name" in size ? { sizeName: size.name } : {};
    return { ...fact, axis: axisOfSizes(sizes), ...named, ...(eps && { eps }) };
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
    return this.#classFact(type.name, form) ?? { ...nothing, className: type.name };
  }

  /** What the class computes; one that adds no code of its own computes what its base does. */
  #kindOf(cls: ClassForm, form: FileForm, depth: number): NormKind {
    const own = kindOfClass(cls, form);
    const hasForward = cls.methods.some(({ name }) => name !== "constructor" && name !== "__init__");
    if (hasForward || depth > 3) return own;
    for (const base of cls.bases) {
      const name = dottedName(base) ?? "";
      const found = this.#project.resolveClass(name, form);
      if (found === undefined) continue;
      const kind =
        "declaration" in found ? this.#kindOf(found.declaration, found.form, depth + 1) : kindOfName(name);
      if (kind !== undefined && kind !== "unknown") return kind;
    }
    return own;
  }

  #attributesOf(cls: ClassForm, form: FileForm, depth: number): readonly string[] {
    const bases = depth > 3 ? [] : cls.bases;
    const inherited = bases.flatMap((base) => {
      const found = declared(this.#project.resolveClass(dottedName(base) ?? "", form));
      return found ? this.#attributesOf(found.declaration, found.form, depth + 1) : [];
    });
    return [...attributesOf(cls), ...inherited];
  }

  #classFact(name: string, form: FileForm): NormFact | undefined {
    const found = this.#project.resolveClass(name, form);
    if (found === undefined) return undefined;
    if (!("declaration" in found)) {
      const kind = kindOfName(found.name) ?? "unknown";
      const resolved = { from: "name", module: found.module } as const;
      return { ...nothing, className: found.name, kind, resolved };
    }
    const { declaration, form: home } = found;
    const forward = declaration.methods.find((method) =>
      /^(?:forward|__call__|call|apply)$/.test(method.name),
    );
    return {
      ...nothing,
      className: declaration.name,
      kind: this.#kindOf(declaration, home, 0),
      attributes: this.#attributesOf(declaration, home, 0),
      isAsync: forward?.isAsync ?? false,
      resolved: { from: "code", path: home.path, line: lineAt(home.text, declaration.span.start) },
    };
  }
}

function declared<T>(found: Resolved<T>): Declared<T> | undefined {
  return found !== undefined && "declaration" in found ? found : undefined;
}

/** Several constructions: what they agree on. */
function joinFacts(facts: readonly NormFact[], typed: NormFact | undefined): NormFact {
  const first = facts[0]!;
  const isShared = (property: "kind" | "axis") => facts.every((fact) => fact[property] === first[property]);
  const { eps: _, ...shared } = first;
  const eps = [...new Set(facts.flatMap((fact) => fact.eps ?? []))].sort().join(" or ");
  const agreed: NormFact = {
    ...shared,
    ...(eps !== "" && { eps }),
    kind: isShared("kind") ? first.kind : "unknown",
    axis: isShared("axis") ? first.axis : "unknown",
  };
  return agreed.resolved.from === "nothing" && typed !== undefined ? { ...typed, axis: agreed.axis } : agreed;
}
