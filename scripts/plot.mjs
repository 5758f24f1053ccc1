// The README's plot, drawn from the committed results: how close the kernel comes to a copy, by number of tokens.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./setup.mjs";

const frame = { width: 760, height: 300, left: 64, right: 24, top: 40, bottom: 44 };

/** docs/qk-norm-cpu.svg from the rows of native/bench/results/cpu.json. */
export function drawPlot({ device, isa, threads, rows }) {
  const points = rows
    .filter((row) => row.dtype === "bf16" && row.headDim === 128 && row.rounding === "once")
    .filter((row) => row.layout === "contiguous" && row.isa === isa)
    .sort((a, b) => a.tokens - b.tokens);
  const scale = scales(points);
  const title = `QK norm in place, bf16, 32/8 heads of 128: GB/s read and written (${device}, ${isa}, ${threads} threads)`;
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${frame.width} ${frame.height}" font-family="ui-sans-serif, system-ui, sans-serif" font-size="12">`,
    `<title>${title}</title>`,
    style,
    `<text class="text" x="${frame.left}" y="20">${title}</text>`,
    ...axes(points, scale),
    line(points, scale, "copyGBs", "copy"),
    line(points, scale, "GBs", "kernel"),
    label(points, scale, "copyGBs", "copy", "copying as many bytes"),
    label(points, scale, "GBs", "kernel", "fused kernel"),
    "</svg>",
  ];
  writeFileSync(join(root, "docs/qk-norm-cpu.svg"), `${svg.join("\n")}\n`);
}

const style = `<style>
  .text { fill: #4a5568; } .grid { stroke: #d5dae2; } .kernel { stroke: #3573c9; } .copy { stroke: #8a94a6; stroke-dasharray: 5 4; }
  .line { fill: none; stroke-width: 2; } .name-kernel { fill: #3573c9; font-weight: 600; } .name-copy { fill: #6b7688; }
  @media (prefers-color-scheme: dark) {
    .text { fill: #a9b4c4; } .grid { stroke: #333c49; } .kernel { stroke: #5b9bf0; } .name-kernel { fill: #5b9bf0; }
  }
</style>`;

// Tokens and rates both span orders of magnitude: both axes are logarithmic.
function scales(points) {
  const rates = points.flatMap(({ GBs, copyGBs }) => [GBs, copyGBs]);
  const low = 10 ** Math.floor(Math.log10(Math.min(...rates)));
  const high = Math.max(...rates) * 1.2;
  const first = points[0].tokens;
  const last = points.at(-1).tokens;
  const across = frame.width - frame.left - frame.right;
  const down = frame.height - frame.top - frame.bottom;
  return {
    low,
    high,
    x: (tokens) => frame.left + (across * Math.log(tokens / first)) / Math.log(last / first),
    y: (rate) => frame.top + down * (1 - Math.log(rate / low) / Math.log(high / low)),
  };
}

function axes(points, { low, high, x, y }) {
  const ticks = [1, 2, 5, 10, 20, 50, 100, 200, 500].filter((rate) => rate >= low && rate <= high);
  const bottom = frame.height - frame.bottom;
  return [
    ...ticks.flatMap((rate) => [
      `<line class="grid" x1="${frame.left}" x2="${frame.width - frame.right}" y1="${at(y(rate))}" y2="${at(y(rate))}" />`,
      `<text class="text" x="${frame.left - 8}" y="${at(y(rate) + 4)}" text-anchor="end">${rate}</text>`,
    ]),
    ...points.map(
      ({ tokens }) =>
        `<text class="text" x="${at(x(tokens))}" y="${bottom + 18}" text-anchor="middle">${tokens}</text>`,
    ),
    `<text class="text" x="${frame.width / 2}" y="${bottom + 36}" text-anchor="middle">tokens</text>`,
  ];
}

function line(points, { x, y }, key, name) {
  const path = points
    .map((point, i) => `${i === 0 ? "M" : "L"}${at(x(point.tokens))} ${at(y(point[key]))}`)
    .join(" ");
  return `<path class="line ${name}" d="${path}" />`;
}

function label(points, { x, y }, key, name, text) {
  const point = points[Math.floor(points.length / 2)];
  const above = key === "copyGBs" ? -10 : 20;
  return `<text class="name-${name}" x="${at(x(point.tokens))}" y="${at(y(point[key]) + above)}" text-anchor="middle">${text}</text>`;
}

function at(value) {
  return value.toFixed(1);
}
