import type { FileForm, FunctionForm } from "../../form/form.ts";
import type { SourceInput } from "../front-end.ts";
import { readFileFacts } from "./file-facts.ts";
import { importsOf } from "./imports.ts";
import { blocksIn, lowerClass } from "./lower-class.ts";
import { lowerFunction, lowerNamedLambda, type Place } from "./lower-function.ts";
import { lowerBody } from "./lower-steps.ts";
import { mentionsOf } from "./mentions.ts";
import { parseErrors, parsePython, partsOf, type SyntaxNode, undecorated } from "./syntax.ts";

/** Lowers one Python file. What does not parse is in `errors`; the rest is lowered as far as tree-sitter understood it. */
export function lowerPython({ path, language, text }: SourceInput): FileForm {
  const root = parsePython(text);
  const file = readFileFacts(root, text);
  const top: Place = { file, inside: "", scope: { self: undefined } };
  const classes = root.findAll({ rule: { kind: "class_definition" } });
  let mentions: FileForm["mentions"] | undefined;
  return {
    path,
    language,
    text,
    imports: importsOf(root),
    exportedAs: new Map(),
    classes: classes.map((node) => lowerClass(decorated(node), file)),
    functions: topLevel(partsOf(root)).flatMap((statement) => functionsIn(statement, top)),
    module: lowerModule(root, text, top),
    comments: file.comments,
    get mentions() {
      mentions ??= mentionsOf(root, text, file.listed);
      return mentions;
    },
    errors: parseErrors(root),
  };
}

/** A definition with its decorators. */
function decorated(definition: SyntaxNode): SyntaxNode {
  const parent = definition.parent();
  return parent?.is("decorated_definition") ? parent : definition;
}

/** Top-level statements and those that an `if`, `try` or `with` of the top level holds. */
function topLevel(statements: readonly SyntaxNode[]): readonly SyntaxNode[] {
  return statements.flatMap((statement) => {
    const isGuard = ["if_statement", "try_statement", "with_statement"].includes(String(statement.kind()));
    return isGuard ? blocksIn(statement).flatMap((block) => topLevel(partsOf(block))) : [statement];
  });
}

function functionsIn(statement: SyntaxNode, place: Place): readonly FunctionForm[] {
  if (undecorated(statement).is("function_definition")) return [lowerFunction(statement, place)];
  const lambda = statement.is("expression_statement") ? lowerNamedLambda(statement, place) : undefined;
  return lambda === undefined ? [] : [lambda];
}

/** The file's own statements as a function without parameters. */
function lowerModule(root: SyntaxNode, text: string, { file, scope }: Place): FunctionForm {
  const span = { start: 0, end: text.length };
  const apart = new Set(["import_statement", "import_from_statement", "future_import_statement"]);
  const own = partsOf(root).filter(
    (statement) =>
      !apart.has(String(statement.kind())) && !String(undecorated(statement).kind()).endsWith("_definition"),
  );
  return {
    name: "<module>",
    symbol: "<module>",
    kind: "module",
    params: [],
    body: lowerBody(own, {
      scope,
      declare: (node, around) => lowerFunction(node, { file, inside: "", scope: around }),
    }),
    span,
    bodySpan: span,
    nameSpan: { start: 0, end: 0 },
    leadingComments: [],
    decorators: [],
    visibility: "private",
    isStatic: false,
    isAsync: false,
  };
}
