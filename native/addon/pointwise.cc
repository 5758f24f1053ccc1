// pointwise(params, x, out), xielu(params, x, out)
#include "cpu/pointwise.h"

#include "addon/bindings.h"
#include "addon/params.h"

namespace qknorm {
namespace {

struct Vectors {
  StridedRows x, out;
};

// Both [count]; `out` may be `x`, but not part of it.
Vectors vectors_in(const Args& args, Dtype dtype, const Place& from, const Place& to, std::size_t count) {
  const Vectors found{rows_in(args.array(1, dtype, "x"), dtype, from, 1, 1, count, "x"),
                      rows_in(args.array(2, dtype, "out"), dtype, to, 1, 1, count, "out")};
  if (!same_rows(found.out, found.x)) refuse_overlap(found.out, "out", found.x, "x");
  return found;
}

napi_value run_pointwise(const Args& args) {
  Params params(args, 0, 7);
  Pointwise call{};
  call.dtype = params.dtype("dtype");
  call.count = params.integer("count");
  call.kind = params.choice("kind", PointwiseKind::kClamp);
  call.number = params.number("number");
  const Isa isa = params.isa();
  const Place from{params.integer("x offset")}, to{params.integer("out offset")};
  const Vectors vectors = vectors_in(args, call.dtype, from, to, call.count);
  call.x = memory_of(vectors.x);
  call.out = memory_of(vectors.out);
  pointwise(call, isa);
  return nullptr;
}

napi_value run_xielu(const Args& args) {
  Params params(args, 0, 9);
  Xielu call{};
  call.dtype = params.dtype("dtype");
  call.count = params.integer("count");
  call.alpha_p = params.number("alphaP");
  call.alpha_n = params.number("alphaN");
  call.beta = params.number("beta");
  call.eps = params.number("eps");
  const Isa isa = params.isa();
  const Place from{params.integer("x offset")}, to{params.integer("out offset")};
  const Vectors vectors = vectors_in(args, call.dtype, from, to, call.count);
  call.x = memory_of(vectors.x);
  call.out = memory_of(vectors.out);
  xielu(call, isa);
  return nullptr;
}

}  // namespace

void register_pointwise(Napi::Object exports) {
  define_function<run_pointwise>(exports, "pointwise");
  define_function<run_xielu>(exports, "xielu");
}

}  // namespace qknorm
