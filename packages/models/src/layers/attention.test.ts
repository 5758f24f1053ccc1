import type { QkNormRequest } from "@qknorm/core";
import { Tensor } from "@qknorm/tensor";
import { describe, expect, it } from "vitest";
import { Attention, type AttentionSpec } from "./attention.ts";
import { KvCache } from "./kv-cache.ts";
import { rmsSetting } from "./norm.ts";
import { nextStep } from "./sequence-step.ts";
import { ForwardTrace } from "./trace.ts";

const norm = rmsSetting(8, 1e-6);
const shape: AttentionSpec = {
  hiddenSize: 24,
  queryHeads: 4,
  kvHeads: 2,
  headDim: 8,
  bias: { qkv: false, out: false },
  qkNorm: { q: norm, k: norm, order: "norm-rope" },
  rope: { parameters: { type: "default", theta: 1e4 }, rotaryDim: 8, maxPositions: 64 },
  window: null,
  scale: 8 ** -0.5,
};
const options = { weightDtype: "f32", rounding: "hf" } as const;

class RequestTrace extends ForwardTrace {
  override readonly chain = "apart";
  readonly requests: QkNormRequest<Tensor>[] = [];

  override qkNorm(
    layer: number,
    request: QkNormRequest<Tensor>,
    run: () => [Tensor, Tensor],
  ): [Tensor, Tensor] {
    this.requests.push(request);
    return super.qkNorm(layer, request, run);
  }
}

function attentionWithWeights(): Attention {
  const attention = new Attention(shape, options);
  let seed = 1;
  for (const [, parameter] of attention.parameters()) {
    for (let i = 0; i < parameter.size; i++) {
      seed = (seed * 48271) % 0x7fffffff;
      parameter.data[parameter.offset + i] = seed / 0x7fffffff - 0.4;
    }
  }
  return attention;
}

function hidden(tokens: number): Tensor {
  return Tensor.from(
    Array.from({ length: tokens * shape.hiddenSize }, (_, i) => Math.sin(i)),
    [tokens, shape.hiddenSize],
  );
}

function cache(): KvCache {
  return new KvCache({ layers: 1, dtype: "f32", maxPositions: 64 });
}

describe("Attention", () => {
  it("normalises q and k where the packed projection left them, with no copy", () => {
    const trace = new RequestTrace();
    attentionWithWeights().forward(hidden(3), nextStep([1, 2, 3], cache(), trace));
    const [{ q, k }] = trace.requests as [QkNormRequest<Tensor>];
    const packed = (4 + 2 * 2) * 8;
    expect(q.data).toBe(k.data);
    expect(q.data.length).toBe(3 * packed);
    expect([q.strides, q.offset, k.strides, k.offset]).toEqual([[packed, 1], 0, [packed, 1], 32]);
    expect(trace.layers[0]?.plan).toMatchObject({ path: "fused", inPlace: true });
  });

  it("takes norm, RoPE and cache write in one, with the bits of the three in turn", () => {
    const layer = attentionWithWeights();
    const [together, apart] = [cache(), cache()];
    const trace = new ForwardTrace();
    const inOne = layer.forward(hidden(3), nextStep([1, 2, 3], together, trace));
    const inTurn = layer.forward(hidden(3), nextStep([1, 2, 3], apart, new RequestTrace()));
    expect(trace.layers[0]?.plan).toMatchObject({ path: "fused", steps: ["norm", "rope", "write"] });
    expect(inOne.toNumbers()).toEqual(inTurn.toNumbers());
    expect(together.of(0).keys.toNumbers()).toEqual(apart.of(0).keys.toNumbers());
    expect(together.of(0).values.toNumbers()).toEqual(apart.of(0).values.toNumbers());
  });

  it("gives the same result by the fallback", () => {
    const fused = attentionWithWeights().forward(hidden(3), nextStep([1, 2, 3], cache()));
    const attention = new Attention(shape, {
      ...options,
      qkNorm: { path: "fallback" },
    });
    const weights = new Map(attentionWithWeights().parameters());
    for (const [name, parameter] of attention.parameters()) parameter.copyFrom(weights.get(name) as Tensor);
    const trace = new ForwardTrace();
    const fallback = attention.forward(hidden(3), nextStep([1, 2, 3], cache(), trace));
    expect(trace.layers[0]?.plan.path).toBe("fallback");
    expect([...fallback.toNumbers()]).toEqual([...fused.toNumbers()]);
  });

  it("lists its packed projection as the three tensors of a checkpoint", () => {
    const names = [...attentionWithWeights().parameters("self_attn.")].map(([name, { shape }]) => [
      name,
      shape,
    ]);
    expect(names).toEqual([
      ["self_attn.q_proj.weight", [32, 24]],
      ["self_attn.k_proj.weight", [16, 24]],
      ["self_attn.v_proj.weight", [16, 24]],
      ["self_attn.q_norm.weight", [8]],
      ["self_attn.k_norm.weight", [8]],
      ["self_attn.o_proj.weight", [24, 32]],
    ]);
  });

  it("has a bias for each projection where the family has one", () => {
    const attention = new Attention({ ...shape, bias: { qkv: true, out: true } }, options);
    const biases = [...attention.parameters()]
      .filter(([name]) => name.endsWith("bias"))
      .map(([name]) => name);
    expect(biases).toEqual(["q_proj.bias", "k_proj.bias", "v_proj.bias", "o_proj.bias"]);
  });
});
