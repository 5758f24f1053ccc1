import { QkNormError } from "@qknorm/core";
import type { GrowingTexts } from "../op-specs.ts";
import { mayShareMemory } from "../overlap.ts";
import { assertObject } from "../plain-argument.ts";
import { lastAxisIsDense } from "../strides.ts";
import type { Tensor } from "../tensor.ts";
import { backendOfAll, opOf, requireShape, requireTensor } from "./checks.ts";

/**
 * Goes on with each of B texts by the largest of its `logits [B, V]`, of equal ones the lowest id, all on the device: the
 * token becomes `ids[b]` and `log[b, positions[b]]`, and `positions[b]` goes up by one, to L - 1 at most. Where no logit is a
 * finite largest (a NaN, an infinity) the log says -1, and `ids[b]` is 0.
 *
 * @throws QkNormError before anything is written: `ERR_QKNORM_ARGUMENT`, `ERR_QKNORM_SHAPE`, `ERR_QKNORM_DTYPE`,
 *   `ERR_QKNORM_OVERLAP`, `ERR_QKNORM_DEVICE`
 */
export function likeliest(logits: Tensor, texts: GrowingTexts<Tensor>): void {
  checkGrowingTexts("likeliest", logits, texts, { read: {}, written: {} });
  const op = opOf(backendOfAll({ logits, ...texts }), "likeliest");
  if ((logits.shape[0] as number) > 0) op(logits, texts);
}

/** What an op reads and writes besides the texts. */
interface Others {
  readonly read: Readonly<Record<string, Tensor>>;
  readonly written: Readonly<Record<string, Tensor>>;
}

/** Logits and texts of an op that chooses tokens; what it writes shares memory with nothing else of it. */
export function checkGrowingTexts(
  op: string,
  logits: Tensor,
  texts: GrowingTexts<Tensor>,
  { read, written }: Others,
): void {
  assertObject(texts, "texts");
  const { ids, positions, log } = texts;
  requireTensor(logits, "logits");
  for (const [name, x] of Object.entries({ ids, positions, log })) requireTensor(x, name, ["i32"]);
  const rows = logits.shape[0] ?? 0;
  requireShape(
    logits.shape.length === 2 && lastAxisIsDense(logits) && (logits.shape[1] as number) > 0,
    "logits must be [B, V] with a dense last axis",
    { logits },
  );
  requireShape(
    ids.contiguous &&
      positions.contiguous &&
      log.contiguous &&
      ids.shape.length === 1 &&
      positions.shape.length === 1 &&
      log.shape.length === 2 &&
      ids.shape[0] === rows &&
      positions.shape[0] === rows &&
      log.shape[0] === rows &&
      (log.shape[1] as number) > 0,
    "ids and positions must be dense [B], and log [B, L]",
    { logits, ids, positions, log },
  );
  const outputs = Object.entries({ ids, positions, log, ...written });
  for (const [i, [name, x]] of outputs.entries()) {
    for (const [other, y] of [...outputs.slice(i + 1), ...Object.entries(read)]) {
      if (!mayShareMemory(x, y)) continue;
      throw new QkNormError("ERR_QKNORM_OVERLAP", `${op} writes ${name}, which shares memory with ${other}`);
    }
  }
}
