#include "cuda/faults.h"

#include <atomic>
#include <cstring>
#include <string>

#include "cuda/stream.h"

namespace qknorm::cuda {
namespace {

struct Kind {
  const char* index;  // "position"
  const char* op;
};

// Numbered from 1 on, like kernels/faults.cuh.
constexpr Kind kinds[] = {
    {"position", "rope"},
    {"position", "applyQkNormRope"},
    {"slot", "applyQkNormRope"},
    {"slot", "writeCache"},
    {"row", "gatherRows"},
    {"position", "a decode step"},
    {"slot", "a decode step"},
    {"expert", "moe"},
};

}  // namespace

Faults::~Faults() {
  if (records_ != nullptr) driver().host_free(records_);
}

unsigned Faults::record_of_thread() {
  static std::atomic<unsigned> threads{0};
  thread_local const unsigned mine = threads.fetch_add(1) % kRecords;
  return mine;
}

Address Faults::address() {
  const std::lock_guard lock(mutex_);
  if (records_ == nullptr) {
    device_.enter();
    const AsideFromCapture aside;
    void* memory = nullptr;
    check(driver().host_allocate(&memory, kRecords * sizeof(Record), 0), "cuMemHostAlloc", "the page that kernels tell faults in");
    std::memset(memory, 0, kRecords * sizeof(Record));
    records_ = static_cast<Record*>(memory);
  }
  // With unified addressing, which all devices of a 64-bit system have, the device knows pinned memory by the same address.
  return reinterpret_cast<Address>(records_ + record_of_thread());
}

void Faults::raise() {
  Record* record = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (records_ == nullptr) return;
    record = records_ + record_of_thread();
  }
  const std::uint32_t what = __atomic_load_n(&record->what, __ATOMIC_ACQUIRE);
  if (what == 0) return;
  const Record told = *record;
  __atomic_store_n(&record->what, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&record->claimed, 0, __ATOMIC_RELEASE);
  const Kind kind = what <= std::size(kinds) ? kinds[what - 1] : Kind{"index", "a kernel"};
  throw CodedError(kErrArgument, std::string(kind.index) + " " + std::to_string(told.index) + " at " + std::to_string(told.at) +
                                     " is outside 0.." + std::to_string(static_cast<std::int64_t>(told.bound) - 1) + ": " +
                                     kind.op + " on cuda:" + std::to_string(device_.ordinal()) +
                                     " read it on the device, and what it made of it means nothing");
}

}  // namespace qknorm::cuda
