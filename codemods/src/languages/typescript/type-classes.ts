import type { ts } from "ts-morph";
import { compiler } from "./compiler.ts";
import { isSource, type TypedFile } from "./typed-files.ts";

/**
 * Every class that a value of one of these types may be an instance of, derived ones included; [] where it may be something else: a
 * value of type `any`, a function, an object that is written out.
 */
export function classesOfType(types: readonly ts.Type[], at: TypedFile): readonly ts.ClassLikeDeclaration[] {
  const checker = at.program.getTypeChecker();
  const found = types.map((type) => classesOfOne(checker.getNonNullableType(type), at, checker));
  return found.every((classes) => classes.length > 0) ? [...new Set(found.flat())] : [];
}

function classesOfOne(
  type: ts.Type,
  at: TypedFile,
  checker: ts.TypeChecker,
): readonly ts.ClassLikeDeclaration[] {
  if (type.isUnion()) return classesOfType(type.types, at);
  if ((type.flags & compiler.TypeFlags.TypeParameter) !== 0) {
    const constraint = checker.getBaseConstraintOfType(type);
    return constraint === undefined || constraint === type ? [] : classesOfType([constraint], at);
  }
  if ((type.flags & compiler.TypeFlags.Object) === 0) return [];
  const declarations = type.symbol?.declarations ?? [];
  // The type of a class itself has the same symbol as its instances.
  if (type.getConstructSignatures().length > 0 || type.getCallSignatures().length > 0) return [];
  const own = declarations.find(compiler.isClassLike);
  const { classes, literals } = makersOf(at.program);
  if (own !== undefined) {
    const derived = classes.filter((one) => one !== own && derives(one, own, checker));
    const others = classes.filter((one) => one !== own && !derived.includes(one));
    return others.some((one) => hasMembersOf(type, one)) && isMixedUp(own, at.program)
      ? []
      : [own, ...derived];
  }
  if (!at.isWhole || !declarations.some(compiler.isInterfaceDeclaration)) return [];
  const fits = (node: ts.Node) => checker.isTypeAssignableTo(checker.getTypeAtLocation(node), type);
  const names = type.getProperties().map(({ name }) => name);
  const isWritten = literals.some(
    (node) => names.every((name) => node.symbol?.members?.has(name as ts.__String)) && fits(node),
  );
  return isWritten ? [] : classes.filter((node) => compiler.isClassDeclaration(node) && fits(node));
}

function derives(
  node: ts.ClassLikeDeclaration,
  base: ts.ClassLikeDeclaration,
  checker: ts.TypeChecker,
): boolean {
  const clause = node.heritageClauses?.find(({ token }) => token === compiler.SyntaxKind.ExtendsKeyword);
  const [extended] = clause?.types ?? [];
  const parents = extended && checker.getTypeAtLocation(extended).symbol?.declarations;
  const parent = parents?.find(compiler.isClassLike);
  return parent !== undefined && parent !== node && (parent === base || derives(parent, base, checker));
}

/** Whether TypeScript would have taken one class for the other, were it not for the brands; types of members aside. */
function hasMembersOf(
  type: ts.Type,
  { symbol }: ts.ClassLikeDeclaration & { readonly symbol?: ts.Symbol },
): boolean {
  const names = type.getProperties().map(({ escapedName }) => String(escapedName));
  // What begins with # is the class's own, the brand too.
  return names.every((name) => name.includes("#") || symbol?.members?.has(name as ts.__String) === true);
}

/** Whether something else is given where this class is wanted: TypeScript then goes on with a type that holds for a part only. */
function isMixedUp({ name }: ts.ClassLikeDeclaration, program: ts.Program): boolean {
  const word = new RegExp(`\\b${name?.text.replace(/\$/g, "\\$&") ?? "Anonymous class"}(?![\\w$])`);
  return mismatchesIn(program).some((message) => word.test(message));
}

const knownMismatches = new WeakMap<ts.Program, readonly string[]>();

/** What does not fit together in a program. This checks all of it. */
function mismatchesIn(program: ts.Program): readonly string[] {
  let known = knownMismatches.get(program);
  if (known === undefined) {
    const sources = program.getSourceFiles().filter(({ fileName }) => isSource(fileName));
    known = sources
      .flatMap((file) => program.getSemanticDiagnostics(file))
      .map(({ messageText }) => compiler.flattenDiagnosticMessageText(messageText, " "))
      .filter((message) => message.includes("not assignable"));
    knownMismatches.set(program, known);
  }
  return known;
}

interface Makers {
  readonly classes: readonly ts.ClassLikeDeclaration[];
  readonly literals: readonly (ts.ObjectLiteralExpression & { readonly symbol?: ts.Symbol })[];
}

// Looking through all files once is enough for all norms.
const knownMakers = new WeakMap<ts.Program, Makers>();

/** All code of a program that makes objects with members. */
function makersOf(program: ts.Program): Makers {
  let known = knownMakers.get(program);
  if (known === undefined) {
    const classes: ts.ClassLikeDeclaration[] = [];
    const literals: ts.ObjectLiteralExpression[] = [];
    const visit = (node: ts.Node): void => {
      if (compiler.isClassLike(node)) classes.push(node);
      if (compiler.isObjectLiteralExpression(node)) literals.push(node);
      compiler.forEachChild(node, visit);
    };
    for (const file of program.getSourceFiles()) if (isSource(file.fileName)) visit(file);
    known = { classes, literals };
    knownMakers.set(program, known);
  }
  return known;
}
