import type { FileForm, ImportedName, ImportForm, Span } from "../../form/form.ts";

/** A top-level `from module import names`, or `import a, b`, as it is laid out in the text. */
export interface ImportStatement {
  readonly kind: "import" | "from";
  readonly module: string;
  readonly names: readonly ImportedName[];
  readonly span: Span;
  /** Offsets of the parentheses around the names, if there are any. */
  readonly parens?: { readonly open: number; readonly close: number };
}

/** The top-level import statements of a file, in the order of the text. */
export function importStatements({ imports, text }: FileForm): readonly ImportStatement[] {
  const bySpan = new Map<number, ImportForm[]>();
  for (const form of imports) {
    if (form.topLevel) bySpan.set(form.span.start, [...(bySpan.get(form.span.start) ?? []), form]);
  }
  return [...bySpan.values()].flatMap((forms) => {
    const [first] = forms;
    if (first === undefined) return [];
    const { span, module } = first;
    const names = forms.flatMap((form) => form.names);
    const written = text.slice(span.start, span.end);
    const kind = written.startsWith("from") ? "from" : "import";
    const open = span.start + written.indexOf("(");
    const parens = written.endsWith(")") ? { parens: { open, close: span.end - 1 } } : {};
    return [{ kind, module, names, span, ...parens }];
  });
}
