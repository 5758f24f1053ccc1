import { createRequire } from "node:module";
import treeSitter from "@vscode/tree-sitter-wasm";
import { TreeCursor, treeSitterModule } from "./tree-cursor.ts";

await treeSitter.Parser.init(treeSitterModule as unknown as Parameters<typeof treeSitter.Parser.init>[0]);
const grammar = await treeSitter.Language.load(
  createRequire(import.meta.url).resolve("@vscode/tree-sitter-wasm/wasm/tree-sitter-python.wasm"),
);
const parser = new treeSitter.Parser();
parser.setLanguage(grammar);

/** A place in a parsed text from which on everything stands `by` characters further back in the text it was cut from. */
export interface Shift {
  readonly from: number;
  readonly by: number;
}

/** tree-sitter's tree of a Python text, copied out of its memory: to ask a node then costs no call into WebAssembly. */
interface Tree {
  readonly text: string;
  /** Of each node, parents before their children. */
  readonly kinds: Uint16Array;
  readonly fields: Uint8Array;
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly parents: Int32Array;
  /** The node behind the last one below it. */
  readonly behind: Uint32Array;
}

// Some numbers stand for no kind.
const kindNames: readonly string[] = Array.from(grammar.types, (name: string | undefined) => name ?? "");
const fieldNames: readonly (string | null)[] = grammar.fields;
const errorKind = 0xffff;
const isNamedKind = Uint8Array.from(kindNames, (_, kind) => (grammar.nodeTypeIsNamed(kind) ? 1 : 0));

/** A node of tree-sitter's Python tree. Offsets count UTF-16 units, as JavaScript strings do. */
export class SyntaxNode {
  readonly #tree: Tree;
  readonly #at: number;

  constructor(tree: Tree, at: number) {
    this.#tree = tree;
    this.#at = at;
  }

  get kind(): string {
    const kind = this.#tree.kinds[this.#at]!;
    return kind === errorKind ? "ERROR" : kindNames[kind]!;
  }

  get start(): number {
    return this.#tree.starts[this.#at]!;
  }

  get end(): number {
    return this.#tree.ends[this.#at]!;
  }

  /** The line that it starts in, counted from 1. */
  get line(): number {
    let line = 1;
    for (
      let at = this.#tree.text.indexOf("\n");
      at !== -1 && at < this.start;
      at = this.#tree.text.indexOf("\n", at + 1)
    )
      line += 1;
    return line;
  }

  get text(): string {
    return this.#tree.text.slice(this.start, this.end);
  }

  /** Whether it is more than a word or a sign of the grammar. */
  get isNamed(): boolean {
    const kind = this.#tree.kinds[this.#at]!;
    return kind === errorKind || isNamedKind[kind] === 1;
  }

