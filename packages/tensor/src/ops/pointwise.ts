import { QkNormError } from "@qknorm/core";
import type { Activation, Pointwise } from "../op-specs.ts";
import { shown } from "../strides.ts";
import { Tensor } from "../tensor.ts";
import { asFlat, backendOfAll, opOf, requireTensor } from "./checks.ts";

const ACTIVATIONS: readonly unknown[] = [
  "silu",
  "gelu",
  "gelu-tanh",
  "relu",
  "relu2",
  "sigmoid",
  "softplus",
  "tanh",
] satisfies Activation[];

/**
 * An activation of every element, rounded once. `gelu` is the exact form with erf (Hendrycks and Gimpel 2016),
 * `gelu-tanh` its approximation, `relu2` the square of relu (So et al. 2021).
 *
 * @throws QkNormError `ERR_QKNORM_ARGUMENT` for another name, `ERR_QKNORM_DTYPE` for integers
 */
export function activate(x: Tensor, kind: Activation): Tensor {
  requireActivation(kind);
  return pointwise(x, { kind });
}

/** Throws `ERR_QKNORM_ARGUMENT` unless the value names an activation. */
export function requireActivation(value: unknown): asserts value is Activation {
  if (ACTIVATIONS.includes(value)) return;
  throw new QkNormError(
    "ERR_QKNORM_ARGUMENT",
    `an activation must be one of ${ACTIVATIONS.join(", ")}, got ${shown(value)}`,
  );
}

/** `factor * x`, a product in f32, rounded. Throws `ERR_QKNORM_ARGUMENT` for a factor that is not finite. */
export function scale(x: Tensor, factor: number): Tensor {
  if (!Number.isFinite(factor)) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `scale needs a finite factor, got ${shown(factor)}`);
  }
  return pointwise(x, { kind: "scale", factor });
}

/**
 * `cap * tanh(x / cap)`, every step rounded as transformers does it. Throws `ERR_QKNORM_ARGUMENT` for a cap that is not
 * positive.
 */
export function softCap(x: Tensor, cap: number): Tensor {
  if (!(Number.isFinite(cap) && cap > 0)) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `softCap needs a positive cap, got ${shown(cap)}`);
  }
  return pointwise(x, { kind: "soft-cap", cap });
}

/** x, its elements cut to `-limit..limit`; NaN stays. Throws `ERR_QKNORM_ARGUMENT` for a limit that is not positive. */
export function clamp(x: Tensor, limit: number): Tensor {
  if (!(Number.isFinite(limit) && limit > 0)) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `clamp needs a positive limit, got ${shown(limit)}`);
  }
  return pointwise(x, { kind: "clamp", limit });
}

function pointwise(x: Tensor, f: Pointwise): Tensor {
  requireTensor(x, "x");
  const op = opOf(backendOfAll({ x }), "pointwise");
  const out = Tensor.empty(x.shape, x.dtype, x.device);
  if (out.size > 0) op(asFlat(x), asFlat(out), f);
  return out;
}
