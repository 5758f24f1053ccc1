#include "cuda/cubin.h"

#include <cstdint>
#include <cstring>

namespace qknorm::cuda {
namespace {

constexpr unsigned char kMagic[] = {0x7f, 'E', 'L', 'F', 2, 1};  // 64 bits, little endian
constexpr std::uint16_t kMachineCuda = 190;
constexpr std::uint32_t kNoBits = 8;  // a section without bytes in the file
constexpr std::size_t kHeaderBytes = 64, kSectionBytes = 64, kSegmentBytes = 56;

// A field of an ELF-64 structure; the image may lie anywhere.
template <typename T>
T field(const char* at, std::size_t offset) {
  T value;
  std::memcpy(&value, at + offset, sizeof(T));
  return value;
}

// What NVRTC writes ends with this table.
std::string fault_of_segments(const char* image, std::size_t bytes) {
  const auto segments = field<std::uint64_t>(image, 32);
  const auto segment_bytes = field<std::uint16_t>(image, 54), count = field<std::uint16_t>(image, 56);
  if (count == 0) return {};
  if (segment_bytes != kSegmentBytes || segments > bytes || count > (bytes - segments) / kSegmentBytes) {
    return "its program headers are cut off";
  }
  for (std::size_t i = 0; i < count; ++i) {
    const char* segment = image + segments + i * kSegmentBytes;
    const auto offset = field<std::uint64_t>(segment, 8), length = field<std::uint64_t>(segment, 32);
    if (offset > bytes || length > bytes - offset) return "segment " + std::to_string(i) + " is cut off";
  }
  return {};
}

std::string fault_of_elf(const char* image, std::size_t bytes) {
  if (bytes < kHeaderBytes) return "its header is cut off";
  if (field<std::uint16_t>(image, 18) != kMachineCuda) return "an ELF file, but not for CUDA";
  const auto sections = field<std::uint64_t>(image, 40);
  const auto section_bytes = field<std::uint16_t>(image, 58), count = field<std::uint16_t>(image, 60);
  if (section_bytes != kSectionBytes || sections > bytes || count > (bytes - sections) / kSectionBytes) {
    return "its section table is cut off";
  }
  for (std::size_t i = 0; i < count; ++i) {
    const char* section = image + sections + i * kSectionBytes;
    const auto offset = field<std::uint64_t>(section, 24), length = field<std::uint64_t>(section, 32);
    if (field<std::uint32_t>(section, 4) == kNoBits) continue;
    if (offset > bytes || length > bytes - offset) return "section " + std::to_string(i) + " is cut off";
  }
  return fault_of_segments(image, bytes);
}

}  // namespace

std::string fault_of_image(const void* image, std::size_t bytes) {
  const char* text = static_cast<const char*>(image);
  if (bytes == 0) return "it is empty";
  if (bytes >= sizeof(kMagic) && std::memcmp(text, kMagic, sizeof(kMagic)) == 0) return fault_of_elf(text, bytes);
  // Zeros inside would cut the text short; one at the end is NVRTC's own.
  const std::size_t length = text[bytes - 1] == '\0' ? bytes - 1 : bytes;
  if (std::memchr(text, '\0', length) == nullptr && std::string(text, length).find(".version") != std::string::npos) {
    return {};
  }
  return "neither a cubin nor PTX";
}

}  // namespace qknorm::cuda
