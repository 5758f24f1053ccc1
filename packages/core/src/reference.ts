import { describe } from "./describe.ts";
import { QkNormError, wrongArgument } from "./errors.ts";
import { type FloatDtype, roundTo } from "./float-format.ts";
import { assertNormSpec, type NormSpec } from "./norm-spec.ts";

/** Rows to normalise: `tokens * heads` rows of `headDim` values each, with a spec whose weights are plain numbers. */
export interface ReferenceRows {
  /** `[T, H, D]`, contiguous. */
  readonly x: ArrayLike<number>;
  readonly heads: number;
  readonly headDim: number;
  readonly spec: NormSpec<ArrayLike<number>>;
  /** The activation dtype that results are rounded to; `f64` rounds nowhere. */
  readonly dtype: FloatDtype | "f64";
}

/**
 * The specification of every kernel of this project: one normalisation in f64, written as the formula reads.
 * `dtype` and `spec.rounding` decide where roundings happen; each is a single, correct one.
 *
 * @returns `[T, H, D]` in f64, holding values of `dtype`
 * @throws QkNormError `ERR_QKNORM_SHAPE` when the lengths do not fit, `ERR_QKNORM_NORM` for a broken spec,
 *   `ERR_QKNORM_DTYPE` for an unknown dtype, `ERR_QKNORM_ARGUMENT` for values that are no list
 */
export function referenceNorm(rows: ReferenceRows): Float64Array {
  assertRows(rows);
  const { x, heads, headDim, spec, dtype } = rows;
  const round = dtype === "f64" ? (value: number) => value : (value: number) => roundTo(dtype, value);
  const rowLength = spec.axis === "row" ? heads * headDim : headDim;
  const rowsPerToken = spec.axis === "row" ? 1 : heads;
  const weight = affine(spec.weight, "weight", rowLength, rowsPerToken);
  const bias = affine(spec.bias ?? null, "bias", rowLength, rowsPerToken);

  const y = new Float64Array(x.length);
  for (let start = 0, row = 0; start < x.length; start += rowLength, row++) {
    const mean = spec.kind === "layer" ? sum(rowLength, (i) => at(x, start + i)) / rowLength : 0;
    const squares = sum(rowLength, (i) => (at(x, start + i) - mean) ** 2);
    const divisor =
      spec.kind === "unit"
        ? Math.max(Math.sqrt(squares), spec.eps)
        : Math.sqrt((spec.kind === "l2" ? squares : squares / rowLength) + spec.eps);
    const scale = 1 / divisor;
    for (let i = 0; i < rowLength; i++) {
      const exact = (at(x, start + i) - mean) * scale;
      const normalized = spec.rounding === "hf" ? round(exact) : exact;
      const gain = weight === null ? 1 : spec.weightOffset === 1 ? 1 + weight(row, i) : weight(row, i);
      const scaled = normalized * gain;
      y[start + i] =
        bias === null
          ? round(scaled)
          : round((spec.rounding === "hf" ? round(scaled) : scaled) + bias(row, i));
    }
  }
  return y;
}

function assertRows(rows: ReferenceRows): void {
  if (typeof rows !== "object" || rows === null) {
    throw wrongArgument("the rows must be an object", rows);
  }
  const { x, heads, headDim, spec, dtype } = rows;
  assertNormSpec(spec, "reference");
  if (dtype !== "f64") roundTo(dtype, 0);
  const length: unknown = (x as ArrayLike<number> | null | undefined)?.length;
  if (typeof x !== "object" || !Number.isSafeInteger(length)) {
    throw wrongArgument("x must be an array of numbers", x);
  }
  const whole = [heads, headDim].every((n) => Number.isSafeInteger(n) && n > 0);
  if (!whole || (length as number) % (heads * headDim) !== 0) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `${length} values are not whole tokens of ${describe(heads)} heads of ${describe(headDim)}`,
    );
  }
}

// A weight of one row serves every head, a weight of H rows one head each.
function affine(
  values: ArrayLike<number> | null,
  name: string,
  rowLength: number,
  rowsPerToken: number,
): ((row: number, i: number) => number) | null {
  if (values === null) return null;
  if (values.length === rowLength) return (_, i) => at(values, i);
  if (values.length === rowLength * rowsPerToken)
    return (row, i) => at(values, (row % rowsPerToken) * rowLength + i);
  throw new QkNormError(
    "ERR_QKNORM_SHAPE",
    `the ${name} has ${describe(values.length)} values; rows have ${rowLength}, heads ${rowsPerToken}`,
  );
}

function at(values: ArrayLike<number>, index: number): number {
  return values[index] as number;
}

function sum(count: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
}
