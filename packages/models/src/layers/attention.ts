import { applyQkNorm, applyQkNormRope, type QkNormOptions, type QkNormRopeOptions } from "@qknorm/core";
import { activate, clamp, type FloatDtype, mul, type Tensor } from "@qknorm/tensor";
import { type AttentionSpec, assertAttentionSpec } from "./attention-spec.ts";
import { assertLayerOptions } from "./layer-arguments.ts";
import { Linear } from "./linear.ts";
import { type LayerOptions, Module } from "./module.ts";
import { Norm } from "./norm.ts";
import { PackedLinear } from "./packed-linear.ts";
import { tempered } from "./query-temperature.ts";
import { type RotaryEmbedding, RotaryTables } from "./rotary-embedding.ts";
import { SplitNorm } from "./split-norm.ts";
import { assertStep, type Step } from "./step.ts";

export type { AttentionSpec, QkNormSetting } from "./attention-spec.ts";

export interface AttentionOptions extends LayerOptions {
  /** Which layer of the model, and of the cache, it is; 0 by default. */
  readonly layer?: number;
  /** Options of the `applyQkNorm` call, and of the chain's. */
  readonly qkNorm?: QkNormOptions;
  /**
   * `apart` takes norm, RoPE and the cache write one after the other even where one kernel has all three, to compare.
   * Default `auto`.
   */
  readonly chain?: "auto" | "apart";
  /** RoPE tables to share with other layers. Default: its own. */
  readonly rotary?: RotaryTables;
}

/** Grouped-query attention, `[T, C] -> [T, C]`: q, k, v; QK norm and RoPE in the spec's order; scores; output. */
export class Attention extends Module {
  readonly qkvProj: Linear;
  readonly qNorm: Norm | null;
  readonly kNorm: Norm | null;
  readonly oProj: Linear;
  readonly #layer: number;
  readonly #spec: AttentionSpec;
  readonly #valueNorm: Norm | null;
  readonly #rotary: RotaryEmbedding | null;
  /** Null where they are shared. */
  readonly #ownTables: RotaryTables | null;
  readonly #rounding: LayerOptions["rounding"];
  readonly #qkNorm: QkNormOptions;
  readonly #chain: "auto" | "apart";

  /** Throws `ERR_QKNORM_ARGUMENT` for a spec or options that lack something, `ERR_QKNORM_NORM` for a broken norm. */
  constructor(spec: AttentionSpec, options: AttentionOptions) {
    super();
    assertAttentionSpec(spec);
    assertLayerOptions(options);
    const { hiddenSize, queryHeads, kvHeads, headDim, bias, qkNorm, rope, values } = spec;
    const parts = {
      q_proj: queryHeads * headDim * (spec.queryGate ? 2 : 1),
      ...(typeof values !== "object" && { k_proj: kvHeads * headDim }),
      ...((values ?? "projected") === "projected" && { v_proj: kvHeads * headDim }),
    };
    const inOptions = { ...options, bias: bias?.qkv === true, shared: "outputs" } as const;
    this.qkvProj =
      (spec.packing ?? "separate") === "separate"
        ? new PackedLinear(hiddenSize, parts, inOptions)
        : new Linear(hiddenSize, (queryHeads + 2 * kvHeads) * headDim, {
            ...inOptions,
            ...(spec.packing === "packed" && { parts: Object.values(parts) }),
          });
    const NormClass = qkNorm?.split === "per-head" ? SplitNorm : Norm;
    this.qNorm = qkNorm && new NormClass(qkNorm.q, options);
    this.kNorm = typeof values === "object" ? null : qkNorm && new NormClass(qkNorm.k, options);
    this.oProj = new Linear(queryHeads * headDim, hiddenSize, {
      ...options,
      bias: bias?.out === true,
      shared: "inputs",
    });
    this.#layer = options.layer ?? 0;
    this.#spec = spec;
    this.#valueNorm = spec.valueNorm === undefined ? null : new Norm(spec.valueNorm, options);
    this.#ownTables = options.rotary === undefined ? new RotaryTables(options) : null;
    this.#rotary = rope && (options.rotary ?? (this.#ownTables as RotaryTables)).of(rope);
    this.#rounding = options.rounding;
    this.#qkNorm = options.qkNorm ?? {};
    this.#chain = options.chain ?? "auto";
  }

