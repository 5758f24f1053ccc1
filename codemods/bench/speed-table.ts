import { readFileSync, writeFileSync } from "node:fs";
import type { SpeedResults } from "./speed-results.ts";

const readme = new URL("../README.md", import.meta.url);
const results = new URL("results/speed.json", import.meta.url);
const markers = /(<!-- speed:[^>]*-->\n)([\s\S]*?)(<!-- \/speed -->)/;

/** The part of the README between its markers, as the committed results have it. */
export function renderSpeed(): string {
  const { machine, repo, rows, scaling } = JSON.parse(readFileSync(results, "utf8")) as SpeedResults;
  const { cpu, cores, node } = machine;
  const lines = rows.map(({ name, does, filesPerSecond, peakMB, found }) =>
    row([name, does, grouped(filesPerSecond), grouped(peakMB), String(found)]),
  );
  const growth = scaling.map(
    ({ files, seconds, peakMB }) =>
      `${grouped(files)} files in ${seconds.toFixed(1)} s at ${peakMB === undefined ? "?" : grouped(peakMB)} MB`,
  );
  return `A generated repository of ${grouped(repo.files)} files and ${grouped(repo.lines)} lines with ${repo.copies} copies; whole processes, start included
(${cpu}, ${cores} cores, Node ${node.slice(1)}):

${[row(["", "what it does", "files/s", "peak MB", "found"]), row(["---", "---", "---:", "---:", "---:"]), ...lines].join("\n")}

${growth.length === 0 ? "" : `Small files: ${growth.join(", ")}.\n\n`}`;
}

/** Whether the README says what the results say. */
export function speedIsCurrent(): boolean {
  return readFileSync(readme, "utf8").match(markers)?.[2] === renderSpeed();
}

export function writeSpeedTable(): void {
  const text = readFileSync(readme, "utf8");
  writeFileSync(
    readme,
    text.replace(markers, (_, start: string, __, end: string) => start + renderSpeed() + end),
  );
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
