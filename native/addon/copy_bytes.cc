// copyBytes(destination, source): memcpy by the kernels' own threads. Benchmarks hold a kernel's memory traffic
// against it.
#include <algorithm>
#include <cstring>

#include "addon/args.h"
#include "addon/bindings.h"
#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

constexpr std::size_t kGrainBytes = 128 * 1024;

napi_value copy(const Args& args) {
  const ArrayView to = args.array(0, napi_uint8_array, "destination");
  const ArrayView from = args.array(1, napi_uint8_array, "source");
  if (to.length != from.length) {
    throw CodedError(kErrShape, "destination has " + std::to_string(to.length) + " bytes, source " +
                                    std::to_string(from.length));
  }
  char* const target = to.as<char>();
  const char* const origin = from.as<const char>();
  if (target < origin + from.length && origin < target + to.length) {
    throw CodedError(kErrOverlap, "destination and source share memory");
  }
  parallel_for(to.length, kGrainBytes, [=](std::size_t begin, std::size_t end) {
    std::memcpy(target + begin, origin + begin, end - begin);
  });
  return nullptr;
}

}  // namespace

void register_copy_bytes(Napi::Object exports) { define_function<copy>(exports, "copyBytes"); }

}  // namespace qknorm
