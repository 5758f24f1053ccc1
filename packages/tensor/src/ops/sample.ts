import type { GrowingTexts, TokenDraws } from "../op-specs.ts";
import { assertObject } from "../plain-argument.ts";
import type { Tensor } from "../tensor.ts";
import { backendOfAll, opOf, requireShape, requireTensor } from "./checks.ts";
import { checkGrowingTexts } from "./likeliest.ts";

/**
 * Goes on with each of B texts by a token drawn from its `logits [B, V]`, all on the device; what becomes of it is as with
 * `likeliest`. In transformers' order: penalties, temperature, top-k (ties with the last stay), top-p (of equals the lowest ids
 * stay), min-p. Of those that stay, the token with the largest sum of logit and Gumbel number is taken, which is a draw from
 * their softmax (Gumbel 1954). The Gumbel numbers come from Philox by seed, counter and id alone: every device draws the same
 * token from the same logits. A temperature of 0 takes the largest. The counters may be the texts' positions, which are read
 * before they go up.
 *
 * @throws QkNormError before anything is written: `ERR_QKNORM_ARGUMENT`, `ERR_QKNORM_SHAPE`, `ERR_QKNORM_DTYPE`,
 *   `ERR_QKNORM_OVERLAP`, `ERR_QKNORM_DEVICE`
 */
export function sample(logits: Tensor, texts: GrowingTexts<Tensor>, draws: TokenDraws<Tensor>): void {
  assertObject(texts, "texts");
  assertObject(draws, "draws");
  const { settings, keys, counters, seen } = draws;
  requireTensor(settings, "settings", ["f32"]);
  for (const [name, x] of Object.entries({ keys, counters, positions: texts.positions }))
    requireTensor(x, name, ["i32"]);
  if (seen !== null) requireTensor(seen, "seen", ["i32"]);
  const written = seen === null ? {} : { seen };
  const own = isSame(counters, texts.positions) ? {} : { counters };
  checkGrowingTexts("sample", logits, texts, { read: { logits, settings, keys, ...own }, written });
  const [rows, width] = logits.shape as [number, number];
  const has = ({ shape, contiguous }: Tensor, ...dims: number[]): boolean =>
    contiguous && shape.join() === dims.join();
  requireShape(
    has(settings, rows, 6) &&
      has(keys, rows, 3) &&
      has(counters, rows) &&
      (seen === null || has(seen, rows, width)),
    "draws must be dense: settings [B, 6], keys [B, 3], counters [B], seen [B, V]",
    { logits, settings, keys, counters, ...written },
  );
  const op = opOf(backendOfAll({ logits, ...texts, settings, keys, counters, ...written }), "sample");
  if (rows > 0) op(logits, texts, draws);
}

function isSame(a: Tensor, b: Tensor): boolean {
  return a.memory === b.memory && a.offset === b.offset && a.size === b.size;
}
