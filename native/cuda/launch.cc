#include "cuda/launch.h"

#include <array>
#include <cstring>

namespace qknorm::cuda {
namespace {

constexpr std::size_t kMostParameters = kMostArgumentBytes;

// The driver reads as many bytes from each parameter's address as was compiled. A driver that cannot tell how many
// (before CUDA 12.4) may read more than the layout says: never past this block.
struct ArgumentBlock {
  alignas(16) char bytes[2 * 32768];
  std::array<void*, kMostParameters> parameters;
};

ArgumentBlock& argument_block() {
  thread_local std::unique_ptr<ArgumentBlock> block = std::make_unique<ArgumentBlock>();
  return *block;
}

std::string geometry(const Launch& launch) {
  const auto three = [](const unsigned* size) {
    return std::to_string(size[0]) + " x " + std::to_string(size[1]) + " x " + std::to_string(size[2]);
  };
  return "kernel " + launch.function->name() + ", grid " + three(launch.grid) + ", block " + three(launch.block) + ", " +
         std::to_string(launch.shared_bytes) + " bytes of shared memory";
}

void check_geometry(const Launch& launch) {
  const Function& function = *launch.function;
  const std::size_t threads = std::size_t(launch.block[0]) * launch.block[1] * launch.block[2];
  if (threads > function.max_threads()) {
    throw CodedError(kErrArgument, geometry(launch) + ": a block of " + std::to_string(threads) +
                                       " threads, and it was compiled for " + std::to_string(function.max_threads()));
  }
  if (launch.shared_bytes > function.most_shared_bytes()) {
    throw CodedError(kErrArgument,
                     geometry(launch) + ": the device has " + std::to_string(function.most_shared_bytes()) + " left");
  }
}

}  // namespace

bool launch(const Launch& launch, const void* arguments, std::size_t bytes, const AddressField* fields,
            std::size_t count) {
  Function& function = *launch.function;
  Stream& stream = **launch.stream;
  same_device(function.device(), stream.device(), "the kernel and the stream");
  const ParameterLayout& layout = function.layout();
  if (bytes != layout.bytes) {
    throw CodedError(kErrLayout, "kernel " + function.name() + " takes " + std::to_string(layout.bytes) +
                                     " bytes of arguments, got " + std::to_string(bytes));
  }
  check_geometry(launch);

  ArgumentBlock& block = argument_block();
  if (bytes > 0) std::memcpy(block.bytes, arguments, bytes);
  for (std::size_t i = 0; i < count; ++i) {
    const AddressField& field = fields[i];
    if (bytes < sizeof(Address) || field.at > bytes - sizeof(Address)) {
      throw CodedError(kErrLayout, "an address at byte " + std::to_string(field.at) + " is outside of " +
                                       std::to_string(bytes) + " bytes of arguments");
    }
    Address address = 0;
    if (field.memory != nullptr) {
      const Memory& memory = **field.memory;
      address = memory.address(field.offset, field.length, "an argument");
      same_device(memory.device(), stream.device(), "an argument and the stream");
    }
    std::memcpy(block.bytes + field.at, &address, sizeof(address));
  }
  for (std::size_t i = 0; i < layout.offsets.size(); ++i) block.parameters[i] = block.bytes + layout.offsets[i];

  const bool early = function.launches_early() && !launch.alone;
  LaunchAttribute attribute{};
  attribute.id = launch.together ? kCooperative : kProgrammaticStreamSerialization;
  attribute.value.number = 1;
  LaunchConfig config{};
  std::memcpy(config.grid, launch.grid, sizeof(config.grid));
  std::memcpy(config.block, launch.block, sizeof(config.block));
  config.shared_bytes = static_cast<unsigned>(launch.shared_bytes);
  config.stream = stream.raw();
  config.attributes = &attribute;
  config.attribute_count = launch.together || early ? 1 : 0;

  function.device().enter();
  function.allow_shared(launch.shared_bytes);
  for (std::size_t i = 0; i < count; ++i) {
    const bool known = i > 0 && fields[i].memory == fields[i - 1].memory;
    if (fields[i].memory != nullptr && !known) use(*fields[i].memory, *launch.stream);
  }
  void** const parameters = block.parameters.data();
  if (launch.repeated != nullptr && !launch.together && launch.repeated->takes(config, function.raw(), stream) &&
      launch.repeated->start(config, parameters, block.bytes, bytes)) {
    return true;
  }
  check(driver().launch(&config, function.raw(), parameters, nullptr), "cuLaunchKernelEx",
        [&] { return geometry(launch); });
  return false;
}

}  // namespace qknorm::cuda
