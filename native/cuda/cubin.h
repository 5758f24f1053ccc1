// What can be told of compiled code without a driver.
#pragma once

#include <cstddef>
#include <string>

namespace qknorm::cuda {

// Why the driver must not see this image: neither a complete cubin nor PTX text. Empty if it may.
std::string fault_of_image(const void* image, std::size_t bytes);

}  // namespace qknorm::cuda
