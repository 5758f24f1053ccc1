// The benchmarks' part on the GPU, from the results of each device in native/gpu/results.
import { gpuPlots } from "./plot.mjs";

const shown = [
  { gqa: 8, kvHeads: 1, tokens: 1 },
  { gqa: 4, kvHeads: 8, tokens: 1 },
  { gqa: 4, kvHeads: 8, tokens: 16 },
  { gqa: 4, kvHeads: 8, tokens: 128 },
  { gqa: 8, kvHeads: 8, tokens: 512 },
  { gqa: 8, kvHeads: 8, tokens: 2048 },
  { gqa: 8, kvHeads: 8, tokens: 8192 },
];
const contenders = {
  seedDesign: "first fused design",
  mid2026Design: "its mid-2026 version",
  twoNorms: "two norms",
  torchCompile: "torch.compile",
  torchRmsNorm: "2 F.rms_norm",
  deviceCopy: "copy of as many bytes",
};

/** Sections of Markdown: the first device's in full, of the others what differs; none without results. */
export function gpuSections([results, ...others]) {
  if (results === undefined) return [];
  const full = [overRows(results), perRow(results), ...plots(results), ...inSitu(results), onceMore(results)];
  return [...full, ...others.flatMap((other) => [elsewhere(other, results), onceMore(other)])];
}

/** One line per kind of data: how many times as long as the fused kernel the others take. */
function overRows({ device, date, copyTBs, rows, loadedRows = [] }) {
  const names = Object.keys(contenders).filter((name) => name !== "deviceCopy");
  const kinds = [
    ...groups(rows),
    ...groups(loadedRows).map(([name, own]) => [`${name}, loaded process`, own]),
  ];
  const lines = kinds.map(([name, own]) => [name, ...names.map((other) => ratio(own, other))]);
  return table(
    `**The kernel on the GPU** (${device}, ${date}; a copy of 4 GiB moves ${copyTBs.toFixed(2)} TB/s): how many times as long ` +
      "the others take, as geometric means over the 112 rows of the published table (4 or 8 query heads per KV head, 1 to 8 KV " +
      "heads, 1 to 8,192 tokens), and the worst row in brackets. All in place, in one process and in turn, launches in one " +
      "CUDA graph; warm: 100 launches on one set of q and k, cold: 64 launches on 64 sets. A process has two states " +
      "([notes](native/gpu/NOTES.md)); this is the one that a process of this library is in, where the other designs are at " +
      "their best. `npm run bench:gpu`",
    ["data", ...names.map((name) => contenders[name])],
    lines,
  );
}

function elsewhere({ device, date, copyTBs, emptyAloneUs, rows }, first) {
  const names = Object.keys(contenders).filter((name) => name !== "deviceCopy");
  const some = groups(rows).filter(([name]) => name.startsWith("bf16") && name.includes("contiguous"));
  const lines = some.map(([name, own]) => [name, ...names.map((other) => ratio(own, other))]);
  return table(
    `**The same on another device** (${device}, ${date}; a copy of 4 GiB moves ${copyTBs.toFixed(2)} TB/s), with the launch ` +
      `table that was measured there. A launch without PDL takes that machine ${microseconds(emptyAloneUs)} us, where it took the ` +
      `first ${microseconds(first.emptyAloneUs)}, and its memory is slower, so that more rows are those where every design waits for it.`,
    ["data", ...names.map((name) => contenders[name])],
    lines,
  );
}

function perRow(results) {
  const names = Object.keys(contenders);
  const { copyTBs } = results;
  const warm = publishedRows(results);
  const lines = shown.flatMap((wanted) => {
    const row = warm.find((one) => Object.entries(wanted).every(([key, value]) => one[key] === value));
    if (row === undefined) return [];
    const TBs = (2 * row.tokens * (row.gqa + 1) * row.kvHeads * row.headDim * 2) / row.us.fused / 1e6;
    const times = ["fused", ...names].map((name) => microseconds(row.us[name]));
    const share =
      row.tokens >= 512 ? `${Math.round(1000 * TBs)} GB/s, ${((100 * TBs) / copyTBs).toFixed(0)} %` : "";
    return [[`${row.gqa * row.kvHeads}/${row.kvHeads} x ${row.tokens}`, ...times, share]];
  });
  return table(
    "Microseconds a launch, bf16, head dim 128, warm: query/KV heads x tokens, and the fused kernel's rate beside the 4 GiB " +
      "copy's where it is a matter of bytes (beyond 100 %: from the L2).",
    ["", "fused", ...names.map((name) => contenders[name]), "rate"],
    lines,
  );
}

