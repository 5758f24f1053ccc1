import type treeSitter from "@vscode/tree-sitter-wasm";

/**
 * The functions under tree-sitter's `TreeCursor`. They answer for the node that its transfer buffer names, and each that moves leaves the
 * node it came to there. The class writes the buffer anew before every question, which takes longer than most answers.
 */
interface CursorFunctions {
  _ts_tree_cursor_current_node_type_id_wasm(tree: number): number;
  _ts_tree_cursor_current_field_id_wasm(tree: number): number;
  _ts_tree_cursor_start_index_wasm(tree: number): number;
  _ts_tree_cursor_end_index_wasm(tree: number): number;
  _ts_tree_cursor_goto_first_child_wasm(tree: number): number;
  _ts_tree_cursor_goto_next_sibling_wasm(tree: number): number;
  _ts_tree_cursor_goto_parent_wasm(tree: number): number;
  _ts_tree_cursor_delete_wasm(tree: number): void;
}

/** What `Parser.init` is to be given: it puts the functions of tree-sitter on it. */
export const treeSitterModule = {} as CursorFunctions;

/** A walk over one tree, from its root. Until it is deleted nothing else may be asked of tree-sitter. */
export class TreeCursor {
  readonly #tree: number;

  constructor(tree: treeSitter.Tree) {
    // Makes a cursor and leaves it in the transfer buffer; a tree is known by the number under 0.
    tree.walk();
    this.#tree = (tree as unknown as readonly number[])[0]!;
  }

  /** The number of its kind. */
  get kind(): number {
    return treeSitterModule._ts_tree_cursor_current_node_type_id_wasm(this.#tree);
  }

  /** The number of what its parent calls it, or 0. */
  get field(): number {
    return treeSitterModule._ts_tree_cursor_current_field_id_wasm(this.#tree);
  }

  get start(): number {
    return treeSitterModule._ts_tree_cursor_start_index_wasm(this.#tree);
  }

  get end(): number {
    return treeSitterModule._ts_tree_cursor_end_index_wasm(this.#tree);
  }

  /** Whether there is one, and the cursor there now; the same of the two below. */
  toFirstChild(): boolean {
    return treeSitterModule._ts_tree_cursor_goto_first_child_wasm(this.#tree) === 1;
  }

  toNextSibling(): boolean {
    return treeSitterModule._ts_tree_cursor_goto_next_sibling_wasm(this.#tree) === 1;
  }

  toParent(): boolean {
    return treeSitterModule._ts_tree_cursor_goto_parent_wasm(this.#tree) === 1;
  }

  delete(): void {
    treeSitterModule._ts_tree_cursor_delete_wasm(this.#tree);
  }
}
