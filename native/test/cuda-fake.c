// A driver that a machine without a device can run, for tests. Device memory is malloc's, a graph is a list of
// launches, and a stream runs at once, but for copies from the host: those read the host's memory as late as they may.
#include <pthread.h>

#include "cuda-fake.h"
#include "cuda-fake-kernels.h"

// ---- device and memory ----

static struct { char* at; size_t bytes; int live; } blocks[4096];
static int block_count;

static int is_live(Address address, size_t bytes) {
  for (int i = 0; i < block_count; ++i) {
    char* at = (char*)address;
    if (blocks[i].live && at >= blocks[i].at && at + bytes <= blocks[i].at + blocks[i].bytes) return 1;
  }
  return 0;
}

// Copies from the host, in the order they were queued; all below `uploads_done` have been made.
static struct { Address to; const void* from; size_t bytes; } uploads[256];
static unsigned uploads_queued, uploads_done;
static pthread_mutex_t uploading = PTHREAD_MUTEX_INITIALIZER;

static void upload_until(unsigned end) {
  const unsigned slots = sizeof uploads / sizeof *uploads;
  for (; (int)(end - uploads_done) > 0; ++uploads_done) {
    const unsigned i = uploads_done % slots;
    if (!is_live(uploads[i].to, uploads[i].bytes)) note("dead memory");
    else memcpy((void*)uploads[i].to, uploads[i].from, uploads[i].bytes);
  }
}

// What was queued before the `end`-th upload arrives now.
static void arrive(unsigned end) {
  pthread_mutex_lock(&uploading);
  upload_until(end);
  pthread_mutex_unlock(&uploading);
}

// Whatever else a stream does comes after its copies.
static void arrive_all(void) {
  pthread_mutex_lock(&uploading);
  upload_until(uploads_queued);
  pthread_mutex_unlock(&uploading);
}

API int cuInit(unsigned flags) { (void)flags; SCRIPTED(cuInit); return 0; }
API int cuDriverGetVersion(int* version) { *version = setting("version", 12040); return 0; }
API int cuGetErrorName(int status, const char** name) {
  *name = status == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : status == 901 ? "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"
          : status == 209 ? "CUDA_ERROR_NO_BINARY_FOR_GPU" : "CUDA_ERROR_SCRIPTED";
  return 0;
}
API int cuGetErrorString(int status, const char** text) { (void)status; *text = "as the script says"; return 0; }
API int cuDeviceGetCount(int* count) { SCRIPTED(cuDeviceGetCount); *count = setting("devices", 2); return 0; }
API int cuDeviceGet(int* device, int index) { SCRIPTED(cuDeviceGet); *device = index; return 0; }
API int cuDeviceGetName(char* name, int length, int device) { snprintf(name, length, "Fake %d", device); return 0; }
API int cuDeviceGetAttribute(int* value, int attribute, int device) {
  (void)device;
  *value = attribute == 75 ? setting("capability", 9) : attribute == 76 ? 0 : attribute == 16 ? 132 : attribute == 97 ? 232448
           : attribute == 115 ? setting("pools", 1) : 60 << 20;
  return 0;
}
API int cuDeviceTotalMem_v2(size_t* bytes, int device) { (void)device; *bytes = 1u << 30; return 0; }
API int cuDevicePrimaryCtxRetain(void** context, int device) {
  SCRIPTED(cuDevicePrimaryCtxRetain);
  static int contexts[64];
  note("retain %d", device);
  *context = &contexts[device];
  return 0;
}
API int cuCtxSetCurrent(void* context) { (void)context; SCRIPTED(cuCtxSetCurrent); return 0; }
API int cuMemGetInfo_v2(size_t* free_bytes, size_t* total) { *free_bytes = 1u << 29; *total = 1u << 30; return 0; }
API int cuDeviceGetDefaultMemPool(void** pool, int device) { (void)device; static int one; *pool = &one; return 0; }
API int cuMemPoolSetAttribute(void* pool, int attribute, void* value) { (void)pool; (void)attribute; (void)value; return 0; }
API int cuMemPoolTrimTo(void* pool, size_t keep) { (void)pool; (void)keep; note("trim"); return 0; }
API int cuMemHostAlloc(void** memory, size_t bytes, unsigned flags) {
  (void)flags;
  SCRIPTED(cuMemHostAlloc);
  *memory = malloc(bytes);
  return 0;
}
API int cuMemFreeHost(void* memory) { free(memory); return 0; }

// ---- streams, graphs and kernels ----
// void scale(float* x, unsigned count, float factor), and the norms of native/kernels, see cuda-fake-kernels.h.

