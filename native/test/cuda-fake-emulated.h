// Runs kernels that were compiled for the processor. A kernel that touches memory that is not its own, or that waits for
// what never comes, ends its launch: with a note, and with the status that the driver would give later.
#pragma once

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "cuda-fake.h"
#include "emulator/launch.h"

static char launch_failure[600];
static pthread_mutex_t launching = PTHREAD_MUTEX_INITIALIZER;
static pthread_t launching_thread;
static sigjmp_buf fault_place;
static void* volatile fault_address;
static struct sigaction former_action[2];

/** The kernel of a module's text; null if it has none that was compiled. */
static const struct EmulatedKernel* load_emulated(const char* text) {
  const char* found = strstr(text, "// emulated ");
  if (!found) return NULL;
  char path[1024] = "";
  sscanf(found + 12, "%1023[^\n]", path);
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) { note("no kernel: %s", dlerror()); return NULL; }
  return dlsym(library, "emulated_kernel");
}

static void on_fault(int number, siginfo_t* info, void* context) {
  if (pthread_equal(pthread_self(), launching_thread)) {
    fault_address = info->si_addr;
    siglongjmp(fault_place, 1);
  }
  const struct sigaction* former = &former_action[number == SIGBUS];
  if (former->sa_flags & SA_SIGINFO) former->sa_sigaction(number, info, context);
  else if (former->sa_handler != SIG_DFL && former->sa_handler != SIG_IGN) former->sa_handler(number);
  else signal(number, SIG_DFL);
}

enum { MOST_TOGETHER = 16 };
static const unsigned long stack_bytes = 256 << 10, stack_step = (256 << 10) + 4096, most_shared = 232448;
static const unsigned long shared_step = 232448 / 4096 * 4096 + 8192;

struct Room { char *stacks, *shared, *faults; };

static struct Room room(void) {
  static struct Room made;
  if (made.stacks) return made;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  char* stacks = mmap(NULL, (MOST_FIBERS + 1) * stack_step, PROT_READ | PROT_WRITE, flags, -1, 0);
  for (int i = 0; i <= MOST_FIBERS; ++i) mprotect(stacks + i * stack_step, 4096, PROT_NONE);
  char* shared = mmap(NULL, MOST_TOGETHER * shared_step, PROT_READ | PROT_WRITE, flags, -1, 0);
  made = (struct Room){stacks + 4096, shared + MOST_TOGETHER * shared_step - 4096, malloc(1 << 16)};
  for (int i = 0; i < MOST_TOGETHER; ++i) mprotect(made.shared - i * shared_step, 4096, PROT_NONE);
  return made;
}

/** The status of the launch, and in `launch_failure` what was wrong. */
static int run_emulated(const struct EmulatedKernel* kernel, const unsigned* grid, const unsigned* block, unsigned shared,
                        unsigned together, unsigned order, void* const* parameters) {
  const unsigned blocks = grid[0] * grid[1] * grid[2];
  if (together && (blocks > MOST_TOGETHER || blocks * block[0] * block[1] * block[2] > MOST_FIBERS)) return 720;
  pthread_mutex_lock(&launching);
  launching_thread = pthread_self();
  const struct Room with = room();
  struct Launch launch = {
    {grid[0], grid[1], grid[2]}, {block[0], block[1], block[2]}, together, order, shared, with.shared - (shared + 15) / 16 * 16,
    shared_step, with.stacks, stack_bytes, stack_step, NULL, parameters,
  };
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  stack_t faults = {.ss_sp = with.faults, .ss_size = 1 << 16}, former_faults;
  sigaltstack(&faults, &former_faults);
  sigaction(SIGSEGV, &action, &former_action[0]), sigaction(SIGBUS, &action, &former_action[1]);
  int status = 0;
  if (sigsetjmp(fault_place, 1) == 0) {
    const char* wrong = kernel->run(&launch);
    if (wrong) {
      status = 719;
      snprintf(launch_failure, sizeof launch_failure, "%s", wrong);
      note("dead launch of %s: %s", kernel->name, wrong);
    }
  } else {
    struct Index b, t;
    kernel->where(&b, &t);
    status = 700;
    snprintf(launch_failure, sizeof launch_failure, "block %u %u %u, thread %u %u %u touched %p", b.x, b.y, b.z, t.x, t.y, t.z,
             fault_address);
    note("dead memory: kernel %s, %s", kernel->name, launch_failure);
  }
  sigaction(SIGSEGV, &former_action[0], NULL), sigaction(SIGBUS, &former_action[1], NULL);
  sigaltstack(&former_faults, NULL);
  pthread_mutex_unlock(&launching);
  return status;
}
