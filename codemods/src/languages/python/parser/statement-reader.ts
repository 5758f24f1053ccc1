import { asPattern, ExpressionReader } from "./expression-reader.ts";
import { NotRead, tokensOf } from "./tokens.ts";
import { TreeNode } from "./tree-node.ts";

/**
 * The tree that tree-sitter would make of a file, without its comments and what continues a line; undefined for what this does not read: anything
 * with an error in it, and what is rare (`match`, `print` as a statement, type parameters of a function). In a whole repository the nodes of
 * native code take longer to ask than the text takes to read.
 */
export function readPython(text: string): TreeNode | undefined {
  try {
    const { tokens, comments } = tokensOf(text);
    const children = new StatementReader(text, tokens).module();
    return new TreeNode(
      "module",
      text,
      { start: 0, end: text.length },
      { children, comments: comments.map((span) => new TreeNode("comment", text, span)) },
    );
  } catch (error) {
    // Code may be nested deeper than the stack is.
    if (error instanceof NotRead || error instanceof RangeError) return undefined;
    throw error;
  }
}

class StatementReader extends ExpressionReader {
  module(): readonly TreeNode[] {
    const statements: TreeNode[] = [];
    while (this.token.kind !== "end") this.#statement(statements);
    return statements;
  }

  /** Adds one compound statement, or the simple ones of a line. Gives back where they end, with the comment behind them. */
  #statement(into: TreeNode[]): number {
    const compound = this.#compound();
    if (compound === undefined) return this.#line(into);
    into.push(compound);
    return compound.span.end;
  }

  #line(into: TreeNode[]): number {
    for (;;) {
      into.push(this.#simple());
      if (!this.sees(";")) break;
      into.push(this.word(";"));
      if (this.token.kind === "newline") break;
    }
    return this.skip("newline").end;
  }

  #block(): TreeNode {
    const statements: TreeNode[] = [];
    if (this.token.kind !== "newline") {
      const end = this.#line(statements);
      return this.node("block", statements, Math.max(statements.at(-1)!.span.end, end));
    }
    this.take();
    this.skip("indent");
    let end = 0;
    while (!this.#seesDedent()) end = this.#statement(statements);
    return this.node("block", statements, Math.max(statements.at(-1)!.span.end, end, this.take().end));
  }

  #seesDedent(): boolean {
    return this.token.kind === "dedent";
  }

  #compound(): TreeNode | undefined {
    const { kind, text } = this.token;
    if (text === "@" && kind === "operator") return this.#decorated();
    if (kind !== "name") return undefined;
    switch (text) {
      case "if":
        return this.#if();
      case "for":
      case "while":
      case "with":
      case "def":
        return this.#maybeAsync([]);
      case "async":
        return this.#maybeAsync([this.word("async")]);
      case "class":
        return this.#class();
      case "try":
        return this.#try();
      default:
        if (text === "match" && this.#endsInColon()) throw new NotRead("match");
        return undefined;
    }
  }

  #maybeAsync(start: TreeNode[]): TreeNode {
    switch (this.token.text) {
      case "for":
        return this.#for(start);
      case "with":
        return this.#with(start);
      case "def":
        return this.#function(start);
      default:
        if (start.length > 0) throw new NotRead("async");
        return this.#while();
    }
  }

  /** Whether the line goes on in a block. */
  #endsInColon(): boolean {
    for (let i = 0; ; i++) {
      const kind = this.peek(i)?.kind;
      if (kind === "newline" || kind === undefined) return this.peek(i - 1)?.text === ":";
    }
  }

  #decorated(): TreeNode {
    const parts: TreeNode[] = [];
    while (this.sees("@")) {
      const decorator = [this.word("@"), this.expression()];
      const end = Math.max(decorator[1]!.span.end, this.skip("newline").end);
      parts.push(this.node("decorator", decorator, end));
    }
    const definition = this.#compound();
    if (!definition?.is("function_definition") && !definition?.is("class_definition"))
      throw new NotRead("a decorator of nothing");
    return this.node("decorated_definition", [...parts, definition.as("definition")]);
  }

  #if(): TreeNode {
    const parts = this.#test("if");
    while (this.sees("elif")) parts.push(this.node("elif_clause", this.#test("elif")).as("alternative"));
    if (this.sees("else")) parts.push(this.#else().as("alternative"));
    return this.node("if_statement", parts);
  }

  #test(word: string): TreeNode[] {
    const parts = [this.word(word), this.expression().as("condition"), this.word(":")];
    return [...parts, this.#block().as("consequence")];
  }

  #else(): TreeNode {
    return this.node("else_clause", [this.word("else"), this.word(":"), this.#block().as("body")]);
  }

  #while(): TreeNode {
    const parts = [this.word("while"), this.expression().as("condition"), this.word(":")];
    return this.#loop("while_statement", parts);
  }

  #for(start: readonly TreeNode[]): TreeNode {
    const parts = [...start, this.word("for"), this.targets().as("left"), this.word("in")];
    parts.push(this.expressions().as("right"), this.word(":"));
    return this.#loop("for_statement", parts);
  }

  #loop(kind: string, parts: TreeNode[]): TreeNode {
    parts.push(this.#block().as("body"));
    if (this.sees("else")) parts.push(this.#else().as("alternative"));
    return this.node(kind, parts);
  }

  #try(): TreeNode {
    const parts = [this.word("try"), this.word(":"), this.#block().as("body")];
    while (this.sees("except")) parts.push(this.#except());
    if (this.sees("else")) parts.push(this.#else());
    if (this.sees("finally"))
      parts.push(this.node("finally_clause", [this.word("finally"), this.word(":"), this.#block()]));
    if (parts.length === 3) throw new NotRead("try alone");
    return this.node("try_statement", parts);
  }

  #except(): TreeNode {
    const parts = [this.word("except")];
    if (!this.sees(":")) parts.push(this.#valueAs());
    parts.push(this.word(":"), this.#block());
    return this.node("except_clause", parts);
  }

  /** `value`, or `value as target`. */
  #valueAs(): TreeNode {
    const value = this.expression();
    return (this.sees("as") ? this.#as(value) : value).as("value");
  }

  #as(value: TreeNode): TreeNode {
    const target = [this.word("as"), this.node("as_pattern_target", [this.expression()]).as("alias")];
    return this.node("as_pattern", [value, ...target]);
  }

  #with(start: readonly TreeNode[]): TreeNode {
    const parts = [...start, this.word("with"), this.#withClause(), this.word(":")];
    return this.node("with_statement", [...parts, this.#block().as("body")]);
  }

  #withClause(): TreeNode {
    const item = () => this.node("with_item", [this.#valueAs()]);
    const isWhole = this.sees("(") && this.#holds("as", ",");
    if (!isWhole) return this.node("with_clause", this.listed(item));
    if (!this.#holds(",")) {
      const value = [this.word("("), this.#as(this.expression()), this.word(")")];
      const whole = this.node("parenthesized_expression", value).as("value");
      return this.node("with_clause", [this.node("with_item", [whole])]);
    }
    return this.node("with_clause", [this.word("("), ...this.listed(item), this.word(")")]);
  }

  /** Whether parentheses that a colon follows hold one of the words, outside of other brackets. */
  #holds(...words: readonly string[]): boolean {
    let depth = 0;
    let isFound = false;
    for (let i = 0; ; i++) {
      const token = this.peek(i);
      if (token === undefined || token.kind === "newline") return false;
      if (token.kind === "operator" && "([{".includes(token.text)) depth += 1;
      if (token.kind === "operator" && ")]}".includes(token.text) && --depth === 0)
        return isFound && this.peek(i + 1)?.text === ":";
      if (depth === 1 && token.kind !== "string" && words.includes(token.text)) isFound = true;
    }
  }

  #function(start: readonly TreeNode[]): TreeNode {
    const parts = [...start, this.word("def"), this.identifier().as("name")];
    parts.push(this.parameters().as("parameters"));
    if (this.sees("->")) parts.push(this.word("->"), this.type().as("return_type"));
    parts.push(this.word(":"), this.#block().as("body"));
    return this.node("function_definition", parts);
  }

  #class(): TreeNode {
    const parts = [this.word("class"), this.identifier().as("name")];
    if (this.sees("(")) parts.push(this.arguments().as("superclasses"));
    parts.push(this.word(":"), this.#block().as("body"));
    return this.node("class_definition", parts);
  }

  #simple(): TreeNode {
    const { kind, text } = this.token;
    if (kind !== "name") return this.#expressionStatement();
    switch (text) {
      case "import":
        return this.node("import_statement", [this.word(text), ...this.listed(() => this.#imported())]);
      case "from":
        return this.#importFrom();
      case "pass":
      case "break":
      case "continue":
        return this.node(`${text}_statement`, [this.word(text)]);
      case "return":
      case "del":
        return this.#withValues(text);
      case "raise":
        return this.#raise();
      case "assert":
        return this.node("assert_statement", [this.word(text), ...this.listed(() => this.expression())]);
      case "global":
      case "nonlocal":
        return this.node(`${text}_statement`, [this.word(text), ...this.listed(() => this.identifier())]);
      default:
        if (text === "print" && this.peek(1)?.text === ">>") throw new NotRead("print");
        return this.#expressionStatement();
    }
  }

  #withValues(word: string): TreeNode {
    const kind = word === "del" ? "delete_statement" : `${word}_statement`;
    const parts = [this.word(word)];
    if (!this.endsList()) parts.push(this.expressions());
    return this.node(kind, parts);
  }

  #raise(): TreeNode {
    const parts = [this.word("raise")];
    if (!this.endsList()) parts.push(this.expression());
    if (this.sees("from")) parts.push(this.word("from"), this.expression().as("cause"));
    return this.node("raise_statement", parts);
  }

  #importFrom(): TreeNode {
    const parts = [this.word("from")];
    const isFuture = this.sees("__future__");
    if (isFuture) parts.push(this.word("__future__"));
    else
      parts.push((this.sees(".") || this.sees("...") ? this.#relative() : this.#dotted()).as("module_name"));
    parts.push(this.word("import"));
    if (this.sees("*")) parts.push(this.node("wildcard_import", [this.word("*")]));
    else if (this.sees("("))
      parts.push(this.word("("), ...this.listed(() => this.#imported()), this.word(")"));
    else parts.push(...this.listed(() => this.#imported()));
    return this.node(isFuture ? "future_import_statement" : "import_from_statement", parts);
  }

  #imported(): TreeNode {
    const name = this.#dotted().as("name");
    if (!this.sees("as")) return name;
    return this.node("aliased_import", [name, this.word("as"), this.identifier().as("alias")]).as("name");
  }

  #relative(): TreeNode {
    const dots: TreeNode[] = [];
    while (this.sees(".") || this.sees("...")) {
      const { start, end } = this.take();
      for (let at = start; at < end; at++) dots.push(this.leaf(".", { start: at, end: at + 1 }, false));
    }
    const parts = [this.node("import_prefix", dots)];
    if (!this.sees("import")) parts.push(this.#dotted());
    return this.node("relative_import", parts);
  }

  #dotted(): TreeNode {
    const parts = [this.identifier()];
    while (this.sees(".")) parts.push(this.word("."), this.identifier());
    return this.node("dotted_name", parts);
  }

  #expressionStatement(): TreeNode {
    if (this.sees("yield")) return this.node("expression_statement", [this.yielded()]);
    const left = this.expressions();
    const { kind, text } = this.token;
    if (kind === "operator" && (text === "=" || text === ":"))
      return this.node("expression_statement", [this.#assignment(left)]);
    if (kind === "operator" && augmented.test(text)) {
      const parts = [asPattern(left).as("left"), this.word(text).as("operator"), this.#right().as("right")];
      return this.node("expression_statement", [this.node("augmented_assignment", parts)]);
    }
    return this.node("expression_statement", left.is("expression_list") ? left.children() : [left]);
  }

  #assignment(left: TreeNode): TreeNode {
    const parts = [asPattern(left).as("left")];
    if (this.sees(":")) parts.push(this.word(":"), this.type());
    if (this.sees("=")) parts.push(this.word("="), this.#right().as("right"));
    return this.node("assignment", parts);
  }

  #right(): TreeNode {
    if (this.sees("yield")) return this.yielded();
    const value = this.expressions();
    return this.sees("=") ? this.#assignment(value) : value;
  }
}

const augmented = /^(?:[-+*/%@&|^]|\*\*|\/\/|<<|>>)=$/;