function plots(results) {
  return gpuPlots(results).map(({ path, shows }) => `![${shows}](${path})`);
}

function inSitu({ inSitu: rows = [] }) {
  if (rows.length === 0) return [];
  const names = ["fused", "seedDesign", "mid2026Design", "twoNorms"];
  const lines = rows.map(({ gqa, kvHeads, tokens, us }) => [
    `${gqa * kvHeads}/${kvHeads} x ${tokens}`,
    microseconds(us.none),
    ...names.map((name) => microseconds(us[name] - us.none)),
  ]);
  return [
    table(
      "**In a layer**, between the projection (cuBLAS, on Qwen3-8B's and 32B's sizes) and RoPE (torch.compile), q and k as " +
        "slices of the packed projection: microseconds a layer without any norm, and what each way adds.",
      ["", "without", "fused", "first fused design", "its mid-2026 version", "two norms"],
      lines,
    ),
  ];
}

function onceMore({ oddRows, hostUs, jitMs }) {
  const dims = oddRows.map(
    ({ headDim, us }) => `${headDim}: ${((100 * us.deviceCopy) / us.fused).toFixed(0)} %`,
  );
  const parts = [
    dims.length > 0 && `Other head dims, 64/8 x 8,192, beside a copy of as many bytes: ${dims.join(", ")}.`,
    hostUs?.asLaunch &&
      `One eager \`applyQkNorm\` call costs the host ${hostUs.applyQkNorm.toFixed(2)} us where it is repeated and small, ` +
        `${hostUs.asLaunch.toFixed(2)} us where the kernel is launched by itself ([notes](native/gpu/NOTES.md)).`,
    jitMs &&
      `A kernel takes ${jitMs.cold.toFixed(0)} ms to compile, ${jitMs.disk.toFixed(1)} ms from the disk's cache and ` +
        `${(1000 * jitMs.memory).toFixed(2)} us from memory.`,
  ];
  return parts.filter(Boolean).join(" ");
}

function groups(rows) {
  const found = new Map();
  for (const row of rows) found.set(nameOf(row), [...(found.get(nameOf(row)) ?? []), row]);
  return [...found];
}

function nameOf({ headDim, dtype, layout, cache }) {
  return `${dtype}, D ${headDim}, ${layout}, ${cache}`;
}

/** How many times as long another design takes over the rows of the published table: their geometric mean, and the least. */
export function timesAsLong(results, name) {
  return meanAndLeast(publishedRows(results), name);
}

/** The rows of the published table: bf16, head dim 128, contiguous, warm. */
export function publishedRows({ rows }) {
  return rows.filter((row) => nameOf(row) === "bf16, D 128, contiguous, warm");
}

function ratio(rows, name) {
  const { mean, least } = meanAndLeast(rows, name);
  return Number.isNaN(mean) ? "" : `${mean.toFixed(2)} (${least.toFixed(2)})`;
}

function meanAndLeast(rows, name) {
  const ratios = rows.filter(({ us }) => us[name] !== undefined).map(({ us }) => us[name] / us.fused);
  const mean = Math.exp(ratios.reduce((sum, one) => sum + Math.log(one), 0) / ratios.length);
  return { mean, least: Math.min(...ratios) };
}

function microseconds(us) {
  return us === undefined ? "" : us < 100 ? us.toPrecision(3) : us.toFixed(0);
}

function table(title, head, lines) {
  const row = (cells) => `| ${cells.join(" | ")} |`;
  return `${title}\n\n${[row(head), row(head.map(() => "---")), ...lines.map(row)].join("\n")}`;
}
