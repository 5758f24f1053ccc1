import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseQwen3Config } from "../families/qwen3/config.ts";
import { readConfig } from "./config.ts";

/** The fields that Qwen3-0.6B is published with. */
const published = {
  architectures: ["Qwen3ForCausalLM"],
  attention_bias: false,
  attention_dropout: 0.0,
  bos_token_id: 151643,
  eos_token_id: 151645,
  head_dim: 128,
  hidden_act: "silu",
  hidden_size: 1024,
  initializer_range: 0.02,
  intermediate_size: 3072,
  max_position_embeddings: 40960,
  max_window_layers: 28,
  model_type: "qwen3",
  num_attention_heads: 16,
  num_hidden_layers: 28,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-6,
  rope_scaling: null,
  rope_theta: 1000000,
  sliding_window: null,
  tie_word_embeddings: true,
  torch_dtype: "bfloat16",
  transformers_version: "4.51.0",
  use_cache: true,
  use_sliding_window: false,
  vocab_size: 151936,
};

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "config-"));
});
afterEach(() => rmSync(dir, { recursive: true }));
const write = (name: string, value: unknown) =>
  writeFileSync(join(dir, name), typeof value === "string" ? value : JSON.stringify(value));

describe("readConfig", () => {
  it("gives the family and the raw fields", () => {
    write("config.json", published);
    expect(readConfig(dir)).toEqual({ modelType: "qwen3", raw: published });
  });

  it.each<[unknown, string]>([
    ["", "config.json: is not valid JSON"],
    ["{", "config.json: is not valid JSON"],
    ["[]", "config.json must hold an object, got []"],
    ["null", "config.json must hold an object, got null"],
    [{}, "config.json: model_type is missing; it must be a string"],
    [{ model_type: 3 }, "config.json: model_type must be a string, got 3"],
    ['{"__proto__":{"model_type":"x"}}', "model_type is missing"],
  ])("refuses %j", (text, message) => {
    write("config.json", text);
    expect(() => readConfig(dir)).toThrow(message);
    expect(() => readConfig(dir)).toThrow(expect.objectContaining({ code: "ERR_CHECKPOINT" }));
  });

  it("refuses a hundred thousand brackets", () => {
    write("config.json", "[".repeat(100_000));
    expect(() => readConfig(dir)).toThrow("config.json: is not valid JSON");
  });

  it("says which of folder and file is missing", () => {
    expect(() => readConfig(dir)).toThrow("no config.json, so this is not a model folder");
    expect(() => readConfig(join(dir, "none"))).toThrow(/none: there is no such folder/);
  });

  it("refuses bytes that are not UTF-8", () => {
    writeFileSync(join(dir, "config.json"), Uint8Array.of(0x7b, 0xff, 0x7d));
    expect(() => readConfig(dir)).toThrow("config.json: is not UTF-8");
  });
});

