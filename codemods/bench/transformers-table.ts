import { readFileSync, writeFileSync } from "node:fs";

export interface ClassOutcome {
  readonly model: string;
  readonly class: string;
  /** `replaced`, `not found`, or the reason of the refusal. */
  readonly outcome: string;
  /** The function by which a class of a generated file is judged: `modular_qwen3.py Qwen3Attention.forward`. */
  readonly writtenIn?: string;
}

/** What `transformers.ts` writes. */
export interface TransformersResults {
  readonly version: string;
  readonly files: number;
  /** Files that would change, and copies in them. */
  readonly edited: { readonly files: number; readonly copies: number };
  /** How many of those files are generated. */
  readonly generatedEdited: number;
  readonly classes: readonly ClassOutcome[];
}

const readme = new URL("../README.md", import.meta.url);
const results = new URL("results/transformers.json", import.meta.url);
const markers = /(<!-- transformers:[^>]*-->\n)([\s\S]*?)(<!-- \/transformers -->)/;

/** The part of the README between its markers, as the committed results have it. */
export function renderTransformers(): string {
  const { version, files, edited, generatedEdited, classes } = JSON.parse(
    readFileSync(results, "utf8"),
  ) as TransformersResults;
  const byOutcome = new Map<string, readonly ClassOutcome[]>();
  for (const one of classes) byOutcome.set(one.outcome, [...(byOutcome.get(one.outcome) ?? []), one]);
  const rows = [...byOutcome]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(
      ([outcome, own]) =>
        `| ${outcome} | ${own.length} | ${[...new Set(own.map(({ model }) => model))].join(", ")} |`,
    );
  const missing = byOutcome.get("not found")?.length ?? 0;
  return `transformers ${version}, ${files.toLocaleString("en-US")} files: ${classes.length} classes apply a norm of q or k, ${classes.length - missing} are found. ${edited.copies} copies in ${edited.files} files would be
rewritten, ${generatedEdited} of them in generated files; a class of a generated file counts as what becomes of the function that it comes from.

| outcome | classes | models |
| --- | ---: | --- |
${rows.join("\n")}

`;
}

/** Whether the README says what the results say. */
export function transformersIsCurrent(): boolean {
  return readFileSync(readme, "utf8").match(markers)?.[2] === renderTransformers();
}

export function writeTransformersTable(): void {
  const text = readFileSync(readme, "utf8");
  writeFileSync(
    readme,
    text.replace(markers, (_, start: string, __, end: string) => start + renderTransformers() + end),
  );
}
