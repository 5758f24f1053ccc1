// A line chart as SVG, both axes logarithmic: what is drawn here spans orders of magnitude both ways.

const frame = { width: 760, height: 300, left: 64, right: 24, top: 40, bottom: 44 };

/**
 * The SVG of a chart. A series has `points` ([x, y]), a `style` (kernel, copy, other, another) and a `label`, which stands below
 * the line, or `above` it, at the share `at` of its points.
 */
export function drawChart({ title, across, series }) {
  const scale = scales(series);
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${frame.width} ${frame.height}" font-family="ui-sans-serif, system-ui, sans-serif" font-size="12">`,
    `<title>${title}</title>`,
    style,
    `<text class="text" x="${frame.left}" y="20">${title}</text>`,
    ...axes(series, scale, across),
    ...series.map((one) => line(one, scale)),
    ...series.map((one) => label(one, scale)),
    "</svg>",
  ];
  return `${svg.join("\n")}\n`;
}

const style = `<style>
  .text { fill: #4a5568; } .grid { stroke: #d5dae2; } .kernel { stroke: #3573c9; } .copy { stroke: #8a94a6; stroke-dasharray: 5 4; }
  .other { stroke: #b9a26a; stroke-dasharray: 2 3; } .name-other { fill: #8f7a42; }
  .another { stroke: #7fa98a; stroke-dasharray: 8 3 2 3; } .name-another { fill: #4f7d5c; }
  .line { fill: none; stroke-width: 2; } .name-kernel { fill: #3573c9; font-weight: 600; } .name-copy { fill: #6b7688; }
  @media (prefers-color-scheme: dark) {
    .text { fill: #a9b4c4; } .grid { stroke: #333c49; } .kernel { stroke: #5b9bf0; } .name-kernel { fill: #5b9bf0; }
    .name-other { fill: #cdb77e; } .name-another { fill: #94c4a1; }
  }
</style>`;

function scales(series) {
  const xs = series.flatMap(({ points }) => points.map(([x]) => x));
  const ys = series.flatMap(({ points }) => points.map(([, y]) => y));
  const smallest = Math.min(...ys);
  const low = [...ticksFrom(smallest / 10)].filter((tick) => tick <= smallest).at(-1);
  const high = Math.max(...ys) * 1.2;
  const first = Math.min(...xs);
  const last = Math.max(...xs);
  const width = frame.width - frame.left - frame.right;
  const height = frame.height - frame.top - frame.bottom;
  return {
    low,
    high,
    x: (x) => frame.left + (width * Math.log(x / first)) / Math.log(last / first),
    y: (y) => frame.top + height * (1 - Math.log(y / low) / Math.log(high / low)),
  };
}

function axes(series, { low, high, x, y }, across) {
  const ticks = [...ticksFrom(low)].filter((tick) => tick >= low && tick <= high);
  const columns = [...new Set(series.flatMap(({ points }) => points.map(([at]) => at)))].sort(
    (a, b) => a - b,
  );
  const bottom = frame.height - frame.bottom;
  return [
    ...ticks.flatMap((tick) => [
      `<line class="grid" x1="${frame.left}" x2="${frame.width - frame.right}" y1="${at(y(tick))}" y2="${at(y(tick))}" />`,
      `<text class="text" x="${frame.left - 8}" y="${at(y(tick) + 4)}" text-anchor="end">${tick}</text>`,
    ]),
    ...columns.map(
      (column) =>
        `<text class="text" x="${at(x(column))}" y="${bottom + 18}" text-anchor="middle">${column}</text>`,
    ),
    `<text class="text" x="${frame.width / 2}" y="${bottom + 36}" text-anchor="middle">${across}</text>`,
  ];
}

/** 1, 2, 5, 10, 20, 50, ... over five decades. */
function* ticksFrom(lowest) {
  const decade = Math.floor(Math.log10(lowest));
  for (let power = decade; power < decade + 6; power++) {
    for (const step of [1, 2, 5]) yield Number((step * 10 ** power).toPrecision(1));
  }
}

function line({ points, style: name }, { x, y }) {
  const path = points.map(([px, py], i) => `${i === 0 ? "M" : "L"}${at(x(px))} ${at(y(py))}`).join(" ");
  return `<path class="line ${name}" d="${path}" />`;
}

function label({ points, style: name, label: text, above = false, at: share = 0.5 }, { x, y }) {
  const [px, py] = points[Math.min(points.length - 1, Math.floor(points.length * share))];
  return `<text class="name-${name}" x="${at(x(px))}" y="${at(y(py) + (above ? -10 : 20))}" text-anchor="middle">${text}</text>`;
}

function at(value) {
  return value.toFixed(1);
}
