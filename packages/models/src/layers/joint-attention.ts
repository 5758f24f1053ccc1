import { applyQkNorm, QkNormError, type QkNormOptions } from "@qknorm/core";
import { Indices, type RopeTable, rope, Tensor } from "@qknorm/tensor";
import { fullAttention } from "./full-attention.ts";
import { assertObject, assertSizes, refuse } from "./layer-arguments.ts";
import { Linear } from "./linear.ts";
import { type LayerOptions, Module } from "./module.ts";
import { Norm, type NormSetting } from "./norm.ts";
import { PackedLinear } from "./packed-linear.ts";
import { ForwardTrace } from "./trace.ts";

/** Attention of a diffusion transformer as data, in the words of diffusers' files. */
export interface JointAttentionSpec {
  readonly heads: number;
  /** D. */
  readonly headDim: number;
  readonly image: StreamSpec;
  /** The second stream; null for blocks of the image alone. */
  readonly context: StreamSpec | null;
  /** Which stream's tokens come first in the joint sequence. */
  readonly first: "image" | "context";
}

/** One stream of tokens: its widths, biases and norms. */
export interface StreamSpec {
  readonly width: number;
  readonly bias: boolean;
  /** Of q and of k, per head; null for none. */
  readonly norm: NormSetting | null;
  /** Of the projection after the attention; null where the mixed values leave as they are. */
  readonly out: { readonly width: number; readonly bias: boolean } | null;
}

export interface JointAttentionOptions extends LayerOptions {
  /** Options of the `applyQkNorm` calls. */
  readonly qkNorm?: QkNormOptions;
}

/** What one call is given. */
export interface JointInputs {
  /** The image, `[T, C]`. */
  readonly hidden: Tensor;
  /** The text `[S, Cc]`, where the block has a second stream. */
  readonly context?: Tensor;
  /** Angles of the joint sequence's tokens, cos and sin f32 `[T + S, D / 2]`; neighbours turn against each other. */
  readonly rope?: Pick<RopeTable<Tensor>, "cos" | "sin">;
  readonly trace?: ForwardTrace;
}

/** The image `[T, C]`, and the text where there is one. */
export interface JointOutputs {
  readonly hidden: Tensor;
  readonly context: Tensor | null;
}

type Heads = readonly [q: Tensor, k: Tensor, v: Tensor];

/**
 * Attention of one or two streams of tokens (Esser et al. 2024), each with projections and QK norms of its own: the two
 * become one sequence, in which every token sees all others, and part again.
 */
export class JointAttention extends Module {
  readonly toQkv: PackedLinear;
  readonly normQ: Norm | null;
  readonly normK: Norm | null;
  readonly addQkvProj: PackedLinear | null;
  readonly normAddedQ: Norm | null;
  readonly normAddedK: Norm | null;
  readonly toOut: readonly Linear[];
  readonly toAddOut: Linear | null;
  readonly #spec: JointAttentionSpec;
  readonly #qkNorm: QkNormOptions;

  /** Throws `ERR_QKNORM_ARGUMENT` for heads that are none. */
  constructor(spec: JointAttentionSpec, options: JointAttentionOptions) {
    super();
    const { image, context } = spec;
    assertSizes({ heads: spec.heads, headDim: spec.headDim }, 1);
    const inner = spec.heads * spec.headDim;
    const inward = (
      { width, bias }: StreamSpec,
      [q, k, v]: readonly [string, string, string],
    ): PackedLinear => new PackedLinear(width, { [q]: inner, [k]: inner, [v]: inner }, { ...options, bias });
    const outward = (stream: StreamSpec | null): Linear | null =>
      stream?.out ? new Linear(inner, stream.out.width, { ...options, bias: stream.out.bias }) : null;
    const norm = (stream: StreamSpec | null): Norm | null =>
      stream?.norm ? new Norm(stream.norm, options) : null;
    this.toQkv = inward(image, ["to_q", "to_k", "to_v"]);
    this.normQ = norm(image);
    this.normK = norm(image);
    this.addQkvProj = context && inward(context, ["add_q_proj", "add_k_proj", "add_v_proj"]);
    this.normAddedQ = norm(context);
    this.normAddedK = norm(context);
    const out = outward(image);
    this.toOut = out === null ? [] : [out];
    this.toAddOut = outward(context);
    this.#spec = spec;
    this.#qkNorm = options.qkNorm ?? {};
  }

