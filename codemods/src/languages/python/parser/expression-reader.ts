import { stringNode } from "./string-node.ts";
import { TokenReader } from "./token-reader.ts";
import { type Hole, NotRead, type Token } from "./tokens.ts";
import type { TreeNode } from "./tree-node.ts";

/** Reads expressions, parameters and types. */
export class ExpressionReader extends TokenReader {
  expression(): TreeNode {
    if (this.sees("lambda")) return this.#lambda();
    const left = this.#or();
    if (this.sees("if")) {
      const parts = [left, this.word("if"), this.#or(), this.word("else"), this.expression()];
      return this.node("conditional_expression", parts);
    }
    if (left.is("identifier") && this.sees(":="))
      return this.node("named_expression", [left.as("name"), this.word(":="), this.expression().as("value")]);
    return left;
  }

  /** One expression, or several with commas between or behind them. */
  expressions(): TreeNode {
    const items = this.listed(() => this.#spreadOr());
    return items.length === 1 ? items[0]! : this.node("expression_list", items);
  }

  /** Items and the commas between them, up to what can begin no item. */
  protected listed(item: () => TreeNode, ends: () => boolean = () => this.endsList()): TreeNode[] {
    const items = [item()];
    while (this.sees(",")) {
      items.push(this.word(","));
      if (ends()) break;
      items.push(item());
    }
    return items;
  }

  protected endsList(): boolean {
    const { kind, text } = this.token;
    if (kind === "newline" || kind === "end") return true;
    return kind === "operator" ? closers.has(text) : kind === "name" && text === "in";
  }

  #spreadOr(): TreeNode {
    // tree-sitter's grammar does not know a star before a parenthesis here.
    if (this.sees("*") && this.peek(1)?.text === "(") throw new NotRead("a star before a parenthesis");
    return this.sees("*") ? this.#spread("*", "list_splat") : this.expression();
  }

  #spread(operator: string, kind: string): TreeNode {
    return this.node(kind, [this.word(operator), this.expression()]);
  }

