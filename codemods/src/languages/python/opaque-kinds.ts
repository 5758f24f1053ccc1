/** What the form calls the syntax that has no kind of its own; the rest goes by the name that tree-sitter has for it. */
export const opaqueNames: Readonly<Record<string, string>> = {
  named_expression: "assignment",
  list_splat: "spread",
  list_splat_pattern: "spread",
  dictionary_splat: "spread",
  dictionary: "object",
  string: "template",
  concatenated_string: "template",
  list_comprehension: "comprehension",
  set_comprehension: "comprehension",
  dictionary_comprehension: "comprehension",
  generator_expression: "comprehension",
};

/** Nodes that hold expressions and are none themselves. */
export const wrappers: ReadonlySet<string> = new Set([
  "pair",
  "interpolation",
  "format_specifier",
  "format_expression",
  "for_in_clause",
  "if_clause",
  "keyword_argument",
]);

/** Nodes inside an expression that hold no expression. */
export const silent: ReadonlySet<string> = new Set([
  "string_start",
  "string_content",
  "string_end",
  "escape_sequence",
  "type_conversion",
]);
