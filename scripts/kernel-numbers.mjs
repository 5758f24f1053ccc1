// The figures of docs/kernel.md: what the benchmark on the GPU gave, and the ladder of what was tried before.
import { publishedRows, timesAsLong } from "./gpu-numbers.mjs";

/** What the page says first. */
export function kernelFloors(results, { trafficUs }) {
  const { device, emptyUs } = results;
  const own = (wanted) =>
    publishedRows(results).find(
      ({ gqa, kvHeads, tokens }) =>
        gqa * kvHeads === wanted.heads && kvHeads === wanted.kvHeads && tokens === wanted.tokens,
    ).us.fused;
  const one = own({ heads: 32, kvHeads: 8, tokens: 1 });
  const many = own({ heads: 64, kvHeads: 8, tokens: 8192 });
  return (
    `On an ${device}, in bf16 with head dim 128, a launch for one token of 32 query and 8 KV heads takes ${one.toFixed(2)} us, of ` +
    `which an empty launch is ${emptyUs.toFixed(2)}; 8,192 tokens of 64 query and 8 KV heads take ${many.toFixed(0)} us, and moving ` +
    `their bytes without any arithmetic ${trafficUs.toFixed(0)}.\n`
  );
}

/** Each step, what was expected of it and what it gave; then all of them together. */
export function kernelLadder(results, { device, steps }) {
  const { mean, least } = timesAsLong(results, "seedDesign");
  const first = {
    step: "q and k in one launch instead of two norms",
    where: "everywhere",
    expected: "a launch less, at least",
    measured: `${timesAsLong(results, "twoNorms").mean.toFixed(1)} times as fast as two norms over the 112 rows of the published table`,
  };
  const row = (cells) => `| ${cells.join(" | ")} |`;
  const lines = [first, ...steps].map(({ step, where, expected, measured }) =>
    row([step, where, expected, measured]),
  );
  const head = [
    row(["step", "where it helps", "expected", `measured on an ${device}`]),
    row(Array(4).fill("---")),
  ];
  return (
    `${[...head, ...lines].join("\n")}\n\n` +
    `Together: ${mean.toFixed(2)} times as fast as the first fused design that was published, in the geometric mean over its own ` +
    `112 rows; the slowest row is ${least.toFixed(2)} times as fast.\n`
  );
}