  /** Throws `ERR_QKNORM_ARGUMENT` for what are no inputs, and a second stream that is missing or not asked for. */
  forward(inputs: JointInputs): JointOutputs {
    assertInputs(inputs);
    const { hidden, context, rope: angles, trace } = inputs;
    const { first } = this.#spec;
    const image = this.#heads(this.toQkv, hidden, [this.normQ, this.normK], trace);
    const text = this.#contextHeads(context, trace);
    const streams = text === null ? [image] : first === "image" ? [image, text] : [text, image];
    const [q, k, v] = joined(streams);
    if (angles !== undefined) {
      const positions = Indices.range(0, q.dim(0));
      for (const x of [q, k]) rope(x, { ...angles, layout: "interleaved" }, positions, "once");
    }
    const mixed = fullAttention(q, k, v);
    const rows = mixed.view([mixed.dim(0), mixed.dim(1) * mixed.dim(2)]);
    const parts = rows.split(
      0,
      streams.map(([part]) => part.dim(0)),
    );
    const of = (stream: Heads): Tensor => parts[streams.indexOf(stream)] as Tensor;
    return {
      hidden: this.toOut[0]?.forward(of(image)) ?? of(image),
      context: text && (this.toAddOut?.forward(of(text)) ?? of(text)),
    };
  }

  #contextHeads(context: Tensor | undefined, trace: ForwardTrace | undefined): Heads | null {
    const { addQkvProj } = this;
    if ((context === undefined) !== (addQkvProj === null)) {
      const problem = addQkvProj === null ? "has one stream: it takes no context" : "needs a context";
      throw new QkNormError("ERR_QKNORM_ARGUMENT", `this attention ${problem}`);
    }
    if (context === undefined || addQkvProj === null) return null;
    return this.#heads(addQkvProj, context, [this.normAddedQ, this.normAddedK], trace);
  }

  /** q, k and v `[T, H, D]` of one stream, q and k normalised. */
  #heads(
    projection: Linear,
    x: Tensor,
    [qNorm, kNorm]: readonly [Norm | null, Norm | null],
    trace: ForwardTrace | undefined,
  ): Heads {
    const { heads, headDim } = this.#spec;
    const inner = heads * headDim;
    const [q, k, v] = projection
      .forward(x)
      .split(-1, [inner, inner, inner])
      .map((part) => part.view([part.dim(0), heads, headDim])) as [Tensor, Tensor, Tensor];
    if (qNorm === null || kNorm === null) return [q, k, v];
    const run = (): [Tensor, Tensor] => applyQkNorm(q, k, qNorm, kNorm, headDim, this.#qkNorm);
    const request = { q, k, qNorm, kNorm, headDim, options: this.#qkNorm };
    const [normedQ, normedK] = trace?.qkNorm(0, request, run) ?? run();
    return [normedQ, normedK, v];
  }
}

/** Throws `ERR_QKNORM_ARGUMENT` for what are no inputs of such an attention. */
export function assertInputs(inputs: unknown): asserts inputs is JointInputs {
  assertObject(inputs, "the inputs of attention");
  const { hidden, context, trace } = inputs as Partial<JointInputs>;
  if (!Tensor.is(hidden)) refuse("hidden must be a Tensor", hidden);
  if (context !== undefined && !Tensor.is(context)) refuse("context must be a Tensor", context);
  if (trace !== undefined && !ForwardTrace.is(trace)) refuse("trace must be a ForwardTrace", trace);
}

/** One sequence of the tokens of all streams, in their order. */
function joined(streams: readonly Heads[]): Heads {
  if (streams.length === 1) return streams[0] as Heads;
  return [0, 1, 2].map((which) => {
    const parts = streams.map((stream) => stream[which] as Tensor);
    const [{ shape, dtype, device }] = parts as [Tensor];
    const tokens = parts.reduce((sum, part) => sum + part.dim(0), 0);
    const whole = Tensor.empty([tokens, ...shape.slice(1)], dtype, device);
    let start = 0;
    for (const part of parts) {
      whole.slice(0, start, start + part.dim(0)).copyFrom(part);
      start += part.dim(0);
    }
    return whole;
  }) as unknown as Heads;
}
