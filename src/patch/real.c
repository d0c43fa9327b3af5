/* SPDX-License-Identifier: MIT */
/* patch/real.c - libc's own functions: what is next behind us in the order of
 * the dynamic linker, found on first use. A sanitizer stands before us, and so
 * does the engine of `tendril run`. */
#define TN_PATCH_NAMES
#include "patch/patch.h"

#include <dlfcn.h>
#include <unistd.h>

struct tn__patch_real tn__patch_real;
bool tn__patch_is_resolved;

static pid_t self; /* this process's; 0: not yet known */

enum { N_NAMES = sizeof names / sizeof names[0] };

_Static_assert(sizeof tn__patch_real == N_NAMES * sizeof(void *),
               "a pointer for each name");

/* Two threads may do it at once: they write the same. */
void tn__patch_resolve(void)
{
    void **pointers = (void **)&tn__patch_real;

    for (int i = 0; i < N_NAMES; i++) {
        void *at = dlsym(RTLD_NEXT, names[i]);

        __atomic_store_n(&pointers[i], at, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&tn__patch_is_resolved, true, __ATOMIC_RELEASE);
}

static void in_child(void)
{
    self = getpid();
    tn__patch_forget_mutexes();
    tn__patch_forget_waiters();
}

__attribute__((constructor)) static void begin(void)
{
    int errno_before = errno;

    tn__patch_resolve();
    self = getpid();
    pthread_atfork(NULL, NULL, in_child);
    errno = errno_before;
}

bool tn__patch_is_us(void)
{
    return self == 0 || self == getpid();
}

const char *tn_patch_version(void)
{
    return TN_VERSION;
}
