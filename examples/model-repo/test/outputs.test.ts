import { describe, expect, it, vi } from "vitest";
import type { AttentionModule } from "../src/attention.ts";
import { checksum } from "../src/checksum.ts";
import { Glm4MoeAttention } from "../src/models/glm4-moe.ts";
import { RmsNorm, UnitOffsetRmsNorm } from "../src/norms.ts";
import { type ModelName, modelNames, registry, sampleInput } from "../src/registry.ts";
import { capture } from "../src/stream.ts";
import { Tensor } from "../src/tensor.ts";
import pins from "./outputs.json" with { type: "json" };

/** What each family calls its norms of q and k. */
const normNames: Record<ModelName, { q: string; k: string }> = {
  qwen3: { q: "qNorm", k: "kNorm" },
  "qwen3-moe": { q: "qNorm", k: "kNorm" },
  "glm4-moe": { q: "qNorm", k: "kNorm" },
  bailing: { q: "queryLayernorm", k: "keyLayernorm" },
  apertus: { q: "qNorm", k: "kNorm" },
  gemma3: { q: "qNorm", k: "kNorm" },
  olmo2: { q: "qNorm", k: "kNorm" },
  hunyuan: { q: "queryLayernorm", k: "keyLayernorm" },
};

const sides = ["q", "k"] as const;
const eachNorm = modelNames.flatMap((name) => sides.map((side) => ({ name, side })));
const keepsNoAlias = modelNames.filter((name) => name !== "hunyuan");

function normOf(model: AttentionModule, name: ModelName, side: "q" | "k"): RmsNorm | UnitOffsetRmsNorm {
  const norm: unknown = Reflect.get(model, normNames[name][side]);
  if (norm instanceof RmsNorm || norm instanceof UnitOffsetRmsNorm) return norm;
  throw new TypeError(`${name} has no norm called ${normNames[name][side]}`);
}

function outputOf(model: AttentionModule): string {
  return checksum(model.forward(sampleInput()));
}

/** Makes both norms of a model write their result over their input, as a fused in-place kernel would. */
function normInPlace(model: AttentionModule, name: ModelName): void {
  for (const side of sides) {
    const norm = normOf(model, name, side);
    const forward = norm.forward.bind(norm);
    vi.spyOn(norm, "forward").mockImplementation((x) => {
      x.data.set(forward(x).data);
      return x;
    });
  }
}

describe("the pinned outputs", () => {
  it("cover every model of the registry", () => {
    expect(Object.keys(pins)).toEqual(modelNames);
  });

  it.each(modelNames)("%s gives the pinned output, bit for bit", (name) => {
    const output = registry[name].create().forward(sampleInput());
    expect(output.shape).toEqual(sampleInput().shape);
    expect([...output.data.subarray(0, 4)]).toEqual(pins[name].leading);
    expect(checksum(output)).toBe(pins[name].checksum);
  });

  it.each(modelNames)("%s leaves its input as it was", (name) => {
    const input = sampleInput();
    registry[name].create().forward(input);
    expect(checksum(input)).toBe(checksum(sampleInput()));
  });

  it("qwen3-moe gives the same output while a graph is being captured", () => {
    expect(capture(() => outputOf(registry["qwen3-moe"].create()))).toBe(pins["qwen3-moe"].checksum);
  });
});

describe("the outputs depend on the QK norm", () => {
  it.each(eachNorm)("$name gives another output when its $side norm weight is scaled", ({ name, side }) => {
    const model = registry[name].create();
    const { weight } = normOf(model, name, side);
    weight.data.set(weight.scale(1.5).data);
    expect(outputOf(model)).not.toBe(pins[name].checksum);
  });

  it.each(eachNorm)("$name gives another output without its $side norm", ({ name, side }) => {
    const model = registry[name].create();
    vi.spyOn(normOf(model, name, side), "forward").mockImplementation((x) => x);
    expect(outputOf(model)).not.toBe(pins[name].checksum);
  });

  it.each(modelNames)("%s gives another output when its two norms trade weights", (name) => {
    const model = registry[name].create();
    const [q, k] = [normOf(model, name, "q").weight.data, normOf(model, name, "k").weight.data];
    const kWas = k.slice();
    k.set(q.subarray(0, k.length));
    q.set(kWas);
    expect(outputOf(model)).not.toBe(pins[name].checksum);
  });

  it("glm4-moe normalises nothing when its config switches the QK norm off", () => {
    const { config } = registry["glm4-moe"].create();
    const model = new Glm4MoeAttention({ ...config, useQkNorm: false });
    const norms = sides.map((side) => vi.spyOn(normOf(model, "glm4-moe", side), "forward"));
    expect(outputOf(model)).not.toBe(pins["glm4-moe"].checksum);
    for (const norm of norms) expect(norm).not.toHaveBeenCalled();
  });
});

describe("why three of the eight must keep their copy", () => {
  it("gemma3 gives another output when its weights are taken for plain RMS weights", () => {
    const model = registry.gemma3.create();
    for (const side of sides) {
      const norm = normOf(model, "gemma3", side);
      const plain = new RmsNorm(norm.weight, norm.eps);
      vi.spyOn(norm, "forward").mockImplementation((x) => plain.forward(x));
    }
    expect(outputOf(model)).not.toBe(pins.gemma3.checksum);
  });

  it("olmo2 cannot be normalised head by head, since its weights span all heads", () => {
    const model = registry.olmo2.create();
    const heads = new Tensor(new Float32Array(model.headDim * 2), [2, model.headDim]);
    expect(() => model.qNorm.forward(heads)).toThrow("weight of 32 was given a last axis of 8");
    expect(() => model.kNorm.forward(heads)).toThrow("weight of 16 was given a last axis of 8");
  });

  it("hunyuan gives another output when the norm overwrites q, since its gate reads q as it was", () => {
    const model = registry.hunyuan.create();
    normInPlace(model, "hunyuan");
    expect(outputOf(model)).not.toBe(pins.hunyuan.checksum);
  });

  it.each(keepsNoAlias)("%s gives the same output when the norm overwrites q and k", (name) => {
    const model = registry[name].create();
    normInPlace(model, name);
    expect(outputOf(model)).toBe(pins[name].checksum);
  });
});