struct Arguments { Address x; unsigned count; float factor; };
struct Parameters { const char* kernel; size_t count, offsets[3], bytes[3]; };
static const struct Parameters known[] = {
  {"scale", 3, {0, 8, 12}, {8, 4, 4}}, {"qk_norm", 1, {0}, {184}}, {"row_norm", 1, {0}, {88}}, {"silu_mul", 1, {0}, {48}},
};
struct Module { int arch; char* text; };
struct Function { int arch; const char* text; const struct Parameters* parameters; };
struct Launch { const struct Function* function; unsigned blocks; unsigned char bytes[184]; };
struct Graph { int open, launches; struct Launch launch[1024]; };
struct Stream { struct Graph* capturing; int number; };
struct Event { struct Graph* capturing; unsigned uploads; };

// A graph is never freed: streams and events may still point to it when its capture has ended.
static int captures(const struct Graph* graph) { return graph && graph->open; }
struct Config {
  unsigned grid[3], block[3], shared;
  struct Stream* stream;
  struct { unsigned id; char pad[4]; int value[16]; }* attributes;
  unsigned attribute_count;
};
struct KernelNode {
  struct Function* function;
  unsigned grid[3], block[3], shared;
  void **parameters, **extra, *kernel, *context;
};

static void scale(const struct Arguments* a) {
  if (a->count && !is_live(a->x, 4ull * a->count)) { note("dead memory"); return; }
  for (unsigned i = 0; i < a->count; ++i) ((float*)a->x)[i] *= a->factor;
}

static void run(const struct Launch* launch) {
  arrive_all();
  const struct Function* function = launch->function;
  int rows_alone = strcmp(function->parameters->kernel, "row_norm") == 0;
  if (function->parameters == known) scale((const struct Arguments*)launch->bytes);
  else if (strcmp(function->parameters->kernel, "silu_mul") == 0) {
    if (!run_silu_mul(function->text, launch->bytes, is_live)) note("dead memory");
  } else if (!run_norm(function->text, launch->bytes, launch->blocks, rows_alone, is_live)) note("dead memory");
}

