// The benchmarks' part on the chain, from the results of each device in native/gpu/results/*-chain.json, and its plot.
const designs = {
  normRope: "norm + RoPE, nothing stored",
  normThenRopeStore: "norm, then RoPE + store",
  normRopeThenCopies: "norm + RoPE, then two copies",
};

/** Sections of Markdown, one for each device; none without results. `ownCode`: what others' own kernels take on an H200. */
export function chainSections(all, ownCode) {
  return all.flatMap((results) => [
    table(results),
    ...(results.device.includes("H200") ? [besideOwnCode(results, ownCode)] : []),
    ...chainPlots(results).map(({ path, shows }) => `![${shows}](${path})`),
  ]);
}

/** How many times as long as the chain the fastest of the other designs takes. */
export function bestRatio(us) {
  return Math.min(...Object.keys(designs).map((name) => us[name])) / us.chain;
}

/** The plot of a device's results, with its path and what it shows. */
export function chainPlots({ device, rows }) {
  const own = rows.filter(({ queryHeads }) => queryHeads === 32).sort((a, b) => a.tokens - b.tokens);
  const us = (name) => own.map((row) => [row.tokens, row.us[name]]);
  if (own.length < 2 || !device.includes("H200")) return [];
  return [
    {
      path: "docs/chain-h200.svg",
      shows:
        "Microseconds of norm, RoPE and cache write by number of tokens, in one launch and by other designs",
      across: "tokens",
      title: `Norm, RoPE and cache write, 32/8 heads of 128, bf16: microseconds (${device})`,
      series: [
        {
          style: "other",
          label: designs.normRopeThenCopies,
          points: us("normRopeThenCopies"),
          above: true,
          at: 0.3,
        },
        {
          style: "copy",
          label: designs.normThenRopeStore,
          points: us("normThenRopeStore"),
          above: true,
          at: 0.6,
        },
        { style: "kernel", label: "the chain, one launch", points: us("chain"), at: 0.5 },
      ],
    },
  ];
}

function table({ device, date, copyTBs, rows }) {
  const ratios = rows.map(({ us }) => bestRatio(us));
  const head = [
    "",
    "the chain",
    ...Object.values(designs),
    "best of them / chain",
    "norm alone",
    "e4m3 cache",
    "floor",
  ];
  const lines = rows.map((row) => {
    const { queryHeads, kvHeads, tokens, us } = row;
    const times = [us.chain, ...Object.keys(designs).map((name) => us[name])].map(microseconds);
    const floor = leastBytes(row) / copyTBs / 1e6;
    return [
      ...[`${queryHeads}/${kvHeads} x ${tokens}`, ...times, bestRatio(us).toFixed(2)],
      ...[microseconds(us.normAlone), microseconds(us.chainE4m3), floor < 1 ? "" : microseconds(floor)],
    ];
  });
  return (
    `**The chain** (${device}, ${date}): QK norm, RoPE of the whole head and the write of K and V into pages of a cache, ` +
    "microseconds, bf16, head dim 128, in place, q, k and v contiguous, 100 launches on one set in one CUDA graph, all in one " +
    "process and in turn. The other designs are those of serving engines, written from their description; the first stores " +
    `nothing. The fastest of them takes ${geometricMean(ratios).toFixed(2)} times as long as the chain in the geometric mean, ` +
    `${Math.min(...ratios).toFixed(2)} at least. The floor moves the bytes that must move at the rate of a 4 GiB copy ` +
    `(${copyTBs.toFixed(2)} TB/s); below it, from the L2. \`build/gpu/run bench-chain\`\n\n` +
    markdown([head, ...lines])
  );
}

/** The designs in their own code, which is slower than what was written here from their description. */
function besideOwnCode({ rows }, { date, rows: others }) {
  const pairs = others.flatMap(({ us, ...size }) => {
    const ours = rows.find((row) => Object.entries(size).every(([field, value]) => row[field] === value));
    return ours === undefined ? [] : [{ ours, us }];
  });
  const ratios = pairs.map(({ ours, us }) => Math.min(...Object.values(us)) / ours.us.chain);
  const head = [
    "",
    "the chain",
    ...Object.keys(designs).map((name) => designs[name]),
    "best of them / chain",
  ];
  const lines = pairs.map(({ ours, us }, i) => [
    `${ours.queryHeads}/${ours.kvHeads} x ${ours.tokens}`,
    ...[ours.us.chain, ...Object.keys(designs).map((name) => us[name])].map(microseconds),
    ratios[i].toFixed(2),
  ]);
  return (
    `Beside the same designs in SGLang's own code (an H200, ${date}; not in one run with ours, and in a PyTorch process): the ` +
    `fastest of them takes ${geometricMean(ratios).toFixed(2)} times as long as the chain in the geometric mean of these rows, ` +
    `${Math.min(...ratios).toFixed(2)} at least.\n\n${markdown([head, ...lines])}`
  );
}

function geometricMean(values) {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

function markdown([head, ...lines]) {
  const row = (cells) => `| ${cells.join(" | ")} |`;
  return [row(head), row(head.map(() => "---")), ...lines.map(row)].join("\n");
}

function leastBytes({ queryHeads, kvHeads, tokens }) {
  return tokens * 128 * 2 * (2 * (queryHeads + kvHeads) + 3 * kvHeads);
}

function microseconds(us) {
  return us === undefined ? "" : us < 100 ? us.toPrecision(3) : us.toFixed(0);
}
