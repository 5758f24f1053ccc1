// The benchmarks' part on whole models, from the end-to-end results of each device in native/gpu/results.

const titles = { "qwen3-0.6b": "Qwen3-0.6B", "qwen3-8b": "Qwen3-8B", "qwen3-30b-a3b": "Qwen3-30B-A3B" };
const paths = ["fallback", "fused", "chain"];

/** Sections of Markdown; none without results. */
export function endToEndSections(all) {
  return all
    .flatMap((results) => [
      rates(results),
      rounded(results),
      sampled(results),
      costs(results),
      checked(results),
    ])
    .filter(Boolean);
}

/** The plot of one device's results; null where there are too few rows for one. */
export function endToEndPlot({ device, decode, torch }) {
  const model = "qwen3-0.6b";
  const ours = (path) =>
    decode.filter((row) => row.queued && row.model === model && row.path === path).map(perSecond);
  const series = [
    { style: "kernel", label: "fused", points: ours("fused"), above: true },
    { style: "another", label: "chain", points: ours("chain"), above: true, at: 0.8 },
    {
      style: "copy",
      label: "transformers, compiled",
      points: torch.filter((row) => row.what === "decode" && row.model === model).map(perSecond),
    },
  ].filter(({ points }) => points.length > 1);
  if (series.length === 0) return null;
  return {
    path: "docs/e2e-h200.svg",
    shows: "Tokens a second by number of texts decoded at once",
    title: `Decoding ${titles[model]}, bf16: tokens a second (${device})`,
    across: "texts at once",
    series,
  };
}

/** Texts at once, tokens a second. */
function perSecond({ batch, stepUs, us = stepUs }) {
  return [batch, (1e6 * batch) / us.median];
}

function rates({ device, date, copyTBs, versions, rounding, runs = "", decode, prefill, torch }) {
  const models = [...new Set([...decode, ...prefill].map(({ model }) => model))];
  const lines = models.flatMap((model) => {
    const own = decode.filter((row) => row.model === model);
    const theirs = (what, batch) =>
      torch.find((row) => row.model === model && row.what === what && row.batch === batch);
    const kinds = new Map(own.map((row) => [`${row.batch} ${row.queued ?? false}`, row]));
    const decoding = [...kinds.values()]
      .sort((a, b) => a.batch - b.batch)
      .map(({ batch, queued, context }) => {
        const rows = own.filter((row) => row.batch === batch && row.queued === queued);
        const read = queued
          ? `at ${context[0]}, nothing read between`
          : `${context.join(" to ")}, every token read`;
        const torchRow = queued ? undefined : theirs("decode", batch);
        const texts = batch === 1 ? "1 text" : `${batch} texts`;
        return [
          `decode, ${texts}${queued || batch > 1 ? " in pages" : ""}, ${read}`,
          ...paths.map((path) => rate(rows.find((row) => row.path === path)?.stepUs, batch)),
          rate(torchRow?.us, batch),
        ];
      });
    const prompts = prefill.filter((row) => row.model === model);
    const [first] = prompts;
    const prompt = first && [
      `prompt of ${first.tokens.toLocaleString("en")}`,
      ...paths.map((path) => {
        const ms = prompts.find((row) => row.path === path)?.ms;
        return rate(ms && times(ms, 1000), first.tokens);
      }),
      rate(theirs("prefill", 1)?.us, first.tokens),
    ];
    return [...decoding, ...(prompt ? [prompt] : [])].map((cells) => [titles[model] ?? model, ...cells]);
  });
  return table(
    `**Whole models on the GPU** (${device}, ${date}; a copy moves ${copyTBs.toFixed(2)} TB/s): tokens a second, random weights ` +
      `of the published shapes in bf16, rounding \`${rounding}\`, all paths in turn, the median and in brackets the slowest and fastest of the turns; ` +
      `beside it transformers ${versions.transformers ?? ""} (torch ${versions.torch ?? ""}), decoding compiled with a static ` +
      "cache, prompts with SDPA. A step of one text by itself is one launch; keys and values of many lie in pages, and their ops are launched apart. " +
      `${runs}${runs && " "}\`npm run bench:e2e\``,
    ["model", "", "QK norm as two norms on two streams", "fused", "chain", "transformers"],
    lines,
  );
}

