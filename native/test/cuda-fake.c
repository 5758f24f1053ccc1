// A driver that a machine without a device can run, for tests. Device memory is the host's, a graph is a list of work, and
// a stream runs at once, but for copies from the host: those read the host's memory as late as they may. Kernels run by
// their own text, compiled for the processor (cuda-fake-nvrtc.c, emulator/).
#define _GNU_SOURCE
#include "cuda-fake-emulated.h"
#include "cuda-fake-memory.h"
#include "cuda-fake-norms.h"

// ---- device ----

API int cuInit(unsigned flags) { (void)flags; SCRIPTED(cuInit); return 0; }
API int cuDriverGetVersion(int* version) { *version = setting("version", 12040); return 0; }
API int cuGetErrorName(int status, const char** name) {
  *name = status == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : status == 901 ? "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"
          : status == 209 ? "CUDA_ERROR_NO_BINARY_FOR_GPU" : "CUDA_ERROR_SCRIPTED";
  return 0;
}
API int cuGetErrorString(int status, const char** text) { (void)status; *text = launch_failure[0] ? launch_failure : "as the script says"; return 0; }
API int cuDeviceGetCount(int* count) { SCRIPTED(cuDeviceGetCount); *count = setting("devices", 2); return 0; }
API int cuDeviceGet(int* device, int index) { SCRIPTED(cuDeviceGet); *device = index; return 0; }
API int cuDeviceGetName(char* name, int length, int device) { snprintf(name, length, "Fake %d", device); return 0; }
API int cuDeviceGetAttribute(int* value, int attribute, int device) {
  (void)device;
  *value = attribute == 75 ? setting("capability", 9) : attribute == 76 ? 0 : attribute == 16 ? setting("multiprocessors", 132) : attribute == 97 ? 232448
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
API int cuMemGetInfo_v2(size_t* free_bytes, size_t* total) { *free_bytes = (size_t)setting("free", 1 << 29); *total = 1u << 30; return 0; }
API int cuDeviceGetDefaultMemPool(void** pool, int device) { (void)device; static int one; *pool = &one; return 0; }
API int cuMemPoolSetAttribute(void* pool, int attribute, void* value) { (void)pool; (void)attribute; (void)value; return 0; }
API int cuMemPoolGetAttribute(void* pool, int attribute, unsigned long long* value) { (void)pool; (void)attribute; *value = 0; return 0; }
API int cuMemPoolTrimTo(void* pool, size_t keep) { (void)pool; (void)keep; note("trim"); return 0; }
API int cuMemHostAlloc(void** memory, size_t bytes, unsigned flags) {
  (void)flags;
  SCRIPTED(cuMemHostAlloc);
  *memory = malloc(bytes);
  return 0;
}
API int cuMemFreeHost(void* memory) { free(memory); return 0; }

// ---- streams, graphs and kernels ----
// Of modules that hold no kernel of their own these are known: void scale(float* x, unsigned count, float factor), and the
// norms as plain loops (cuda-fake-norms.h).

struct Arguments { Address x; unsigned count; float factor; };
static const struct EmulatedKernel scale_kernel = {"scale", 256, 3, (const unsigned[]){0, 8, 12}, (const unsigned[]){8, 4, 4}, NULL, NULL};
static const struct EmulatedKernel norm_kernels[] = {
  {"qk_norm", 256, 1, (const unsigned[]){0}, (const unsigned[]){184}, NULL, NULL},
  {"row_norm", 1024, 1, (const unsigned[]){0}, (const unsigned[]){120}, NULL, NULL},
};
struct Module { int arch; char* text; const struct EmulatedKernel* kernel; };
struct Function { int arch; const char* text; const struct EmulatedKernel* kernel; };
// A launch, a call of a library, or a copy or a fill, which have neither.
struct Work {
  const struct Function* function;
  void (*call)(const void* arguments);
  unsigned grid[3], block[3], shared, together;
  Address to, from;
  size_t bytes;
  unsigned char value;
  unsigned char* many;                       // where there is no room here for so many arguments
  size_t many_bytes;
  _Alignas(16) unsigned char arguments[512]; // as a kernel reads them
};
static const unsigned char* arguments_of(const struct Work* work) { return work->many ? work->many : work->arguments; }

struct Graph { int open, count, room, dead; struct Work* work; };
struct Stream { struct Graph* capturing; int number; };
struct Event { struct Graph* capturing; unsigned uploads; };

// The few bytes of a graph are never freed, what it records is: streams and events may still point to it when its capture has
// ended, and a use after its end is seen.
static int captures(const struct Graph* graph) { return graph && graph->open; }

// How many there are, executable ones among them: noted where a test asks for it. One that is used or destroyed after its end is
// noted in any case.
static int graphs;
static struct Graph* born(struct Graph* graph) {
  __sync_add_and_fetch(&graphs, 1);
  if (setting("count graphs", 0)) note("graphs %d", graphs);
  return graph;
}
static void die(struct Graph* graph) {
  if (graph->dead) note("a dead graph is destroyed again");
  graph->dead = 1;
  for (int i = 0; i < graph->count; ++i) free(graph->work[i].many);
  graph->count = graph->room = 0;
  free(graph->work);
  graph->work = NULL;
  __sync_sub_and_fetch(&graphs, 1);
  if (setting("count graphs", 0)) note("graphs %d", graphs);
}
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

static int run(const struct Work* work) {
  arrive_all();
  if (work->call) { work->call(work->arguments); return 0; }
  if (!work->function) {
    if (!is_live(work->to, work->bytes) || (work->from && !is_live(work->from, work->bytes))) note("dead memory");
    else if (work->from) memcpy((void*)work->to, (void*)work->from, work->bytes);
    else memset((void*)work->to, work->value, work->bytes);
    return 0;
  }
  const struct EmulatedKernel* kernel = work->function->kernel;
  if (kernel == &scale_kernel) { scale((const struct Arguments*)work->arguments); return 0; }
  if (kernel->run == NULL) {
    if (!run_norm(work->function->text, work->arguments, work->grid[0], kernel == norm_kernels + 1, is_live)) note("dead memory");
    return 0;
  }
  void* parameters[16];
  for (unsigned i = 0; i < kernel->parameters; ++i) parameters[i] = (void*)(arguments_of(work) + kernel->offsets[i]);
  return run_emulated(kernel, work->grid, work->block, work->shared, work->together, setting("order", 0), parameters);
}

/** Runs it now, or when the graph that the stream records is launched. */
static int queue(struct Stream* stream, const struct Work* work) {
  struct Graph* graph = stream->capturing;
  if (!captures(graph)) {
    int status = run(work);
    free(work->many);
    return status;
  }
  if (graph->count == graph->room) {
    graph->room = graph->room ? 2 * graph->room : 64;
    graph->work = realloc(graph->work, graph->room * sizeof *graph->work);
  }
  graph->work[graph->count++] = *work;
  return 0;
}

int fake_is_live(Address address, size_t bytes) { return is_live(address, bytes); }

void fake_queue(void* stream, void (*call)(const void* arguments), const void* arguments, size_t bytes) {
  struct Work work = {.call = call};
  memcpy(work.arguments, arguments, bytes);
  queue(stream, &work);
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
  *graph = born(stream->capturing);
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
  char* at = allocate(bytes);
  *address = (Address)at;
  return at ? 0 : 2;
}
API int cuMemFreeAsync(Address address, struct Stream* stream) {
  arrive_all();
  if (captures(stream->capturing)) note("free in a graph");
  const long bytes = release((char*)address);
  if (bytes < 0) { note("free of nothing"); return 1; }
  note("free %ld on %d", bytes, stream->number);
  return 0;
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
API int cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, struct Stream* stream) {
  SCRIPTED(cuMemcpyDtoDAsync);
  return queue(stream, &(struct Work){.to = to, .from = from, .bytes = bytes});
}
API int cuMemsetD8Async(Address to, unsigned char value, size_t bytes, struct Stream* stream) {
  return queue(stream, &(struct Work){.to = to, .value = value, .bytes = bytes});
}

// A module is PTX text: ".target sm_90" says what it was compiled for, "broken" that the driver refuses it, and
// "emulated PATH" where the library of its kernel is.
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
  made->kernel = load_emulated(made->text);
  return 0;
}
API int cuModuleGetFunction(struct Function** function, struct Module* module, const char* name) {
  const struct EmulatedKernel* known[] = {module->kernel, &scale_kernel, &norm_kernels[0], &norm_kernels[1]};
  const struct EmulatedKernel* kernel = NULL;
  for (int i = module->kernel ? 0 : 1; i < (module->kernel ? 1 : 4); ++i) if (strcmp(name, known[i]->name) == 0) kernel = known[i];
  if (kernel == NULL) return 500;
  struct Function* found = *function = malloc(sizeof(struct Function));
  found->arch = module->arch, found->text = module->text, found->kernel = kernel;
  return 0;
}
API int cuFuncGetAttribute(int* value, int attribute, struct Function* function) {
  const int threads = (int)function->kernel->max_threads;
  const int registers = threads == 384 ? 168 : 32;  // 384 threads have all that there are, by warps
  *value = attribute == 0 ? threads : attribute == 5 || attribute == 6 ? function->arch : attribute == 4 ? registers : 0;
  return 0;
}
API int cuFuncSetAttribute(void* function, int attribute, int value) { (void)function; note("set %d to %d", attribute, value); return 0; }
API int cuFuncGetParamInfo(struct Function* function, size_t index, size_t* offset, size_t* bytes) {
  if (index >= function->kernel->parameters) return 1;
  *offset = function->kernel->offsets[index], *bytes = function->kernel->bytes[index];
  return 0;
}
API int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* count, void* function, int threads, size_t shared) {
  (void)function; (void)shared;
  *count = 2048 / threads;
  return 0;
}
static struct Work launch_of(const struct Function* function, const unsigned* grid, const unsigned* block, unsigned shared,
                             void** parameters) {
  struct Work work = {.function = function, .shared = shared};
  memcpy(work.grid, grid, sizeof work.grid), memcpy(work.block, block, sizeof work.block);
  const struct EmulatedKernel* layout = function->kernel;
  const unsigned last = layout->parameters - 1, bytes = layout->parameters ? layout->offsets[last] + layout->bytes[last] : 0;
  if (bytes > sizeof work.arguments) work.many = malloc(bytes), work.many_bytes = bytes;
  unsigned char* to = work.many ? work.many : work.arguments;
  for (unsigned i = 0; i < layout->parameters; ++i) memcpy(to + layout->offsets[i], parameters[i], layout->bytes[i]);
  return work;
}
static void note_launch(const char* what, const struct Work* work, const char* how) {
#if defined QUIET
  return;
#endif
  char text[1200] = "";
  const struct EmulatedKernel* layout = work->function->kernel;
  if (layout == &scale_kernel) {
    const struct Arguments* a = (const struct Arguments*)work->arguments;
    snprintf(text, sizeof text, "count %u factor %g", a->count, a->factor);
  } else {
    int length = snprintf(text, sizeof text, "%s ", layout->name);
    for (unsigned i = 0; i < layout->bytes[0] && i < sizeof work->arguments; ++i) length += snprintf(text + length, 3, "%02x", arguments_of(work)[i]);
  }
  note("%s sm_%d grid %u %u %u block %u %u %u shared %u %s %s", what, work->function->arch, work->grid[0], work->grid[1],
       work->grid[2], work->block[0], work->block[1], work->block[2], work->shared, how, text);
}
#if defined QUIET
API int cuLaunchKernelEx(const struct Config* config, struct Function* function, void** parameters, void** extra) {
  (void)config; (void)function; (void)parameters; (void)extra;
  return 0;
}
#elif !defined WITHOUT_LAUNCH
API int cuLaunchKernelEx(const struct Config* config, struct Function* function, void** parameters, void** extra) {
  SCRIPTED(cuLaunchKernelEx);
  struct Work work = launch_of(function, config->grid, config->block, config->shared, parameters);
  work.together = config->attribute_count == 1 && config->attributes[0].id == 2;
  int early = config->attribute_count == 1 && config->attributes[0].id == 6 && config->attributes[0].value[0] == 1;
  note_launch("launch", &work, early ? "early" : "alone");
  if (extra) note("extra");
  return queue(config->stream, &work);
}
#endif
API int cuGraphCreate(struct Graph** graph, unsigned flags) {
  (void)flags;
  SCRIPTED(cuGraphCreate);
  *graph = born(calloc(1, sizeof **graph));
  return 0;
}
static void set_node(struct Graph* graph, const struct KernelNode* node) {
  graph->work[0] = launch_of(node->function, node->grid, node->block, node->shared, node->parameters);
  note_launch("node", &graph->work[0], "alone");
}
API int cuGraphAddKernelNode_v2(void** node, struct Graph* graph, const void* after, size_t count, const struct KernelNode* kernel) {
  (void)after; (void)count;
  SCRIPTED(cuGraphAddKernelNode);
  graph->count = graph->room = 1;
  graph->work = malloc(sizeof *graph->work);
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
API int cuGraphDestroy(struct Graph* graph) { die(graph); return 0; }
API int cuGraphInstantiateWithFlags(struct Graph** exec, struct Graph* graph, unsigned long long flags) {
  (void)flags;
  SCRIPTED(cuGraphInstantiate);
  if (graph->dead) note("a dead graph is instantiated");
  *exec = born(malloc(sizeof *graph));
  **exec = *graph;
  (*exec)->work = malloc(graph->count * sizeof *graph->work);
  if (graph->count > 0) memcpy((*exec)->work, graph->work, graph->count * sizeof *graph->work);
  for (int i = 0; i < graph->count; ++i) {
    struct Work* work = &(*exec)->work[i];
    if (work->many) work->many = memcpy(malloc(work->many_bytes), work->many, work->many_bytes);
  }
  return 0;
}
API int cuGraphLaunch(struct Graph* exec, struct Stream* stream) {
  (void)stream;
  SCRIPTED(cuGraphLaunch);
  note("%sgraph of %d", exec->dead ? "dead " : "", exec->count);
#if defined QUIET
  return 0;
#endif
  int status = 0;
  for (int i = 0; i < exec->count && status == 0; ++i) status = run(&exec->work[i]);
  return status;
}
API int cuGraphExecDestroy(struct Graph* exec) { die(exec); return 0; }