describe("parseQwen3Config", () => {
  it("reads the published Qwen3-0.6B", () => {
    const config = parseQwen3Config(published);
    expect(config).toEqual({
      trainedPositions: 40960,
      activation: "silu",
      modelType: "qwen3",
      vocabSize: 151936,
      hiddenSize: 1024,
      intermediateSize: 3072,
      layers: 28,
      queryHeads: 16,
      kvHeads: 8,
      headDim: 128,
      eps: 1e-6,
      rope: { parameters: { type: "default", theta: 1e6 }, rotaryDim: 128, maxPositions: 40960 },
      windows: new Array(28).fill(null),
      causal: true,
      maxPositions: 40960,
      tieWordEmbeddings: true,
      attentionBias: false,
      dtype: "bf16",
      quantization: null,
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it("reads transformers 5's spelling of RoPE and dtype", () => {
    const { rope_theta: _, rope_scaling: __, torch_dtype: ___, ...rest } = published;
    const config = { ...rest, rope_parameters: { rope_theta: 5e6, rope_type: "default" }, dtype: "float32" };
    expect(parseQwen3Config(config)).toMatchObject({
      rope: { parameters: { type: "default", theta: 5e6 } },
      dtype: "f32",
    });
    expect(parseQwen3Config({ ...published, rope_scaling: { type: "default" } }).rope.parameters.theta).toBe(
      1e6,
    );
  });

  it("fills absent fields as transformers does", () => {
    const {
      head_dim: _,
      rms_norm_eps: __,
      rope_theta: ___,
      torch_dtype: ____,
      tie_word_embeddings: _____,
      ...rest
    } = published;
    const expected = {
      headDim: 128,
      eps: 1e-6,
      rope: { parameters: { theta: 10_000 } },
      dtype: null,
      tieWordEmbeddings: false,
    };
    expect(parseQwen3Config(rest)).toMatchObject(expected);
    expect(parseQwen3Config({ ...rest, head_dim: null, num_key_value_heads: null })).toMatchObject({
      headDim: 64,
      kvHeads: 16,
    });
  });

  it.each<[Record<string, unknown>, string]>([
    [{ hidden_size: null }, "config.json: hidden_size must be a positive integer, got null"],
    [{ hidden_size: undefined }, "config.json: hidden_size must be a positive integer, got undefined"],
    [{ vocab_size: "151936" }, 'vocab_size must be a positive integer, got "151936"'],
    [{ num_hidden_layers: 0 }, "num_hidden_layers must be a positive integer, got 0"],
    [{ intermediate_size: 1.5 }, "intermediate_size must be a positive integer, got 1.5"],
    [{ max_position_embeddings: -1 }, "max_position_embeddings must be a positive integer, got -1"],
    [{ num_attention_heads: 12 }, "num_attention_heads is 12, not a multiple of num_key_value_heads 8"],
    [{ head_dim: 63 }, "head_dim is 63; RoPE rotates pairs, so it must be even"],
    [{ head_dim: null, hidden_size: 1000 }, "hidden_size 1000 is not a multiple of 16 heads"],
    [{ rms_norm_eps: 0 }, "rms_norm_eps must be a positive number, got 0"],
    [{ tie_word_embeddings: 1 }, "tie_word_embeddings must be true or false, got 1"],
    [{ hidden_act: "mish" }, "hidden_act must be one of silu, swish, gelu"],
    [{ num_hidden_layers: 2 ** 53 - 1 }, "num_hidden_layers is 9007199254740991; at most 10000 layers"],
    [{ layer_types: ["full_attention"] }, "layer_types has 1 entries for 28 layers"],
    [
      { layer_types: ["chunked_attention"] },
      'layer_types has "chunked_attention"; supported: full_attention',
    ],
    [
      { layer_types: new Array(28).fill("sliding_attention") },
      'layer_types has "sliding_attention", but use_sliding_window is not true',
    ],
    [{ quantization_config: { quant_method: "gptq" } }, 'asks for "gptq"; of quantised weights only'],
    [{ quantization_config: { quant_method: "fp8" } }, "quantization_config.weight_block_size is missing"],
    [
      { quantization_config: { quant_method: "fp8", activation_scheme: "static" } },
      'quantization_config.activation_scheme must be "dynamic", got "static"',
    ],
    ...[[128], [128, 0], [1.5, 128], [1, 2, 3]].map((size): [Record<string, unknown>, string] => [
      { quantization_config: { quant_method: "fp8", weight_block_size: size } },
      "quantization_config.weight_block_size must be two positive integers, got ",
    ]),
    [
      { rope_scaling: { rope_type: "su", factor: 4 } },
      'rope_scaling.rope_type is "su"; supported: default, linear, dynamic, proportional, yarn, llama3, longrope',
    ],
    [{ rope_scaling: { type: "linear" } }, "rope_scaling.factor is missing; it must be a positive number"],
    [{ rope_scaling: { type: "yarn", factor: 0 } }, "rope_scaling.factor must be a positive number, got 0"],
    [{ rope_scaling: "yarn" }, 'rope_scaling must be an object, got "yarn"'],
    [
      { rope_scaling: { type: "longrope", short_factor: [1], long_factor: [2] } },
      "rope_scaling.short_factor must be 64 positive numbers, one a frequency, got 1",
    ],
    [{ rope_parameters: { full_attention: {} } }, "RoPE per layer type is not supported"],
    [{ rope_parameters: { rope_theta: 3 } }, "rope_theta is written twice, differently: 3 and 1000000"],
    [{ rope_parameters: { partial_rotary_factor: 0.5 } }, "rope_parameters.partial_rotary_factor must be 1"],
    [{ torch_dtype: "int8" }, 'float16, half, float32, float, float64 and auto, got "int8"'],
    [
      { is_causal: false, use_sliding_window: true, sliding_window: 5, max_window_layers: 0 },
      "is_causal is false, which is not supported together with a sliding window",
    ],
    [{ pruned_heads: { 0: [1] } }, "pruned_heads is an object, which asks for heads to be taken out"],
    [{ hidden_act: "x".repeat(1e6) }, `got "${"x".repeat(80)}"...`],
    [{ model_type: "llama" }, 'model_type must be "qwen3" here, got "llama"'],
  ])("refuses %j", (change, message) => {
    const act = () => parseQwen3Config({ ...published, ...change });
    expect(act).toThrow(message);
    expect(act).toThrow(expect.objectContaining({ code: "ERR_CHECKPOINT" }));
  });

  it("reads the blocks of FP8 weights, and f64 as f32, which it says", () => {
    const quantization = { quant_method: "fp8", weight_block_size: [128, 64], fmt: "e4m3" };
    expect(parseQwen3Config({ ...published, quantization_config: quantization }).quantization).toEqual({
      rows: 128,
      columns: 64,
    });
    const said: string[] = [];
    const raw = { ...published, torch_dtype: "float64" };
    expect(parseQwen3Config(raw, (text) => said.push(text)).dtype).toBe("f32");
    expect(said).toEqual(['config.json: torch_dtype is "float64"; the model runs in f32']);
  });

  it("returns or throws ERR_CHECKPOINT, whatever any field is", () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(published)), fc.anything(), (key, value) => {
        try {
          parseQwen3Config({ ...published, [key]: value });
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_CHECKPOINT" });
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    "checkpoints/qwen3-sums",
    "packages/models/golden/tiny-tied",
    "packages/models/golden/tiny-untied",
  ])("reads %s", (folder) => {
    const { raw } = readConfig(join(import.meta.dirname, "../../../..", folder));
    expect(parseQwen3Config(raw).layers).toBe(raw.num_hidden_layers);
  });
});
