// The device memory of cuda-fake.c. Each block ends where a page ends that none may touch, and so does the one before it; a
// block that was freed may not be touched either, until much later.
#pragma once

#include <pthread.h>
#include <sys/mman.h>

#include "cuda-fake.h"

static struct { char* at; size_t bytes; int live; char* mapped; size_t pages; } blocks[4096];
static int block_count;
// Workers allocate and free at once.
static pthread_mutex_t allocating = PTHREAD_MUTEX_INITIALIZER;

static int is_live(Address address, size_t bytes) {
  char* at = (char*)address;
  int live = 0;
  pthread_mutex_lock(&allocating);
  for (int i = 0; i < block_count && !live; ++i) {
    live = blocks[i].live && at >= blocks[i].at && at + bytes <= blocks[i].at + blocks[i].bytes;
  }
  pthread_mutex_unlock(&allocating);
  return live;
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

static const size_t page = 4096;

static char* allocate_alone(size_t bytes) {
  static int next;
  const int slots = sizeof blocks / sizeof *blocks;
  for (int tried = 0; blocks[next].live; next = (next + 1) % slots) if (++tried == slots) return NULL;
  if (bytes > 1u << 26) return NULL;
  const size_t whole = (bytes + 15) / 16 * 16, pages = (whole + page - 1) / page * page;
  char* mapped = mmap(NULL, pages + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return NULL;
  if (pages > 0) mprotect(mapped + page, pages, PROT_READ | PROT_WRITE);
  if (blocks[next].mapped) munmap(blocks[next].mapped, blocks[next].pages + 2 * page);
  blocks[next].at = mapped + page + pages - whole, blocks[next].bytes = bytes, blocks[next].live = 1;
  blocks[next].mapped = mapped, blocks[next].pages = pages;
  memset(blocks[next].at, 0xee, whole);
  char* at = blocks[next].at;
  if (next == block_count) block_count = next + 1;
  next = (next + 1) % slots;
  return at;
}

/** Memory of some bytes, 16-byte aligned, the rest of its last 16 included; null if there is none. */
static char* allocate(size_t bytes) {
  pthread_mutex_lock(&allocating);
  char* at = allocate_alone(bytes);
  pthread_mutex_unlock(&allocating);
  return at;
}

static long release_alone(char* at) {
  for (int i = 0; i < block_count; ++i) {
    if (blocks[i].at != at || !blocks[i].live) continue;
    for (size_t behind = blocks[i].bytes; behind % 16; ++behind) {
      if ((unsigned char)at[behind] != 0xee) { note("dead memory: written behind %zu bytes", blocks[i].bytes); break; }
    }
    if (blocks[i].pages > 0) {  // its pages go back, and none may touch where they were
      mmap(blocks[i].mapped + page, blocks[i].pages, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    }
    blocks[i].live = 0;
    return (long)blocks[i].bytes;
  }
  return -1;
}

/** The bytes it had, or -1 for what is no live block. */
static long release(char* at) {
  pthread_mutex_lock(&allocating);
  const long bytes = release_alone(at);
  pthread_mutex_unlock(&allocating);
  return bytes;
}
