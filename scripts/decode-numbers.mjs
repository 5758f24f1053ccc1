// The figures of docs/decoding.md: what a step in one launch took after each change, and what it takes now.

const shapes = ["Qwen3-0.6B", "Qwen3-8B"];

/** Each change, microseconds a token by then, and the reason. */
export function decodeLadder({ device, steps }) {
  const row = (cells) => `| ${cells.join(" | ")} |`;
  const number = (us) => (us === null ? "" : us.toLocaleString("en"));
  return `${[
    row(["step", ...shapes.map((shape) => `${shape}, us a token`), `what the clocks of an ${device} said`]),
    row(Array(4).fill("---")),
    ...steps.map(({ step, us, why }) => row([step, ...us.map(number), why])),
  ].join("\n")}\n`;
}

/** Tokens a second of one text in the committed run, beside those of memory that had nothing to wait for. */
export function decodeRates({ device, copyTBs, decode, torch, costs }) {
  const lines = ["qwen3-0.6b", "qwen3-8b"].map((model, i) => {
    const of = (row) => row.model === model && (row.batch ?? 1) === 1;
    const own = decode.find((row) => of(row) && row.path === "chain" && !row.queued).stepUs.median;
    const theirs = torch.find((row) => of(row) && row.what === "decode").us.median;
    const bytes = costs
      .filter((row) => of(row) && row.path === "chain")
      .map(({ weightBytes = 0 }) => weightBytes);
    const floorUs = bytes.reduce((all, some) => all + some, 0) / (1e6 * copyTBs);
    return (
      `${shapes[i]} ${(1e6 / own).toFixed(0)} tokens a second, ${((100 * floorUs) / own).toFixed(0)} % of what reading its ` +
      `weights at the rate of a copy would allow, and ${(theirs / own).toFixed(1)} times transformers with its graph compiled`
    );
  });
  return `On an ${device}, one text in bf16: ${lines.join("; ")}.\n`;
}
