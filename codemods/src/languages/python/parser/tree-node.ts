import type { Span } from "../../../text/span.ts";

/** Which nodes are wanted, as ast-grep has it. */
export interface NodeRule {
  readonly rule: KindRule | { readonly any: KindRule[] };
}

interface KindRule {
  readonly kind: string;
}

/** A node of tree-sitter's shape, made without tree-sitter. Comments are no children; the root has them all. */
export class TreeNode {
  #kind: string;
  readonly #text: string;
  readonly #children: readonly TreeNode[];
  readonly #isNamed: boolean;
  #parent: TreeNode | null = null;
  #role: string | undefined;
  readonly span: Span;
  /** Of a root, in order. */
  readonly comments: readonly TreeNode[];

  constructor(
    kind: string,
    text: string,
    span: Span,
    { children = none, named = true, comments = none }: NodeParts = {},
  ) {
    this.#kind = kind;
    this.#text = text;
    this.span = span;
    this.#children = children;
    this.#isNamed = named;
    this.comments = comments;
    for (const child of children) child.#parent = this;
  }

  kind(): string {
    return this.#kind;
  }

  is(kind: string): boolean {
    return this.#kind === kind;
  }

  isNamed(): boolean {
    return this.#isNamed;
  }

  text(): string {
    return this.#text.slice(this.span.start, this.span.end);
  }

  parent(): TreeNode | null {
    return this.#parent;
  }

  ancestors(): TreeNode[] {
    const found: TreeNode[] = [];
    for (let one = this.#parent; one !== null; one = one.#parent) found.push(one);
    return found;
  }

  children(): readonly TreeNode[] {
    return this.#children;
  }

  namedChildren(): readonly TreeNode[] {
    return this.#children.filter((child) => child.#isNamed);
  }

  child(index: number): TreeNode | null {
    return this.#children[index] ?? null;
  }

  /** The first child with that role. */
  field(name: string): TreeNode | null {
    for (const child of this.#children) if (child.#role === name) return child;
    return null;
  }

  next(): TreeNode | null {
    return this.#sibling(1);
  }

  prev(): TreeNode | null {
    return this.#sibling(-1);
  }

  /** This node and those below, in the order of the text. */
  findAll({ rule }: NodeRule): TreeNode[] {
    const kinds = new Set("kind" in rule ? [rule.kind] : rule.any.map(({ kind }) => kind));
    const isShallow = [...kinds].every((kind) => statements.test(kind));
    const found: TreeNode[] = [];
    // No recursion: `a + b + c + ...` is as deep as it is long.
    const waiting: TreeNode[] = [this];
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
      if (kinds.has(node.#kind)) found.push(node);
      if (isShallow && !holders.test(node.#kind)) continue;
      for (let i = node.#children.length - 1; i >= 0; i--) waiting.push(node.#children[i]!);
    }
    if (!kinds.has("comment") || this.comments.length === 0) return found;
    return [...found, ...this.comments].sort((a, b) => a.span.start - b.span.start);
  }

  /** Gives the node its place in its parent. */
  as(role: string): this {
    this.#role = role;
    return this;
  }

  /** What was read as a value turns out to be assigned to. */
  become(kind: string): void {
    this.#kind = kind;
  }

  #sibling(distance: number): TreeNode | null {
    const siblings = this.#parent?.children() ?? none;
    return siblings[siblings.indexOf(this) + distance] ?? null;
  }
}

interface NodeParts {
  readonly children?: readonly TreeNode[];
  readonly named?: boolean;
  readonly comments?: readonly TreeNode[];
}

const none: readonly TreeNode[] = [];
const statements = /_(?:statement|definition)$/;
/** What may hold statements. */
const holders = /^(?:module|block|\w+_(?:definition|clause)|(?:if|for|while|try|with)_statement)$/;
