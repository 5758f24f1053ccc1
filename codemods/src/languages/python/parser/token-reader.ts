import type { Span } from "../../../text/span.ts";
import { NotRead, type Token } from "./tokens.ts";
import { TreeNode } from "./tree-node.ts";

/** Goes through tokens and makes nodes of them. */
export class TokenReader {
  protected readonly text: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string, tokens: readonly Token[]) {
    this.text = text;
    this.#tokens = tokens;
  }

  protected get token(): Token {
    return this.#tokens[this.#at]!;
  }

  protected peek(distance: number): Token | undefined {
    return this.#tokens[this.#at + distance];
  }

  /** Whether the next token is this operator or word. */
  protected sees(text: string): boolean {
    const { kind, text: own } = this.token;
    return own === text && (kind === "operator" || kind === "name");
  }

  protected take(): Token {
    const { token } = this;
    this.#at += 1;
    return token;
  }

  protected skip(kind: Token["kind"]): Token {
    if (this.token.kind !== kind) throw new NotRead(`no ${kind}`);
    return this.take();
  }

  /** The next token as a node without a name of its own. */
  protected word(text: string): TreeNode {
    if (!this.sees(text)) throw new NotRead(`no ${text}`);
    return this.leaf(text, this.take(), false);
  }

  protected identifier(): TreeNode {
    const { kind, text } = this.token;
    if (kind !== "name" || reserved.has(text)) throw new NotRead("no name");
    return this.leaf("identifier", this.take());
  }

  protected leaf(kind: string, { start, end }: Span, named = true): TreeNode {
    return new TreeNode(kind, this.text, { start, end }, { named });
  }

  /** Operators of several words have no name of their own either. */
  protected nameless(kind: string, children: readonly TreeNode[]): TreeNode {
    const [start, end] = [children[0]!.span.start, children.at(-1)!.span.end];
    return new TreeNode(kind, this.text, { start, end }, { children, named: false });
  }

  protected node(kind: string, children: readonly TreeNode[], end = children.at(-1)!.span.end): TreeNode {
    const { start } = children[0]!.span;
    return new TreeNode(kind, this.text, { start, end }, { children });
  }
}

const reserved = new Set(
  (
    "False None True and as assert async await break class continue def del elif else except finally for from global if " +
    "import in is lambda nonlocal not or pass raise return try while with yield"
  ).split(" "),
);
