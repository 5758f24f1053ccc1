// cudaPrepare(argumentBytes, addresses), cudaPrepareKernel(launch, kernel), cudaLaunch(launch).
//
// A launch is prepared once and started many times. Its numbers lie in a block that JavaScript writes and this reads:
// starting it again takes one call with one number, and nothing is allocated.
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <vector>

#include "addon/cuda_call.h"
#include "cuda/launch.h"

namespace qknorm::cuda {
namespace {

// The block: the arguments, up to a multiple of 8 bytes; stream, grid (3), block (3), dynamic shared bytes, 1 to launch
// without PDL; for each address its byte in the arguments, the memory (0: null), offset, length.
constexpr std::size_t kHeadNumbers = 9, kAddressNumbers = 4, kMostAddresses = 4096;

// A start by the graph of a launch, and what it depended on: as long as nothing of that has changed, the next start need
// not look anything up.
struct LastStart {
  std::vector<double> block;  // empty: none
  std::weak_ptr<Stream> stream;
  std::vector<std::weak_ptr<Memory>> memory;
  std::uint64_t streams_removed = 0, memory_removed = 0;
};

struct Prepared {
  std::shared_ptr<Function> function;
  std::vector<double> block;
  std::vector<AddressField> fields;
  std::vector<std::shared_ptr<Memory>> memory;  // of the fields, while the launch is started
  RepeatedLaunch repeated;
  LastStart last;
  std::size_t argument_bytes = 0;

  Prepared(std::size_t bytes, std::size_t addresses) : fields(addresses), memory(addresses), argument_bytes(bytes) {
    block.resize(head_at() + kHeadNumbers + addresses * kAddressNumbers);
  }

  const void* arguments() const { return block.data(); }
  const double* head() const { return block.data() + head_at(); }
  const double* address(std::size_t i) const { return head() + kHeadNumbers + i * kAddressNumbers; }

 private:
  std::size_t head_at() const { return (argument_bytes + sizeof(double) - 1) / sizeof(double); }
};

using Launches = std::unordered_map<Handle, std::shared_ptr<Prepared>>;

// A launch belongs to the thread that prepared it: finding it takes no lock. A pointer, since the garbage collector may let go of
// a block after a thread's variables were destroyed.
thread_local Launches* own_launches = nullptr;

Launches& launches() {
  if (own_launches == nullptr) own_launches = new Launches;
  return *own_launches;
}

Handle new_number() {
  static std::atomic<Handle> next{1};
  return next.fetch_add(1);
}

// What V8 is told that a launch takes beside its block, so that it collects those that were dropped: its kernel's graph, of
// which no driver says how large it is.
constexpr std::int64_t kToldBytes = 16 << 10;

void tell(napi_env env, std::int64_t bytes) {
  std::int64_t total = 0;
  napi_adjust_external_memory(env, bytes, &total);
}

// What the block's ArrayBuffer holds on to.
struct Hold {
  Handle launch;
  std::shared_ptr<Prepared> prepared;
};

void let_go(napi_env env, void*, void* hint) {
  const std::unique_ptr<Hold> hold(static_cast<Hold*>(hint));
  tell(env, -kToldBytes);
  if (own_launches != nullptr) own_launches->erase(hold->launch);
}

napi_value prepare(const Args& args) {
  const std::size_t bytes = args.integer(0, "argumentBytes", 0, kMostArgumentBytes);
  auto prepared = std::make_shared<Prepared>(bytes, args.integer(1, "addresses", 0, kMostAddresses));
  auto hold = std::make_unique<Hold>(Hold{new_number(), prepared});
  const Handle launch = hold->launch;
  napi_value block = nullptr;
  if (napi_create_external_arraybuffer(args.env(), prepared->block.data(), prepared->block.size() * sizeof(double),
                                       let_go, hold.get(), &block) != napi_ok) {
    throw CodedError(kErrNative, "a block that both sides see cannot be made");
  }
  hold.release();  // let_go() has it
  tell(args.env(), kToldBytes);
  launches().emplace(launch, std::move(prepared));
  Napi::Object pair = Napi::Object::New(args.env());
  pair.Set("launch", static_cast<double>(launch));
  pair.Set("block", Napi::Value(args.env(), block));
  return pair;
}

Prepared& launch_at(double number) {
  const auto found = launches().find(checked_integer(number, "launch"));
  if (found == launches().end()) {
    throw CodedError(kErrArgument, "launch names none that this thread has prepared: " + std::to_string(number));
  }
  return *found->second;
}

napi_value set_kernel(const Args& args) {
  Prepared& prepared = launch_at(args.number(0, "launch"));
  prepared.function = handle_at<Function>(args, 1, "kernel");
  prepared.last.block.clear();
  return nullptr;
}

void read_fields(Prepared& prepared) {
  const Handles<Memory>::Lookup memories(Handles<Memory>::table());
  Handle last = 0;
  const std::shared_ptr<Memory>* found = nullptr;
  for (std::size_t i = 0; i < prepared.fields.size(); ++i) {
    const double* numbers = prepared.address(i);
    AddressField& field = prepared.fields[i];
    field.at = checked_integer(numbers[0], "an address's place");
    // Neighbours often lie in one block, as q and k of packed QKV do: it is looked up once.
    if (const Handle memory = checked_integer(numbers[1], "memory"); memory != last) {
      if (memory != 0) prepared.memory[i] = memories.get(memory, "memory");
      found = memory == 0 ? nullptr : &prepared.memory[i];
      last = memory;
    }
    field.memory = found;
    field.offset = checked_integer(numbers[2], "offset");
    field.length = checked_integer(numbers[3], "length");
  }
}

// The memory is let go of, whatever comes of the launch: a prepared launch keeps none alive.
class MemoryInUse {
 public:
  explicit MemoryInUse(Prepared& prepared) : prepared_(prepared) {}
  ~MemoryInUse() {
    for (std::shared_ptr<Memory>& memory : prepared_.memory) memory.reset();
  }
  MemoryInUse(const MemoryInUse&) = delete;

