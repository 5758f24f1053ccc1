import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setQkNormLogger } from "@qknorm/core";
import { Tensor, useKernels } from "@qknorm/tensor";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { openSafetensors } from "../src/checkpoint/safetensors.ts";
import { FluxAttention, parseFluxAttentionConfig } from "../src/families/flux/model.ts";
import { parseSd3AttentionConfig, Sd3Attention } from "../src/families/sd3/model.ts";
import { parseWanAttentionConfig, WanAttention } from "../src/families/wan/model.ts";
import type { JointAttentionOptions, JointInputs } from "../src/layers/joint-attention.ts";
import type { Module } from "../src/layers/module.ts";
import { ForwardTrace } from "../src/layers/trace.ts";
import { availableKernels } from "./available-kernels.ts";

// What diffusers computed for attention modules alone; oracle/families/blocks.py wrote them.
const golden = join(import.meta.dirname, "../golden");

type Json = Readonly<Record<string, unknown>>;
type Block = Module & { forward(inputs: JointInputs): Tensor | { hidden: Tensor; context: Tensor | null } };
interface BlockFamily {
  parse(raw: Json): unknown;
  create(raw: Json, options: JointAttentionOptions): Block;
}

const families: Readonly<Record<string, BlockFamily>> = {
  flux: {
    parse: parseFluxAttentionConfig,
    create: (raw, options) => new FluxAttention(parseFluxAttentionConfig(raw), options),
  },
  sd3: {
    parse: parseSd3AttentionConfig,
    create: (raw, options) => new Sd3Attention(parseSd3AttentionConfig(raw), options),
  },
  wan: {
    parse: parseWanAttentionConfig,
    create: (raw, options) => new WanAttention(parseWanAttentionConfig(raw), options),
  },
};

const blocks = Object.keys(families).flatMap((family) =>
  readdirSync(join(golden, family), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => ({ family, name, dir: join(golden, family, name) })),
);

beforeAll(() => {
  setQkNormLogger(null);
});
afterEach(() => {
  useKernels("auto");
});

describe.each(availableKernels())("on %s kernels", (kernels) => {
  describe.each(blocks)("$family $name", ({ family, dir }) => {
    it.each(["auto", "fallback"] as const)("has the outputs of diffusers, QK norm %s", (path) => {
      useKernels(kernels);
      const { block, inputs, values } = recorded(family, dir, { qkNorm: { path } });
      const outputs = block.forward(inputs);
      const { hidden, context } = outputs instanceof Tensor ? { hidden: outputs, context: null } : outputs;
      expectNear(hidden, values("output"), 1e-5);
      const theirs = values("context_output");
      expect(context === null).toBe(theirs === null);
      if (context !== null) expectNear(context, theirs, 1e-5);
    });

    it("has its q and k after the norm", () => {
      useKernels(kernels);
      const { block, inputs, values } = recorded(family, dir);
      const trace = new NormedTrace();
      block.forward({ ...inputs, trace });
      const names = ["q_norm", "k_norm", "added_q_norm", "added_k_norm"];
      for (const [i, ours] of trace.normed.entries()) expectNear(ours, values(names[i] as string), 1e-6);
      const normed = names.slice(0, 2).every((name) => values(name) !== null);
      const apart = inputs.context !== undefined && family === "wan";
      expect(trace.normed.length).toBe(normed && !apart ? (inputs.context === undefined ? 2 : 4) : 0);
    });
  });

  it("has q of Wan after the norm where it attends to a context", () => {
    useKernels(kernels);
    const { block, inputs, values } = recorded("wan", join(golden, "wan/cross"));
    const { normQ, toQ, normK, toK } = block as WanAttention;
    expectNear(normQ.forward(toQ.forward(inputs.hidden)), values("q_norm"), 1e-6);
    expectNear(normK.forward(toK.forward(inputs.context as Tensor)), values("k_norm"), 1e-6);
  });
});

describe.each(Object.keys(families))("every argument of %s", (family) => {
  const { fields } = JSON.parse(readFileSync(join(golden, family, "keys.json"), "utf8"));
  const { dir } = blocks.find((block) => block.family === family) as (typeof blocks)[number];
  const { parse } = families[family] as BlockFamily;

  it.each(Object.keys(fields))("%s is read, harmless or refused by name", (key) => {
    for (const value of [null, true, false, 3, 0.5, "x", [1], { x: 1 }]) {
      try {
        parse({ ...configOf(dir), [key]: value });
      } catch (error) {
        expect(error).toMatchObject({ code: "ERR_CHECKPOINT" });
        expect(String(error)).not.toMatch(/is no argument/);
      }
    }
  });

  it("another is refused by name", () => {
    expect(() => parse({ ...configOf(dir), sparse: true })).toThrow(/sparse is no argument/);
  });
});