  get spec(): AttentionSpec {
    return this.#spec;
  }

  override dispose(): void {
    super.dispose();
    this.#ownTables?.dispose();
  }

  /** Throws `ERR_QKNORM_ARGUMENT` for what is no step. */
  forward(x: Tensor, step: Step): Tensor {
    assertStep(step);
    return this.oProj.forward(this.#mix(x, null, step));
  }

  /** Throws `ERR_QKNORM_ARGUMENT` for what is no step, or no norm. */
  residual(x: Tensor, norm: Norm, step: Step): Tensor {
    assertStep(step);
    return this.oProj.forward(this.#mix(x, norm, step), { residual: x });
  }

  /** `[T, Hq * D]` before the output projection; the norm is that of x, where it has not been through it. */
  #mix(x: Tensor, norm: Norm | null, step: Step): Tensor {
    const { queryHeads, headDim, values } = this.#spec;
    const qkv = this.qkvProj.forward(x, { norm }); // [T, (Hq + 2 Hkv) * D]
    const [q, gate = null] = typeof values === "object" ? this.#ask(qkv, step) : this.#append(qkv, step);
    const mixed = this.#attend(q, step); // [T, Hq, D]
    const passed = gate === null ? mixed : mul(mixed, activate(gate, "sigmoid"));
    return this.gated(passed.view([x.dim(0), queryHeads * headDim]), () => norm?.forward(x) ?? x);
  }

  /** Queries `[T, Hq, D]` and their gate `[T, Hq, D]`; keys and values of the new tokens go to the cache. */
  #append(qkv: Tensor, step: Step): [q: Tensor, gate: Tensor | undefined] {
    const { kvHeads, headDim } = this.#spec;
    const [q, k, v, gate] = this.#parts(qkv);
    const heads = this.#clipped(v).view([qkv.dim(0), kvHeads, headDim]);
    // Before k is normalised, which may be in place: v may be k.
    const newValues = this.#valueNorm?.forward(heads) ?? heads;
    const { clip = null } = this.#spec;
    const apart = clip !== null || this.#chain === "apart" || step.trace?.chain === "apart";
    if (!apart) return [this.#positionAndStore(q, k, newValues, step), gate];
    const [queries, newKeys] = this.#position(q, k, step); // [T, Hq, D], [T, Hkv, D]
    step.cache.write(this.#layer, newKeys, newValues, step);
    return [queries, gate];
  }

  /** Queries alone; keys and values are those that another layer has stored in this pass. */
  #ask(qkv: Tensor, step: Step): [q: Tensor, gate?: undefined] {
    const { queryHeads, headDim } = this.#spec;
    const q = qkv.view([qkv.dim(0), queryHeads, headDim]);
    const normalized = this.qNorm?.forward(q) ?? q;
    this.#rotary?.apply(normalized, step.positions);
    return [normalized];
  }

  /** `mixed [T, Hq * D]` before the output projection, for families that gate it by their input `[T, C]`. */
  protected gated(mixed: Tensor, _input: () => Tensor): Tensor {
    return mixed;
  }

  /** q `[T, Hq * D]`, k and v `[T, Hkv * D]`, or `[T, H, D]` where something else stands between heads, as q's gate may. */
  #parts(qkv: Tensor): [q: Tensor, k: Tensor, v: Tensor, gate?: Tensor] {
    const { queryHeads, kvHeads, headDim, packing, values, queryGate } = this.#spec;
    const tokens = qkv.dim(0);
    if (packing === "packed-per-head") {
      return qkv.view([tokens, queryHeads, 3 * headDim]).split(-1, [headDim, headDim, headDim]) as Triple;
    }
    const [width, kvWidth] = [queryHeads * headDim, kvHeads * headDim];
    if (queryGate) {
      const [gatedQ, k, v] = qkv.split(-1, [2 * width, kvWidth, kvWidth]) as Triple;
      const pairs = gatedQ.view([tokens, queryHeads, 2 * headDim]);
      const [q, gate] = pairs.split(-1, [headDim, headDim]) as [Tensor, Tensor];
      return [q, k.view([tokens, kvHeads, headDim]), v, gate];
    }
    if (values !== "keys") return qkv.split(-1, [width, kvWidth, kvWidth]) as Triple;
    const [q, k] = qkv.split(-1, [width, kvWidth]) as [Tensor, Tensor];
    return [q, k, k];
  }

