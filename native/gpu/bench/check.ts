// Before anything is timed, every contender's numbers are compared with the formula in f64.
import { referenceNorm } from "@qknorm/core";
import type { CudaStream } from "../../src/index.ts";
import { type Bits, decoder, encodeAll, normal, steps } from "../numbers.ts";
import type { Buffers } from "./buffers.ts";
import type { Contenders } from "./contenders.ts";
import { bytesPerElement, type Dtype, type GridRow, nameOf, type RowKind } from "./rows.ts";

const row: GridRow = { gqa: 4, kvHeads: 2, tokens: 37 };

/** Throws for the first contender that is further than a rounding from the formula, or writes outside of q and k. */
export function checkNumbers(
  contenders: Contenders,
  buffers: Buffers,
  stream: CudaStream,
  kind: RowKind,
): void {
  const { headDim, dtype, layout } = kind;
  const decode = decoder(dtype);
  const random = normal(headDim);
  const heads = (row.gqa + (layout === "packed" ? 2 : 1)) * row.kvHeads;
  const before = encodeAll(dtype, row.tokens * heads * headDim, random);
  const weights = encodeAll(dtype, buffers.weights.bytes / 2, () => 1 + 0.3 * random());
  buffers.weights.upload(weights, stream);
  for (const name of contenders.namesFor(headDim)) {
    if (name === "deviceCopy") continue;
    buffers.pool.upload(before, stream);
    contenders.prepare(name, kind, row)(0);
    const after = new Uint16Array(before.length);
    buffers.pool.download(after, stream);
    const expected = before.slice();
    const place = buffers.place(headDim, layout, row, 0);
    const sides = [
      { heads: row.gqa * row.kvHeads, at: place.q, stride: place.qTokenStride, weight: 0 },
      { heads: row.kvHeads, at: place.k, stride: place.kTokenStride, weight: buffers.weightRow },
    ];
    for (const side of sides) normalize(expected, side);
    compare(`${name}, ${nameOf(kind)}`, after, expected, dtype);
  }
  buffers.keepSize(dtype);

  function normalize(bits: Bits, side: { heads: number; at: number; stride: number; weight: number }): void {
    const first = side.weight / bytesPerElement;
    const weight = Array.from(weights.subarray(first, first + headDim), decode);
    const spec = { kind: "rms", axis: "head", weight, eps: 1e-6, weightOffset: 0, rounding: "once" } as const;
    for (let token = 0; token < row.tokens; token++) {
      const start = (side.at + token * side.stride) / bytesPerElement;
      const part = bits.subarray(start, start + side.heads * headDim);
      const y = referenceNorm({ x: Array.from(part, decode), heads: side.heads, headDim, spec, dtype });
      part.set(encodeAll(dtype, y.length, (i) => y[i] as number));
    }
  }
}

function compare(what: string, got: Bits, expected: Bits, dtype: Dtype): void {
  const decode = decoder(dtype);
  let differing = 0;
  got.forEach((bits, i) => {
    const distance = steps(bits, dtype, decode(expected[i] as number));
    if (distance > 1) throw new Error(`${what}: element ${i} is ${distance} ${dtype} steps from the formula`);
    differing += distance;
  });
  if (differing > 0.002 * got.length)
    throw new Error(`${what}: ${differing} of ${got.length} elements differ`);
}
