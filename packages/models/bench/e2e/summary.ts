import type { DecodeRow, EndToEndResults } from "./results.ts";
import { type ModelName, weightBytes } from "./shapes.ts";

/** The printed table. */
export function summarize(results: EndToEndResults): string {
  const { device, date, commit, versions, copyTBs, failed } = results;
  const lines = [
    `${device}, ${date}, commit ${commit}`,
    Object.entries(versions)
      .map(([what, version]) => `${what} ${version}`)
      .join(", "),
    ...(copyTBs > 0 ? [`copy ${copyTBs} TB/s`] : []),
    ...results.decode.map((row) => decodeLine(row, results)),
    ...results.sampled.map(
      ({ model, batch, drawn, stepUs }) =>
        `tokens ${drawn}, ${model}, batch ${batch}: ${stepUs.median} us a step (${stepUs.least} to ${stepUs.most}, ${stepUs.turns} turns), ${Math.round((1e6 * batch) / stepUs.median)} tok/s`,
    ),
    ...results.rounded.map(
      ({ model, rounding, keys, stepUs }) =>
        `rounded ${rounding}, ${model}, keys ${keys}: ${stepUs.median} us a step (${stepUs.least} to ${stepUs.most}, ${stepUs.turns} turns), ${Math.round(1e6 / stepUs.median)} tok/s`,
    ),
    ...results.prefill.map(
      ({ model, tokens, path, ms }) =>
        `prefill of ${tokens}, ${model}, ${path}: ${ms.median} ms (${ms.least} to ${ms.most}, ${ms.turns} turns), ${Math.round((1000 * tokens) / ms.median)} tok/s`,
    ),
    ...results.torch.map(
      ({ model, what, batch, tokens, us }) =>
        `transformers, ${what}, ${model}, batch ${batch}: ${us.median} us (${us.least} to ${us.most}), ${Math.round((1e6 * (what === "decode" ? batch : tokens)) / us.median)} tok/s`,
    ),
    ...costLines(results),
    ...results.host.map(
      ({ model, batch, waitUs, replayUs, ownUs }) =>
        `host, ${model}, batch ${batch}: ${ownUs.median} us of TypeScript a token (${ownUs.least} to ${ownUs.most}), ${replayUs} us queueing the graph, ${waitUs} us waiting`,
    ),
    ...results.logits.map((row) => JSON.stringify(row)),
    ...results.firstToken.map(({ model, ms }) => `start to first token, ${model}: ${ms.median} ms`),
    ...failed.map(({ part, because }) => `FAILED ${part}: ${because}`),
  ];
  return `${lines.join("\n")}\n`;
}

function decodeLine(
  { model, batch, path, context, stepUs, hostUs, queued }: DecodeRow,
  { copyTBs }: EndToEndResults,
): string {
  const { median, least, most, turns } = stepUs;
  const rate = Math.round((1e6 * batch) / median);
  const floor = floorUs(model as ModelName, copyTBs);
  const { layers } = weightBytes(model as ModelName);
  const over =
    floor === null
      ? ""
      : `; floor of the weights ${floor.toFixed(0)} us, ${((median - floor) / layers).toFixed(1)} us a layer above it`;
  const host = hostUs === undefined ? "" : `; host ${hostUs} us`;
  const how = queued ? "decode, nothing read" : "decode";
  return `${how}, ${model}, batch ${batch}, context ${context.join(" to ")}, ${path}: ${median} us a step (${least} to ${most}, ${turns} turns), ${rate} tok/s${over}${host}`;
}

function costLines({ costs, copyTBs }: EndToEndResults): string[] {
  return costs.map(({ model, path, batch, op, calls, us, weightBytes: bytes }) => {
    const floor =
      bytes > 0 && copyTBs > 0 ? `, floor of its weights ${(bytes / copyTBs / 1e6).toFixed(1)} us` : "";
    return `cost, ${model}, batch ${batch}, ${path}: ${op} x ${calls}: ${us.toFixed(1)} us${floor}`;
  });
}

/** Microseconds of a copy of as many bytes as a step reads of weights; null without a copy's rate. */
export function floorUs(model: ModelName, copyTBs: number): number | null {
  if (copyTBs === 0) return null;
  const { layer, head, layers } = weightBytes(model);
  return (layer * layers + head) / copyTBs / 1e6;
}
