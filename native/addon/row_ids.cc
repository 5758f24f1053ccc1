#include "addon/row_ids.h"

namespace qknorm {

std::vector<std::int32_t> row_ids(const Args& args, std::size_t i, std::size_t offset, std::size_t count,
                                  std::size_t rows, const char* name) {
  const ArrayView array = args.array(i, napi_int32_array, name);
  check_range(offset, count, array.length, name);
  const auto* from = array.as<const std::int32_t>() + offset;
  std::vector<std::int32_t> ids(from, from + count);
  for (std::size_t j = 0; j < count; ++j) {
    if (static_cast<std::size_t>(ids[j]) >= rows) {  // below zero is beyond any table
      throw CodedError(kErrArgument, std::string(name) + "[" + std::to_string(j) + "] is " + std::to_string(ids[j]) +
                                         ", outside the table's " + std::to_string(rows) + " rows");
    }
  }
  return ids;
}

}  // namespace qknorm
