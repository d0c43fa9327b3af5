/* SPDX-License-Identifier: MIT */
/* tests/support/fault_memory.c - which call fails, and the functions that
 * allocate. They come before those of libc because the program's own symbols
 * are found first, also by its shared libraries; the originals are found with
 * RTLD_NEXT. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include "support/fault_calls.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/test.h"

struct fault_state fault_state;

void fault_arm(long target)
{
    fault_state.name = NULL;
    fault_state.number = target;
    fault_state.error = 0;
    fault_state.pid = getpid();
    fault_state.n_variants = 0;
    fault_state.is_paused = false;
    __atomic_store_n(&fault_state.count, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&fault_state.target, target, __ATOMIC_SEQ_CST);
}

void fault_disarm(void)
{
    __atomic_store_n(&fault_state.target, 0, __ATOMIC_SEQ_CST);
}

bool fault_is_due(enum fault_kind kind, const char *name, const int *errors,
                  const void *site)
{
    struct fault_state *f = &fault_state;
    long target = __atomic_load_n(&f->target, __ATOMIC_RELAXED), n;

    if (!target || f->kind != kind || f->is_paused)
        return false;
    n = __atomic_add_fetch(&f->count, 1, __ATOMIC_RELAXED);
    if (n != target && !(f->is_lasting && n > target))
        return false;
    if (n == target) {
        while (errors[f->n_variants])
            f->n_variants++;
        f->error = errors[f->variant < f->n_variants ? f->variant : 0];
        f->site = site;
        f->name = name;
    }
    errno = f->error;
    return true;
}

/* In the child of a fork nothing fails. */
static __attribute__((constructor)) void look_for_forks(void)
{
    if (pthread_atfork(NULL, NULL, fault_disarm) != 0)
        abort();
}

void *fault_find_original(const char *name)
{
    void *fn;

    /* dlsym() may allocate: that is not the program's doing. */
    bool was_paused = fault_state.is_paused;

    fault_state.is_paused = true;
    fn = dlsym(RTLD_NEXT, name);
    fault_state.is_paused = was_paused;
    if (!fn)
        abort();
    return fn;
}

/* ---- libev ---- */

static char *libev_start, *libev_end;

static int find_libev(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    if (!strstr(info->dlpi_name, "/libev.so"))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        char *start = (char *)info->dlpi_addr + p->p_vaddr;

        if (p->p_type == PT_LOAD && (p->p_flags & PF_X)) {
            libev_start = start;
            libev_end = start + p->p_memsz;
        }
    }
    return 1;
}

static __attribute__((constructor)) void look_for_libev(void)
{
    dl_iterate_phdr(find_libev, NULL);
}

bool fault_is_libev(const void *site)
{
    return (const char *)site >= libev_start && (const char *)site < libev_end;
}

/* ---- memory ---- */

#if !TEST_SANITIZED
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);

static pthread_mutex_t sites_lock = PTHREAD_MUTEX_INITIALIZER;

static void remember(const void *memory, size_t bytes, const void *at)
{
    struct fault_state *f = &fault_state;

    pthread_mutex_lock(&sites_lock);
    if (f->n_sites < FAULT_SITES_MAX)
        f->sites[f->n_sites++] = (struct fault_block){memory, at, bytes};
    pthread_mutex_unlock(&sites_lock);
}

static void forget(const void *memory)
{
    struct fault_state *f = &fault_state;

    pthread_mutex_lock(&sites_lock);
    for (int i = 0; i < f->n_sites; i++)
        if (f->sites[i].memory == memory)
            f->sites[i--] = f->sites[--f->n_sites];
    pthread_mutex_unlock(&sites_lock);
}

static void *count_block(void *memory, size_t bytes, const void *at)
{
    if (!memory)
        return NULL;
    __atomic_add_fetch(&fault_state.blocks, 1, __ATOMIC_RELAXED);
    if (__atomic_load_n(&fault_state.target, __ATOMIC_RELAXED))
        remember(memory, bytes, at);
    return memory;
}

static bool is_out_of_memory(const char *name, const void *site)
{
    return !fault_is_libev(site) &&
           fault_is_due(FAULT_ALLOCATION, name, ERRORS(ENOMEM), site);
}

void *malloc(size_t size)
{
    return is_out_of_memory("malloc", CALLER)
               ? NULL
               : count_block(__libc_malloc(size), size, CALLER);
}

void *calloc(size_t n, size_t size)
{
    return is_out_of_memory("calloc", CALLER)
               ? NULL
               : count_block(__libc_calloc(n, size), n * size, CALLER);
}

void free(void *memory)
{
    if (!memory)
        return;
    __atomic_sub_fetch(&fault_state.blocks, 1, __ATOMIC_RELAXED);
    if (fault_state.n_sites)
        forget(memory);
    __libc_free(memory);
}

void *realloc(void *old, size_t size)
{
    void *memory;

    if (old && !size) {
        free(old);
        return NULL;
    }
    if (is_out_of_memory("realloc", CALLER))
        return NULL;
    memory = __libc_realloc(old, size);
    if (!memory)
        return NULL;
    if (old) {
        __atomic_sub_fetch(&fault_state.blocks, 1, __ATOMIC_RELAXED);
        forget(old);
    }
    return count_block(memory, size, CALLER);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return is_out_of_memory("aligned_alloc", CALLER)
               ? NULL
               : count_block(__libc_memalign(alignment, size), size, CALLER);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    void *memory;

    if (is_out_of_memory("posix_memalign", CALLER))
        return ENOMEM;
    memory = count_block(__libc_memalign(alignment, size), size, CALLER);
    if (!memory)
        return ENOMEM;
    *ret = memory;
    return 0;
}
#endif

/* ---- mappings: allocations too ---- */

void *mmap(void *start, size_t n, int protection, int flags, int fd, off_t at)
{
    void *r;

    REAL(mmap)
    if (fault_is_due(FAULT_ALLOCATION, "mmap", ERRORS(ENOMEM), CALLER))
        return MAP_FAILED;
    r = real(start, n, protection, flags, fd, at);
    if (r != MAP_FAILED && !(flags & MAP_FIXED))
        __atomic_add_fetch(&fault_state.mapped, (long)n, __ATOMIC_RELAXED);
    return r;
}

int munmap(void *start, size_t n)
{
    REAL(munmap)
    __atomic_sub_fetch(&fault_state.mapped, (long)n, __ATOMIC_RELAXED);
    return real(start, n);
}

void *mremap(void *old, size_t n_old, size_t n, int flags, ...)
{
    va_list more;
    void *to, *r;

    REAL(mremap)
    va_start(more, flags);
    to = va_arg(more, void *);
    va_end(more);
    if (fault_is_due(FAULT_ALLOCATION, "mremap", ERRORS(ENOMEM), CALLER))
        return MAP_FAILED;
    r = real(old, n_old, n, flags, to);
    if (r != MAP_FAILED)
        __atomic_add_fetch(&fault_state.mapped, (long)n - (long)n_old,
                           __ATOMIC_RELAXED);
    return r;
}

/* What changes mappings is a system call like others. */
int madvise(void *start, size_t n, int advice)
{
    REAL(madvise)
    if (fault_is_due(FAULT_CALL, "madvise", ERRORS(EINVAL, ENOMEM), CALLER))
        return -1;
    return real(start, n, advice);
}

int mprotect(void *start, size_t n, int protection)
{
    REAL(mprotect)
    if (fault_is_due(FAULT_CALL, "mprotect", ERRORS(ENOMEM), CALLER))
        return -1;
    return real(start, n, protection);
}
