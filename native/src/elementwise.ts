import type { FloatDtype, NormRounding } from "@qknorm/core";
import { requireBinding } from "./loader.ts";
import { type CpuIsa, dtypeNumbers, roundingNumbers } from "./numbers.ts";
import { ParamWriter, type RowsView, requireObject, type VectorView } from "./params.ts";

// Every function here throws an `Error` with `code`, before anything is written: `ERR_QKNORM_ARGUMENT` (a value of the
// wrong type or range), `ERR_QKNORM_DTYPE` (an array of another dtype), `ERR_QKNORM_LAYOUT` (an array too short or
// detached, rows that overlap), `ERR_QKNORM_OVERLAP` (out shares memory with an input), `ERR_NATIVE` (no addon).

/** `[rows, width]` or `[n]` of a dtype that the call names. */
export type Untyped<View> = Omit<View, "dtype">;

export interface SiluMulCall {
  readonly dtype: FloatDtype;
  readonly rows: number;
  readonly width: number;
  /** `[rows, 2 * width]`, the gate first */
  readonly gateUp: Untyped<RowsView>;
  /** `[rows, width]` */
  readonly out: Untyped<RowsView>;
  /** `once`: f32 arithmetic, rounded at the end. `hf`: silu(gate) rounded too. */
  readonly rounding: NormRounding;
  readonly isa?: CpuIsa;
}

/** `out = silu(gate) * up`, with `silu(x) = x / (1 + exp(-x))`. Source: Shazeer (2020), equation 6. */
export function siluMul(call: SiluMulCall): void {
  const binding = requireBinding();
  requireObject(call, "the call");
  const { gateUp, out } = call;
  requireObject(gateUp, "gateUp");
  requireObject(out, "out");
  siluParams
    .start()
    .choice(dtypeNumbers, call.dtype, "dtype")
    .number(call.rows, "rows")
    .number(call.width, "width")
    .choice(roundingNumbers, call.rounding, "rounding")
    .isa(call.isa)
    .number(gateUp.offset, "gateUp offset")
    .number(gateUp.rowStride, "gateUp rowStride")
    .number(out.offset, "out offset")
    .number(out.rowStride, "out rowStride");
  binding.siluMul(siluParams.array, gateUp.data, out.data);
}

export interface BinaryCall {
  readonly dtype: FloatDtype;
  readonly count: number;
  /** `[count]` each; `out` may be `a` or `b`, but not part of them */
  readonly a: Untyped<VectorView>;
  readonly b: Untyped<VectorView>;
  readonly out: Untyped<VectorView>;
  readonly isa?: CpuIsa;
}

/** `out = a + b`: one sum in f32, rounded. All instruction sets give the same bits. */
export function add(call: BinaryCall): void {
  const binding = requireBinding();
  writeBinary(call);
  binding.add(binaryParams.array, call.a.data, call.b.data, call.out.data);
}

/** `out = a * b`: one product in f32, rounded. All instruction sets give the same bits. */
export function mul(call: BinaryCall): void {
  const binding = requireBinding();
  writeBinary(call);
  binding.mul(binaryParams.array, call.a.data, call.b.data, call.out.data);
}

function writeBinary(call: BinaryCall): void {
  requireObject(call, "the call");
  const { a, b, out } = call;
  requireObject(a, "a");
  requireObject(b, "b");
  requireObject(out, "out");
  binaryParams
    .start()
    .choice(dtypeNumbers, call.dtype, "dtype")
    .number(call.count, "count")
    .isa(call.isa)
    .number(a.offset, "a offset")
    .number(b.offset, "b offset")
    .number(out.offset, "out offset");
}

export interface ConvertCall {
  readonly count: number;
  /** `[count]` each */
  readonly from: VectorView;
  readonly to: VectorView;
  readonly isa?: CpuIsa;
}

/** `to = from`, rounded to nearest, ties to even; NaN stays NaN. All instruction sets give the same bits. */
export function convert(call: ConvertCall): void {
  const binding = requireBinding();
  requireObject(call, "the call");
  const { from, to } = call;
  requireObject(from, "from");
  requireObject(to, "to");
  convertParams
    .start()
    .choice(dtypeNumbers, from.dtype, "from dtype")
    .choice(dtypeNumbers, to.dtype, "to dtype")
    .number(call.count, "count")
    .isa(call.isa)
    .number(from.offset, "from offset")
    .number(to.offset, "to offset");
  binding.convert(convertParams.array, from.data, to.data);
}

export interface GatherRowsCall {
  readonly rows: number;
  readonly width: number;
  /** `[tableRows, width]` */
  readonly table: RowsView;
  readonly tableRows: number;
  /** `[rows]`, each within `[0, tableRows)` */
  readonly ids: Int32Array;
  readonly idsOffset?: number;
  /** `[rows, width]`, of any dtype */
  readonly out: RowsView;
  readonly isa?: CpuIsa;
}

/** `out[r] = table[ids[r]]`, rounded to the dtype of out; `ERR_QKNORM_ARGUMENT` names an id outside the table. */
export function gatherRows(call: GatherRowsCall): void {
  const binding = requireBinding();
  requireObject(call, "the call");
  const { table, out } = call;
  requireObject(table, "table");
  requireObject(out, "out");
  gatherParams
    .start()
    .choice(dtypeNumbers, table.dtype, "table dtype")
    .choice(dtypeNumbers, out.dtype, "out dtype")
    .number(call.rows, "rows")
    .number(call.width, "width")
    .number(call.tableRows, "tableRows")
    .isa(call.isa)
    .number(table.offset, "table offset")
    .number(table.rowStride, "table rowStride")
    .number(call.idsOffset ?? 0, "idsOffset")
    .number(out.offset, "out offset")
    .number(out.rowStride, "out rowStride");
  binding.gatherRows(gatherParams.array, table.data, call.ids, out.data);
}

export interface CopyRowsCall {
  readonly dtype: FloatDtype;
  readonly rows: number;
  readonly width: number;
  /** `[rows, width]` each */
  readonly from: Untyped<RowsView>;
  readonly to: Untyped<RowsView>;
}

/** `to = from`, bit for bit: new keys and values into their cache. */
export function copyRows(call: CopyRowsCall): void {
  const binding = requireBinding();
  requireObject(call, "the call");
  const { from, to } = call;
  requireObject(from, "from");
  requireObject(to, "to");
  copyParams
    .start()
    .choice(dtypeNumbers, call.dtype, "dtype")
    .number(call.rows, "rows")
    .number(call.width, "width")
    .number(from.offset, "from offset")
    .number(from.rowStride, "from rowStride")
    .number(to.offset, "to offset")
    .number(to.rowStride, "to rowStride");
  binding.copyRows(copyParams.array, from.data, to.data);
}

const siluParams = new ParamWriter(9);
const binaryParams = new ParamWriter(6);
const convertParams = new ParamWriter(6);
const gatherParams = new ParamWriter(11);
const copyParams = new ParamWriter(7);
