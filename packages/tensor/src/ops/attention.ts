import { QkNormError } from "@qknorm/core";
import type { AttentionSpan } from "../backend.ts";
import { cacheDtypes } from "../dtype.ts";
import { Indices } from "../indices.ts";
import type { CacheScales } from "../op-specs.ts";
import { lastAxisIsDense, shown } from "../strides.ts";
import { Tensor } from "../tensor.ts";
import { requirePair, requireScales, scaleTensors } from "./cache-checks.ts";
import { backendOfAll, opOf, requireRounding, requireShape, requireTensor } from "./checks.ts";

/** `AttentionSpan`, with a number for a `past` that the host knows; causal, and without limits, caps and sinks by default. */
export interface AttentionOptions
  extends Pick<AttentionSpan, "scale" | "rounding">,
    Partial<Pick<AttentionSpan, "mask" | "window" | "chunk" | "softCap">> {
  readonly past: number | Indices;
  readonly sinks?: Tensor | null;
  /** Of keys and values of e4m3, and of them alone. */
  readonly scales?: CacheScales<Tensor> | null;
}

/**
 * Grouped-query attention (Ainslie et al. 2023): `q [T, Hq, D]` over `k` and `v` `[S, Hkv, D]`, where query `t` sees keys
 * `0..past + t`, or fewer of them (`window`, `chunk`), or all (`mask`); keys past `past + T` are ignored. Scores and softmax in f32 or wider; what `hf` rounds:
 * `AttentionSpan`. Keys and values of another dtype than q count as rounded to it with rounding `hf`; those of e4m3 are what is
 * stored times the scale of their token and head.
 *
 * @returns `[T, Hq, D]`, contiguous, in the dtype of q
 * @throws QkNormError `ERR_QKNORM_SHAPE` when sizes do not fit or a last axis has gaps, `ERR_QKNORM_DTYPE` for keys and
 *   values of unequal or integer dtypes, `ERR_QKNORM_ARGUMENT` for a broken span, and for e4m3 without scales
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, span: AttentionOptions): Tensor {
  requireTensor(q, "q");
  requireShape(
    q.shape.length === 3 && lastAxisIsDense(q),
    "q must be [tokens, heads, D] with a dense last axis",
    {
      q,
    },
  );
  requirePair({ k, v }, "tokens", cacheDtypes);
  const [tokens, queryHeads, headDim] = q.shape as [number, number, number];
  const kvHeads = k.shape[1] as number;
  requireShape(
    k.shape[2] === headDim && kvHeads > 0 && queryHeads % kvHeads === 0,
    "query heads must be a multiple of KV heads of the same D",
    { q, k },
  );
  const { past, sinks = null, scales = null, ...rest } = (span ?? {}) as AttentionOptions;
  const before = readPast(past);
  const numbers = readSpan(rest);
  requireSinks(sinks, q);
  requireScales(scales, k);
  const keys = k.shape[0] as number;
  const most = before.bound - 1;
  requireShape(keys >= most + tokens, `k and v must hold ${most} + ${tokens} tokens`, { q, k });
  const op = opOf(backendOfAll({ q, k, v, sinks, ...scaleTensors(scales) }), "attention");
  const out = Tensor.empty(q.shape, q.dtype, q.device);
  if (out.size > 0) op(q, k, v, out, { past: before, sinks, scales, ...numbers });
  return out;
}

/** Throws unless there are no sinks, or one number a query head of `q [T, Hq, D]`. */
export function requireSinks(sinks: unknown, q: Tensor): asserts sinks is Tensor | null {
  if (sinks === null) return;
  requireTensor(sinks, "sinks");
  requireShape(
    sinks.shape.length === 1 && sinks.shape[0] === q.shape[1] && lastAxisIsDense(sinks),
    "sinks must be one dense number a query head",
    { q, sinks },
  );
}

/** The numbers of a span, whole and checked. Throws `ERR_QKNORM_ARGUMENT`. */
export function readSpan(
  span: Omit<AttentionOptions, "past" | "sinks" | "scales">,
): Omit<AttentionSpan, "past" | "sinks" | "scales"> {
  const { scale, rounding, mask = "causal", window = 0, chunk = 0, softCap = 0 } = span;
  const fail = (what: string, value: unknown): never => {
    const seen = typeof value === "string" ? JSON.stringify(value) : shown(value);
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `attention needs ${what}, got ${seen}`);
  };
  if (!Number.isFinite(scale)) fail("a finite scale", scale);
  requireRounding(rounding);
  if (mask !== "causal" && mask !== "none") fail('a mask of "causal" or "none"', mask);
  for (const [name, limit] of Object.entries({ window, chunk })) {
    if (!Number.isSafeInteger(limit) || limit < 0) fail(`a ${name} that is an integer >= 0`, limit);
    if (limit > 0 && mask === "none") fail(`no ${name} where there is no mask`, limit);
  }
  if (!Number.isFinite(softCap) || softCap < 0) fail("a finite soft cap >= 0", softCap);
  return { scale, rounding, mask, window, chunk, softCap };
}

function readPast(past: unknown): Indices {
  if (typeof past === "number" && Number.isSafeInteger(past) && past >= 0) return Indices.from([past]);
  if (Indices.is(past) && past.length === 1) return past;
  throw new QkNormError(
    "ERR_QKNORM_ARGUMENT",
    `attention needs as past an integer >= 0, or Indices of one, got ${Indices.is(past) ? `Indices of ${past.length}` : shown(past)}`,
  );
}
