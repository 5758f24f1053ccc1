import type { ClassForm, FieldForm } from "../../form/form.ts";
import type { FileFacts } from "./file-facts.ts";
import { lowerArgument, lowerExpression } from "./lower-expression.ts";
import { lowerFunction } from "./lower-function.ts";
import { once } from "./once.ts";
import { enclosing, partsOf, type SyntaxNode, spanOf, undecorated } from "./syntax.ts";
import { readTypeName } from "./type-names.ts";

const noSelf = { self: undefined };

/** Lowers a `class` with its decorators. Members under an `if` in the class body are members. */
export function lowerClass(node: SyntaxNode, file: FileFacts): ClassForm {
  const definition = undecorated(node);
  const name = definition.field("name")?.text ?? "";
  const statements = once(() => membersOf(definition.field("body")));
  const nested = enclosing(node, ["function_definition", "class_definition"]) !== undefined;
  const place = { file, owner: name, inside: name, scope: noSelf };
  const methods = once(() =>
    statements()
      .filter((statement) => undecorated(statement).is("function_definition"))
      .map((statement) => lowerFunction(statement, place)),
  );
  const fields = once(() => statements().flatMap(readField));
  return {
    name,
    span: spanOf(node),
    bases: basesOf(definition),
    exported: !nested && file.exports(name),
    // Of most classes nothing but the name is asked.
    get methods() {
      return methods();
    },
    get fields() {
      return fields();
    },
    nested,
  };
}

/** `metaclass=M` is no base, and what `*bases` holds is not known: it stays as an opaque expression. */
function basesOf(definition: SyntaxNode): ClassForm["bases"] {
  const list = definition.field("superclasses");
  const args = list === undefined ? [] : partsOf(list).filter((part) => !part.is("keyword_argument"));
  return args.map((part) => {
    const { value, spread, span } = lowerArgument(part, noSelf);
    return spread ? { kind: "opaque", what: "spread", parts: [value], span } : value;
  });
}

function membersOf(block: SyntaxNode | undefined): readonly SyntaxNode[] {
  if (block === undefined) return [];
  return partsOf(block).flatMap((statement) => {
    const isGuard = statement.is("if_statement") || statement.is("try_statement");
    return isGuard ? blocksIn(statement).flatMap(membersOf) : [statement];
  });
}

/** The blocks of a compound statement and of its clauses. */
export function blocksIn(statement: SyntaxNode): readonly SyntaxNode[] {
  return partsOf(statement).flatMap((part) => {
    if (part.is("block")) return [part];
    return part.kind.endsWith("_clause") ? blocksIn(part) : [];
  });
}

function readField(statement: SyntaxNode): readonly FieldForm[] {
  const assignment = statement.is("expression_statement") ? statement.firstChild : undefined;
  const left = assignment?.field("left");
  if (!assignment?.is("assignment") || !left?.is("identifier")) return [];
  const type = readTypeName(assignment.field("type"));
  const initial = assignment.field("right");
  return [
    {
      name: left.text,
      ...(type && { type }),
      ...(initial && { initial: lowerExpression(initial, noSelf) }),
      span: spanOf(statement),
    },
  ];
}
