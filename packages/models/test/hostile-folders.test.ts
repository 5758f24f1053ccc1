import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import golden from "../golden/variants/variants.json" with { type: "json" };
import { loadModel } from "../src/families/load-model.ts";
import { writeSafetensors } from "./write-safetensors.ts";

// A folder that asks for too much ends with one sentence, within 2 s and 500 MB.
const SECONDS = 2;
const BYTES = 500e6;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "hostile-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const weights = join(import.meta.dirname, "../golden/variants/model.safetensors");

function configured(changes: object): void {
  writeFileSync(join(dir, "config.json"), JSON.stringify({ ...golden.base, ...changes }));
  symlinkSync(weights, join(dir, "model.safetensors"));
}

/** A file of nothing but a header; `entries` are written as they are. */
function header(entries: string): void {
  writeFileSync(join(dir, "config.json"), JSON.stringify(golden.base));
  const text = Buffer.from(entries);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(join(dir, "model.safetensors"), Buffer.concat([size, text]));
}

const empty = (name: string, shape = "0") =>
  `"${name}":{"dtype":"F32","shape":[${shape}],"data_offsets":[0,0]}`;
const many = (count: number, item: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => item(i)).join();

const folders: [string, () => void, RegExp][] = [
  ["a hundred thousand layers", () => configured({ num_hidden_layers: 1e5 }), /at most 10000 layers/],
  [
    "2^53 - 1 layers",
    () => configured({ num_hidden_layers: 2 ** 53 - 1 }),
    /num_hidden_layers is 90\d+; at most/,
  ],
  [
    "2^53 layers",
    () => configured({ num_hidden_layers: 2 ** 53 }),
    /num_hidden_layers must be a positive integer/,
  ],
  [
    "ten thousand layers",
    () => configured({ num_hidden_layers: 1e4 }),
    /has weights of 2 layers, the config asks for 10000/,
  ],
  [
    "a vocabulary of 2^40",
    () => configured({ vocab_size: 2 ** 40 }),
    /embed_tokens.weight of shape \[40, 16\]/,
  ],
  [
    "an MLP of 2^50",
    () => configured({ intermediate_size: 2 ** 50 }),
    /gate_proj.weight of shape \[24, 16\]/,
  ],
  ["2^30 heads", () => configured({ num_attention_heads: 2 ** 30 }), /q_proj.weight of shape \[32, 16\]/],
  ["heads of 2^40", () => configured({ head_dim: 2 ** 40 }), /q_proj.weight of shape \[32, 16\]/],
  [
    "a context of 2^53 - 1",
    () => configured({ max_position_embeddings: 2 ** 53 - 1, hidden_act: "x" }),
    /hidden_act/,
  ],
  [
    "half a million layer types",
    () => configured({ layer_types: new Array(5e5).fill("full_attention") }),
    /500000 entries for 2 layers/,
  ],
  [
    "a million keys",
    () => configured({ hidden_act: Object.fromEntries(Array.from({ length: 5e5 }, (_, i) => [i, 1])) }),
    /hidden_act must be a string, got an object/,
  ],
  [
    "a value of ten megabytes",
    () => configured({ model_type: "x".repeat(1e7) }),
    /model_type "x{80}"... is not supported/,
  ],
  [
    "1.2 million empty tensors",
    () => header(`{${many(1.2e6, (i) => empty(`t${i}`))}}`),
    /more than 150000 tensors/,
  ],
  [
    "layers of empty tensors",
    () => {
      header(`{${many(1e4, (i) => empty(`model.layers.${i}.a`))}}`);
      reconfigure({ num_hidden_layers: 1e4, tie_word_embeddings: true });
    },
    /lacks model.embed_tokens.weight/,
  ],
  [
    "a tensor name of 50 MB",
    () => header(`{${empty("n".repeat(5e7))}}`),
    /has a name of 50000000 characters; at most 512/,
  ],
  [
    "a shape of a million axes",
    () =>
      header(
        `{${empty(
          "a",
          many(1e6, () => "1"),
        )}}`,
      ),
    /shape of tensor "a" has more than 16 numbers/,
  ],
  ["ten million brackets", () => header("[".repeat(1e7)), /expected "\{"/],
  [
    "metadata of two hundred thousand keys",
    () => header(`{"__metadata__":{${many(2e5, (i) => `"k${i}":"v"`)}}}`),
    /more than 10000 keys/,
  ],
  [
    "a header larger than the format allows",
    () => header(" ".repeat(100_000_001)),
    /at most 100000000 are allowed/,
  ],
  ["an adapter rank of 2^53 - 1", () => adapter({ r: 2 ** 53 - 1 }), /says rank 90\d+/],
  [
    "an adapter pattern that backtracks",
    () => adapter({ rank_pattern: { [`${"(a*)*".repeat(30)}b`]: 2 } }),
    /rank_pattern has .* only names of layers/,
  ],
];

function reconfigure(changes: object): void {
  writeFileSync(join(dir, "config.json"), JSON.stringify({ ...golden.base, ...changes }));
}

function adapter(changes: object): void {
  configured({});
  const config = { peft_type: "LORA", r: 1, lora_alpha: 2, ...changes };
  writeFileSync(join(dir, "adapter_config.json"), JSON.stringify(config));
  const row = { dtype: "F32", shape: [1, 16], data: new Float32Array(16) };
  const name = "model.layers.0.self_attn.q_proj";
  writeSafetensors(join(dir, "adapter_model.safetensors"), {
    [`${name}.lora_A.weight`]: row,
    [`${name}.lora_B.weight`]: { ...row, shape: [16, 1] },
  });
}

it.each(folders)(
  "%s is refused in one short sentence, at once and in little memory",
  (_, prepare, message) => {
    prepare();
    const before = process.resourceUsage().maxRSS * 1024;
    const started = process.cpuUsage();
    let error: Error | undefined;
    try {
      loadModel(dir);
    } catch (thrown) {
      error = thrown as Error;
    }
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1e6).toBeLessThan(SECONDS);
    expect(process.resourceUsage().maxRSS * 1024 - before).toBeLessThan(BYTES);
    expect(error).toMatchObject({ code: "ERR_CHECKPOINT", message: expect.stringMatching(message) });
    expect(error!.message.length).toBeLessThan(600);
    expect(error!.message).not.toContain("\n");
  },
);
