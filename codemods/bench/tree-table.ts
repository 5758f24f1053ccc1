import { readFileSync, writeFileSync } from "node:fs";

/** `results/trees.json`. */
export interface TreeResults {
  readonly machine: { readonly cpu: string; readonly cores: number; readonly node: string };
  readonly rows: readonly TreeRow[];
}

export interface TreeRow {
  readonly name: string;
  readonly files: number;
  /** Copies of the step, replaced and refused. */
  readonly found: number;
  /** Of all threads of the process, user and system, on one thread of analysis. */
  readonly processorSeconds: number | undefined;
  readonly seconds: number;
  readonly secondsOnTwo: number;
  readonly peakMB: number | undefined;
}

const readme = new URL("../README.md", import.meta.url);
const results = new URL("results/trees.json", import.meta.url);
const markers = /(<!-- trees:[^>]*-->\n)([\s\S]*?)(<!-- \/trees -->)/;

/** The part of the README between its markers, as the committed results have it. */
function renderTrees(): string {
  const { machine, rows } = JSON.parse(readFileSync(results, "utf8")) as TreeResults;
  const { cpu, cores, node } = machine;
  const lines = rows.map(({ name, files, found, processorSeconds, seconds, secondsOnTwo, peakMB }) =>
    row([
      name,
      Math.round(files).toLocaleString("en-US"),
      String(found),
      processorSeconds?.toFixed(1) ?? "?",
      seconds.toFixed(1),
      secondsOnTwo.toFixed(1),
      peakMB?.toFixed(0) ?? "?",
    ]),
  );
  const head = ["tree", "files", "found", "processor s", "wall s", "wall s, 2 threads", "peak MB"];
  return `Real trees, the built command, whole processes (${cpu}, ${cores} cores, Node ${node.slice(1)}):

${[row(head), row(["---", ...head.slice(1).map(() => "---:")]), ...lines].join("\n")}

`;
}

/** Whether the README says what the results say. */
export function treesAreCurrent(): boolean {
  return readFileSync(readme, "utf8").match(markers)?.[2] === renderTrees();
}

export function writeTreeTable(): void {
  const text = readFileSync(readme, "utf8");
  writeFileSync(
    readme,
    text.replace(markers, (_, start: string, __, end: string) => start + renderTrees() + end),
  );
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
