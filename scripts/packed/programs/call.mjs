// A fused call, and what it came to: one line of JSON.
import { createHash } from "node:crypto";
import { applyQkNorm, explainQkNorm, referenceNorm } from "@qknorm/core";
import { kernelStatus, normalize, Tensor } from "@qknorm/tensor";

const values = Array.from({ length: 3 * 512 }, (_, i) => Math.sin(i));
const qkv = Tensor.from(values, [3, 512], "f32");
const [q, k] = qkv.split(1, [256, 128, 128]);
const weight = Tensor.from(new Array(64).fill(1.5), [64], "f32");
const spec = { kind: "rms", axis: "head", weight, eps: 1e-6, weightOffset: 0, rounding: "hf" };
const norm = { spec, forward: (x) => normalize(x, spec) };
const explained = explainQkNorm({ q, k, qNorm: norm, kNorm: norm, headDim: 64 });
applyQkNorm(q, k, norm, norm, 64);

const firstToken = Float64Array.from(values.slice(0, 256));
const expected = referenceNorm({
  x: firstToken,
  heads: 4,
  headDim: 64,
  dtype: "f32",
  spec: { ...spec, weight: new Array(64).fill(1.5) },
});
const result = qkv.toNumbers();
const error = Math.max(...expected.map((value, i) => Math.abs(value - result[i])));
const bits = createHash("sha256").update(new Float32Array(result)).digest("hex");
process.stdout.write(`${JSON.stringify({ explained, error, bits, ...kernelStatus() })}\n`);
