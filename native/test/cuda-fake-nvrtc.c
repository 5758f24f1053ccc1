// An NVRTC for tests: its "cubin" is PTX text for the driver of cuda-fake.c, with the options in it.
#include "cuda-fake.h"

struct Program { char* source; char* output; const char* log; };
static int compilations;

API int nvrtcVersion(int* major, int* minor) { *major = setting("nvrtc", 12); *minor = 4; return 0; }
API const char* nvrtcGetErrorString(int result) { return result == 6 ? "NVRTC_ERROR_COMPILATION" : "NVRTC_ERROR_SCRIPTED"; }
API int nvrtcCreateProgram(struct Program** program, const char* source, const char* name, int headers,
                           const char* const* texts, const char* const* names) {
  (void)name; (void)headers; (void)texts; (void)names;
  SCRIPTED(nvrtcCreateProgram);
  *program = calloc(1, sizeof **program);
  (*program)->source = strdup(source);
  return 0;
}
API int nvrtcDestroyProgram(struct Program** program) {
  free((*program)->source), free((*program)->output), free(*program);
  *program = NULL;
  return 0;
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
  if (strstr(program->source, "#error")) { program->log = "line 1: #error"; return 6; }
  program->output = malloc(16384);
  snprintf(program->output, 16384, ".version 8.0 .target %s // %s", arch, text);
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