 private:
  Prepared& prepared_;
};

// The same start as the last one, if it is; what it uses stays alive meanwhile, and no longer.
bool start_again(Prepared& prepared) {
  const LastStart& last = prepared.last;
  if (last.block.empty() || last.streams_removed != Handles<Stream>::table().removals() ||
      last.memory_removed != Handles<Memory>::table().removals() ||
      std::memcmp(last.block.data(), prepared.block.data(), last.block.size() * sizeof(double)) != 0) {
    return false;
  }
  const std::shared_ptr<Stream> stream = last.stream.lock();
  if (stream == nullptr || !RepeatedLaunch::suits(*stream)) return false;
  const MemoryInUse in_use(prepared);
  for (std::size_t i = 0; i < last.memory.size(); ++i) {
    prepared.memory[i] = last.memory[i].lock();
    if (prepared.memory[i] == nullptr) return false;
  }
  prepared.repeated.start_again(*stream);
  return true;
}

// The numbers of removals are those from before the lookups: what is removed meanwhile makes the next start look again.
void remember(Prepared& prepared, const std::shared_ptr<Stream>& stream, std::uint64_t streams_removed,
              std::uint64_t memory_removed) {
  LastStart& last = prepared.last;
  last.block = prepared.block;
  last.stream = stream;
  last.memory.clear();
  for (const std::shared_ptr<Memory>& memory : prepared.memory) {
    if (memory != nullptr) last.memory.emplace_back(memory);
  }
  last.streams_removed = streams_removed;
  last.memory_removed = memory_removed;
}

void start(Prepared& prepared) {
  if (start_again(prepared)) return;
  prepared.last.block.clear();
  const std::uint64_t streams_removed = Handles<Stream>::table().removals();
  const std::uint64_t memory_removed = Handles<Memory>::table().removals();
  if (prepared.function == nullptr) throw CodedError(kErrArgument, "the launch has no kernel yet");
  const double* head = prepared.head();
  Launch call;
  call.function = prepared.function.get();
  const auto stream = Handles<Stream>::table().get(checked_integer(head[0], "stream"), "stream");
  call.stream = &stream;
  constexpr std::size_t kMostGrid[] = {2147483647, 65535, 65535}, kMostBlock[] = {1024, 1024, 64};
  for (std::size_t i = 0; i < 3; ++i) {
    call.grid[i] = static_cast<unsigned>(checked_integer(head[1 + i], "grid", 1, kMostGrid[i]));
    call.block[i] = static_cast<unsigned>(checked_integer(head[4 + i], "block", 1, kMostBlock[i]));
  }
  call.shared_bytes = checked_integer(head[7], "sharedBytes", 0, std::size_t(1) << 30);
  const std::size_t company = checked_integer(head[8], "company", 0, 2);
  call.alone = company == 1;
  call.together = company == 2;
  call.repeated = &prepared.repeated;
  const MemoryInUse in_use(prepared);
  read_fields(prepared);
  const bool by_graph =
      launch(call, prepared.arguments(), prepared.argument_bytes, prepared.fields.data(), prepared.fields.size());
  if (by_graph) remember(prepared, stream, streams_removed, memory_removed);
}

// Without Args: the hottest function of the addon takes one number.
napi_value start_launch(napi_env env, napi_callback_info info) noexcept {
  try {
    std::size_t count = 1;
    napi_value value = nullptr;
    double number = 0;
    if (napi_get_cb_info(env, info, &count, &value, nullptr, nullptr) != napi_ok ||
        napi_get_value_double(env, value, &number) != napi_ok) {
      throw CodedError(kErrArgument, "launch must be a number");
    }
    start(launch_at(number));
  } catch (...) {
    rethrow_cuda(env);
  }
  return nullptr;
}

}  // namespace

void drop_launches() {
  delete own_launches;
  own_launches = nullptr;
}

void register_launches(Napi::Object exports) {
  define_cuda<prepare>(exports, "cudaPrepare");
  define_cuda<set_kernel>(exports, "cudaPrepareKernel");
  define_raw(exports, "cudaLaunch", start_launch);
}

}  // namespace qknorm::cuda
