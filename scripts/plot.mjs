// The README's plots, drawn from the committed results.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { drawChart } from "./chart.mjs";
import { root } from "./setup.mjs";

/** docs/qk-norm-cpu.svg from native/bench/results/cpu.json: how close the kernel comes to a copy. */
export function drawCpuPlot({ device, isa, threads, rows }) {
  const points = rows
    .filter((row) => row.dtype === "bf16" && row.headDim === 128 && row.rounding === "once")
    .filter((row) => row.layout === "contiguous" && row.isa === isa)
    .sort((a, b) => a.tokens - b.tokens);
  const of = (key) => points.map((row) => [row.tokens, row[key]]);
  savePlot("docs/qk-norm-cpu.svg", {
    title: `QK norm in place, bf16, 32/8 heads of 128: GB/s read and written (${device}, ${isa}, ${threads} threads)`,
    across: "tokens",
    series: [
      { style: "copy", label: "copying as many bytes", points: of("copyGBs"), above: true },
      { style: "kernel", label: "fused kernel", points: of("GBs") },
    ],
  });
}

/** The plots of native/gpu/results/h200.json, each with its path and what it shows; none without rows for it. */
export function gpuPlots({ device, copyTBs, rows }) {
  const ofSeed = rows
    .filter((row) => row.headDim === 128 && row.dtype === "bf16" && row.layout === "contiguous")
    .sort((a, b) => a.tokens - b.tokens);
  const shape = "bf16, heads of 128, q and k contiguous";
  const warm = ofSeed.filter((row) => row.cache === "warm" && row.gqa === 4 && row.kvHeads === 8);
  const us = (name) =>
    warm.filter((row) => row.us[name] !== undefined).map((row) => [row.tokens, row.us[name]]);
  const cold = ofSeed.filter((row) => row.cache === "cold" && row.gqa === 8 && row.kvHeads === 8);
  const share = (name) =>
    cold.map((row) => [row.tokens, (100 * 2 * bytesOf(row)) / row.us[name] / 1e6 / copyTBs]);
  const all = [
    {
      path: "docs/qk-norm-h200.svg",
      shows: "Microseconds a launch by number of tokens, for the fused kernel and the others",
      title: `QK norm, 32/8 ${shape}, in the L2: microseconds a launch (${device})`,
      series: [
        { style: "other", label: "two norms", points: us("twoNorms"), above: true, at: 0.45 },
        { style: "another", label: "torch.compile", points: us("torchCompile"), above: true, at: 0.15 },
        { style: "copy", label: "first fused design", points: us("seedDesign"), above: true, at: 0.22 },
        { style: "kernel", label: "fused kernel", points: us("fused"), at: 0.5 },
      ],
    },
    {
      path: "docs/qk-norm-h200-roofline.svg",
      shows: "The fused kernel's rate beside that of a copy, by number of tokens",
      title: `QK norm, 64/8 ${shape}, from memory: % of the rate of a 4 GiB copy (${device})`,
      series: [
        {
          style: "other",
          label: "copying as many bytes",
          points: share("deviceCopy"),
          at: 0.75,
          above: true,
        },
        { style: "copy", label: "first fused design", points: share("seedDesign"), at: 0.72 },
        { style: "kernel", label: "fused kernel", points: share("fused"), at: 0.15, above: true },
      ],
    },
  ];
  return all
    .map((plot) => ({ ...plot, series: plot.series.filter(({ points }) => points.length > 1) }))
    .filter(({ series }) => series.length > 0);
}

export function drawGpuPlots(results) {
  for (const { path, title, series } of gpuPlots(results))
    savePlot(path, { title, across: "tokens", series });
}

function bytesOf({ headDim, gqa, kvHeads, tokens }) {
  return tokens * (gqa + 1) * kvHeads * headDim * 2;
}

/** Draws a chart into a file of the repository. */
export function savePlot(path, chart) {
  writeFileSync(join(root, path), drawChart(chart));
}
