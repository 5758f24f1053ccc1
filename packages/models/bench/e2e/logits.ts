// What e2e_logits.py asks of this library, for a model folder that it wrote: `logits DIR f32|bf16 --device cuda:0` runs the
// texts of DIR/ids.bin (i32, LENGTH a text) and writes the likeliest token of each position to DIR/top.bin (i32), and the
// logits of the first ROWS positions to DIR/logits.bin (f32). `logits DIR first` says how long a process takes from its
// start to the first token. Prints one line of JSON.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { setQkNormLogger } from "@qknorm/core";
import { convert, type Device, type FloatDtype, openDevice, tidy } from "@qknorm/tensor";
import { argmax, generateNow, loadModel, nextStep } from "../../src/index.ts";

const LENGTH = 512;
const ROWS = 64;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { device: { type: "string", default: "cuda:0" } },
});
const [dir = "", what = "bf16"] = positionals;
const device = values.device as Device;
setQkNormLogger(null);
await openDevice(device);
if (what === "first") firstToken();
else compare(what as FloatDtype);

function firstToken(): void {
  const { model } = loadModel(dir, { device });
  const loaded = performance.now();
  generateNow(model, [1, 2, 3, 4], { maxTokens: 1 }).next();
  tell({ loadedMs: Math.round(loaded), firstTokenMs: Math.round(performance.now()) });
}

function compare(dtype: FloatDtype): void {
  const bytes = readFileSync(join(dir, "ids.bin"));
  const ids = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const { model } = loadModel(dir, { device, dtype });
  const tops = new Int32Array(ids.length);
  for (let start = 0; start < ids.length; start += LENGTH) {
    const cache = model.newCache();
    const step = nextStep(ids.subarray(start, start + LENGTH), cache);
    const logits = tidy(() => convert(model.forward(step, "all"), "f32"));
    const rows = logits.readNow() as Float32Array;
    logits.dispose();
    cache.dispose();
    const rowOf = (at: number) => rows.subarray(at * model.vocabSize, (at + 1) * model.vocabSize);
    for (let at = 0; at < rows.length / model.vocabSize; at++) tops[start + at] = argmax(rowOf(at));
    if (start === 0) writeFileSync(join(dir, "logits.bin"), rows.subarray(0, ROWS * model.vocabSize));
  }
  writeFileSync(join(dir, "top.bin"), tops);
  tell({ positions: tops.length });
}

function tell(found: object): void {
  process.stdout.write(`${JSON.stringify(found)}\n`);
}
