// How cuda-fake.c and cuda-fake-nvrtc.c are scripted, and what they note. The file that QKNORM_FAKE names holds lines:
// "cuMemAllocAsync=2" makes that function fail with 2, "devices=2" sets a number. What is worth checking is appended to
// the same name with ".log". Compiled with -DQUIET nothing is read and nothing is noted, to time what is in front.
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long long Address;
#define API __attribute__((visibility("default")))

#ifdef QUIET
static int setting(const char* name, int otherwise) { (void)name; return otherwise; }
static void note(const char* format, ...) { (void)format; }
#else
static int setting(const char* name, int otherwise) {
  const char* path = getenv("QKNORM_FAKE");
  FILE* file = path ? fopen(path, "r") : NULL;
  char line[256];
  size_t length = strlen(name);
  while (file && fgets(line, sizeof line, file)) {
    if (strncmp(line, name, length) == 0 && line[length] == '=') otherwise = atoi(line + length + 1);
  }
  if (file) fclose(file);
  return otherwise;
}

static void note(const char* format, ...) {
  char path[1024];
  const char* base = getenv("QKNORM_FAKE");
  if (!base) return;
  snprintf(path, sizeof path, "%s.log", base);
  FILE* file = fopen(path, "a");
  if (!file) return;
  va_list list;
  va_start(list, format);
  vfprintf(file, format, list);
  va_end(list);
  fputc('\n', file);
  fclose(file);
}
#endif

// Of the driver, for the libraries beside it: work of theirs, at most 512 bytes, and whether a range is allocated.
int fake_is_live(Address address, size_t bytes);
void fake_queue(void* stream, void (*call)(const void* arguments), const void* arguments, size_t bytes);

#define SCRIPTED(name) do { int status_ = setting(#name, 0); if (status_) return status_; } while (0)
