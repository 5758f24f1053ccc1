import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type NormSpec, setQkNormLogger } from "@qknorm/core";
import { type FloatDtype, Tensor } from "@qknorm/tensor";
import { beforeAll, describe, expect, it } from "vitest";
import { readConfig } from "../src/checkpoint/config.ts";
import type { CausalLm, ModelOptions } from "../src/families/causal-lm.ts";
import { Gemma4Layer } from "../src/families/gemma4/layer.ts";
import { loadModel } from "../src/families/load-model.ts";
import { listModels } from "../src/families/model-types.ts";
import { Attention } from "../src/layers/attention.ts";
import type { DecoderLayer } from "../src/layers/decoder-layer.ts";
import type { Embedding } from "../src/layers/embedding.ts";
import type { ExpertsBeside } from "../src/layers/experts-beside.ts";
import type { KvCache } from "../src/layers/kv-cache.ts";
import { Module } from "../src/layers/module.ts";
import { nextStep } from "../src/layers/sequence-step.ts";
import { fillShard, rankConfig } from "../src/layers/shards.ts";
import { ForwardTrace } from "../src/layers/trace.ts";

// Two ranks in one process: what each computes from its share, added up, is what the whole computes.

const golden = join(import.meta.dirname, "../golden");
const TOKENS = 5;

type Decoder = CausalLm & {
  readonly model: { readonly embedTokens: Embedding; readonly layers: readonly DecoderLayer[] };
};
type QkNormArguments = Parameters<ForwardTrace["qkNorm"]>;

const variants = readdirSync(golden)
  .filter((family) => existsSync(join(golden, family, "keys.json")))
  .flatMap((family) =>
    readdirSync(join(golden, family)).map((name) => ({ family, dir: join(golden, family, name) })),
  )
  .filter(({ dir }) => existsSync(join(dir, "golden.json")))
  .filter(({ dir }) => JSON.parse(readFileSync(join(dir, "golden.json"), "utf8")).kind !== "attention")
  .filter(({ dir }) => listModels().includes(readConfig(dir).modelType));

beforeAll(() => {
  setQkNormLogger(null);
});

describe.each([...new Set(variants.map(({ family }) => family))])("%s", (family) => {
  it("is the sum of what two ranks compute, layer by layer", async () => {
    const entry: Record<string, unknown> = await import(`../src/families/${family}/model.ts`);
    const named = (pattern: RegExp) => Object.entries(entry).find(([name]) => pattern.test(name))?.[1];
    const Model = named(/ForCausalLm$/) as new (config: object, options: ModelOptions) => Decoder;
    const parse = named(/^parse\w+Config$/) as (raw: object) => object;
    for (const { dir } of variants.filter((variant) => variant.family === family)) {
      const whole = loadModel(dir, { dtype: "f32" }).model as Decoder;
      const weightDtype = whole.model.embedTokens.weight.dtype as FloatDtype;
      const config = rankConfig(parse(readConfig(dir).raw), 2);
      const ranks = [0, 1].map((rank) => {
        const part = new Model(config, { dtype: "f32", weightDtype, rounding: "hf" });
        fillShard(part, whole, { rank, of: 2 });
        return part;
      });
      expect(whole.model.layers.some(({ mixer, mlp }) => isShared(mixer) && isShared(mlp))).toBe(true);
      compareLayers(whole, ranks);
    }
  });
});

it("a size that ranks cannot share equally is refused", () => {
  expect(() => rankConfig({ queryHeads: 6, kvHeads: 1 }, 4)).toThrow(
    expect.objectContaining({
      code: "ERR_QKNORM_ARGUMENT",
      message: "queryHeads is 6, which 4 ranks cannot share equally",
    }),
  );
});

function compareLayers(whole: Decoder, ranks: readonly Decoder[]): void {
  const cache = whole.newCache();
  const caches = ranks.map((rank) => rank.newCache());
  const ids = new Array<number>(TOKENS).fill(1);
  for (const [index, layer] of whole.model.layers.entries()) {
    const parts = ranks.map(({ model }) => model.layers[index] as DecoderLayer);
    const x = hidden(whole.model.embedTokens.weight.dim(1), index);
    const mix = (traces: readonly ForwardTrace[]): Tensor[] =>
      parts.map(({ mixer }, rank) => mixer.forward(x, nextStep(ids, caches[rank] as KvCache, traces[rank])));
    // What ranks have to add up before a norm across heads is known when each has run once.
    const own = parts.map(() => new SquaresTrace());
    const first = mix(own);
    const reduces = layer.mixer instanceof Attention && needsSum(layer.mixer);
    const mixed = reduces ? mix(parts.map((_, rank) => new SpanningTrace(own, rank))) : first;
    expectSum(layer.mixer, layer.mixer.forward(x, nextStep(ids, cache)), mixed);
    const fed = parts.map(({ mlp }) => mlp.forward(x));
    expectSum(layer.mlp, layer.mlp.forward(x), fed);
    if (!(layer instanceof Gemma4Layer) || layer.beside === null) continue;
    const routed = ([layer, ...parts] as Gemma4Layer[]).map(({ beside }) => {
      const { experts, router } = beside as ExpertsBeside;
      return experts.forward(x, router.forward(x));
    });
    expectSum(layer.beside.experts, routed[0] as Tensor, routed.slice(1));
  }
}

