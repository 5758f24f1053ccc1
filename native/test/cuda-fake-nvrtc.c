// An NVRTC for tests: its "cubin" is PTX text for the driver of cuda-fake.c, with the options in it, and with the path of a
// library that holds the kernel, compiled for the processor by the machine's C++ compiler behind emulator/cuda.h.
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>

#include "cuda-fake.h"

extern char** environ;

struct Program { char *source, *name, *output, *log; };
static int compilations;

API int nvrtcVersion(int* major, int* minor) { *major = setting("nvrtc", 12); *minor = 4; return 0; }
API const char* nvrtcGetErrorString(int result) { return result == 6 ? "NVRTC_ERROR_COMPILATION" : "NVRTC_ERROR_SCRIPTED"; }
API int nvrtcCreateProgram(struct Program** program, const char* source, const char* name, int headers,
                           const char* const* texts, const char* const* names) {
  (void)headers; (void)texts; (void)names;
  SCRIPTED(nvrtcCreateProgram);
  *program = calloc(1, sizeof **program);
  (*program)->source = strdup(source);
  (*program)->name = strdup(name);
  return 0;
}
API int nvrtcDestroyProgram(struct Program** program) {
  free((*program)->source), free((*program)->name), free((*program)->output), free((*program)->log), free(*program);
  *program = NULL;
  return 0;
}

static char* contents(const char* path) {
  FILE* file = fopen(path, "r");
  char* text = calloc(1, 1 << 16);
  if (file) {
    if (fread(text, 1, (1 << 16) - 1, file) == 0) text[0] = '\0';
    fclose(file);
  }
  return text;
}

// FNV-1a, twice with different starts.
static void hash(unsigned long long (*state)[2], const char* text) {
  for (; *text; ++text) {
    for (int i = 0; i < 2; ++i) (*state)[i] = ((*state)[i] ^ (unsigned char)*text) * 1099511628211ull;
  }
}

/** The largest number of threads that the text promises of its kernel, as it stands there. */
static void launch_bounds(const char* source, char* into, size_t size) {
  const char *found = strstr(source, "__launch_bounds__("), *global = strstr(source, "__global__");
  snprintf(into, size, "1024");
  if (!found || !global) return;
  for (const char* later; (later = strstr(found + 1, "__launch_bounds__(")); ) found = later;
  const char* from = found + strlen("__launch_bounds__(");
  int depth = 0;
  size_t length = 0;
  while (from[length] && !(depth == 0 && (from[length] == ')' || from[length] == ','))) {
    depth += (from[length] == '(') - (from[length] == ')');
    ++length;
  }
  snprintf(into, size, "%.*s", (int)length, from);
}

static int run(char** arguments, const char* log) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log, 01 | 0100 | 01000, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t child;
  int status = -1;
  if (posix_spawnp(&child, arguments[0], &actions, NULL, arguments, environ) != 0) status = -1;
  else while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  posix_spawn_file_actions_destroy(&actions);
  return status;
}

