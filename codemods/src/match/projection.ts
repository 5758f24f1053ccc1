import { forwards, splitWords } from "../candidates/names.ts";
import { traceFunction } from "../flow/evaluate.ts";
import { baseOf, type Value } from "../flow/value.ts";
import type { ClassForm } from "../form/form.ts";
import { ownerOf } from "../form/per-form.ts";
import type { Place } from "../languages/front-end.ts";
import { dottedName, valuesGivenTo } from "../norms/class-members.ts";
import type { Declared, Project } from "../project/project.ts";

/** Words of a projection's name; a name that says anything else, such as `split_qkv`, may be any function. */
const vocabulary = new Set(
  (
    "q k v qk kv qkv wq wk wv wkv wqkv query key value queries keys values proj projection linear dense lin fc c w x in to attn attention " +
    "self add added fused packed pack parallel down up a b"
  ).split(" "),
);
const sure = /^(?:proj|projection|linear|dense|lin|fc|qkv|wq|wk|wv|wkv|wqkv|pack)$/;
const layers = /(?:linear|dense|conv(?:olution)?\d?d?|proj|projection)$/i;

/**
 * Whether a call gives a tensor that nobody else has: it multiplies by a matrix. Told by the class that the attribute is given, where
 * that is seen and its code does not give back what it is given; else by its name.
 */
export function isProjection(callee: Value, place: Place, project: Project): boolean {
  const target = callee.kind === "attribute" && forwards.has(callee.name) ? callee.object : callee;
  if (target.kind !== "attribute") return false;
  const { form, fn } = place;
  const owner = ownerOf(fn, form);
  const isOwn = target.object.kind === "self" && owner !== undefined;
  if (isOwn && owner.methods.some(({ name }) => name === target.name)) return false;
  const classes = isOwn ? classesOf(owner, target.name) : [];
  if (classes.length === 0) return isNamedSo(target.name);
  return classes.every((name) => {
    const found = project.resolveClass(name, form);
    const isLayer = layers.test(name.replace(/^.*\./, "")) || isNamedSo(target.name);
    if (/identity|dropout|sequential/i.test(name) || !isLayer) return false;
    return found === undefined || !("declaration" in found) || !givesBack(found);
  });
}

function isNamedSo(name: string): boolean {
  const said = splitWords(name);
  if (said.join(" ") === "c attn" || said.join(" ") === "query key value") return true;
  if (!said.every((word) => vocabulary.has(word))) return false;
  return said.some((word) => sure.test(word)) || (said[0] === "to" && said.length === 2);
}

/** The classes that an attribute is built from or declared with; a value that is neither is no class that is known. */
function classesOf(owner: ClassForm, name: string): readonly string[] {
  const values = owner.methods.flatMap(({ body }) => valuesGivenTo(name, body));
  const built = values.flatMap((value) => (value.kind === "call" ? (dottedName(value.callee) ?? "") : []));
  const type = owner.fields.find((field) => field.name === name)?.type?.name;
  return built.length > 0 ? built : type === undefined ? [] : [type];
}

/** Whether its forward returns the very tensor that it is given. */
function givesBack({ declaration }: Declared<ClassForm>): boolean {
  const forward = declaration.methods.find(({ name }) => forwards.has(name));
  if (forward === undefined) return false;
  const { result, params } = traceFunction(forward, () => undefined);
  return result !== undefined && mayBe(result, params[0]);
}

function mayBe(value: Value, param: Value | undefined): boolean {
  if (value.kind === "choice") return mayBe(value.then, param) || mayBe(value.otherwise, param);
  if (value.kind === "tuple") return value.items.some((item) => mayBe(item, param));
  return baseOf(value) === param;
}