/** Where ranks share the module, their results add up; otherwise each has all of it. */
function expectSum(module: Module, whole: Tensor, parts: readonly Tensor[]): void {
  const theirs = parts.map((part) => part.toNumbers());
  const shared = isShared(module);
  const sum = whole.toNumbers().map((_, i) => theirs.reduce((total, part) => total + (part[i] as number), 0));
  const joined = shared ? sum : (theirs[1] as Float64Array);
  const apart = whole.toNumbers().map((value, i) => Math.abs(value - (joined[i] as number)));
  expect(Math.max(...apart)).toBeLessThanOrEqual(1e-4);
}

function isShared(module: Module): boolean {
  return Object.entries(module).some(([field, value]) =>
    (Array.isArray(value) ? value : [value]).some((item) =>
      item instanceof Module ? isShared(item) : item instanceof Tensor && module.shardRule(field) !== "whole",
    ),
  );
}

function needsSum({ qNorm }: Attention): boolean {
  const rule = qNorm?.shardRule("weight") ?? "whole";
  return typeof rule === "object" && rule.reduces === "sum of squares";
}

/** Takes down what each rank's tokens have: the sum of squares of q and of k, and over how many values. */
class SquaresTrace extends ForwardTrace {
  override readonly chain = "apart";
  squares: readonly number[][] = [];
  widths: readonly number[] = [];

  override qkNorm(...[layer, request, run]: QkNormArguments): [Tensor, Tensor] {
    const rows = [request.q, request.k].map((x) => rowsOf(x));
    this.squares = rows.map((side) => side.map((row) => row.reduce((sum, value) => sum + value * value, 0)));
    this.widths = rows.map((side) => side[0]?.length ?? 0);
    return super.qkNorm(layer, request, run);
  }
}

/** Normalises a rank's q and k by the mean square over the values of all ranks. */
class SpanningTrace extends ForwardTrace {
  override readonly chain = "apart";
  readonly #ranks: readonly SquaresTrace[];
  readonly #rank: number;

  constructor(ranks: readonly SquaresTrace[], rank: number) {
    super();
    this.#ranks = ranks;
    this.#rank = rank;
  }

  override qkNorm(...[, { q, k, qNorm, kNorm }]: QkNormArguments): [Tensor, Tensor] {
    const normalized = [q, k].map((x, side) => {
      const { weight, eps } = ((side === 0 ? qNorm : kNorm) as { spec: NormSpec<Tensor> }).spec;
      const scales = (weight as Tensor).toNumbers();
      const rows = rowsOf(x).map((row, token) => {
        // One KV head for all ranks is everybody's, and is counted once.
        const spans =
          side === 1 &&
          this.#ranks.every(({ squares }) => squares[1]?.[0] === this.#ranks[0]?.squares[1]?.[0]);
        const counted = spans ? [this.#ranks[this.#rank] as SquaresTrace] : this.#ranks;
        const total = counted.reduce((sum, { squares }) => sum + (squares[side]?.[token] as number), 0);
        const width = counted.reduce((sum, { widths }) => sum + (widths[side] as number), 0);
        return row.map((value, i) => (value / Math.sqrt(total / width + eps)) * (scales[i] as number));
      });
      return Tensor.from(rows.flat(), [...x.shape]);
    });
    return normalized as [Tensor, Tensor];
  }
}

function rowsOf(x: Tensor): number[][] {
  const values = [...x.toNumbers()];
  const width = values.length / TOKENS;
  return Array.from({ length: TOKENS }, (_, token) => values.slice(token * width, (token + 1) * width));
}

function hidden(width: number, seed: number): Tensor {
  return Tensor.from(
    Array.from({ length: TOKENS * width }, (_, i) => Math.sin(1.7 * i + seed)),
    [TOKENS, width],
  );
}
