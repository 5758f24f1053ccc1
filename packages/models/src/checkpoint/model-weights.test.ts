import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import keys from "../../golden/variants/keys.json" with { type: "json" };
import { writeSafetensors } from "../../test/write-safetensors.ts";
import { type ModelWeights, openModelWeights, type WeightPlan } from "./model-weights.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "weights-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const plain: WeightPlan = {
  baseParts: ["embed_tokens", "layers"],
  tiesHead: false,
  quantization: null,
  adapt: (weights) => weights,
};
const head = { "lm_head.weight": new Float32Array([1, 2]) };

function open(plan: Partial<WeightPlan> = {}, warnings: string[] = []): ModelWeights {
  const warn = (warning: string) => warnings.push(warning);
  return openModelWeights(dir, { ...plain, ...plan }, { purpose: "logits", warn });
}

function names(tensors: Record<string, Float32Array>): string[] {
  writeSafetensors(join(dir, "model.safetensors"), { ...head, ...tensors });
  const { weights, close } = open();
  close();
  return [...weights.keys()].filter((name) => name !== "lm_head.weight");
}

const one = new Float32Array([1]);

describe("names", () => {
  it("are made whole, be the base model's prefix missing or there twice", () => {
    expect(names({ "layers.0.a": one, "embed_tokens.weight": one })).toEqual([
      "model.layers.0.a",
      "model.embed_tokens.weight",
    ]);
    expect(names({ "model.model.layers.0.a": one })).toEqual(["model.layers.0.a"]);
    expect(names({ "model.layers.0.a": one, "layersish.b": one })).toEqual([
      "model.layers.0.a",
      "layersish.b",
    ]);
  });

  it("of buffers are left out", () => {
    const buffers = [
      "model.rotary_emb.inv_freq",
      "model.layers.0.self_attn.rotary_emb.inv_freq",
      "position_ids",
    ];
    expect(names(Object.fromEntries([...buffers, "x.inv_freq"].map((name) => [name, one])))).toEqual([
      "x.inv_freq",
    ]);
  });

  it("that become the same are refused", () => {
    expect(() => names({ "layers.0.a": one, "model.layers.0.a": one })).toThrow(
      "the checkpoint has layers.0.a and model.layers.0.a, which are one tensor",
    );
  });
});

describe("a head", () => {
  const embedding = "model.embed_tokens.weight";
  function settle(tensors: Record<string, Float32Array>): {
    names: string[];
    tiesHead: boolean;
    warnings: string[];
  } {
    writeSafetensors(join(dir, "model.safetensors"), tensors);
    const warnings: string[] = [];
    const { weights, tiesHead, close } = open({ tiesHead: true }, warnings);
    close();
    return { names: [...weights.keys()], tiesHead, warnings };
  }

  it("that equals the embedding it is tied to is dropped", () => {
    const equal = settle({ [embedding]: Float32Array.of(1, -0), "lm_head.weight": Float32Array.of(1, 0) });
    expect(equal).toEqual({ names: [embedding], tiesHead: true, warnings: [] });
  });

  it("that differs in one value is used, and said to be", () => {
    const unequal = settle({ [embedding]: Float32Array.of(1, 2), "lm_head.weight": Float32Array.of(1, 2.5) });
    expect(unequal).toMatchObject({ names: [embedding, "lm_head.weight"], tiesHead: false });
    expect(unequal.warnings).toHaveLength(1);
  });

  it("that stands alone is the embedding", () => {
    expect(settle({ "lm_head.weight": one })).toMatchObject({ names: [embedding], tiesHead: true });
  });

  it("that is missing is refused with what to do, unless embeddings are wanted", () => {
    writeSafetensors(join(dir, "model.safetensors"), { [embedding]: one });
    expect(() => open()).toThrow(
      "lacks lm_head.weight; if it is a model for embeddings, load it as one (--embed)",
    );
    const embeddings = openModelWeights(dir, plain, { purpose: "embeddings", warn: () => {} });
    embeddings.close();
    expect(embeddings.tiesHead).toBe(true);
  });
});

describe("FP8 blocks", () => {
  const quantization = { rows: 2, columns: 3 };

  function values(
    shape: readonly number[],
    bytes: Uint8Array,
    scales: Float32Array,
    grid: number[],
  ): Float32Array {
    writeSafetensors(join(dir, "model.safetensors"), {
      ...head,
      w: { dtype: "F8_E4M3", shape, data: bytes },
      w_scale_inv: { dtype: "F32", shape: grid, data: scales },
    });
    const { weights, close } = open({ quantization });
    const read = weights.get("w")!.read() as Float32Array;
    close();
    return read;
  }

  it("decode every pattern as PyTorch does", () => {
    const patterns = Uint8Array.from({ length: 256 }, (_, i) => i);
    const read = values([1, 256], patterns, new Float32Array(86).fill(1), [1, 86]);
    expect([...read]).toEqual(keys.e4m3.map((value) => value ?? Number.NaN));
  });

  it("are multiplied by their own scale, also where the last ones are not full", () => {
    const ones = new Uint8Array(3 * 4).fill(0x38); // 1.0
    expect([...values([3, 4], ones, Float32Array.of(1, 2, 3, 4), [2, 2])]).toEqual([
      ...[1, 1, 1, 2],
      ...[1, 1, 1, 2],
      ...[3, 3, 3, 4],
    ]);
  });

  it("of a stack of matrices, as experts are, begin anew with each", () => {
    const ones = new Uint8Array(2 * 3 * 4).fill(0x38);
    expect([...values([2, 3, 4], ones, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), [2, 2, 2])]).toEqual([
      ...[1, 1, 1, 2],
      ...[1, 1, 1, 2],
      ...[3, 3, 3, 4],
      ...[5, 5, 5, 6],
      ...[5, 5, 5, 6],
      ...[7, 7, 7, 8],
    ]);
  });

  it("whose scales do not fit are refused", () => {
    const bytes = new Uint8Array(12);
    expect(() => values([3, 4], bytes, new Float32Array(2), [1, 2])).toThrow(
      "w is FP8 [3, 4] with scales [1, 2]; blocks of 2 x 3 need [2, 2]",
    );
  });
});

