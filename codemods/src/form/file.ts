import type { Language } from "../files/source-files.ts";
import type { Span } from "../text/span.ts";
import type { FunctionForm } from "./code.ts";
import type { ClassForm } from "./declaration.ts";

/** One import or re-export statement. */
export interface ImportForm {
  /** As written: `./norms.ts`, `@qknorm/core`, `sglang.srt.models.utils`, `..layers` (leading dots kept). */
  readonly module: string;
  readonly names: readonly ImportedName[];
  readonly span: Span;
  /** `import type`, or inside `if TYPE_CHECKING:`. */
  readonly typeOnly: boolean;
  /** At the top of the file's own statements; false inside a function, `if` or `try`. */
  readonly topLevel: boolean;
  /** `export { a } from "./b"`, `export * from "./b"`. */
  readonly reexport: boolean;
}

export interface ImportedName {
  /** `default`, `*` for the whole module, else the exported name. `import a.b` is `*` with local `a.b`. */
  readonly imported: string;
  readonly local: string;
  readonly typeOnly: boolean;
  /** The specifier: `a as b`. */
  readonly span: Span;
}

export interface Comment {
  /** With its markers, without the line end. */
  readonly span: Span;
}

export interface ParseError {
  readonly offset: number;
  readonly message: string;
}

/** One file, lowered. */
export interface FileForm {
  readonly path: string;
  readonly language: Language;
  /** The text the spans point into (no byte order mark). */
  readonly text: string;
  readonly imports: readonly ImportForm[];
  readonly classes: readonly ClassForm[];
  /** Top-level functions (`const f = () => ...` too), not methods. */
  readonly functions: readonly FunctionForm[];
  /** The file's own statements as a function of kind `module`, imports, classes and functions left out. */
  readonly module: FunctionForm;
  /** Exported name to the name in the file, where they differ: `export default RmsNorm`, `export { A as B }`. */
  readonly exportedAs: ReadonlyMap<string, string>;
  readonly comments: readonly Comment[];
  /** Every identifier token by its text, in order; not those inside strings or comments, but each string of `__all__`. */
  readonly mentions: ReadonlyMap<string, readonly Span[]>;
  /** Comments and strings without code in them, in order, as far as they were told without a parser. */
  readonly prose: readonly Span[];
  /** Those of the errors that are in code which may have to do with a norm; known without reading the rest. */
  readonly nearErrors: readonly ParseError[];
  /** Not empty: nothing in this file may be changed. */
  readonly errors: readonly ParseError[];
}
