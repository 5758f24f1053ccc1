// preferHugePages(bytes)
#include "cpu/huge_pages.h"

#include "addon/args.h"
#include "addon/bindings.h"

namespace qknorm {
namespace {

napi_value prefer(const Args& args) {
  const ArrayView bytes = args.array(0, napi_uint8_array, "bytes");
  prefer_huge_pages(bytes.data, bytes.length);
  return nullptr;
}

}  // namespace

void register_huge_pages(Napi::Object exports) { define_function<prefer>(exports, "preferHugePages"); }

}  // namespace qknorm
