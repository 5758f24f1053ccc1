import { QkNormError } from "@qknorm/core";
import { assertDtype, type FloatDtype, floatDtypes } from "../dtype.ts";
import { Indices } from "../indices.ts";
import type { RouterSpec } from "../op-specs.ts";
import { shown } from "../strides.ts";
import { Tensor } from "../tensor.ts";
import { asRows, backendOfAll, opOf, requireShape, requireTensor } from "./checks.ts";

/** Where each token goes: its K experts and their weights. */
export interface Routing {
  /** `[T * K]`, those of a token side by side, the best first. */
  readonly experts: Indices;
  /** `[T, K]` */
  readonly weights: Tensor;
}

/**
 * The experts of each token by `logits [T, E]`. Scores s are the softmax over E, or the sigmoid; the k experts with the
 * largest `s + bias [E]` are chosen (with the largest logits, where there are neither bias nor groups), and of equal ones
 * the first. Their
 * weights are s without the bias, divided by their sum plus eps where the spec says so, times its factor, rounded to
 * `dtype`. Groups limit the choice: `RouterSpec`. From Shazeer et al. (2017), and DeepSeek-V3 (2024) for sigmoid, bias and
 * groups.
 *
 * @throws QkNormError `ERR_QKNORM_ARGUMENT` for a k that is not from 1 to E, and groups that do not divide E or leave
 *   fewer than k experts; `ERR_QKNORM_SHAPE`, `ERR_QKNORM_DTYPE`, `ERR_QKNORM_DEVICE`
 */
export function route(logits: Tensor, bias: Tensor | null, spec: RouterSpec, dtype: FloatDtype): Routing {
  requireTensor(logits, "logits");
  requireShape(logits.shape.length === 2, "route needs logits [T, E]", { logits });
  if (bias !== null) {
    requireTensor(bias, "bias");
    requireShape(bias.shape.length === 1 && bias.shape[0] === logits.shape[1], "the bias must be [E]", {
      logits,
      bias,
    });
  }
  assertDtype(dtype, floatDtypes);
  const [tokens, count] = logits.shape as [number, number];
  const checked = readRouter(spec, count);
  const op = opOf(backendOfAll({ logits, bias }), "route");
  const experts = Tensor.empty([tokens, checked.topK], "i32", logits.device);
  const weights = Tensor.empty([tokens, checked.topK], dtype, logits.device);
  if (tokens > 0) op(asRows(logits), bias?.toContiguous() ?? null, experts, weights, checked);
  const onHost = experts.memory.data as Int32Array | null;
  const chosen =
    onHost === null ? Indices.onDevice(experts.view([experts.size]), count) : Indices.from(onHost);
  return { experts: chosen, weights };
}

function readRouter(spec: RouterSpec, experts: number): RouterSpec {
  const { score, topK, groups, normalize, factor } = (spec ?? {}) as RouterSpec;
  const fail = (what: string, value: unknown): never => {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `route needs ${what}, got ${shown(value)}`);
  };
  if (score !== "softmax" && score !== "sigmoid") fail("a score of softmax or sigmoid", score);
  if (!Number.isSafeInteger(topK) || topK < 1 || topK > experts) {
    fail(`a topK from 1 to the ${experts} experts`, topK);
  }
  if (!Number.isFinite(factor)) fail("a finite factor", factor);
  if (normalize !== null && !(normalize?.eps >= 0)) fail("an eps >= 0 to normalize, or null", normalize);
  if (groups !== null) {
    const { count, kept } = groups ?? {};
    const size = experts / count;
    const fits = Number.isSafeInteger(size) && size >= 2 && Number.isSafeInteger(kept) && kept >= 1;
    if (!fits || kept > count || kept * size < topK) {
      const [groupsOf, keptOf] = [shown(count), shown(kept)];
      throw new QkNormError(
        "ERR_QKNORM_ARGUMENT",
        `route cannot keep ${keptOf} of ${groupsOf} groups of ${experts} experts and choose ${topK}: groups are equal, of 2 experts at least`,
      );
    }
  }
  return { score, topK, groups, normalize, factor };
}
