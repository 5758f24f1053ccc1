import type { FileForm, FunctionForm } from "../../form/form.ts";
import type { SourceInput } from "../front-end.ts";
import { readFileFacts } from "./file-facts.ts";
import { importsOf } from "./imports.ts";
import { blocksIn, lowerClass } from "./lower-class.ts";
import { lowerFunction, lowerNamedLambda, type Place } from "./lower-function.ts";
import { lowerBody } from "./lower-steps.ts";
import { mentionsOf } from "./mentions.ts";
import { once } from "./once.ts";
import { type Sketch, sketchOf } from "./sketch.ts";
import { parseErrors, parsePython, partsOf, type SyntaxNode, undecorated } from "./syntax.ts";

/**
 * Lowers one Python file. What does not parse is in `errors`; the rest is lowered as far as tree-sitter understood it.
 *
 * Parsing takes most of the time, so a sketch is parsed, and the whole text when something is asked for that the sketch lacks.
 */
export function lowerPython(
  { path, language, text }: SourceInput,
  sketch: Sketch = sketchOf(text),
): FileForm {
  const root = parsePython(text, sketch);
  const whole = sketch.shifts.length === 0 ? () => root : once(() => parsePython(text));
  const file = readFileFacts(root, text, { whole, left: sketch.left });
  const top: Place = { file, inside: "", scope: { self: undefined } };
  const classes = root.all("class_definition");
  const mentions = once(() => mentionsOf(whole(), text, file.listed));
  const nearErrors = once(() => parseErrors(root));
  const errors = once(() => (whole() === root ? nearErrors() : parseErrors(whole())));
  return {
    path,
    language,
    text,
    imports: importsOf(root),
    exportedAs: new Map(),
    classes: classes.map((node) => lowerClass(decorated(node), file)),
    functions: topLevel(partsOf(root)).flatMap((statement) => functionsIn(statement, top)),
    module: lowerModule(root, text, top),
    get comments() {
      return file.comments();
    },
    get mentions() {
      return mentions();
    },
    prose: sketch.prose,
    get nearErrors() {
      return nearErrors();
    },
    get errors() {
      return errors();
    },
  };
}

/** A definition with its decorators. */
function decorated(definition: SyntaxNode): SyntaxNode {
  const parent = definition.parent;
  return parent?.is("decorated_definition") ? parent : definition;
}

/** Top-level statements and those that an `if`, `try` or `with` of the top level holds. */
function topLevel(statements: readonly SyntaxNode[]): readonly SyntaxNode[] {
  return statements.flatMap((statement) => {
    const isGuard = ["if_statement", "try_statement", "with_statement"].includes(statement.kind);
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
    (statement) => !apart.has(statement.kind) && !undecorated(statement).kind.endsWith("_definition"),
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
