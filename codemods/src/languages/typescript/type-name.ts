import type { ts } from "ts-morph";
import type { TypeName } from "../../form/form.ts";
import { compiler } from "./compiler.ts";

/** The class that an annotation names, if it names one. See `TypeName`. */
export function typeNameOf(node: ts.TypeNode | undefined): TypeName | undefined {
  if (node === undefined) return undefined;
  if (compiler.isParenthesizedTypeNode(node)) return typeNameOf(node.type);
  if (compiler.isUnionTypeNode(node)) {
    const named = node.types.filter((type) => !isNothing(type));
    const inside = named.length === 1 ? typeNameOf(named[0]) : undefined;
    return inside && { name: inside.name, nullable: inside.nullable || named.length < node.types.length };
  }
  if (!compiler.isTypeReferenceNode(node)) return undefined;
  const name = node.typeName.getText();
  const [inside] = node.typeArguments ?? [];
  return name === "Readonly" && inside !== undefined ? typeNameOf(inside) : { name, nullable: false };
}

/** Whether an annotation is `Promise<...>`. */
export function isPromise(node: ts.TypeNode | undefined): boolean {
  return node !== undefined && compiler.isTypeReferenceNode(node) && node.typeName.getText() === "Promise";
}

function isNothing(type: ts.TypeNode): boolean {
  if (type.kind === compiler.SyntaxKind.UndefinedKeyword) return true;
  return compiler.isLiteralTypeNode(type) && type.literal.kind === compiler.SyntaxKind.NullKeyword;
}
