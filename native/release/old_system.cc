// What headers of newer systems refer to and older systems lack, see old_system.h. All of it stays inside of the addon.
#include <new>

#define QKNORM_INSIDE __attribute__((visibility("hidden")))

extern "C" {

// glibc 2.32: whether there is one thread. libstdc++ then counts without atomics; this says that there are more.
QKNORM_INSIDE char __libc_single_threaded = 0;

// GCC 11: what copying and destroying an exception_ptr call since then. Before, its constructor and destructor did it, and
// every libstdc++ still has them.
void qknorm_copy_exception(void* self, const void* other);
void qknorm_destroy_exception(void* self);
__asm__(".symver qknorm_copy_exception,_ZNSt15__exception_ptr13exception_ptrC1ERKS0_@CXXABI_1.3.3");
__asm__(".symver qknorm_destroy_exception,_ZNSt15__exception_ptr13exception_ptrD1Ev@CXXABI_1.3.3");

QKNORM_INSIDE void qknorm_addref(void* self) __asm__("_ZNSt15__exception_ptr13exception_ptr9_M_addrefEv");
QKNORM_INSIDE void qknorm_addref(void* self) {
  void* copy;  // never destroyed: its reference is the one that is added
  qknorm_copy_exception(&copy, self);
}

QKNORM_INSIDE void qknorm_release(void* self) __asm__("_ZNSt15__exception_ptr13exception_ptr10_M_releaseEv");
QKNORM_INSIDE void qknorm_release(void* self) { qknorm_destroy_exception(self); }

// GCC 11: `new` of an array whose bytes are more than a size holds.
QKNORM_INSIDE void qknorm_bad_array() __asm__("_ZSt28__throw_bad_array_new_lengthv");
QKNORM_INSIDE void qknorm_bad_array() { throw std::bad_array_new_length(); }

}  // extern "C"