  /** What its parent calls it. */
  get fieldName(): string | undefined {
    return fieldNames[this.#tree.fields[this.#at]!] ?? undefined;
  }

  get parent(): SyntaxNode | undefined {
    const parent = this.#tree.parents[this.#at]!;
    return parent === -1 ? undefined : new SyntaxNode(this.#tree, parent);
  }

  get children(): readonly SyntaxNode[] {
    const { behind } = this.#tree;
    const children: SyntaxNode[] = [];
    for (let at = this.#at + 1; at < behind[this.#at]!; at = behind[at]!)
      children.push(new SyntaxNode(this.#tree, at));
    return children;
  }

  get firstChild(): SyntaxNode | undefined {
    return this.#tree.behind[this.#at]! > this.#at + 1 ? new SyntaxNode(this.#tree, this.#at + 1) : undefined;
  }

  /** The sibling after it. */
  get next(): SyntaxNode | undefined {
    const { behind, parents } = this.#tree;
    const [next, parent] = [behind[this.#at]!, parents[this.#at]!];
    return parent !== -1 && next < behind[parent]! ? new SyntaxNode(this.#tree, next) : undefined;
  }

  /** Whether no sibling stands before it. */
  get isFirst(): boolean {
    return this.#tree.parents[this.#at] === this.#at - 1;
  }

  is(kind: string): boolean {
    return this.kind === kind;
  }

  /** The first child in a field. */
  field(name: string): SyntaxNode | undefined {
    const { behind, fields } = this.#tree;
    for (let at = this.#at + 1; at < behind[this.#at]!; at = behind[at]!)
      if (fieldNames[fields[at]!] === name) return new SyntaxNode(this.#tree, at);
    return undefined;
  }

  /** Itself and every node below it of one of the kinds, in the order of the text. */
  all(...kinds: readonly string[]): readonly SyntaxNode[] {
    return this.#where((at) => kinds.includes(kindNames[this.#tree.kinds[at]!]!));
  }

  /** What could not be read, and what was made up to read the rest, which is empty. */
  get faults(): readonly SyntaxNode[] {
    const { kinds, starts, ends } = this.#tree;
    return this.#where((at) => kinds[at] === errorKind || (starts[at] === ends[at] && at > 0));
  }

  #where(fits: (at: number) => boolean): readonly SyntaxNode[] {
    const found: SyntaxNode[] = [];
    for (let at = this.#at; at < this.#tree.behind[this.#at]!; at++)
      if (fits(at)) found.push(new SyntaxNode(this.#tree, at));
    return found;
  }
}

/** Kinds of named nodes that never have children; words and signs have none either, but for pairs of words such as `is not`. */
const leaves: ReadonlySet<string> = new Set([
  "identifier",
  "integer",
  "float",
  "comment",
  "string_start",
  "string_end",
]);
const isLeafKind = Uint8Array.from(kindNames, (name, kind) =>
  leaves.has(name) || (isNamedKind[kind] === 0 && !name.includes(" ")) ? 1 : 0,
);

/** Signs of one character that are in no field, by which half the questions to WebAssembly are saved. */
const isSign = Uint8Array.from(kindNames, (name) => (/^[()[\]{},.:]$/.test(name) ? 1 : 0));

/** Room for the nodes of the text being read; it grows, and is used again. */
let room = newRoom(1 << 16);

function newRoom(size: number) {
  return {
    kinds: new Uint16Array(size),
    fields: new Uint8Array(size),
    starts: new Uint32Array(size),
    ends: new Uint32Array(size),
    parents: new Int32Array(size),
    behind: new Uint32Array(size),
  };
}

function grown(): typeof room {
  const larger = newRoom(room.kinds.length * 2);
  for (const name of Object.keys(room) as (keyof typeof room)[]) larger[name].set(room[name]);
  return larger;
}

/**
 * Reads a text as Python. `whole` is what it was cut from: offsets of the nodes are those of the whole, by `shifts`, which are in order.
 * tree-sitter recovers from errors, so every text has a tree.
 */
export function readTree(text: string, whole = text, shifts: readonly Shift[] = []): SyntaxNode {
  const parsed = parser.parse(text);
  if (parsed === null) throw new Error("tree-sitter gave no tree");
  const mayLack = parsed.rootNode.hasError;
  const cursor = new TreeCursor(parsed);
  try {
    return new SyntaxNode(copied(cursor, { whole, shifts, mayLack }), 0);
  } finally {
    cursor.delete();
    parsed.delete();
  }
}

interface Source {
  readonly whole: string;
  readonly shifts: readonly Shift[];
  /** Whether there may be signs that tree-sitter made up. */
  readonly mayLack: boolean;
}

function copied(cursor: TreeCursor, { whole, shifts, mayLack }: Source): Tree {
  let [parent, count, next, shift] = [-1, 0, 0, 0];
  for (let isMore = true; isMore; ) {
    if (count === room.kinds.length) room = grown();
    const at = count++;
    const kind = cursor.kind;
    room.kinds[at] = kind;
    const start = cursor.start;
    const isPlain = isSign[kind] === 1 && !mayLack;
    const end = isPlain ? start + 1 : cursor.end;
    room.fields[at] = isPlain ? 0 : cursor.field;
    while ((shifts[next]?.from ?? Number.POSITIVE_INFINITY) <= start) shift = shifts[next++]!.by;
    room.starts[at] = start + shift;
    room.ends[at] = end + shiftBefore(shifts, next, end, shift);
    room.parents[at] = parent;
    if (isLeafKind[kind] !== 1 && cursor.toFirstChild()) {
      parent = at;
      continue;
    }
    room.behind[at] = count;
    while (!cursor.toNextSibling()) {
      isMore = cursor.toParent();
      if (!isMore) break;
      room.behind[parent] = count;
      parent = room.parents[parent]!;
    }
  }
  return {
    text: whole,
    kinds: room.kinds.slice(0, count),
    fields: room.fields.slice(0, count),
    starts: room.starts.slice(0, count),
    ends: room.ends.slice(0, count),
    parents: room.parents.slice(0, count),
    behind: room.behind.slice(0, count),
  };
}

/** What an end is shifted by: a node ends behind the last character of its own. */
function shiftBefore(shifts: readonly Shift[], next: number, end: number, shift: number): number {
  let by = shift;
  for (let one = next; (shifts[one]?.from ?? end) < end; one++) by = shifts[one]!.by;
  return by;
}
