// Compiled, never run: what a user's code says of the packages' types.

import { applyQkNorm, explainQkNorm, type NormSpec } from "@qknorm/core";
import { generate, loadModel } from "@qknorm/models";
import { Qwen3ForCausalLm } from "@qknorm/models/qwen3";
import { loadBinding } from "@qknorm/native";
import { run } from "@qknorm/run";
import { kernelStatus, normalize, Tensor } from "@qknorm/tensor";

const x = Tensor.zeros([3, 64]);
const spec: NormSpec<Tensor> = {
  kind: "rms",
  axis: "head",
  weight: null,
  eps: 1e-6,
  weightOffset: 0,
  rounding: "hf",
};
const norm = { spec, forward: (y: Tensor): Tensor => normalize(y, spec) };
const [q, k]: [Tensor, Tensor] = applyQkNorm(x, Tensor.zeros([3, 32]), norm, norm, 8);
const words: string = explainQkNorm({ q, k, qNorm: norm, kNorm: norm, headDim: 8 });
const remedy: string | null = kernelStatus().remedy;
const ids: AsyncGenerator<number, void, undefined> = generate(loadModel("folder").model, [1]);

export const all = [words, remedy, ids, loadBinding, Qwen3ForCausalLm, run];
