import { isAbsolute, relative } from "node:path";
import type { ts } from "ts-morph";
import type { Value } from "../../flow/value.ts";
import type { CheckedTypes, ClassPlace, Place } from "../front-end.ts";
import { brandClasses, brandedOffset, originalOffset } from "./branded-classes.ts";
import { compiler } from "./compiler.ts";
import { classesOfType } from "./type-classes.ts";
import { type TypedFile, TypedFiles } from "./typed-files.ts";

/** TypeScript's own answers. */
export class ScriptTypes implements CheckedTypes {
  readonly #files = new TypedFiles();

  classesOf(value: Value, place: Place): readonly ClassPlace[] {
    try {
      const at = this.#files.at(place.form.path, place.form.text);
      const types = typesOf(value, place, at);
      return classesOfType(types, at).map((node) => placeOf(node, at.file, place));
    } catch {
      // The checker gives up on some code that a run must not stop at. The norm then stays unknown, which the report says.
      return [];
    }
  }
}

function placeOf(node: ts.ClassLikeDeclaration, own: ts.SourceFile, { form }: Place): ClassPlace {
  const file = node.getSourceFile();
  if (file === own) return { path: form.path, start: originalStart(node, form.text) };
  const path = isAbsolute(form.path) ? file.fileName : relative(".", file.fileName).replaceAll("\\", "/");
  const original = compiler.sys.readFile(file.fileName) ?? "";
  return { path, start: file.isDeclarationFile ? node.getStart() : originalStart(node, original) };
}

function originalStart(node: ts.Node, text: string): number {
  const file = node.getSourceFile();
  return originalOffset(node.getStart(), brandClasses(file.fileName, text));
}

/** The types that a value may have, one for each arm of a choice; [] where one of them cannot be told. */
function typesOf(value: Value, place: Place, at: TypedFile): readonly ts.Type[] {
  const fn = functionNode(place, at);
  if (fn === undefined) return [];
  const arms = armsOf(value);
  const types = arms.flatMap(
    (arm) => typeOf(arm, { fn, place, at, checker: at.program.getTypeChecker() }) ?? [],
  );
  return types.length === arms.length ? types : [];
}

function armsOf(value: Value): readonly Value[] {
  return value.kind === "choice" ? [...armsOf(value.then), ...armsOf(value.otherwise)] : [value];
}

function functionNode({ fn }: Place, { file, script }: TypedFile): ts.Node | undefined {
  if (fn.kind === "module") return file;
  const start = brandedOffset(fn.bodySpan.start, script);
  const visit = (node: ts.Node): ts.Node | undefined => {
    if (compiler.isFunctionLike(node) && "body" in node && node.body?.getStart() === start) return node;
    return node.pos <= start && start < node.end ? compiler.forEachChild(node, visit) : undefined;
  };
  return visit(file);
}

interface Reading {
  /** The function that values are of, or the file for its own statements. */
  readonly fn: ts.Node;
  readonly place: Place;
  readonly at: TypedFile;
  readonly checker: ts.TypeChecker;
}

function typeOf(value: Value, reading: Reading): ts.Type | undefined {
  const { fn, place, at, checker } = reading;
  switch (value.kind) {
    case "self":
      return selfType(fn, checker);
    case "param": {
      const span = place.fn.params[value.index]?.span;
      const start = span && brandedOffset(span.start, at.script);
      const params = compiler.isFunctionLike(fn) ? [...fn.parameters] : [];
      const param = params.find((one) => one.getStart() === start);
      return param && checker.getTypeAtLocation(param);
    }
    case "free":
      return freeType(value.name, reading);
    case "attribute":
      return memberType(value.object, value.name, reading);
    case "item":
      return itemType(value, reading);
    case "call":
      return returnType(typeOf(value.callee, reading), checker);
    case "await": {
      const type = typeOf(value.of, reading);
      return type && checker.getAwaitedType(type);
    }
    default:
      return undefined;
  }
}

function selfType(fn: ts.Node, checker: ts.TypeChecker): ts.Type | undefined {
  const owner = compiler.findAncestor(fn, compiler.isClassLike);
  const type = owner && checker.getTypeAtLocation(owner);
  // Of a class that is an expression this is the type of the class itself.
  const [construct] = type?.getConstructSignatures() ?? [];
  return construct === undefined ? type : checker.getReturnTypeOfSignature(construct);
}

function freeType(name: string, { fn, checker }: Reading): ts.Type | undefined {
  const around = compiler.isSourceFile(fn) ? fn : fn.parent;
  const symbol = checker
    .getSymbolsInScope(around, compiler.SymbolFlags.Value | compiler.SymbolFlags.Alias)
    .find((one) => one.name === name);
  if (symbol === undefined) return undefined;
  const isAlias = (symbol.flags & compiler.SymbolFlags.Alias) !== 0;
  return checker.getTypeOfSymbolAtLocation(isAlias ? checker.getAliasedSymbol(symbol) : symbol, fn);
}

function memberType(object: Value, name: string, reading: Reading): ts.Type | undefined {
  const { fn, checker } = reading;
  if (name.startsWith("#")) {
    const owner = object.kind === "self" ? compiler.findAncestor(fn, compiler.isClassLike) : undefined;
    const member = owner?.members.find((one) => one.name?.getText() === name);
    return member && checker.getTypeAtLocation(member);
  }
  const type = typeOf(object, reading);
  if (type === undefined) return undefined;
  const known = checker.getApparentType(checker.getNonNullableType(type));
  const property = checker.getPropertyOfType(known, name);
  return property === undefined
    ? known.getStringIndexType()
    : checker.getTypeOfSymbolAtLocation(property, fn);
}

function itemType(item: Extract<Value, { kind: "item" }>, reading: Reading): ts.Type | undefined {
  const { fn, checker } = reading;
  const type = typeOf(item.of, reading);
  if (type === undefined) return undefined;
  const known = checker.getApparentType(checker.getNonNullableType(type));
  const key = item.index.kind === "literal" ? String(item.index.value) : undefined;
  const property = key === undefined ? undefined : checker.getPropertyOfType(known, key);
  return property === undefined
    ? known.getNumberIndexType()
    : checker.getTypeOfSymbolAtLocation(property, fn);
}

/** Of a function with one way to call it, whatever it is given. */
function returnType(callee: ts.Type | undefined, checker: ts.TypeChecker): ts.Type | undefined {
  const [signature, other] = callee?.getCallSignatures() ?? [];
  if (signature === undefined || other !== undefined || signature.typeParameters !== undefined)
    return undefined;
  return checker.getReturnTypeOfSignature(signature);
}