  /** What is assigned to, up to `in`. */
  protected targets(): TreeNode {
    const items = this.listed(() =>
      this.sees("*") ? this.node("list_splat", [this.word("*"), this.#primary()]) : this.#primary(),
    );
    return asPattern(items.length === 1 ? items[0]! : this.node("expression_list", items));
  }

  protected yielded(): TreeNode {
    const parts = [this.word("yield")];
    if (this.sees("from")) parts.push(this.word("from"), this.expression());
    else if (!this.endsList()) parts.push(this.expressions());
    return this.node("yield", parts);
  }

  #lambda(): TreeNode {
    const parts = [this.word("lambda")];
    if (!this.sees(":"))
      parts.push(
        this.node(
          "lambda_parameters",
          this.listed(() => this.#parameter("plain")),
        ).as("parameters"),
      );
    parts.push(this.word(":"), this.expression().as("body"));
    return this.node("lambda", parts);
  }

  protected parameters(): TreeNode {
    const open = this.word("(");
    const items = this.sees(")") ? [] : this.listed(() => this.#parameter("typed"));
    return this.node("parameters", [open, ...items, this.word(")")]);
  }

  #parameter(which: "plain" | "typed"): TreeNode {
    if (this.sees("/")) return this.node("positional_separator", [this.word("/")]);
    const star = this.sees("*") ? "*" : this.sees("**") ? "**" : undefined;
    if (star !== undefined) {
      const mark = this.word(star);
      if (star === "*" && (this.sees(",") || this.sees(":") || this.sees(")")))
        return this.node("keyword_separator", [mark]);
      const kind = star === "*" ? "list_splat_pattern" : "dictionary_splat_pattern";
      const pattern = this.node(kind, [mark, this.identifier()]);
      return which === "typed" && this.sees(":")
        ? this.node("typed_parameter", [pattern, this.word(":"), this.type()])
        : pattern;
    }
    const name = this.identifier();
    const typed = which === "typed" && this.sees(":") ? [this.word(":"), this.type()] : [];
    if (this.sees("=")) {
      const kind = typed.length > 0 ? "typed_default_parameter" : "default_parameter";
      return this.node(kind, [name.as("name"), ...typed, this.word("="), this.expression().as("value")]);
    }
    return typed.length > 0 ? this.node("typed_parameter", [name, ...typed]) : name;
  }

  /** An annotation, in its place as `type`. */
  protected type(): TreeNode {
    return this.#anyType().as("type");
  }

  #anyType(): TreeNode {
    const isGeneric = this.#seesGeneric();
    let type = isGeneric ? this.#oneType() : this.node("type", [this.#plainType()]);
    if (isGeneric && !this.sees("|") && !this.#endsType()) throw new NotRead("more than a type");
    while (this.sees("|"))
      type = this.node("type", [this.node("union_type", [type, this.word("|"), this.#oneType()])]);
    return type;
  }

  #plainType(): TreeNode {
    if (this.sees("*")) return this.node("splat_type", [this.word("*"), this.identifier()]);
    return this.expression();
  }

  #oneType(): TreeNode {
    if (!this.#seesGeneric()) return this.node("type", [this.expression()]);
    const name = this.identifier();
    const open = this.word("[");
    const items = this.listed(() => this.#anyType());
    const parameter = this.node("type_parameter", [open, ...items, this.word("]")]);
    return this.node("type", [this.node("generic_type", [name, parameter])]);
  }

  #seesGeneric(): boolean {
    return this.token.kind === "name" && this.peek(1)?.text === "[" && !isConstant(this.token);
  }

  #endsType(): boolean {
    return this.sees(",") || this.endsList();
  }

  #or(): TreeNode {
    let left = this.#and();
    while (this.sees("or")) left = this.#join("boolean_operator", left, "or", () => this.#and());
    return left;
  }

  #and(): TreeNode {
    let left = this.#not();
    while (this.sees("and")) left = this.#join("boolean_operator", left, "and", () => this.#not());
    return left;
  }

  #join(kind: string, left: TreeNode, operator: string, right: () => TreeNode): TreeNode {
    return this.node(kind, [left.as("left"), this.word(operator).as("operator"), right().as("right")]);
  }

  #not(): TreeNode {
    if (!this.sees("not")) return this.#comparison();
    return this.node("not_operator", [this.word("not"), this.#not().as("argument")]);
  }

  #comparison(): TreeNode {
    const parts = [this.#binary(0)];
    for (let operator = this.#comparator(); operator !== undefined; operator = this.#comparator())
      parts.push(operator.as("operators"), this.#binary(0));
    return parts.length === 1 ? parts[0]! : this.node("comparison_operator", parts);
  }

  #comparator(): TreeNode | undefined {
    const { kind, text } = this.token;
    if (kind !== "operator" && kind !== "name") return undefined;
    if (comparators.has(text)) return this.word(text);
    if (text === "is") return this.#twoWords("is", "not");
    return text === "not" && this.peek(1)?.text === "in" ? this.#twoWords("not", "in") : undefined;
  }

  #twoWords(first: string, second: string): TreeNode {
    const one = this.word(first);
    if (!this.sees(second)) return one;
    const both = [one, this.word(second)];
    return this.nameless(`${first} ${second}`, both);
  }

  /** Binary operators that bind at least as tightly as the level. */
  #binary(level: number): TreeNode {
    let left = this.#unary();
    for (;;) {
      const { kind, text } = this.token;
      const own = kind === "operator" ? binaryLevels.get(text) : undefined;
      if (own === undefined || own < level) return left;
      left = this.#join("binary_operator", left, text, () => this.#binary(own + 1));
    }
  }

  #unary(): TreeNode {
    const sign = ["-", "+", "~"].find((one) => this.sees(one));
    if (sign !== undefined)
      return this.node("unary_operator", [this.word(sign).as("operator"), this.#unary().as("argument")]);
    const base = this.sees("await")
      ? this.node("await", [this.word("await"), this.#primary()])
      : this.#primary();
    return this.sees("**") ? this.#join("binary_operator", base, "**", () => this.#unary()) : base;
  }

  #primary(): TreeNode {
    let value = this.#atom();
    for (;;) {
      if (this.sees("."))
        value = this.node("attribute", [
          value.as("object"),
          this.word("."),
          this.identifier().as("attribute"),
        ]);
      else if (this.sees("("))
        value = this.node("call", [value.as("function"), this.arguments().as("arguments")]);
      else if (this.sees("[")) value = this.#subscript(value);
      else return value;
    }
  }

  #subscript(value: TreeNode): TreeNode {
    const open = this.word("[");
    const items = this.listed(
      () => this.#index(),
      () => this.sees("]"),
    );
    for (const item of items) if (item.isNamed()) item.as("subscript");
    return this.node("subscript", [value.as("value"), open, ...items, this.word("]")]);
  }

  #index(): TreeNode {
    if (this.sees("*")) return this.#spread("*", "list_splat");
    const parts = this.sees(":") ? [] : [this.expression()];
    if (!this.sees(":")) return parts[0]!;
    while (this.sees(":")) {
      parts.push(this.word(":"));
      if (!this.sees(":") && !this.sees(",") && !this.sees("]")) parts.push(this.expression());
    }
    return this.node("slice", parts);
  }

  /** `(...)` of a call or of a class. */
  protected arguments(): TreeNode {
    const open = this.word("(");
    if (this.sees(")")) return this.node("argument_list", [open, this.word(")")]);
    const items = this.listed(() => this.#argument());
    const clauses = this.#clauses();
    if (clauses.length === 0) return this.node("argument_list", [open, ...items, this.word(")")]);
    if (items.length > 1) throw new NotRead("a generator among arguments");
    return this.node("generator_expression", [open, items[0]!.as("body"), ...clauses, this.word(")")]);
  }

  #argument(): TreeNode {
    if (this.sees("*")) return this.#spread("*", "list_splat");
    if (this.sees("**")) return this.#spread("**", "dictionary_splat");
    if (this.token.kind !== "name" || this.peek(1)?.text !== "=") return this.expression();
    const name = this.identifier().as("name");
    return this.node("keyword_argument", [name, this.word("="), this.expression().as("value")]);
  }

  #clauses(): TreeNode[] {
    const clauses: TreeNode[] = [];
    for (;;) {
      if (this.sees("for") || (this.sees("async") && this.peek(1)?.text === "for")) {
        const start = this.sees("async") ? [this.word("async")] : [];
        const loop = [this.word("for"), this.targets().as("left"), this.word("in")];
        clauses.push(this.node("for_in_clause", [...start, ...loop, this.#clauseValue().as("right")]));
      } else if (clauses.length > 0 && this.sees("if"))
        clauses.push(this.node("if_clause", [this.word("if"), this.#clauseValue()]));
      else return clauses;
    }
  }

  /** No conditional expression: its `if` is the next clause. */
  #clauseValue(): TreeNode {
    return this.sees("lambda") ? this.#lambda() : this.#or();
  }

  #atom(): TreeNode {
    const { token } = this;
    if (token.kind === "string") return this.#strings();
    if (token.kind === "number") return this.leaf(numberKind(token.text), this.take());
    if (token.kind === "name") {
      const constant = constants.get(token.text);
      return constant === undefined ? this.identifier() : this.leaf(constant, this.take());
    }
    switch (token.text) {
      case "(":
        return this.#parenthesized();
      case "[":
        return this.#list();
      case "{":
        return this.#braces();
      case "...":
        return this.leaf("ellipsis", this.take());
      default:
        throw new NotRead("no expression");
    }
  }

  #strings(): TreeNode {
    const strings: TreeNode[] = [];
    while (this.token.kind === "string")
      strings.push(stringNode(this.text, this.take(), (hole) => this.#inHole(hole)));
    return strings.length === 1 ? strings[0]! : this.node("concatenated_string", strings);
  }

  /** The expression of a hole, and the `=` behind it that shows it. */
  #inHole({ tokens }: Hole): readonly TreeNode[] {
    const inner = new ExpressionReader(this.text, tokens);
    const parts = [(inner.sees("yield") ? inner.yielded() : inner.expressions()).as("expression")];
    if (inner.sees("=")) parts.push(inner.word("="));
    inner.skip("end");
    return parts;
  }

  #parenthesized(): TreeNode {
    const open = this.word("(");
    if (this.sees(")")) return this.node("tuple", [open, this.word(")")]);
    if (this.sees("yield"))
      return this.node("parenthesized_expression", [open, this.yielded(), this.word(")")]);
    return this.#bracketed(open, ")", "generator_expression", (items) => {
      if (items.length > 1) return "tuple";
      if (items[0]!.is("list_splat")) throw new NotRead("a star alone in parentheses");
      return "parenthesized_expression";
    });
  }

  #list(): TreeNode {
    const open = this.word("[");
    if (this.sees("]")) return this.node("list", [open, this.word("]")]);
    return this.#bracketed(open, "]", "list_comprehension", () => "list");
  }

