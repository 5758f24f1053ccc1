import { QkNormError } from "@qknorm/core";
import type { DeltaGates, DeltaSpec } from "../op-specs.ts";
import { lastAxisIsDense, shown } from "../strides.ts";
import { Tensor } from "../tensor.ts";
import { requireOwnMemory } from "./causal-conv.ts";
import { asRows, backendOfAll, opOf, requireRounding, requireShape, requireTensor } from "./checks.ts";

/**
 * Linear attention by the gated delta rule (Yang et al. 2024, Gated DeltaNet), a piece of one sequence at a time. Per value
 * head n with its key head `n / (N / K)`, and S of zeros before the first token:
 *
 *     S *= exp(-exp(aLog) softplus(a + dtBias))
 *     d  = sigmoid(b) (v - S^T k)
 *     S += k d^T
 *     out = S^T (scale q)
 *
 * `q` and `k` `[T, K, dk]`, normalised before; `v [T, N, dv]`; `a` and `b` `[T, N]`; `aLog` and `dtBias` `[N]`, each of any
 * float dtype. The state S is f32 `[N, dk, dv]`, contiguous, and is overwritten.
 *
 * @returns `[T, N, dv]` in the dtype of v
 * @throws QkNormError before anything is written: `ERR_QKNORM_SHAPE`, `ERR_QKNORM_DTYPE`, `ERR_QKNORM_DEVICE`,
 *   `ERR_QKNORM_ARGUMENT` for a broken spec, and `ERR_QKNORM_OVERLAP` for a state that shares memory with another argument
 */
export function gatedDeltaRule(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  gates: DeltaGates<Tensor>,
  state: Tensor,
  spec: DeltaSpec,
): Tensor {
  const { a, b, aLog, dtBias } = (gates ?? {}) as DeltaGates<Tensor>;
  const read = { q, k, v, a, b, aLog, dtBias };
  for (const [name, x] of Object.entries(read)) requireTensor(x, name);
  requireTensor(state, "state", ["f32"]);
  requireShapes(read, state);
  const { scale, rounding } = readSpec(spec);
  requireOwnMemory(state, read);
  const op = opOf(backendOfAll({ ...read, state }), "gatedDeltaRule");
  const out = Tensor.empty(v.shape, v.dtype, v.device);
  if (out.size === 0) return out;
  const dense = (x: Tensor): Tensor => (lastAxisIsDense(x) ? x : x.toContiguous());
  const views = { a: asRows(a), b: asRows(b), aLog: aLog.toContiguous(), dtBias: dtBias.toContiguous() };
  op(dense(q), dense(k), dense(v), views, state, out, { scale, rounding });
  return out;
}

function requireShapes({ q, k, v, a, b, aLog, dtBias }: Record<string, Tensor>, state: Tensor): void {
  const tensors = { q, k, v } as Record<"q" | "k" | "v", Tensor>;
  const [tokens, keyHeads = 0, keyDim] = tensors.q.shape;
  const [, heads = 0, valueDim] = tensors.v.shape;
  const has = (x: Tensor | undefined, ...shape: unknown[]): boolean => x?.shape.join() === shape.join();
  requireShape(
    has(k, ...tensors.q.shape) && tensors.q.shape.length === 3 && has(v, tokens, heads, valueDim),
    "gatedDeltaRule needs q and k [T, K, dk] and v [T, N, dv]",
    tensors,
  );
  requireShape(
    keyHeads > 0 && heads % keyHeads === 0,
    "value heads must be a multiple of key heads",
    tensors,
  );
  requireShape(has(a, tokens, heads) && has(b, tokens, heads), "a and b must be [T, N]", {
    v: tensors.v,
    a: a as Tensor,
    b: b as Tensor,
  });
  requireShape(has(aLog, heads) && has(dtBias, heads), "aLog and dtBias must be [N]", {
    v: tensors.v,
    aLog: aLog as Tensor,
    dtBias: dtBias as Tensor,
  });
  requireShape(
    has(state, heads, keyDim, valueDim) && state.contiguous,
    "the state must be contiguous [N, dk, dv]",
    {
      ...tensors,
      state,
    },
  );
}

function readSpec(spec: DeltaSpec): DeltaSpec {
  const { scale, rounding } = (spec ?? {}) as DeltaSpec;
  requireRounding(rounding);
  if (Number.isFinite(scale)) return { scale, rounding };
  throw new QkNormError("ERR_QKNORM_ARGUMENT", `gatedDeltaRule needs a finite scale, got ${shown(scale)}`);
}
