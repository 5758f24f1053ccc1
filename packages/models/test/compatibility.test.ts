import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setQkNormLogger } from "@qknorm/core";
import { useKernels } from "@qknorm/tensor";
import { afterEach, beforeAll, expect, it } from "vitest";
import { readConfig } from "../src/checkpoint/config.ts";
import { openSafetensors } from "../src/checkpoint/safetensors.ts";
import { loadModel } from "../src/families/load-model.ts";
import { listModels, modelFamily } from "../src/families/model-types.ts";
import { Attention } from "../src/layers/attention.ts";
import type { Module } from "../src/layers/module.ts";
import { nextStep } from "../src/layers/sequence-step.ts";
import { ForwardTrace } from "../src/layers/trace.ts";
import { availableKernels } from "./available-kernels.ts";

const golden = join(import.meta.dirname, "../golden");
const page = join(import.meta.dirname, "../../../docs/compatibility.md");

/** What one variant's attention layers have, and how far its logits are from transformers'. */
interface Measured {
  readonly modelType: string;
  readonly attention: readonly Attention[];
  readonly fused: readonly boolean[];
  readonly parity: number;
}

beforeAll(() => {
  setQkNormLogger(null);
});
afterEach(() => useKernels("auto"));

it("the table of families says what the registry has and what their goldens show (-u writes it)", async () => {
  useKernels(availableKernels()[0] as "native" | "typescript");
  const rows = families().map(([family, dirs]) => row(family, dirs.map(measure)));
  await expect(`${HEAD}${rows.join("\n")}\n`).toMatchFileSnapshot(page);
});

const HEAD = `# Which families, and how close

Written by \`npx vitest run packages/models/test/compatibility.test.ts -u\` from the registry, the families' goldens and what this
library computes from them; the test holds it. *Norm*: of q and k, and whether a config can leave it out. *Fused*: on the CPU as
the plan ran; on CUDA as its provider takes specs, for head dims that are multiples of 8. *Parity*: the largest difference of
float32 logits to transformers 5.24 over all variants (to a statement in PyTorch for SDAR, Bailing-MoE and LLaDA2-MoE), whole and
fused, rounded up; the bound is 1e-4. *Head dims*: of the goldens. The mathematics of each is on
[the page of the families](families.md).

| family | \`model_type\` | norm | axis | weight | rounding | place | head dims | fused on CPU | on CUDA | parity | refused by name |
|---|---|---|---|---|---|---|---|---|---|---|---|
`;

/** The folders of each family's variants that load. */
function families(): [family: string, dirs: string[]][] {
  return readdirSync(golden)
    .filter((family) => existsSync(join(golden, family, "keys.json")))
    .map((family): [string, string[]] => [
      family,
      readdirSync(join(golden, family))
        .map((name) => join(golden, family, name))
        .filter((dir) => existsSync(join(dir, "golden.json")) && record(dir).kind !== "attention")
        .filter((dir) => listModels().includes(readConfig(dir).modelType)),
    ])
    .filter(([, dirs]) => dirs.length > 0);
}

function measure(dir: string): Measured {
  const { block = 1 } = record(dir);
  const file = openSafetensors(join(dir, "golden.safetensors"));
  const [ids, theirs] = [file.read("ids") as Int32Array, file.read("logits") as Float32Array];
  file.close();
  const { model, modelType } = loadModel(dir, { dtype: "f32", blockLength: block });
  const trace = new ForwardTrace();
  const ours = model.forward(nextStep(ids, model.newCache(), trace), "all").toNumbers();
  return {
    modelType,
    attention: attentionIn(model),
    fused: trace.layers.map(({ plan }) => plan.path === "fused"),
    parity: theirs.reduce((most, value, i) => Math.max(most, Math.abs(value - (ours[i] as number))), 0),
  };
}

function row(family: string, variants: readonly Measured[]): string {
  const layers = variants.flatMap(({ attention }) => attention);
  const normed = layers.find(({ spec }) => spec.qkNorm !== null);
  const types = [...new Set(variants.map(({ modelType }) => modelType))];
  const headDims = [...new Set(layers.map(({ spec }) => spec.headDim))].sort((a, b) => a - b);
  const refused = types.flatMap((type) => Object.keys(modelFamily(type).refused)).sort();
  return `| ${[
    family,
    types.map((type) => `\`${type}\``).join(", "),
    ...normColumns(
      normed,
      layers.some(({ spec }) => spec.qkNorm === null),
    ),
    headDims.join(", "),
    normed === undefined ? "-" : fusedWord(variants),
    normed === undefined ? "-" : normed.spec.qkNorm?.q.axis === "head" ? "yes" : "no",
    parity(family, Math.max(...variants.map((variant) => variant.parity))),
    refused.map((key) => `\`${key}\``).join(", ") || "-",
  ].join(" | ")} |`;
}

function normColumns(normed: Attention | undefined, optional: boolean): string[] {
  const { qkNorm, queryHeads, headDim } = normed?.spec ?? {};
  if (!qkNorm) return ["none", "-", "-", "-", "-"];
  const { kind, axis, shape, bias, weightOffset, rounding } = qkNorm.q;
  const symbols: Readonly<Record<string, string>> = {
    [`${queryHeads},${headDim}`]: "[H, D]",
    [`${headDim}`]: "[D]",
  };
  const weight = shape === null ? "none" : (symbols[shape.join()] ?? "[H D]");
  return [
    `${{ rms: "RMS", layer: "LayerNorm", l2: "L2", unit: "unit length" }[kind]}${optional ? ", by config" : ""}`,
    axis === "head" ? "head" : "all heads",
    `${weightOffset === 1 ? "1 + " : ""}${weight}${bias ? ", bias" : ""}`,
    shape === null ? "-" : rounding,
    qkNorm.order === "norm-rope" ? "before RoPE" : "after RoPE",
  ];
}

function fusedWord(variants: readonly Measured[]): string {
  const runs = variants.flatMap(({ fused }) => fused);
  return runs.every(Boolean) ? "yes" : runs.some(Boolean) ? "in part" : "no";
}

/** As the page has it, as long as that holds and is no more than twenty times as much: kernels differ a little; otherwise rounded up. */
function parity(family: string, measured: number): string {
  const [, written] = existsSync(page)
    ? (new RegExp(`^\\| ${family} \\|.*\\| (\\de-\\d+) \\|[^|]*\\|$`, "m").exec(readFileSync(page, "utf8")) ??
      [])
    : [];
  if (written !== undefined && measured <= Number(written) && Number(written) <= 20 * measured)
    return written;
  const most = 2 * measured;
  const exponent = Math.floor(Math.log10(most));
  const digit = Math.ceil(most / 10 ** exponent);
  return digit === 10 ? `1e${exponent + 1}` : `${digit}e${exponent}`;
}

function record(dir: string): { readonly kind: string; readonly block?: number } {
  return JSON.parse(readFileSync(join(dir, "golden.json"), "utf8"));
}

function attentionIn(model: Module): Attention[] {
  const { layers } = (model as unknown as { model: { layers: { mixer: unknown }[] } }).model;
  return layers.flatMap(({ mixer }) => (mixer instanceof Attention ? [mixer] : []));
}