  #bracketed(
    open: TreeNode,
    close: string,
    comprehension: string,
    kindOf: (items: readonly TreeNode[]) => string,
  ): TreeNode {
    const items = this.listed(() => (this.sees("*") ? this.#spread("*", "list_splat") : this.expression()));
    const clauses = this.#clauses();
    if (clauses.length === 0) return this.node(kindOf(items), [open, ...items, this.word(close)]);
    if (items.length > 1) throw new NotRead("more than one body");
    return this.node(comprehension, [open, items[0]!.as("body"), ...clauses, this.word(close)]);
  }

  #braces(): TreeNode {
    const open = this.word("{");
    if (this.sees("}")) return this.node("dictionary", [open, this.word("}")]);
    const items = this.listed(() => this.#entry());
    const isDictionary = items[0]!.is("pair") || items[0]!.is("dictionary_splat");
    const kind = isDictionary ? "dictionary" : "set";
    const clauses = this.#clauses();
    if (clauses.length === 0) return this.node(kind, [open, ...items, this.word("}")]);
    if (items.length > 1) throw new NotRead("more than one body");
    return this.node(`${kind}_comprehension`, [open, items[0]!.as("body"), ...clauses, this.word("}")]);
  }

  #entry(): TreeNode {
    if (this.sees("**")) return this.#spread("**", "dictionary_splat");
    if (this.sees("*")) return this.#spread("*", "list_splat");
    const key = this.expression();
    if (!this.sees(":")) return key;
    return this.node("pair", [key.as("key"), this.word(":"), this.expression().as("value")]);
  }
}

