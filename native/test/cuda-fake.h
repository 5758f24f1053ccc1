// How cuda-fake.c and cuda-fake-nvrtc.c are scripted, and what they note. The file that QKNORM_FAKE names holds lines:
// "cuMemAllocAsync=2" makes that function fail with 2, "devices=2" sets a number. What is worth checking is appended to
// the same name with ".log". Compiled with -DQUIET nothing is read and nothing is noted, to time what is in front.
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

typedef unsigned long long Address;
#define API __attribute__((visibility("default")))

#ifdef QUIET
static int setting(const char* name, int otherwise) { (void)name; return otherwise; }
static void note(const char* format, ...) { (void)format; }
#else
static int setting(const char* name, int otherwise) {
  const char* path = getenv("QKNORM_FAKE");
  struct stat script;
  if (!path || stat(path, &script) != 0 || script.st_size == 0) return otherwise;
  FILE* file = fopen(path, "r");
  char line[256];
  size_t length = strlen(name);
  while (file && fgets(line, sizeof line, file)) {
    if (strncmp(line, name, length) == 0 && line[length] == '=') otherwise = atoi(line + length + 1);
  }
  if (file) fclose(file);
  return otherwise;
}

static void note(const char* format, ...) {
  static int log = -1;
  if (log < 0) {
    char path[1024];
    const char* base = getenv("QKNORM_FAKE");
    if (!base) return;
    snprintf(path, sizeof path, "%s.log", base);
    log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0) return;
  }
  char line[2048];
  va_list list;
  va_start(list, format);
  int length = vsnprintf(line, sizeof line - 1, format, list);
  va_end(list);
  if (length > (int)sizeof line - 2) length = sizeof line - 2;
  line[length++] = '\n';
  if (write(log, line, (size_t)length) < 0) return;
}
#endif

// Of the driver, for the libraries beside it: work of theirs, at most 512 bytes, and whether a range is allocated.
int fake_is_live(Address address, size_t bytes);
void fake_queue(void* stream, void (*call)(const void* arguments), const void* arguments, size_t bytes);

#define SCRIPTED(name) do { int status_ = setting(#name, 0); if (status_) return status_; } while (0)