  /** Queries `[T, Hq, D]`; norm, RoPE and the write of k and v in one call, by one kernel where there is one. */
  #positionAndStore(q: Tensor, k: Tensor, v: Tensor, step: Step): Tensor {
    const { qNorm, kNorm } = this;
    const { queryHeads, kvHeads, headDim, qkNorm } = this.#spec;
    const { positions, slots, trace } = step;
    const { keys, values, scales } = step.cache.of(this.#layer, { kvHeads, headDim });
    const options: QkNormRopeOptions<Tensor> = {
      ...this.#qkNorm,
      ...{ headDim, positions, v, order: qkNorm?.order ?? "norm-rope" },
      rope: this.#rotary?.tables(positions, q.dtype as FloatDtype) ?? null,
      cache: { k: keys, v: values, slots, ...(scales && { kScale: scales.k, vScale: scales.v }) },
    };
    const run = (): [Tensor, Tensor] => applyQkNormRope(q, k, qNorm, kNorm, options);
    const [queries] =
      trace === null || qNorm === null || kNorm === null
        ? run()
        : trace.qkNormRope(this.#layer, { q, k, qNorm, kNorm, options }, run);
    return queries.view([q.dim(0), queryHeads, headDim]);
  }

  /** Norm and RoPE of q and k, in the family's order. */
  #position(q: Tensor, k: Tensor, step: Step): [q: Tensor, k: Tensor] {
    const { queryHeads, kvHeads, headDim, qkNorm } = this.#spec;
    const asHeads = (q: Tensor, k: Tensor): [Tensor, Tensor] => [
      q.view([q.dim(0), queryHeads, headDim]),
      k.view([k.dim(0), kvHeads, headDim]),
    ];
    const rotated = (q: Tensor, k: Tensor): [Tensor, Tensor] => {
      this.#rotary?.apply(q, step.positions);
      this.#rotary?.apply(k, step.positions);
      return [q, k];
    };
    if (qkNorm?.order !== "rope-norm") {
      const [normedQ, normedK] = this.#normalize(q, k, step);
      return rotated(...asHeads(this.#clipped(normedQ), this.#clipped(normedK)));
    }
    return asHeads(...this.#normalize(...rotated(...asHeads(q, k)), step));
  }

  #clipped(x: Tensor): Tensor {
    const { clip = null } = this.#spec;
    return clip === null ? x : clamp(x, clip);
  }

  #normalize(q: Tensor, k: Tensor, step: Step): [Tensor, Tensor] {
    const { qNorm, kNorm } = this;
    if (qNorm === null || kNorm === null) return [q, k];
    const { headDim } = this.#spec;
    const run = (): [Tensor, Tensor] => applyQkNorm(q, k, qNorm, kNorm, headDim, this.#qkNorm);
    return step.trace === null
      ? run()
      : step.trace.qkNorm(this.#layer, { q, k, qNorm, kNorm, headDim, options: this.#qkNorm }, run);
  }

  #attend(queries: Tensor, step: Step): Tensor {
    const { temperature = null, values } = this.#spec;
    const asked = temperature === null ? queries : tempered(queries, step.positions, temperature);
    const layer = typeof values === "object" ? values.ofLayer : this.#layer;
    const { headDim, scale = headDim ** -0.5, window, mask = "causal", chunk = 0, softCap = 0 } = this.#spec;
    return step.cache.attend(layer, asked, step, {
      scale,
      window: window ?? 0,
      mask: step.mask ?? mask,
      chunk,
      softCap,
      rounding: this.#rounding,
    });
  }

  protected override checkpointName(field: string): string {
    return this.#spec.names?.[field] ?? super.checkpointName(field);
  }
}

type Triple = [Tensor, Tensor, Tensor];
