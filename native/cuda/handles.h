// What JavaScript holds instead of pointers: numbers that are looked up, so that a wrong, stale or foreign one is an
// error and never an access. A number is never given out twice.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "cpu/error.h"

namespace qknorm::cuda {

using Handle = std::uint64_t;  // below 2^53, and never 0

// The kind of thing is part of its number: a stream is never taken for memory.
template <typename T>
struct HandleKind;  // static constexpr Handle number (1 to 15); static constexpr const char* name

inline constexpr Handle kKindBits = 4;
inline Handle kind_of(Handle handle) { return handle & ((Handle(1) << kKindBits) - 1); }

// Lookups lock: two worker threads may hold the same number. What was found stays alive until the caller lets go.
template <typename T>
class Handles {
 public:
  // `owner` is the Node environment that asked; see drop().
  Handle add(std::shared_ptr<T> thing, const void* owner) {
    static std::atomic<Handle> next{1};
    const Handle handle = next.fetch_add(1) << kKindBits | HandleKind<T>::number;
    const std::lock_guard lock(mutex_);
    things_.emplace(handle, Entry{std::move(thing), owner});
    return handle;
  }

  // Looks things up under one lock. Hold it for no longer than that.
  class Lookup {
   public:
    explicit Lookup(Handles& handles) : handles_(handles), lock_(handles.mutex_) {}

    std::shared_ptr<T> get(Handle handle, const char* name) const {
      const auto found = handles_.things_.find(handle);
      if (found == handles_.things_.end()) refuse(handle, name);
      return found->second.thing;
    }

   private:
    Handles& handles_;
    std::lock_guard<std::mutex> lock_;
  };

  std::shared_ptr<T> get(Handle handle, const char* name) { return Lookup(*this).get(handle, name); }

  // Removes it; what still uses the thing keeps it alive.
  std::shared_ptr<T> take(Handle handle, const char* name) {
    const std::lock_guard lock(mutex_);
    const auto found = things_.find(handle);
    if (found == things_.end()) refuse(handle, name);
    std::shared_ptr<T> thing = std::move(found->second.thing);
    things_.erase(found);
    removals_.fetch_add(1, std::memory_order_release);
    return thing;
  }

  // Removes what an environment that is gone has left behind.
  void drop(const void* owner) {
    std::vector<std::shared_ptr<T>> dropped;  // destroyed after the lock: a destructor may look things up
    const std::lock_guard lock(mutex_);
    for (auto i = things_.begin(); i != things_.end();) {
      if (i->second.owner == owner) {
        dropped.push_back(std::move(i->second.thing));
        i = things_.erase(i);
        removals_.fetch_add(1, std::memory_order_release);
      } else {
        ++i;
      }
    }
  }

  // While this number stays the same, every number that was looked up still names the same thing.
  std::uint64_t removals() const { return removals_.load(std::memory_order_acquire); }

  std::size_t size() {
    const std::lock_guard lock(mutex_);
    return things_.size();
  }

  // The one table of this kind; never destroyed, because threads may outlive static destructors.
  static Handles& table() {
    static Handles& handles = *new Handles;
    return handles;
  }

 private:
  struct Entry {
    std::shared_ptr<T> thing;
    const void* owner;
  };

  [[noreturn]] static void refuse(Handle handle, const char* name) {
    const bool other = kind_of(handle) != HandleKind<T>::number;
    throw CodedError(kErrArgument, std::string(name) + " is not a " + HandleKind<T>::name + ": " +
                                       std::to_string(handle) +
                                       (other ? " names something else, or nothing" : " has been freed, or never was"));
  }

  std::mutex mutex_;
  std::unordered_map<Handle, Entry> things_;
  std::atomic<std::uint64_t> removals_{0};
};

}  // namespace qknorm::cuda
