// siluMul(params, gateUp, out), add and mul(params, a, b, out), convert(params, from, to), gatherRows(params, table, ids, out),
// copyRows(params, from, to)
#include "cpu/elementwise.h"

#include "addon/bindings.h"
#include "addon/params.h"
#include "addon/row_ids.h"

namespace qknorm {
namespace {

// Twice as much does not wrap around.
constexpr std::size_t kMostWidth = std::size_t(1) << 52;

napi_value run_silu_mul(const Args& args) {
  Params params(args, 0, 9);
  SiluMul call{};
  call.dtype = params.dtype("dtype");
  call.rows = params.integer("rows");
  call.width = params.integer("width", 0, kMostWidth);
  call.rounding = params.choice("rounding", SiluRounding::kHf);
  const Isa isa = params.isa();
  const Place from_place{params.integer("gateUp offset"), params.integer("gateUp row stride")};
  const Place to_place{params.integer("out offset"), params.integer("out row stride")};
  const ArrayView from_array = args.array(1, call.dtype, "gateUp"), to_array = args.array(2, call.dtype, "out");
  if (call.rows == 0 || call.width == 0) return nullptr;
  const StridedRows from = rows_in(from_array, call.dtype, from_place, call.rows, 1, 2 * call.width, "gateUp");
  const StridedRows to = rows_in(to_array, call.dtype, to_place, call.rows, 1, call.width, "out");
  refuse_overlap(to, "out", from, "gateUp");
  call.gate_up = memory_of(from);
  call.gate_up_stride = from_place.token_stride;
  call.out = memory_of(to);
  call.out_stride = to_place.token_stride;
  silu_mul(call, isa);
  return nullptr;
}

using Binary = void (*)(Dtype dtype, const void* a, const void* b, void* out, std::size_t n, Isa isa);

template <Binary kOf>
napi_value run_binary(const Args& args) {
  Params params(args, 0, 6);
  const Dtype dtype = params.dtype("dtype");
  const std::size_t count = params.integer("count");
  const Isa isa = params.isa();
  const Place a_place{params.integer("a offset")}, b_place{params.integer("b offset")}, to_place{params.integer("out offset")};
  const StridedRows a = rows_in(args.array(1, dtype, "a"), dtype, a_place, 1, 1, count, "a");
  const StridedRows b = rows_in(args.array(2, dtype, "b"), dtype, b_place, 1, 1, count, "b");
  const StridedRows to = rows_in(args.array(3, dtype, "out"), dtype, to_place, 1, 1, count, "out");
  if (!same_rows(to, a)) refuse_overlap(to, "out", a, "a");
  if (!same_rows(to, b)) refuse_overlap(to, "out", b, "b");
  kOf(dtype, memory_of(a), memory_of(b), memory_of(to), count, isa);
  return nullptr;
}

napi_value run_convert(const Args& args) {
  Params params(args, 0, 6);
  const Dtype from_dtype = params.dtype("from dtype"), to_dtype = params.dtype("to dtype");
  const std::size_t count = params.integer("count");
  const Isa isa = params.isa();
  const Place from_place{params.integer("from offset")}, to_place{params.integer("to offset")};
  const StridedRows from = rows_in(args.array(1, from_dtype, "from"), from_dtype, from_place, 1, 1, count, "from");
  const StridedRows to = rows_in(args.array(2, to_dtype, "to"), to_dtype, to_place, 1, 1, count, "to");
  refuse_overlap(to, "to", from, "from");
  convert(from_dtype, memory_of(from), to_dtype, memory_of(to), count, isa);
  return nullptr;
}

napi_value run_gather_rows(const Args& args) {
  Params params(args, 0, 11);
  GatherRows call{};
  call.table_dtype = params.dtype("table dtype");
  call.out_dtype = params.dtype("out dtype");
  call.rows = params.integer("rows");
  call.width = params.integer("width");
  const std::size_t table_rows = params.integer("tableRows");
  const Isa isa = params.isa();
  const Place table_place{params.integer("table offset"), params.integer("table row stride")};
  const std::size_t ids_offset = params.integer("ids offset");
  const Place to_place{params.integer("out offset"), params.integer("out row stride")};
  const ArrayView table_array = args.array(1, call.table_dtype, "table"), to_array = args.array(3, call.out_dtype, "out");
  const auto ids = row_ids(args, 2, ids_offset, call.rows, table_rows, "ids");
  if (call.rows == 0 || call.width == 0) return nullptr;
  const StridedRows table = rows_in(table_array, call.table_dtype, table_place, table_rows, 1, call.width, "table");
  const StridedRows to = rows_in(to_array, call.out_dtype, to_place, call.rows, 1, call.width, "out");
  refuse_overlap(to, "out", table, "table");
  call.table = memory_of(table);
  call.table_stride = table_place.token_stride;
  call.ids = ids.data();
  call.out = memory_of(to);
  call.out_stride = to_place.token_stride;
  gather_rows(call, isa);
  return nullptr;
}

napi_value run_copy_rows(const Args& args) {
  Params params(args, 0, 7);
  const Dtype dtype = params.dtype("dtype");
  const std::size_t count = params.integer("rows"), width = params.integer("width");
  const Place from_place{params.integer("from offset"), params.integer("from row stride")};
  const Place to_place{params.integer("to offset"), params.integer("to row stride")};
  const ArrayView from_array = args.array(1, dtype, "from"), to_array = args.array(2, dtype, "to");
  if (count == 0 || width == 0) return nullptr;
  const StridedRows from = rows_in(from_array, dtype, from_place, count, 1, width, "from");
  const StridedRows to = rows_in(to_array, dtype, to_place, count, 1, width, "to");
  refuse_overlap(to, "to", from, "from");
  copy_rows({memory_of(from), memory_of(to), from.token_stride, to.token_stride, from.row_bytes, count});
  return nullptr;
}

}  // namespace

void register_elementwise(Napi::Object exports) {
  define_function<run_silu_mul>(exports, "siluMul");
  define_function<run_binary<add>>(exports, "add");
  define_function<run_binary<mul>>(exports, "mul");
  define_function<run_convert>(exports, "convert");
  define_function<run_gather_rows>(exports, "gatherRows");
  define_function<run_copy_rows>(exports, "copyRows");
}

}  // namespace qknorm
