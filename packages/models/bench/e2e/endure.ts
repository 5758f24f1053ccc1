// `endure [--device cuda:0] [--model tiny] [--tokens 10000]`: decodes that many tokens text by text, and as many in a batch
// that texts join and leave; prints the memory of the process and of the device over time. Ends with 1 when any of it grew.
import { parseArgs } from "node:util";
import { setQkNormLogger } from "@qknorm/core";
import { type Device, openDevice } from "@qknorm/tensor";
import { decodeInTurn, decodeTogether, growthOf, heldOn, type Look } from "./endurance.ts";
import { type ModelName, shapes } from "./shapes.ts";
import { syntheticModel } from "./synthetic-model.ts";

const { values } = parseArgs({
  options: {
    device: { type: "string", default: "cuda:0" },
    model: { type: "string", default: "tiny" },
    tokens: { type: "string", default: "10000" },
    length: { type: "string", default: "250" },
  },
});
const device = values.device as Device;
const [tokens, length] = [Number(values.tokens), Number(values.length)];
if (!(values.model in shapes) || !(tokens > 0) || !(length > 0)) {
  process.stderr.write(
    `endure takes one of ${Object.keys(shapes).join(", ")}, and numbers of tokens above 0\n`,
  );
  process.exit(2);
}
setQkNormLogger(null);
await openDevice(device);
const model = syntheticModel(values.model as ModelName, { device, dtype: "bf16", rounding: "once" });
const setting = { tokens, length, every: Math.ceil(tokens / 20) };

report("text by text", await decodeInTurn(model, device, setting));
report(
  "a batch of 16 that texts join and leave",
  await decodeTogether(model, device, { ...setting, together: 16 }),
);
model.dispose();
const left = heldOn(device);
process.stdout.write(`live after dispose: ${left} bytes\n`);
if (left !== 0) process.exitCode = 1;

function report(what: string, looks: readonly Look[]): void {
  process.stdout.write(`${what}, ${values.model} on ${device}\n  tokens   rss MB  external MB  device MB\n`);
  for (const { tokens, rss, external, live } of looks) {
    const cells = [rss, external, live].map((bytes) => (bytes / 1e6).toFixed(2).padStart(9));
    process.stdout.write(`${String(tokens).padStart(8)} ${cells.join("  ")}\n`);
  }
  const growth = growthOf(looks);
  process.stdout.write(growth === null ? "  flat in the second half\n" : `  NOT FLAT: ${growth}\n`);
  if (growth !== null) process.exitCode = 1;
}
