import { QkNormError } from "@qknorm/core";
import { assertNoSelfOverlap, mayShareMemory } from "../overlap.ts";
import { Tensor } from "../tensor.ts";
import { asRows, backendOfAll, opOf, requireShape, requireTensor } from "./checks.ts";

/**
 * Causal depthwise convolution of one sequence, a piece at a time: with `z = [state, x]`, L - 1 rows of state before
 * those of `x [T, C]`,
 *
 *     out[t, c] = bias[c] + sum over j of weight[c, j] * z[t + j, c]
 *
 * accumulated in f32 or wider and rounded once to the dtype of x. `weight [C, L]`. The state `[L - 1, C]`, zeros before the
 * first token, is contiguous and of x's dtype; it becomes the last L - 1 rows of z.
 *
 * @returns `[T, C]`
 * @throws QkNormError before anything is written: `ERR_QKNORM_SHAPE`, `ERR_QKNORM_DTYPE`, `ERR_QKNORM_DEVICE`, and
 *   `ERR_QKNORM_OVERLAP` for a state that shares memory with another argument
 */
export function causalConv(x: Tensor, weight: Tensor, bias: Tensor | null, state: Tensor): Tensor {
  requireTensor(x, "x");
  requireTensor(weight, "weight");
  requireTensor(state, "state", [x.dtype]);
  requireShape(
    x.shape.length === 2 && weight.shape.length === 2 && weight.shape[0] === x.shape[1],
    "causalConv needs x [T, C] and weight [C, L]",
    { x, weight },
  );
  const [tokens, channels] = x.shape as [number, number];
  const taps = weight.shape[1] as number;
  requireShape(
    taps > 0 && state.shape.length === 2 && state.shape[0] === taps - 1 && state.shape[1] === channels,
    "the state must be [L - 1, C]",
    { weight, state },
  );
  requireShape(state.contiguous, "the state must be contiguous", { state });
  if (bias !== null) {
    requireTensor(bias, "bias");
    requireShape(bias.shape.length === 1 && bias.shape[0] === channels, "bias must be [C]", { x, bias });
  }
  requireOwnMemory(state, { x, weight, bias });
  const op = opOf(backendOfAll({ x, weight, bias, state }), "causalConv");
  const out = Tensor.empty([tokens, channels], x.dtype, x.device);
  if (out.size > 0) op(asRows(x), weight.toContiguous(), bias?.toContiguous() ?? null, state, out);
  return out;
}

/** Throws `ERR_QKNORM_OVERLAP` for a state that overlaps itself or shares memory with what is read beside it. */
export function requireOwnMemory(state: Tensor, others: Readonly<Record<string, Tensor | null>>): void {
  assertNoSelfOverlap(state, "state");
  for (const [name, other] of Object.entries(others)) {
    if (other === null || !mayShareMemory(state, other)) continue;
    throw new QkNormError("ERR_QKNORM_OVERLAP", `the state is written, and it shares memory with ${name}`);
  }
}