describe("a LoRA adapter", () => {
  const config = { peft_type: "LORA", r: 1, lora_alpha: 2, target_modules: ["q"] };
  const layer = "model.layers.0.q";

  function merge(changes: object, tensors: Record<string, Matrix> = matrices): number[] {
    writeSafetensors(join(dir, "model.safetensors"), {
      ...head,
      [`${layer}.weight`]: matrix(2, 2, [1, 2, 3, 4]),
    });
    writeFileSync(join(dir, "adapter_config.json"), JSON.stringify({ ...config, ...changes }));
    writeSafetensors(join(dir, "adapter_model.safetensors"), tensors);
    const { weights, close } = open();
    const read = [...(weights.get(`${layer}.weight`)!.read() as Float32Array)];
    close();
    return read;
  }

  type Matrix = ReturnType<typeof matrix>;
  const matrix = (rows: number, columns: number, data: number[]) => ({
    dtype: "F32" as const,
    shape: [rows, columns],
    data: Float32Array.from(data),
  });
  const matrices = {
    [`base_model.model.${layer}.lora_A.weight`]: matrix(1, 2, [1, 10]),
    [`base_model.model.${layer}.lora_B.weight`]: matrix(2, 1, [1, -1]),
  };

  it("is added to its matrix, times alpha over rank", () => {
    expect(merge({})).toEqual([1 + 2, 2 + 20, 3 - 2, 4 - 20]);
    expect(merge({ alpha_pattern: { q: 1 } })).toEqual([1 + 1, 2 + 10, 3 - 1, 4 - 10]);
    expect(merge({ alpha_pattern: { "layers.1.q": 1, "^layers.0.q": 1 } })).toEqual([3, 22, 1, -16]);
  });

  it.each<[object, string]>([
    [
      { peft_type: "IA3" },
      'adapter_config.json: peft_type is "IA3"; only "LORA" adapters are supported; merge',
    ],
    [
      { use_dora: true },
      "adapter_config.json: use_dora is not supported; merge the adapter into the weights",
    ],
    [{ bias: "all" }, 'bias is "all"; only "none" is supported'],
    [{ modules_to_save: ["x"] }, "modules_to_save is not supported"],
    [
      { init_lora_weights: "pissa_niter_4" },
      'init_lora_weights is "pissa_niter_4", which changes the base weights',
    ],
    [{ something_new: 1, another: "x" }, "something_new, another are not supported"],
    [{ rank_pattern: { ".*(a|b)+": 2 } }, 'rank_pattern has ".*(a|b)+"; only names of layers'],
    [{ r: 4 }, "model.layers.0.q has lora_A [1, 2] and lora_B [2, 1]; adapter_config.json says rank 4"],
    [{ lora_alpha: "x" }, 'lora_alpha must be a number, got "x"'],
  ])("of %j is refused", (changes, message) => {
    expect(() => merge(changes)).toThrow(message);
    expect(() => merge(changes)).toThrow(expect.objectContaining({ code: "ERR_CHECKPOINT" }));
  });

  it("that does not fit the weights is refused", () => {
    const other = Object.fromEntries(
      Object.entries(matrices).map(([name, m]) => [name.replace(".q.", ".k."), m]),
    );
    expect(() => merge({}, other)).toThrow("adapts model.layers.0.k.weight, which the model does not have");
    expect(() => merge({}, { [`${layer}.lora_A.weight`]: matrix(1, 2, [1, 1]) })).toThrow(
      "model.layers.0.q has only one of lora_A and lora_B",
    );
    expect(() => merge({}, { [`${layer}.lora_magnitude_vector`]: matrix(1, 1, [1]) })).toThrow(
      "model.layers.0.q.lora_magnitude_vector is no matrix of a plain LoRA adapter",
    );
  });

  it("without its tensors is refused", () => {
    writeSafetensors(join(dir, "model.safetensors"), head);
    writeFileSync(join(dir, "adapter_config.json"), JSON.stringify(config));
    expect(() => open()).toThrow("there is adapter_config.json but no adapter_model.safetensors");
  });
});
