// Opening a shared library that may not be there. Nothing is ever closed again: a CUDA library has threads and exit
// handlers of its own, and unloading one that has run is undefined.
#pragma once

#include <string>

#include "cuda/error.h"

namespace qknorm::cuda {

struct Library {
  void* handle = nullptr;
  std::string path;    // the file, where the system tells it
  std::string reason;  // why handle is null
};

// A file, or a bare name for the system's own search.
Library open_library(const std::string& path);

bool is_loaded(const std::string& name);

// Keeps this addon in memory to the end of the process: a Node worker thread that ends may unload it, and with it the
// tables that know what lives on the device.
void keep_addon_loaded();

void* symbol_address(void* library, const char* name);  // null where there is none

template <typename Function>
bool find_symbol(void* library, const char* name, Function& found) {
  found = reinterpret_cast<Function>(symbol_address(library, name));
  return found != nullptr;
}

}  // namespace qknorm::cuda