function rounded({ rounded: rows = [] }) {
  if (rows.length === 0) return null;
  const models = [...new Set(rows.map(({ model }) => model))];
  const columns = ["once", "hf"].flatMap((rounding) => ["together", "pages"].map((keys) => [rounding, keys]));
  const lines = models.map((model) => [
    titles[model] ?? model,
    ...columns.map(([rounding, keys]) => {
      const row = rows.find((one) => one.model === model && one.rounding === rounding && one.keys === keys);
      return rate(row?.stepUs, 1);
    }),
  ]);
  const where = { together: "a cache of its own", pages: "alone in a batch" };
  return table(
    `**One text by each rounding** (${rows[0].context.join(" to ")}, every token read): tokens a second. \`hf\` rounds where ` +
      "Hugging Face does, and is how models are loaded by default; a text alone in a `ContinuousBatch` has its keys in pages.",
    ["model", ...columns.map(([rounding, keys]) => `\`${rounding}\`, ${where[keys]}`)],
    lines,
  );
}

function sampled({ sampled: rows = [] }) {
  const batches = [...new Set(rows.map(({ batch }) => batch))];
  if (batches.length === 0) return null;
  const lines = batches.map((batch) => {
    const own = rows.filter((row) => row.batch === batch);
    return [batch, ...["likeliest", "drawn", "penalized"].map((drawn) => rateOf(own, drawn, batch))];
  });
  return table(
    `**Tokens drawn on the device** (${titles[rows[0].model]}, ${rows[0].context.join(" to ")}): tokens a second where each text takes its ` +
      "likeliest token; one at a temperature of 0.6 of top-k 20 and top-p 0.95; and such a one with penalties for presence and repetition.",
    ["texts at once", "likeliest", "drawn", "drawn with penalties"],
    lines,
  );
}

function rateOf(rows, drawn, batch) {
  return rate(rows.find((row) => row.drawn === drawn)?.stepUs, batch);
}

function costs({ copyTBs, costs: rows }) {
  const model = "qwen3-0.6b";
  const path = ["chain", "fused"].find((one) => rows.some((row) => row.path === one && row.model === model));
  const one = rows.filter(({ batch = 1 }) => batch === 1);
  const own = one.filter((row) => row.path === path && row.model === model).sort((a, b) => b.us - a.us);
  if (own.length === 0) return null;
  const lines = own.map(({ op, calls, us, weightBytes }) => [
    `\`${op}\``,
    calls,
    us.toFixed(1),
    weightBytes > 0 ? (weightBytes / copyTBs / 1e6).toFixed(1) : "",
  ]);
  const sum = own.reduce((total, { us }) => total + us, 0);
  return table(
    `**Where a decode step goes** (${titles[model]}, ${path}, one text at 130 tokens): microseconds of the calls of each kind, ` +
      `launched by themselves over the weights of all layers in turn (together ${sum.toFixed(0)}; in a captured step the layers and the head are one launch), and of a copy of as many bytes as they read of weights.`,
    ["op, shape of its result", "calls", "us", "weights at the copy's rate"],
    lines,
  );
}

function checked({ logits, firstToken }) {
  const sentences = [
    ...logits.map(({ what, positions, ...figures }) => {
      const shown = Object.entries(figures).map(([name, figure]) => `${name} ${figure}`);
      return `${what}, ${positions.toLocaleString("en")} positions beside transformers: ${shown.join(", ")}.`;
    }),
    ...firstToken.map(
      ({ model, ms }) =>
        `From the start of a process to the first token of ${titles[model] ?? model}, its folder in the page cache: ${(ms.median / 1000).toFixed(2)} s.`,
    ),
  ];
  return sentences.join(" ");
}

/** Tokens a second where `tokens` take so many microseconds. */
function rate(us, tokens) {
  if (us === undefined) return "";
  const [median, slowest, fastest] = [us.median, us.most, us.least].map((value) =>
    Math.round((1e6 * tokens) / value).toLocaleString("en"),
  );
  return `${median} (${slowest} to ${fastest})`;
}

function times({ median, least, most }, factor) {
  return { median: median * factor, least: least * factor, most: most * factor };
}

function table(title, head, lines) {
  const row = (cells) => `| ${cells.join(" | ")} |`;
  return `${title}\n\n${[row(head), row(head.map(() => "---")), ...lines.map(row)].join("\n")}`;
}
