import { expect, test } from "vitest";
import type { DecoderFields } from "../checkpoint/decoder-fields.ts";
import type { ExpertFields } from "../checkpoint/expert-fields.ts";
import { sparseShapes } from "./sparse-decoder.ts";

const config = {
  ...{ hiddenSize: 32, intermediateSize: 40, queryHeads: 4, kvHeads: 2, headDim: 8 },
  sparse: [false, true],
  moe: { experts: 6, intermediateSize: 12, sharedSize: 0, hiddenSize: 32 },
} as unknown as DecoderFields & ExpertFields;

const attention = { "self_attn.q_proj.weight": [32, 32], "self_attn.k_proj.weight": [16, 32] };

test("sparse and dense layers tell the sizes of their attention and of their own MLP", () => {
  const shapes = sparseShapes(config);
  expect(shapes(0)).toEqual({ ...attention, "mlp.gate_proj.weight": [40, 32] });
  expect(shapes(1)).toEqual({ ...attention, "mlp.experts.gate_up_proj": [6, 24, 32] });
});

test("experts that all tokens share are told where there are any, by the checkpoint's name of the MLP", () => {
  const shapes = sparseShapes({ ...config, moe: { ...config.moe, sharedSize: 24 } }, "feed_forward");
  expect(shapes(0)).toEqual({ ...attention, "feed_forward.gate_proj.weight": [40, 32] });
  expect(shapes(1)).toEqual({
    ...attention,
    "feed_forward.experts.gate_up_proj": [6, 24, 32],
    "feed_forward.shared_experts.gate_proj.weight": [24, 32],
  });
});
