// docs/benchmarks.md with its plots, and the figures of the README, docs/kernel.md and docs/decoding.md, rendered from the committed
// results; a test holds them to these.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chainPlots, chainSections } from "./chain-numbers.mjs";
import { decodeLadder, decodeRates } from "./decode-numbers.mjs";
import { endToEndPlot, endToEndSections } from "./e2e-numbers.mjs";
import { gpuSections, timesAsLong } from "./gpu-numbers.mjs";
import { kernelFloors, kernelLadder } from "./kernel-numbers.mjs";
import { drawCpuPlot, drawGpuPlots, savePlot } from "./plot.mjs";
import { root } from "./setup.mjs";

const kernelLadderPath = "native/gpu/results/kernel-ladder.json";
const parts = [
  { path: "README.md", markers: /(<!-- figures:[^>]*-->\n)([\s\S]*?)(<!-- \/figures -->)/, render: figures },
  {
    path: "docs/benchmarks.md",
    markers: /(<!-- numbers:[^>]*-->\n)([\s\S]*?)(<!-- \/numbers -->)/,
    render: numbers,
  },
  {
    path: "docs/kernel.md",
    markers: /(<!-- floors:[^>]*-->\n)([\s\S]*?)(<!-- \/floors -->)/,
    render: () => kernelFloors(gpuResults()[0], results(kernelLadderPath)),
  },
  {
    path: "docs/kernel.md",
    markers: /(<!-- ladder:[^>]*-->\n)([\s\S]*?)(<!-- \/ladder -->)/,
    render: () => kernelLadder(gpuResults()[0], results(kernelLadderPath)),
  },
  {
    path: "docs/decoding.md",
    markers: /(<!-- rates:[^>]*-->\n)([\s\S]*?)(<!-- \/rates -->)/,
    render: () => decodeRates(endToEndResults()[0]),
  },
  {
    path: "docs/decoding.md",
    markers: /(<!-- ladder:[^>]*-->\n)([\s\S]*?)(<!-- \/ladder -->)/,
    render: () => decodeLadder(results("native/gpu/results/decode-ladder.json")),
  },
];

/** The tables and plots, as docs/benchmarks.md should have them. */
function numbers() {
  const ownCode = results("native/gpu/results/chain-own-code.json");
  const chain = chainSections(deviceResults("-chain"), ownCode);
  const onGpu = [...gpuSections(gpuResults()), ...chain, ...endToEnd()];
  const text = [...onGpu, kernels(), calls(), steps(), forwardPass(), accuracy()].join("\n\n");
  // Paths are told from the root; the document lies in docs.
  return `${text.replaceAll("](docs/", "](").replaceAll("](native/", "](../native/")}\n\n`;
}

/** What the README says first. */
function figures() {
  const [gpu] = gpuResults();
  const [models] = endToEndResults();
  const rate = (model, path, rows) =>
    1e6 /
    rows.find((row) => row.model === model && row.batch === 1 && (path === null || row.path === path)).us
      .median;
  const ours = models.decode.filter(({ queued }) => !queued).map((row) => ({ ...row, us: row.stepUs }));
  const theirs = models.torch.filter(({ what }) => what === "decode");
  const [small, large] = ["qwen3-0.6b", "qwen3-8b"].map((model) => {
    const [own, other] = [rate(model, "chain", ours), rate(model, null, theirs)];
    return `${fixed(own, 0)} tokens/s (${fixed(own / other, 2)} times transformers, compiled: ${fixed(other, 0)})`;
  });
  const cpu = results("native/bench/results/cpu-speed.json");
  return `${[
    `- **The fused kernel** takes an ${gpu.device} 1 / ${fixed(timesAsLong(gpu, "seedDesign").mean, 2)} of the time of the first fused design, as a geometric mean over the 112 rows of its published table. \`npm run bench:gpu\``,
    `- **Decoding** one text with random weights in bf16 on it: Qwen3-0.6B ${small}, Qwen3-8B ${large}. \`npm run bench:e2e\``,
    `- **On the CPU**, Qwen3-0.6B in bf16, ${cpu.threads} threads: ${cpuRates(cpu.summary)}. \`python -m oracle.cpu_speed\``,
  ].join("\n")}\n`;
}

function cpuRates(summary) {
  const { "llama.cpp": llama, transformers } = summary;
  const times = (what) =>
    `${what} at ${fixed(llama[what].hereTimes, 2)} times llama.cpp's rate and ${fixed(transformers[what].hereTimes, 2)} times transformers'`;
  return `${times("decode")}, ${times("prefill")}`
    .replace("decode at", "decodes at")
    .replace("prefill at", "reads a prompt at");
}

/** Whether the documents say what the results say. */
export function numbersAreCurrent() {
  return parts.every(({ path, markers, render }) => {
    const text = readFileSync(join(root, path), "utf8");
    return text.match(markers)?.[2] === render();
  });
}

export function writeNumbers() {
  drawCpuPlot(results("native/bench/results/cpu.json"));
  const [gpu] = gpuResults();
  if (gpu !== undefined) drawGpuPlots(gpu);
  const ofModels = endToEndPlots().slice(0, 1);
  for (const plot of [...deviceResults("-chain").flatMap(chainPlots), ...ofModels]) savePlot(plot.path, plot);
  for (const { path, markers, render } of parts) {
    const file = join(root, path);
    const text = readFileSync(file, "utf8");
    writeFileSync(
      file,
      text.replace(markers, (_, start, __, end) => start + render() + end),
    );
  }
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

function steps() {
  const { kernels, rows } = results("packages/tensor/bench/results/cpu-steps.json");
  const lines = rows.map(({ step, tokens, us, times }) => {
    const ways = Object.entries(us).map(([way, value]) => `${way}: ${value}`);
    return [step, tokens, ...ways, times];
  });
  return section(
    `**Steps of a layer on the CPU**, two ways in turns in one run, microseconds of processor time (${kernels}; the fastest of 15 ` +
      "turns, while other programs ran). The chain has 16 query and 8 KV heads of 128 in packed QKV of bf16, with RMS norm and RoPE as Hugging Face " +
      "round them; the recurrences are of the sizes of Qwen3-Next. `npm run bench`",
    ["step", "tokens", "us", "us, the other way", "times as fast"],
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
  const folder = "examples/qwen3-forward/results";
  const places = [
    ["the CPU", results(`${folder}/accuracy.json`)],
    ["an H200", results(`${folder}/accuracy-h200.json`)],
  ];
  const lines = places.flatMap(([place, { rows }]) =>
    rows.map((row) => [
      place,
      row.cacheDtype === undefined ? row.dtype : `${row.dtype}, cache ${row.cacheDtype}`,
      row.rounding,
      row.path === "auto" ? "fused" : "fallback",
      `${fixed(row.accuracy, 1)} %`,
      `${fixed(row.transformers, 1)} %`,
      `${row.same} of ${row.prompts}`,
    ]),
  );
  return section(
    "**End-to-end accuracy**: held-out sums through the whole forward pass, and transformers' own answers to them. " +
      "`npm run accuracy`; on a GPU `build/gpu/run accuracy`",
    ["on", "dtype", "rounding", "QK norm", "right", "transformers", "answers identical"],
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