API int cuStreamCreate(void** stream, unsigned flags) {
  SCRIPTED(cuStreamCreate);
  static int streams;
  note("stream %d flags %u", streams + 1, flags);
  struct Stream* made = *stream = calloc(1, sizeof(struct Stream));
  made->number = __sync_add_and_fetch(&streams, 1);
  return 0;
}
API int cuStreamDestroy_v2(struct Stream* stream) { arrive_all(); note("stream destroyed"); free(stream); return 0; }
API int cuStreamSynchronize(struct Stream* stream) { (void)stream; SCRIPTED(cuStreamSynchronize); arrive_all(); return 0; }
API int cuStreamQuery(struct Stream* stream) { (void)stream; SCRIPTED(cuStreamQuery); arrive_all(); return 0; }
API int cuStreamBeginCapture_v2(struct Stream* stream, int mode) {
  SCRIPTED(cuStreamBeginCapture);
  note("capture mode %d", mode);
  stream->capturing = calloc(1, sizeof(struct Graph));
  stream->capturing->open = 1;
  return 0;
}
API int cuStreamEndCapture(struct Stream* stream, struct Graph** graph) {
  *graph = stream->capturing;
  stream->capturing->open = 0;
  SCRIPTED(cuStreamEndCapture);
  return 0;
}
API int cuThreadExchangeStreamCaptureMode(int* mode) {
  static __thread int current = 1;
  int before = current;
  current = *mode, *mode = before;
  note("mode %d", current);
  return 0;
}
API int cuEventCreate(void** event, unsigned flags) {
  (void)flags;
  SCRIPTED(cuEventCreate);
  *event = calloc(1, sizeof(struct Event));
  return 0;
}
API int cuEventDestroy_v2(struct Event* event) { free(event); return 0; }
API int cuEventRecord(struct Event* event, struct Stream* stream) {
  SCRIPTED(cuEventRecord);
  event->capturing = stream->capturing;
  event->uploads = __atomic_load_n(&uploads_queued, __ATOMIC_SEQ_CST);
  return 0;
}
API int cuStreamWaitEvent(struct Stream* stream, struct Event* event, unsigned flags) {
  (void)flags;
  SCRIPTED(cuStreamWaitEvent);
  if (captures(event->capturing)) stream->capturing = event->capturing;
  note("wait");
  return 0;
}
API int cuEventQuery(struct Event* event) { SCRIPTED(cuEventQuery); arrive(event->uploads); return 0; }
API int cuEventSynchronize(struct Event* event) { SCRIPTED(cuEventSynchronize); arrive(event->uploads); return 0; }
API int cuEventElapsedTime(float* ms, void* start, void* end) { (void)start; (void)end; SCRIPTED(cuEventElapsedTime); *ms = 1.5f; return 0; }
API int cuMemAllocAsync(Address* address, size_t bytes, struct Stream* stream) {
  SCRIPTED(cuMemAllocAsync);
  if (captures(stream->capturing)) note("allocation in a graph");
  // The last blocks that were freed keep their memory for a while, so that touching it is noted rather than fatal.
  static int next;
  const int slots = sizeof blocks / sizeof *blocks;
  for (int tried = 0; blocks[next].live; next = (next + 1) % slots) if (++tried == slots) return 2;
  if (bytes > 1u << 26) return 2;
  char* at = malloc(bytes);
  memset(at, 0xee, bytes);
  free(blocks[next].at);
  blocks[next].at = at, blocks[next].bytes = bytes, blocks[next].live = 1;
  if (next == block_count) block_count = next + 1;
  next = (next + 1) % slots;
  *address = (Address)at;
  return 0;
}
API int cuMemFreeAsync(Address address, struct Stream* stream) {
  arrive_all();
  if (captures(stream->capturing)) note("free in a graph");
  for (int i = 0; i < block_count; ++i) {
    if (blocks[i].at == (char*)address && blocks[i].live) { blocks[i].live = 0; note("free %zu on %d", blocks[i].bytes, stream->number); return 0; }
  }
  note("free of nothing");
  return 1;
}
API int cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, void* stream) {
  (void)stream;
  SCRIPTED(cuMemcpyHtoDAsync);
  const unsigned slots = sizeof uploads / sizeof *uploads;
  pthread_mutex_lock(&uploading);
  if (uploads_queued - uploads_done == slots) upload_until(uploads_done + 1);
  uploads[uploads_queued % slots].to = to;
  uploads[uploads_queued % slots].from = from;
  uploads[uploads_queued % slots].bytes = bytes;
  __atomic_add_fetch(&uploads_queued, 1, __ATOMIC_SEQ_CST);
  pthread_mutex_unlock(&uploading);
  return 0;
}
API int cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, void* stream) {
  (void)stream;
  SCRIPTED(cuMemcpyDtoHAsync);
  arrive_all();
  if (!is_live(from, bytes)) note("dead memory");
  else memcpy(to, (void*)from, bytes);
  return 0;
}
API int cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, void* stream) {
  (void)stream;
  SCRIPTED(cuMemcpyDtoDAsync);
  arrive_all();
  if (!is_live(to, bytes) || !is_live(from, bytes)) note("dead memory");
  else memcpy((void*)to, (void*)from, bytes);
  return 0;
}
API int cuMemsetD8Async(Address to, unsigned char value, size_t bytes, void* stream) {
  (void)stream;
  arrive_all();
  if (!is_live(to, bytes)) note("dead memory");
  else memset((void*)to, value, bytes);
  return 0;
}

