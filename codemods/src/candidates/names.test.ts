import { describe, expect, it } from "vitest";
import { classifyName, splitWords } from "./names.ts";

describe("a name is split into words", () => {
  it.each([
    ["_apply_qk_norm", ["apply", "qk", "norm"]],
    ["applyQKNorm", ["apply", "qk", "norm"]],
    ["XQkNorm", ["x", "qk", "norm"]],
    ["#qNorm", ["q", "norm"]],
    ["queryLayerNorm", ["query", "layer", "norm"]],
    ["q_l2norm", ["q", "l2", "norm"]],
  ])("%s", (name, words) => {
    expect(splitWords(name)).toEqual(words);
  });
});

describe("a name belongs to a QK norm when q or k stands next to a norm", () => {
  const family = [
    ...[
      "qNorm",
      "kNorm",
      "q_norm",
      "k_norm",
      "#qNorm",
      "queryNorm",
      "keyNorm",
      "norm_q",
      "normK",
      "QNorm",
      "q_norms",
    ],
    ...["query_layernorm", "key_layernorm", "queryLayernorm", "keyLayerNorm", "q_layernorm", "k_layer_norm"],
    ...["q_rms_norm", "kRMSNorm", "ln_q", "q_ln", "attn_q_norm", "norm_added_k", "qHeadNorm"],
    ...["applyQkNorm", "_apply_qk_norm", "applyQKNorm", "qk_layernorm", "XQkNorm"],
  ];
  it.each(family)("%s does", (name) => {
    expect(classifyName(name)).toBe("qk-norm");
  });

  const lookAlikes = [
    "q_a_layernorm",
    "kv_a_layernorm",
    "kvNorm",
    "qNormed",
    "topKNorm",
    "norm_topk_prob",
    "qProj",
    "keyNormal",
  ];
  it.each(lookAlikes)("%s does not", (name) => {
    expect(classifyName(name)).not.toBe("qk-norm");
  });

  it.each(["q_a_layernorm", "kv_a_layernorm", "qALayernorm"])("%s is not even some norm", (name) => {
    expect(classifyName(name)).toBe("other");
  });

  it.each(["useQkNorm", "use_qk_norm", "hasQNorm"])("%s is only a switch", (name) => {
    expect(classifyName(name)).toBe("flag");
  });

  it.each(["applyHeadNorm", "applyNormPerHead", "rmsNorm", "LayerNorm", "inputLayernorm", "normalize"])(
    "%s is some norm",
    (name) => {
      expect(classifyName(name)).toBe("norm");
    },
  );
});