/** Makes a target of what was read as a value. Throws `NotRead` for what is none. */
export function asPattern(value: TreeNode): TreeNode {
  const kind = patternKinds.get(value.kind());
  if (kind === undefined) throw new NotRead(`${value.kind()} is no target`);
  if (kind === value.kind()) return value;
  if (!value.is("list_splat") || value.child(1)?.isNamed())
    for (const child of value.namedChildren()) asPattern(child);
  value.become(kind);
  return value;
}

const patternKinds = new Map(
  Object.entries({
    identifier: "identifier",
    attribute: "attribute",
    subscript: "subscript",
    tuple: "tuple_pattern",
    parenthesized_expression: "tuple_pattern",
    list: "list_pattern",
    list_splat: "list_splat_pattern",
    expression_list: "pattern_list",
  }),
);

const constants = new Map([
  ["None", "none"],
  ["True", "true"],
  ["False", "false"],
]);
const closers = new Set([")", "]", "}", "=", ":", ";"]);
const comparators = new Set(["<", "<=", "==", "!=", ">=", ">", "in"]);
const binaryLevels = new Map(
  [["|"], ["^"], ["&"], ["<<", ">>"], ["+", "-"], ["*", "/", "//", "%", "@"]].flatMap((operators, level) =>
    operators.map((operator) => [operator, level] as const),
  ),
);

function isConstant({ text }: Token): boolean {
  return constants.has(text);
}

function numberKind(text: string): string {
  if (/^0[xXoObB]/.test(text)) return "integer";
  return /[.eE]/.test(text) ? "float" : "integer";
}
