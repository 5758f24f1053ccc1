// In front of every source of the published binary for Linux on x86-64 (QKNORM_RELEASE in CMakeLists.txt): functions that newer
// systems have under newer versions as well are asked for by those that every glibc from 2.27 and libstdc++ from GCC 8 has, so
// that the binary runs wherever the official Node 20 does. Their behaviour for what is called here is the same.
// old_system.cc defines what has no older version.
#pragma once

#define QKNORM_OLD(symbol, version) __asm__(".symver " #symbol "," #symbol "@" version)

QKNORM_OLD(dladdr, "GLIBC_2.2.5");  // libdl's own, before 2.34 moved it into libc
QKNORM_OLD(dlerror, "GLIBC_2.2.5");
QKNORM_OLD(dlinfo, "GLIBC_2.3.3");
QKNORM_OLD(dlopen, "GLIBC_2.2.5");
QKNORM_OLD(dlsym, "GLIBC_2.2.5");
QKNORM_OLD(exp, "GLIBC_2.2.5");  // 2.29 leaves out what SVID asked of errors
QKNORM_OLD(_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE, "GLIBCXX_3.4.11");  // 3.4.30 is noexcept

#undef QKNORM_OLD
