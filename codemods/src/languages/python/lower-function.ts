import type { FunctionForm } from "../../form/form.ts";
import type { FileFacts } from "./file-facts.ts";
import { lowerExpression } from "./lower-expression.ts";
import { lowerBody, spanOfBlock } from "./lower-steps.ts";
import { once } from "./once.ts";
import { lowerParams, type Scope, scopeInside } from "./params.ts";
import { partsOf, type SyntaxNode, spanOf, undecorated } from "./syntax.ts";
import { readTypeName } from "./type-names.ts";

/** Where a function is declared. */
export interface Place {
  readonly file: FileFacts;
  /** The class it is a member of. */
  readonly owner?: string;
  /** The symbol of what it is inside of; empty for a top-level function. */
  readonly inside: string;
  /** What names mean around it: a function inside a method sees the method's self. */
  readonly scope: Scope;
}

/** Lowers a `def` with its decorators. */
export function lowerFunction(node: SyntaxNode, place: Place): FunctionForm {
  const definition = undecorated(node);
  const { file, owner, inside } = place;
  const nameNode = definition.field("name") ?? definition;
  const name = nameNode.text;
  const symbol = inside === "" ? name : `${inside}.${name}`;
  const decorators = decoratorsOf(node);
  const whole = once(() => file.functionAt(definition.start) ?? definition);
  const signature = once(() => readParams(whole(), place, decorators));
  const returns = once(() => readTypeName(whole().field("return_type")));
  const block = definition.field("body");
  const span = spanOf(node);
  const body = once(() =>
    lowerBody(statementsOf(whole().field("body")), {
      scope: signature().scope,
      declare: (inner, around) => lowerFunction(inner, { file, inside: symbol, scope: around }),
    }),
  );
  return {
    name,
    symbol,
    kind: owner === undefined ? "function" : memberKind(name, decorators),
    ...(owner !== undefined && { owner }),
    // Lowered when first asked for: most functions of a model file have nothing to do with attention.
    get params() {
      return signature().params;
    },
    get returns() {
      return returns();
    },
    get body() {
      return body();
    },
    span,
    get bodySpan() {
      return spanOfBlock(block, span);
    },
    nameSpan: spanOf(nameNode),
    get leadingComments() {
      return file.commentsAbove(span.start);
    },
    decorators,
    visibility: visibilityOf(name, place),
    get isStatic() {
      return signature().isStatic;
    },
    isAsync: definition.firstChild?.is("async") ?? false,
  };
}

/** `name = lambda x: ...` at the top level is a function too. */
export function lowerNamedLambda(statement: SyntaxNode, place: Place): FunctionForm | undefined {
  const assignment = statement.firstChild;
  const [target, lambda] = [assignment?.field("left"), assignment?.field("right")];
  if (!target?.is("identifier") || !lambda?.is("lambda")) return undefined;
  const closure = lowerExpression(lambda, place.scope);
  if (closure.kind !== "closure") return undefined;
  const name = target.text;
  const span = spanOf(statement);
  return {
    name,
    symbol: name,
    kind: "function",
    params: closure.params,
    body: closure.body,
    span,
    bodySpan: closure.body[0]?.span ?? span,
    nameSpan: spanOf(target),
    get leadingComments() {
      return place.file.commentsAbove(span.start);
    },
    decorators: [],
    visibility: visibilityOf(name, place),
    isStatic: false,
    isAsync: false,
  };
}

/** Names of decorators without their arguments: `torch.compile`, `property`, `head.setter`. */
export function decoratorsOf(node: SyntaxNode): readonly string[] {
  if (!node.is("decorated_definition")) return [];
  const decorators = partsOf(node).filter((part) => part.is("decorator"));
  return decorators.map((decorator) => {
    const expression = partsOf(decorator)[0];
    return (expression?.is("call") ? expression.field("function") : expression)?.text ?? "";
  });
}

function readParams(definition: SyntaxNode, place: Place, decorators: readonly string[]) {
  const written = lowerParams(definition.field("parameters"), (initial) =>
    lowerExpression(initial, place.scope),
  );
  const isMember = place.owner !== undefined && !decorators.includes("staticmethod");
  if (!isMember) {
    return { params: written, scope: scopeInside(written, place.scope), isStatic: place.owner !== undefined };
  }
  const [first, ...params] = written;
  const isStatic = decorators.includes("classmethod") || first?.rest === true;
  // The class that a class method is given is not an instance: its attributes are not those that methods set.
  const scope: Scope = { self: isStatic ? undefined : first?.name };
  return { params, scope, isStatic };
}

function memberKind(name: string, decorators: readonly string[]): FunctionForm["kind"] {
  if (name === "__init__") return "constructor";
  const isAccessor = decorators.some((decorator) =>
    /(?:^|[._])property$|\.(?:setter|deleter)$/.test(decorator),
  );
  return isAccessor ? "accessor" : "method";
}

function visibilityOf(name: string, { file, owner, inside }: Place): FunctionForm["visibility"] {
  if (owner === undefined) return inside === "" && file.exports(name) ? "exported" : "private";
  if (!name.startsWith("_") || /^__\w*__$/.test(name)) return "public";
  return name.startsWith("__") ? "private" : "protected";
}

function statementsOf(block: SyntaxNode | undefined): readonly SyntaxNode[] {
  return block === undefined ? [] : partsOf(block);
}
