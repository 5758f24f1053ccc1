// One part of the end-to-end benchmark, in a process of its own: `part NAME MODEL --device cuda:0 --dtype bf16 --seconds 40`.
// Prints what it found as one line of JSON, also where its seconds did not suffice for all of it.
import { parseArgs } from "node:util";
import { type NormRounding, setQkNormLogger } from "@qknorm/core";
import { type Device, type FloatDtype, openDevice } from "@qknorm/tensor";
import { heldOn } from "./endurance.ts";
import { machine } from "./machine.ts";
import {
  batchRates,
  decodeCosts,
  hostShares,
  prefillRates,
  type Setting,
  stepRates,
  textRates,
} from "./measurements.ts";
import type { Found } from "./results.ts";
import { roundedRates } from "./rounded-rates.ts";
import { sampledRates } from "./sampled-rates.ts";
import { type ModelName, shapes } from "./shapes.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: "string", default: "cuda:0" },
    dtype: { type: "string", default: "bf16" },
    rounding: { type: "string", default: "once" },
    seconds: { type: "string", default: "40" },
  },
});
const measurements = {
  machine,
  decode: textRates,
  host: hostShares,
  decode64: (setting: Setting) => batchRates(setting, 64),
  step: (setting: Setting) => stepRates(setting),
  steps: (setting: Setting) => stepRates(setting, [4, 16, 64]),
  sampled: (setting: Setting) => sampledRates(setting, [1, 64]),
  rounded: roundedRates,
  prefill: prefillRates,
  costs: (setting: Setting) => decodeCosts(setting),
  costs64: (setting: Setting) => decodeCosts(setting, 64),
};

const [part = "", model = "tiny"] = positionals;
const device = values.device as Device;
if (!(part in measurements) || !(model in shapes)) {
  process.stderr.write(`part takes one of ${Object.keys(measurements)} and one of ${Object.keys(shapes)}\n`);
  process.exit(2);
}
setQkNormLogger(null);
await openDevice(device);
const until = performance.now() + 1000 * Number(values.seconds);
const found: Found = await measurements[part as keyof typeof measurements]({
  device,
  dtype: values.dtype as FloatDtype,
  rounding: values.rounding as NormRounding,
  model: model as ModelName,
  timeIsUp: () => performance.now() > until,
});
process.stdout.write(`${JSON.stringify(found)}\n`);
// Whatever a part made, it has freed.
const left = heldOn(device);
if (left !== 0) {
  process.stderr.write(`${left} bytes are live on ${device} after ${part}\n`);
  process.exitCode = 1;
}