// A module is PTX text: ".target sm_90" says what it was compiled for, "broken" that the driver refuses it.
API int cuModuleLoadDataEx(void** module, const char* image, unsigned count, int* options, void** values) {
  SCRIPTED(cuModuleLoadDataEx);
  if (image[0] != 0x7f && strstr(image, "broken")) {
    for (unsigned i = 0; i < count; ++i) if (options[i] == 5) strcpy(values[i], "ptxas: broken");
    return 218;
  }
  const char* target = strstr(image, "sm_");
  struct Module* made = *module = malloc(sizeof(struct Module));
  made->arch = target ? atoi(target + 3) : 90;
  made->text = image[0] == 0x7f ? "" : strdup(image);
  return 0;
}
API int cuModuleGetFunction(struct Function** function, struct Module* module, const char* name) {
  for (size_t i = 0; i < sizeof known / sizeof *known; ++i) {
    if (strcmp(name, known[i].kernel) != 0) continue;
    struct Function* found = *function = malloc(sizeof(struct Function));
    found->arch = module->arch, found->text = module->text, found->parameters = &known[i];
    return 0;
  }
  return 500;
}
API int cuFuncGetAttribute(int* value, int attribute, struct Function* function) {
  int threads = strcmp(function->parameters->kernel, "row_norm") == 0 ? 1024 : 256;
  *value = attribute == 0 ? threads : attribute == 5 || attribute == 6 ? function->arch : attribute == 4 ? 32 : 0;
  return 0;
}
API int cuFuncSetAttribute(void* function, int attribute, int value) { (void)function; note("set %d to %d", attribute, value); return 0; }
API int cuFuncGetParamInfo(struct Function* function, size_t index, size_t* offset, size_t* bytes) {
  if (index >= function->parameters->count) return 1;
  *offset = function->parameters->offsets[index], *bytes = function->parameters->bytes[index];
  return 0;
}
API int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* count, void* function, int threads, size_t shared) {
  (void)function; (void)shared;
  *count = 2048 / threads;
  return 0;
}
static struct Launch launch_of(const struct Function* function, unsigned blocks, void** parameters) {
  struct Launch launch = {.function = function, .blocks = blocks};
  const struct Parameters* layout = function->parameters;
  for (size_t i = 0; i < layout->count; ++i) memcpy(launch.bytes + layout->offsets[i], parameters[i], layout->bytes[i]);
  return launch;
}
static void note_launch(const char* what, const struct Launch* launch, const unsigned* grid, const unsigned* block,
                        unsigned shared, const char* how) {
#if defined QUIET
  return;
#endif
  char text[512] = "";
  const struct Parameters* layout = launch->function->parameters;
  if (layout == known) {
    const struct Arguments* a = (const struct Arguments*)launch->bytes;
    snprintf(text, sizeof text, "count %u factor %g", a->count, a->factor);
  } else {
    snprintf(text, sizeof text, "%s ", layout->kernel);
    for (size_t i = 0; i < layout->bytes[0]; ++i) snprintf(text + strlen(text), 3, "%02x", launch->bytes[i]);
  }
  note("%s sm_%d grid %u %u %u block %u %u %u shared %u %s %s", what, launch->function->arch, grid[0], grid[1], grid[2],
       block[0], block[1], block[2], shared, how, text);
}
#if defined QUIET
API int cuLaunchKernelEx(const struct Config* config, struct Function* function, void** parameters, void** extra) {
  (void)config; (void)function; (void)parameters; (void)extra;
  return 0;
}
#elif !defined WITHOUT_LAUNCH
API int cuLaunchKernelEx(const struct Config* config, struct Function* function, void** parameters, void** extra) {
  SCRIPTED(cuLaunchKernelEx);
  struct Launch launch = launch_of(function, config->grid[0], parameters);
  int early = config->attribute_count == 1 && config->attributes[0].id == 6 && config->attributes[0].value[0] == 1;
  note_launch("launch", &launch, config->grid, config->block, config->shared, early ? "early" : "alone");
  if (extra) note("extra");
  if (captures(config->stream->capturing) && config->stream->capturing->launches == 1024) return 2;
  if (captures(config->stream->capturing)) config->stream->capturing->launch[config->stream->capturing->launches++] = launch;
  else run(&launch);
  return 0;
}
#endif
API int cuGraphCreate(struct Graph** graph, unsigned flags) {
  (void)flags;
  SCRIPTED(cuGraphCreate);
  *graph = calloc(1, sizeof **graph);
  return 0;
}
static void set_node(struct Graph* graph, const struct KernelNode* node) {
  graph->launch[0] = launch_of(node->function, node->grid[0], node->parameters);
  note_launch("node", &graph->launch[0], node->grid, node->block, node->shared, "alone");
}
API int cuGraphAddKernelNode_v2(void** node, struct Graph* graph, const void* after, size_t count, const struct KernelNode* kernel) {
  (void)after; (void)count;
  SCRIPTED(cuGraphAddKernelNode);
  graph->launches = 1;
  set_node(graph, kernel);
  *node = graph;
  return 0;
}
API int cuGraphExecKernelNodeSetParams_v2(struct Graph* exec, void* node, const struct KernelNode* kernel) {
  (void)node;
  SCRIPTED(cuGraphExecKernelNodeSetParams);
  set_node(exec, kernel);
  return 0;
}
API int cuGraphDestroy(struct Graph* graph) { (void)graph; return 0; }
API int cuGraphInstantiateWithFlags(struct Graph** exec, struct Graph* graph, unsigned long long flags) {
  (void)flags;
  SCRIPTED(cuGraphInstantiate);
  *exec = malloc(sizeof *graph);
  **exec = *graph;
  return 0;
}
API int cuGraphLaunch(struct Graph* exec, struct Stream* stream) {
  (void)stream;
  SCRIPTED(cuGraphLaunch);
  note("graph of %d", exec->launches);
#if defined QUIET
  return 0;
#endif
  for (int i = 0; i < exec->launches; ++i) run(&exec->launch[i]);
  return 0;
}
API int cuGraphExecDestroy(struct Graph* exec) { free(exec); return 0; }
