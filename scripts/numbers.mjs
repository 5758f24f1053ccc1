// The README's plot and measured numbers, rendered from the committed results; a test holds the README to them.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chainPlots, chainSections } from "./chain-numbers.mjs";
import { endToEndPlot, endToEndSections } from "./e2e-numbers.mjs";
import { gpuSections } from "./gpu-numbers.mjs";
import { drawCpuPlot, drawGpuPlots, savePlot } from "./plot.mjs";
import { root } from "./setup.mjs";

const readme = join(root, "README.md");
const markers = /(<!-- numbers:[^>]*-->\n)([\s\S]*?)(<!-- \/numbers -->)/;

/** The part of the README between its markers, as it should read. */
export function renderNumbers() {
  const onGpu = [...gpuSections(gpuResults()), ...chainSections(deviceResults("-chain")), ...endToEnd()];
  return `${[...onGpu, kernels(), calls(), forwardPass(), accuracy()].join("\n\n")}\n\n`;
}

/** Whether the README says what the results say. */
export function numbersAreCurrent() {
  return readFileSync(readme, "utf8").match(markers)?.[2] === renderNumbers();
}

export function writeNumbers() {
  drawCpuPlot(results("native/bench/results/cpu.json"));
  const [gpu] = gpuResults();
  if (gpu !== undefined) drawGpuPlots(gpu);
  const ofModels = endToEndPlots().slice(0, 1);
  for (const plot of [...deviceResults("-chain").flatMap(chainPlots), ...ofModels]) savePlot(plot.path, plot);
  const text = readFileSync(readme, "utf8");
  writeFileSync(
    readme,
    text.replace(markers, (_, start, __, end) => start + renderNumbers() + end),
  );
}

function kernels() {
  const { device, isa, threads, rows } = results("native/bench/results/cpu.json");
  const wanted = rows.filter(
    (row) => row.tokens === 4096 && row.headDim === 128 && row.layout === "contiguous" && row.isa === isa,
  );
  const lines = wanted
    .sort((a, b) => a.dtype.localeCompare(b.dtype) || b.rounding.localeCompare(a.rounding))
    .map((row) => [
      row.dtype,
      row.rounding,
      fixed(row.microseconds / 1000, 2),
      fixed(row.GBs, 1),
      percent(row.fractionOfCopy),
    ]);
  const table = section(
    "**The kernel on the CPU**, in place, 4,096 tokens of 32 query and 8 KV heads of 128, beside a copy of as many bytes by " +
      `as many threads in the same run (${device}, ${isa}, ${threads} threads). This is the quietest of several runs, with other ` +
      "work paused; beside other work the same rows fell to 51 to 82 % of the copy. `npm run bench`",
    ["dtype", "rounding", "ms", "GB/s", "of the copy"],
    lines,
  );
  return `${table}\n\n![The kernel's rate beside that of a copy, by number of tokens](docs/qk-norm-cpu.svg)`;
}

function calls() {
  const { rows, hostUs } = results("packages/tensor/bench/results/apply-qk-norm.json");
  const ways = Object.keys(rows[0].us);
  const lines = rows.map(({ tokens, us }) => [tokens, ...ways.map((way) => fixed(us[way], 1))]);
  const largest = rows.at(-1).us;
  const ratio = largest["two norms, TypeScript"] / largest["fused, native"];
  return section(
    "**One `applyQkNorm` call**, microseconds, bf16, the same heads as slices of a packed QKV tensor. At " +
      `${rows.at(-1).tokens} tokens the fused kernel is ${fixed(ratio, 1)} times as fast as two norms in TypeScript; the ` +
      `smallest call costs ${fixed(hostUs, 1)} us in all. \`npm run bench\``,
    ["tokens", ...ways],
    lines,
  );
}

function forwardPass() {
  const { memory, arithmetic, copyGBs } = results("native/bench/results/linear.json");
  const lines = [
    ...memory
      .filter(({ what }) => quoted.has(what))
      .map((row) => [row.what, `${fixed(row.GBs, 1)} GB/s`, `${percent(row.fractionOfCopy)} of a copy`]),
    ...arithmetic
      .filter(({ what }) => quoted.has(what))
      .map((row) => [row.what, `${fixed(row.GFLOPs, 0)} GFLOP/s`, ""]),
  ];
  return section(
    `**The ops around it**: bf16 weights, f32 sums; a copy moves ${fixed(copyGBs, 1)} GB/s, read and written. ` +
      "`npm run bench`",
    ["op", "rate", ""],
    lines,
  );
}

// What a Qwen3-0.6B does most: one token, many tokens, and its logits.
const quoted = new Set([
  "linear 1 x 1024 x 151936",
  "linear 1 x 4096 x 12288",
  "linear 512 x 1024 x 3072, own",
  "linear 512 x 1024 x 3072, blas",
  "attention of 1 token, 4096 keys, 16/8 heads, once",
  "attention of 2048 tokens, 16/8 heads, once",
]);

function accuracy() {
  const { rows } = results("examples/qwen3-forward/results/accuracy.json");
  const lines = rows.map((row) => [
    row.dtype,
    row.rounding,
    row.path === "auto" ? "fused" : "fallback",
    `${fixed(row.accuracy, 1)} %`,
    `${fixed(row.transformers, 1)} %`,
    `${row.same} of ${row.prompts}`,
  ]);
  return section(
    "**End-to-end accuracy**: held-out sums through the whole forward pass, and transformers' own answers to them. " +
      "`npm run accuracy`",
    ["dtype", "rounding", "QK norm", "right", "transformers", "answers identical"],
    lines,
  );
}

function section(title, head, lines) {
  const row = (cells) => `| ${cells.join(" | ")} |`;
  return `\n${title}\n\n${[row(head), row(head.map(() => "---")), ...lines.map(row)].join("\n")}`.trimStart();
}

function endToEnd() {
  const plots = endToEndPlots().map(({ path, shows }) => `![${shows}](${path})`);
  return [...endToEndSections(endToEndResults()), ...plots];
}

/** Of the first device alone. */
function endToEndPlots() {
  const [first] = endToEndResults();
  const plot = first === undefined ? null : endToEndPlot(first);
  return plot === null ? [] : [plot];
}

/** Measured on machines that have a GPU, and taken over from there. */
function gpuResults() {
  return deviceResults("");
}

function endToEndResults() {
  return deviceResults("-e2e");
}

function deviceResults(kind) {
  return ["h200", "h100"]
    .map((device) => `native/gpu/results/${device}${kind}.json`)
    .filter((path) => existsSync(join(root, path)))
    .map(results);
}

function results(path) {
  return JSON.parse(readFileSync(join(root, path), "utf8"));
}

function fixed(value, digits) {
  return value.toFixed(digits);
}

function percent(share) {
  return `${(share * 100).toFixed(0)} %`;
}
