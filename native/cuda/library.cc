#include "cuda/library.h"

#include <dlfcn.h>
#if defined(__linux__)
#include <link.h>
#endif

namespace qknorm::cuda {
namespace {

std::string file_of(void* library, const std::string& asked) {
#if defined(__linux__)
  link_map* map = nullptr;
  if (dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && map != nullptr && *map->l_name != '\0') return map->l_name;
#endif
  (void)library;
  return asked;
}

}  // namespace

Library open_library(const std::string& path) {
  Library library;
  // An empty path would be the program itself.
  if (!path.empty()) library.handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library.handle != nullptr) {
    library.path = file_of(library.handle, path);
  } else {
    const char* reason = path.empty() ? nullptr : dlerror();
    library.reason = reason != nullptr ? reason : "cannot be opened";
  }
  return library;
}

bool is_loaded(const std::string& name) {
  return !name.empty() && dlopen(name.c_str(), RTLD_NOW | RTLD_NOLOAD) != nullptr;
}

void keep_addon_loaded() {
#if defined(RTLD_NODELETE)
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&keep_addon_loaded), &info) != 0 && info.dli_fname != nullptr) {
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
#endif
}

void* symbol_address(void* library, const char* name) { return dlsym(library, name); }

}  // namespace qknorm::cuda