/** Compiles the kernel, unless it is there already. Its path; null, with the log filled, when the compiler refuses it. */
static char* emulate(struct Program* program, int count, const char* const* options) {
  const char* folder = getenv("QKNORM_FAKE_KERNELS");
  if (!folder) return NULL;
  unsigned long long state[2] = {14695981039346656037ull, 88172645463325252ull};
  hash(&state, program->source), hash(&state, "\n"), hash(&state, program->name);
  char* arguments[128] = {"c++", "-std=c++17", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off",
                          "-fno-exceptions", "-fno-rtti", "-fno-strict-aliasing", "-w", "-I" EMULATOR};
  int used = 12;
  for (int i = 0; i < count && used < 120; ++i) {
    if (strncmp(options[i], "-D", 2) == 0) hash(&state, "\n"), hash(&state, options[i]), arguments[used++] = (char*)options[i];
    if (strncmp(options[i], "--gpu-architecture=sm_", 22) != 0) continue;
    char architecture[64];
    snprintf(architecture, sizeof architecture, "-D__CUDA_ARCH__=%d0", atoi(options[i] + 22));
    hash(&state, architecture), arguments[used++] = strdup(architecture);
  }
  char stem[700], library[760], text[760], making[800], log[760];
  snprintf(stem, sizeof stem, "%s/%s-%016llx%016llx", folder, program->name, state[0], state[1]);
  snprintf(library, sizeof library, "%s.so", stem);
  if (access(library, R_OK) == 0) return strdup(library);
  const int own = getpid() * 1000 + __sync_add_and_fetch(&compilations, 0) % 1000;
  snprintf(text, sizeof text, "%s.%d.cc", stem, own), snprintf(making, sizeof making, "%s.%d.so", stem, own);
  snprintf(log, sizeof log, "%s.%d.log", stem, own);
  FILE* file = fopen(text, "w");
  if (!file) return NULL;
  char bounds[256];
  launch_bounds(program->source, bounds, sizeof bounds);
  fprintf(file, "#include \"cuda.h\"\n%s\n#include \"kernel.h\"\nEMULATED_KERNEL(%s, (%s))\n", program->source, program->name, bounds);
  fclose(file);
  arguments[used++] = text, arguments[used++] = "-o", arguments[used++] = making, arguments[used] = NULL;
  const int status = run(arguments, log);
  unlink(text);
  if (status == 0 && rename(making, library) == 0) { unlink(log); return strdup(library); }
  program->log = contents(log);
  unlink(log), unlink(making);
  return NULL;
}

// The norms are imitated unless a script asks for their own text: their suites draw hundreds of forms, and the compiler takes
// longer for each than all its tests. What is more than a norm is not.
static int is_imitated(const char* name, const char* options) {
  return (strcmp(name, "qk_norm") == 0 || strcmp(name, "row_norm") == 0) && !strstr(options, "-DQK_ADD=1") &&
         setting("own text", 0) == 0;
}

API int nvrtcCompileProgram(struct Program* program, int count, const char* const* options) {
  char text[8192] = "";
  const char* arch = "none";
  for (int i = 0; i < count; ++i) {
    strncat(text, options[i], sizeof text - strlen(text) - 2), strcat(text, " ");
    if (strncmp(options[i], "--gpu-architecture=", 19) == 0) arch = options[i] + 19;
  }
  note("compile %d %s", __sync_add_and_fetch(&compilations, 1), text);
  static int running;
  note("at once %d", __sync_add_and_fetch(&running, 1));
  usleep(1000 * setting("nap", 0));
  __sync_sub_and_fetch(&running, 1);
  if (strstr(program->source, "#error")) { program->log = strdup("line 1: #error"); return 6; }
  char* library = is_imitated(program->name, text) || !strstr(program->source, "__global__") ? NULL : emulate(program, count, options);
  if (program->log) { note("refused: %s", program->log); free(library); return 6; }
  program->output = malloc(16384);
  snprintf(program->output, 16384, ".version 8.0 .target %s // %s%s%s\n", arch, text, library ? "\n// emulated " : "",
           library ? library : "");
  free(library);
  if (strncmp(arch, "compute_", 8) == 0) program->output[0] = '\0';
  return setting("nvrtcCompileProgram", 0);
}
API int nvrtcGetCUBINSize(struct Program* program, size_t* bytes) { *bytes = strlen(program->output); return 0; }
API int nvrtcGetCUBIN(struct Program* program, char* cubin) { memcpy(cubin, program->output, strlen(program->output)); return 0; }
API int nvrtcGetProgramLogSize(struct Program* program, size_t* bytes) {
  *bytes = program->log ? strlen(program->log) + 1 : 1;
  return 0;
}
API int nvrtcGetProgramLog(struct Program* program, char* log) { strcpy(log, program->log ? program->log : ""); return 0; }