describe("streams that are not there", () => {
  it("refuses a block of Flux whose projection diffusers would not use", () => {
    const single = configOf(join(golden, "flux/single"));
    expect(() => parseFluxAttentionConfig({ ...single, pre_only: false })).toThrow(/pre_only must be true/);
  });

  it.each(["flux/joint", "sd3/joint", "wan/cross-with-image"])("%s needs its context", (name) => {
    const { block, inputs } = recorded(name.split("/")[0] as string, join(golden, name));
    expect(() => block.forward({ hidden: inputs.hidden })).toThrow(/needs a context/);
  });

  it.each(["flux/single", "sd3/image-alone"])("%s takes none", (name) => {
    const { block, inputs } = recorded(name.split("/")[0] as string, join(golden, name));
    expect(() => block.forward({ ...inputs, context: inputs.hidden })).toThrow(/takes no context/);
  });
});

class NormedTrace extends ForwardTrace {
  override readonly chain = "apart";
  readonly normed: Tensor[] = [];

  override qkNorm(...[layer, request, run]: Parameters<ForwardTrace["qkNorm"]>): [Tensor, Tensor] {
    const result = super.qkNorm(layer, request, run);
    // Joined sequences and RoPE write on.
    this.normed.push(...result.map((tensor) => tensor.clone()));
    return result;
  }
}

/** The arguments of the module, without what says which it is. */
function configOf(dir: string): Json {
  const { class: _, prefix: __, ...config } = JSON.parse(readFileSync(join(dir, "config.json"), "utf8"));
  return config;
}

function recorded(family: string, dir: string, options: Partial<JointAttentionOptions> = {}) {
  const { prefix } = JSON.parse(readFileSync(join(dir, "config.json"), "utf8"));
  const file = openSafetensors(join(dir, "golden.safetensors"));
  const tensor = (name: string): Tensor | undefined => {
    if (!file.names.includes(name)) return undefined;
    const { dtype, shape } = file.info(name);
    const bits = file.read(name) as Float32Array | Uint16Array;
    return widened(new Tensor(bits, dtype === "BF16" ? "bf16" : "f32", shape));
  };
  const { create } = families[family] as BlockFamily;
  const block = create(configOf(dir), { weightDtype: "f32", rounding: "hf", ...options });
  load(block, prefix, dir);
  const [hidden, context, cos, sin] = ["hidden", "context", "rope_cos", "rope_sin"].map(tensor);
  const inputs: JointInputs = {
    hidden: hidden as Tensor,
    ...(context && { context }),
    ...(cos && sin && { rope: { cos: everySecond(cos), sin: everySecond(sin) } }),
  };
  return { block, inputs, values: (name: string) => tensor(name)?.toNumbers() ?? null };
}

/** Fills a module by the names of its checkpoint, of which none may be left. */
function load(block: Module, prefix: string, dir: string): void {
  const weights = openSafetensors(join(dir, "model.safetensors"));
  const parameters = [...block.parameters(`${prefix}.`)];
  expect(parameters.map(([name]) => name).sort()).toEqual([...weights.names].sort());
  for (const [name, parameter] of parameters) {
    const { shape } = weights.info(name);
    expect(shape).toEqual(parameter.shape);
    parameter.copyFrom(widened(new Tensor(weights.read(name) as Uint16Array, "bf16", shape)));
  }
  weights.close();
}

function widened(x: Tensor): Tensor {
  return Tensor.from(x.toNumbers(), x.shape);
}

/** diffusers writes each angle twice, once for each neighbour. */
function everySecond(table: Tensor): Tensor {
  const half = table.dim(1) / 2;
  return table
    .view([table.dim(0), half, 2])
    .slice(2, 0, 1)
    .clone()
    .view([table.dim(0), half]);
}

function expectNear(ours: Tensor, theirs: Float64Array | null, bound: number): void {
  const values = ours.toNumbers();
  expect(values.length).toBe(theirs?.length);
  const largest = values.reduce((most, value, i) => Math.max(most, Math.abs(value - (theirs?.[i] ?? 0))), 0);
  expect(largest).toBeLessThanOrEqual(bound);
}
