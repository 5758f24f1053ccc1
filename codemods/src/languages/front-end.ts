import type { Language } from "../files/source-files.ts";
import type { Value } from "../flow/value.ts";
import type { FileForm, FunctionForm, ParseError, Span } from "../form/form.ts";
import type { HelperForm } from "../helper/helper-form.ts";
import type { TextEdit } from "../text/text-edits.ts";

/**
 * All that is particular to a language. The matcher, the safety rules, the resolution of norm classes across files and the
 * planning of edits are shared; they ask a front end for four things only: lower, follow an import, edit imports, write a call.
 */
export interface LanguageFrontEnd {
  readonly languages: readonly Language[];

  /** Bytes that a lowered file takes, for each character of its text; a rough figure. */
  readonly bytesPerCharacter: number;
  /** Lowers one file. Never throws for bad code: what does not parse is in `FileForm.errors`. No state is kept. */
  lower(source: SourceInput): FileForm;

  /** What can be told of a file without a parser; undefined where nothing can. Left out by a language of which nothing can be told. */
  glance?(text: string): Glance | undefined;

  /** What does not parse, for a text that nothing else is asked about: `lower(source).errors`, for less. */
  syntaxErrors(source: SourceInput): readonly ParseError[];

  /**
   * Files that `module`, imported in `fromPath`, may stand for, likeliest first; [] for a package that is not in reach.
   * `exists` answers for files only, so that a test needs no disk.
   */
  importTargets(module: string, fromPath: string, exists: (path: string) => boolean): readonly string[];

  /**
   * Edits that bring names in and take unused ones out. A name goes where the file's own order wants it: into an existing
   * import of the module, else as a statement in sorted place. A name of `drop` goes only if every mention of it
   * outside its import lies in one of `removed`, and only if it was imported at the top level. Idempotent.
   */
  editImports(form: FileForm, request: ImportRequest): readonly TextEdit[];

  /** A call of the helper as one expression, in the language's idiom, wrapped if the line would be too long. */
  writeCall(call: HelperCall): string;

  /** A statement that assigns the pair: `[q, k] = value;`, `const [q, k] = value;`, `q, k = value`. No line end. */
  writeAssignment(assignment: PairAssignment): string;

  /** A statement that gives a new variable its value. No line end. */
  writeVariable(variable: {
    readonly name: string;
    readonly value: string;
    readonly semicolon: boolean;
  }): string;

  /** A comment line without its indentation: `// TODO`, `# TODO`. */
  writeComment(words: string): string;

  /** The module under which the file `target` is imported by another file, written as that file writes its imports. */
  importPath(target: string, from: FileForm, exists: (path: string) => boolean): string;

  /**
   * The code of a declaration without comments, layout, quotes and the names of local variables: equal for two declarations that are
   * written alike otherwise. Names from outside of it stay, whatever they stand for.
   */
  codeOf(source: SourceInput, span: Span): string;

  /** Every place that says a name, and what it does with it. */
  usesOf(source: SourceInput, name: string): readonly NameUse[];

  /** The helper of `--emit-helper` as a declaration, without imports. */
  writeHelper(helper: HelperText): string;

  /** A norm given as a function of one argument: `(x) => body`, `lambda x: body`. */
  writeFunction(param: string, body: string): string;

  /** What a type checker knows, for `--types`; left out by a language without one. It remembers what it has read. */
  checkedTypes?(): CheckedTypes;
}

export interface Glance {
  /** Whether a function may hold a step, or call what does. False for no file in which the matcher finds anything. */
  readonly mayHoldStep: boolean;
  /** Names of functions that may come to apply a norm. */
  readonly nearNorms: ReadonlySet<string>;
}

export interface CheckedTypes {
  /**
   * Every class that a value of a function may be an instance of, as far as its type goes; [] for `any`, for what may be no instance
   * of a class, and where nothing can be told. Never throws for bad code or bad configuration.
   */
  classesOf(value: Value, place: Place): readonly ClassPlace[];
}

/** The function that a value is of, and the file around it. */
export interface Place {
  readonly form: FileForm;
  readonly fn: FunctionForm;
}

/** A class, by the first character of its `ClassForm.span`. */
export interface ClassPlace {
  readonly path: string;
  readonly start: number;
}

/** `other` may look at which class it is: `instanceof`, a base class, a key, `Name.attribute`. */
export interface NameUse {
  readonly kind: "declaration" | "import" | "export" | "construction" | "type" | "other";
  readonly span: Span;
}

export interface SourceInput {
  readonly path: string;
  readonly language: Language;
  /** Without a byte order mark. */
  readonly text: string;
}

export interface ImportRequest {
  readonly add: readonly AddedImport[];
  /** Local names that may have become unused. */
  readonly drop: readonly string[];
  /** What the other edits take out of the file. */
  readonly removed: readonly Span[];
}

/** A name to bring in; without a kind a named value. */
export interface AddedImport {
  readonly module: string;
  /** What the module exports. With kind `module` the whole of it, under the local name. */
  readonly name: string;
  readonly local?: string;
  readonly kind?: "type" | "module" | "default";
}

/** What a helper is to look like, and the layout of the file that it goes to. */
export interface HelperText {
  readonly name: string;
  readonly form: HelperForm;
  readonly style: Pick<CodeLayout, "unit" | "lineEnd" | "width"> & { readonly semicolon: boolean };
  /** Plain JavaScript has no types; a CommonJS module exports by assignment. */
  readonly dialect: "typescript" | "module" | "commonjs" | "python";
  /** Statements that the body begins with: imports that would be a circle at the top of the file (Python). */
  readonly opening: readonly string[];
  /** The name, or one like it that the file does not use yet. */
  readonly fresh: (name: string) => string;
}

/** Arguments as source text, ready to be placed. */
export interface HelperCall {
  readonly callee: string;
  readonly q: string;
  readonly k: string;
  readonly qNorm: string;
  readonly kNorm: string;
  /** Left out for a helper that does not reshape. */
  readonly headDim?: string;
  readonly altStream?: string;
  /** Written only when the helper must not overwrite q and k. */
  readonly allowInplace?: false;
  /** Written only for q and k with heads before the tokens, where the helper has to be told. */
  readonly headOrder?: "heads-first";
  readonly layout: CodeLayout;
}

/** Where the written text will stand. */
export interface CodeLayout {
  /** White space before the first character of the statement. */
  readonly indent: string;
  /** One level of indentation in this file. */
  readonly unit: string;
  readonly lineEnd: "\n" | "\r\n" | "\r";
  /** Characters of the line before the call, indentation included. */
  readonly column: number;
  /** The longest line that the file's own style allows. */
  readonly width: number;
  /** What the file writes around most of its strings. */
  readonly quote: '"' | "'";
}

export interface PairAssignment {
  readonly q: string;
  readonly k: string;
  readonly value: string;
  readonly declares?: "const" | "let" | "var";
  /** Whether the file ends statements with a semicolon. */
  readonly semicolon: boolean;
}
