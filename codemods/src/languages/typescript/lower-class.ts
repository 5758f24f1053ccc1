import type { ts } from "ts-morph";
import type { ClassForm, FieldForm, FunctionForm } from "../../form/form.ts";
import { compiler } from "./compiler.ts";
import { lowerExpression } from "./lower-expression.ts";
import { lowerFunction } from "./lower-function.ts";
import { closures } from "./lower-steps.ts";
import { hasModifier, spanOf } from "./syntax.ts";
import { typeNameOf } from "./type-name.ts";

/** A class; an interface too, as a class whose methods are not known. */
export function lowerClass(node: ts.ClassLikeDeclaration | ts.InterfaceDeclaration): ClassForm {
  const name = node.name?.text ?? "default";
  let members: Members | undefined;
  // Of most classes nothing but the name is asked.
  const membersOnce = () => {
    members ??= membersOf(node, name);
    return members;
  };
  return {
    name,
    span: spanOf(node),
    bases: basesOf(node),
    exported: hasModifier(node, compiler.SyntaxKind.ExportKeyword),
    get methods() {
      return membersOnce().methods;
    },
    get fields() {
      return membersOnce().fields;
    },
    nested: !compiler.isSourceFile(node.parent),
  };
}

type Members = Pick<ClassForm, "methods" | "fields">;

function membersOf(node: ts.ClassLikeDeclaration | ts.InterfaceDeclaration, name: string): Members {
  const methods: FunctionForm[] = [];
  const fields: FieldForm[] = [];
  for (const member of node.members) {
    if (isFunctionMember(member)) {
      if (member.body !== undefined) methods.push(lowerFunction(member, name, closures));
      if (compiler.isConstructorDeclaration(member)) fields.push(...parameterProperties(member));
    } else if (compiler.isPropertyDeclaration(member)) {
      const value = member.initializer;
      if (value !== undefined && (compiler.isArrowFunction(value) || compiler.isFunctionExpression(value))) {
        methods.push(lowerFunction(value, name, closures, member));
      } else fields.push(fieldOf(member));
    } else if (compiler.isPropertySignature(member)) fields.push(fieldOf(member));
  }
  return { methods, fields };
}

function isFunctionMember(
  member: ts.ClassElement | ts.TypeElement,
): member is ts.MethodDeclaration | ts.ConstructorDeclaration | ts.AccessorDeclaration {
  return (
    compiler.isMethodDeclaration(member) ||
    compiler.isConstructorDeclaration(member) ||
    compiler.isAccessor(member)
  );
}

function basesOf(node: ts.ClassLikeDeclaration | ts.InterfaceDeclaration): ClassForm["bases"] {
  const clauses = node.heritageClauses ?? [];
  const extended = clauses.filter(({ token }) => token === compiler.SyntaxKind.ExtendsKeyword);
  return extended.flatMap(({ types }) =>
    types.map(({ expression }) => lowerExpression(expression, closures)),
  );
}

function fieldOf(member: ts.PropertyDeclaration | ts.PropertySignature | ts.ParameterDeclaration): FieldForm {
  const type = typeNameOf(member.type);
  const nullable = member.questionToken !== undefined || type?.nullable === true;
  const initial = compiler.isPropertySignature(member) ? undefined : member.initializer;
  return {
    name: member.name.getText(),
    ...(type && { type: { name: type.name, nullable } }),
    ...(initial && { initial: lowerExpression(initial, closures) }),
    span: spanOf(member),
  };
}

function parameterProperties(node: ts.ConstructorDeclaration): readonly FieldForm[] {
  return node.parameters
    .filter(
      (param) => compiler.isParameterPropertyDeclaration(param, node) && compiler.isIdentifier(param.name),
    )
    .map(fieldOf);
}
