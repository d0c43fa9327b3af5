/* SPDX-License-Identifier: MIT */
/* stack/stack.c - slabs, guards and the cache of stacks.
 *
 * A slab is one mapping of 16 to 1,024 stacks, aligned to their size, so that a
 * stack's address space follows from any address in it. Adjacent slabs merge
 * into one kernel mapping: a million guarded stacks are a few dozen of them.
 *
 * Guards: MADV_GUARD_INSTALL (Linux 6.13) marks pages in the page tables and
 * splits no mapping; it survives MADV_DONTNEED and fork. It is installed for a
 * whole slab at once. Where the kernel has no such thing, or refuses it for
 * locked memory, mprotect() makes the guard when a stack is carved; each then
 * costs two mappings, and vm.max_map_count is the cap.
 *
 * Huge pages are refused for slabs before they are touched: with them a stack
 * would cost 65 KB.
 *
 * A free stack is first hot (on the list, memory kept) and becomes cold (a slot
 * in an array, no memory at all) in tn__stack_trim(). */
#include "stack/stack.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "base/assert.h"
#include "base/sys.h"
#include "stack/sanitizer.h"

#ifndef MADV_GUARD_INSTALL
# define MADV_GUARD_INSTALL 102
#endif

enum {
    MADV_NEVER = 0x7fff, /* what no kernel knows */
    SLAB_MIN = 16,
    SLAB_MAX = 1024,
    SLAB_BYTES_LOG2_MAX = 26, /* a slab of several stacks is at most 64 MiB */
    GUARD_BATCH = 256,
    COLOURS = 16, /* tops differ by up to 15 cache lines */
    COLOUR_BYTES = 64,
    BLOCK_BYTES = 1024, /* room below the head that a control block may use */
    TRIM_FREE_MAX = 1024,
    TRIM_SCAN_MAX = 512
};

void tn__stack_pool_init(struct tn__stack_pool *p, size_t page,
                         enum tn__stack_guard guard)
{
    memset(p, 0, sizeof *p);
    p->page = page;
    p->guard = guard;
    for (int i = 0; i < TN__STACK_CLASSES; i++)
        p->classes[i].carve = -1;
}

static void forget_stacks(struct tn__stack_pool *p);

void tn__stack_pool_fini(struct tn__stack_pool *p)
{
    forget_stacks(p);
    for (uint32_t i = 0; i < p->n_slabs; i++) {
        struct tn__stack_slab *slab = &p->slabs[i];

#ifdef TN_ASAN
        /* Frames that were left by a jump, and never returned, have marks that
         * would stay for whoever is mapped here next. */
        __asan_unpoison_memory_region(slab->base,
                                      (size_t)slab->n << slab->bytes_log2);
#endif
        tn__sys_unmap(slab->base, (size_t)slab->n << slab->bytes_log2);
    }
    if (p->is_cold)
        tn__sys_unmap(p->is_cold, p->is_cold_room);
    for (int i = 0; i < TN__STACK_CLASSES; i++) {
        struct tn__stack_class *c = &p->classes[i];

        if (c->cold)
            tn__sys_unmap(c->cold, c->cold_room * sizeof c->cold[0]);
    }
    if (p->slabs)
        tn__sys_unmap(p->slabs, p->slabs_room * sizeof p->slabs[0]);
    memset(p, 0, sizeof *p);
}

int tn__stack_class(size_t page, size_t bytes)
{
    int size_class = 0;

    if (bytes == 0)
        bytes = 65536;
    if (bytes < 2 * page)
        bytes = 2 * page;
    while (size_class < TN__STACK_CLASSES &&
           (size_t)1 << (TN__STACK_LOG2_MIN + size_class) < bytes)
        size_class++;
    return size_class < TN__STACK_CLASSES ? size_class : -1;
}

/* ---- where things lie in a slab ---- */

static char *base_of(const struct tn__stack_slab *slab, uint32_t index)
{
    return slab->base + ((size_t)index << slab->bytes_log2);
}

static struct tn__stack *head_of(const struct tn__stack_slab *slab,
                                 uint32_t index)
{
    char *top = base_of(slab, index) + ((size_t)1 << slab->bytes_log2);

    top -= (size_t)(index % COLOURS) * COLOUR_BYTES;
    return (struct tn__stack *)(void *)(top - 64);
}

static struct tn__stack *make_head(struct tn__stack_pool *p, uint32_t slab_at,
                                   uint32_t index)
{
    const struct tn__stack_slab *slab = &p->slabs[slab_at];
    struct tn__stack *s = head_of(slab, index);

    s->slab = slab_at;
    s->low = base_of(slab, index) + p->page;
    s->bytes_log2 = (uint16_t)slab->bytes_log2;
    s->is_used = 1;
    s->is_warm = 0;
    s->valgrind_id = tn__valgrind_add(s->low, (char *)s);
    return s;
}

bool tn__stack_is_guard(const struct tn__stack_pool *p,
                        const struct tn__stack *s, const void *addr)
{
    const char *at = addr;

    return at < s->low && at >= s->low - p->page;
}

/* ---- guards ---- */

/* Guard the stacks [from, to) of a slab by madvise. 0 or a negative errno. */
static long guard_range(struct tn__stack_pool *p, struct tn__stack_slab *slab,
                        uint32_t from, uint32_t to)
{
    struct iovec ranges[GUARD_BATCH];
    size_t n = to - from;
    long r;

    TN_ASSERT(n > 0 && n <= GUARD_BATCH);

    for (uint32_t i = 0; i < n; i++)
        ranges[i] = (struct iovec){base_of(slab, from + i), p->page};
    /* Valgrind does not know this call, and would say so. */
    r = tn__is_on_valgrind()
            ? -ENOSYS
            : tn__sys_madvise_many(ranges, n, MADV_GUARD_INSTALL);
    if (r == (long)(n * p->page))
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        r = tn__sys_madvise(ranges[i].iov_base, p->page, MADV_GUARD_INSTALL);
        if (r < 0)
            return r;
    }
    return 0;
}

/* User-mode emulators say that they did any advice, known to them or not: then
 * there would be no guard. */
static bool is_advice_checked(const struct tn__stack_pool *p,
                              const struct tn__stack_slab *slab)
{
    return tn__sys_madvise(slab->base, p->page, MADV_NEVER) < 0;
}

static void guard_slab(struct tn__stack_pool *p, struct tn__stack_slab *slab)
{
    if (p->n_slabs == 0 && !is_advice_checked(p, slab)) {
        p->guard = TN__GUARD_MPROTECT;
        return;
    }
    for (uint32_t i = 0; i < slab->n; i += GUARD_BATCH) {
        uint32_t to = i + GUARD_BATCH < slab->n ? i + GUARD_BATCH : slab->n;

        if (guard_range(p, slab, i, to) < 0) {
            p->guard = TN__GUARD_MPROTECT;
            return;
        }
    }
}

/* ---- slabs ---- */

/* `bytes` of address space aligned to a power of two. The kernel mostly puts a
 * mapping right below the last one, where it is aligned and merges with it. */
static char *map_aligned(size_t bytes, size_t align)
{
    char *raw = tn__sys_map(bytes);
    size_t before;

    if (!raw || ((uintptr_t)raw & (align - 1)) == 0)
        return raw;
    tn__sys_unmap(raw, bytes);
    raw = tn__sys_map(bytes + align);
    if (!raw)
        return NULL;
    before = -(uintptr_t)raw & (align - 1);
    if (before)
        tn__sys_unmap(raw, before);
    if (align - before)
        tn__sys_unmap(raw + before + bytes, align - before);
    return raw + before;
}

/* Have room for more than `n` elements. A slab has fewer than a page of them:
 * doubling once is enough. */
static int make_room(void **array, uint32_t n, uint32_t *room, size_t size,
                     size_t page)
{
    uint32_t more = *room ? *room * 2 : (uint32_t)(page / size);
    void *grown;

    if (n < *room)
        return 0;
    grown = *room ? tn__sys_remap(*array, *room * size, more * size)
                  : tn__sys_map(more * size);
    if (!grown)
        return -ENOMEM;
    *array = grown;
    *room = more;
    return 0;
}

static uint32_t slab_size(const struct tn__stack_class *c, uint32_t bytes_log2)
{
    uint32_t n = c->n_stacks;
    uint32_t most = bytes_log2 >= SLAB_BYTES_LOG2_MAX
                        ? 1
                        : 1u << (SLAB_BYTES_LOG2_MAX - bytes_log2);

    if (n < SLAB_MIN)
        n = SLAB_MIN;
    if (n > SLAB_MAX)
        n = SLAB_MAX;
    return n < most ? n : most;
}

static int add_slab(struct tn__stack_pool *p, int size_class)
{
    struct tn__stack_class *c = &p->classes[size_class];
    uint32_t bytes_log2 = (uint32_t)(TN__STACK_LOG2_MIN + size_class);
    struct tn__stack_slab slab = {.bytes_log2 = bytes_log2};
    size_t bytes;

    if (make_room((void **)&p->slabs, p->n_slabs, &p->slabs_room,
                  sizeof slab, p->page) < 0)
        return -ENOMEM;
    slab.n = slab_size(c, bytes_log2);
    bytes = (size_t)slab.n << bytes_log2;
    slab.first = p->n_numbers;
    if (make_room((void **)&p->is_cold, p->n_numbers + slab.n, &p->is_cold_room,
                  1, p->page) < 0)
        return -ENOMEM;
    slab.base = map_aligned(bytes, (size_t)1 << bytes_log2);
    if (!slab.base)
        return -ENOMEM;
    p->n_numbers += slab.n;
    tn__sys_madvise(slab.base, bytes, MADV_NOHUGEPAGE);
    if (p->guard == TN__GUARD_MADVISE)
        guard_slab(p, &slab);
    c->carve = (int32_t)p->n_slabs;
    p->slabs[p->n_slabs++] = slab;
    return 0;
}

/* The next stack that was never used. */
static int carve(struct tn__stack_pool *p, int size_class,
                 struct tn__stack **ret)
{
    struct tn__stack_class *c = &p->classes[size_class];
    struct tn__stack_slab *slab;

    if (c->carve < 0 || p->slabs[c->carve].n_carved == p->slabs[c->carve].n) {
        int r = add_slab(p, size_class);

        if (r < 0)
            return r;
    }
    slab = &p->slabs[c->carve];
    if (p->guard == TN__GUARD_MPROTECT &&
        tn__sys_mprotect(base_of(slab, slab->n_carved), p->page, PROT_NONE) <
            0) {
        p->guard_cap = c->n_stacks;
        return -ENOMEM;
    }
    *ret = make_head(p, (uint32_t)c->carve, slab->n_carved++);
    c->n_stacks++;
    return 0;
}

int tn__stack_get_slow(struct tn__stack_pool *p, int size_class,
                       struct tn__stack **ret)
{
    struct tn__stack_class *c = &p->classes[size_class];
    struct tn__stack_cold cold;
    struct tn__stack_slab *slab;

    if (c->n_cold == 0)
        return carve(p, size_class, ret);
    cold = c->cold[--c->n_cold];
    slab = &p->slabs[cold.slab];
    p->is_cold[slab->first + cold.index] = 0;
    *ret = make_head(p, cold.slab, cold.index);
    return 0;
}

int tn__stack_each(struct tn__stack_pool *p,
                   int (*fn)(struct tn__stack *s, void *arg), void *arg)
{
    for (uint32_t i = 0; i < p->n_slabs; i++) {
        struct tn__stack_slab *slab = &p->slabs[i];

        for (uint32_t k = 0; k < slab->n_carved; k++) {
            struct tn__stack *s = head_of(slab, k);
            int r;

            if (p->is_cold[slab->first + k] || !s->is_used)
                continue;
            r = fn(s, arg);
            if (r)
                return r;
        }
    }
    return 0;
}

/* Tell the tools that a stack's memory goes. */
static void forget(struct tn__stack *s)
{
#ifdef TN_TSAN
    if (s->tsan_fiber)
        __tsan_destroy_fiber(s->tsan_fiber);
#endif
    tn__valgrind_remove(s->valgrind_id);
}

static void forget_stacks(struct tn__stack_pool *p)
{
#ifndef TN_TSAN
    if (!tn__is_on_valgrind())
        return;
#endif
    for (uint32_t i = 0; i < p->n_slabs; i++)
        for (uint32_t k = 0; k < p->slabs[i].n_carved; k++)
            if (!p->is_cold[p->slabs[i].first + k])
                forget(head_of(&p->slabs[i], k));
}

void tn__stack_count(const struct tn__stack_pool *p, uint64_t *ret_stacks,
                     uint64_t *ret_free)
{
    *ret_stacks = *ret_free = 0;
    for (int i = 0; i < TN__STACK_CLASSES; i++) {
        *ret_stacks += p->classes[i].n_stacks;
        *ret_free += p->classes[i].n_free + p->classes[i].n_cold;
    }
}

void tn__stack_measure(const struct tn__stack_pool *p, uint64_t *ret_bytes,
                       uint64_t *ret_cold)
{
    *ret_bytes = *ret_cold = 0;
    for (uint32_t i = 0; i < p->n_slabs; i++)
        *ret_bytes += (uint64_t)p->slabs[i].n_carved << p->slabs[i].bytes_log2;
    for (int i = 0; i < TN__STACK_CLASSES; i++)
        *ret_cold += p->classes[i].n_cold;
}

/* Asks the kernel, so that a stack that nobody asks about costs nothing, not
 * even a pattern painted on it: that would touch all of its pages. */
size_t tn__stack_depth(const struct tn__stack_pool *p,
                       const struct tn__stack *s)
{
    unsigned char is_there[256];
    char *top = (char *)s;
    char *end = (char *)(((uintptr_t)top + p->page - 1) &
                         ~(uintptr_t)(p->page - 1));

    for (char *at = s->low; at < end; at += sizeof is_there * p->page) {
        size_t n = (size_t)(end - at) / p->page;

        if (n > sizeof is_there)
            n = sizeof is_there;
        if (tn__sys_mincore(at, n * p->page, is_there) < 0)
            return 0;
        for (size_t i = 0; i < n; i++)
            if (is_there[i] & 1)
                return (size_t)(top - (at + i * p->page));
    }
    return 0;
}

/* ---- giving memory back ---- */

static void chill(struct tn__stack_pool *p, struct tn__stack_class *c,
                  struct tn__stack *s)
{
    struct tn__stack_slab *slab = &p->slabs[s->slab];
    uint32_t index = (uint32_t)((size_t)((char *)s - slab->base) >>
                                slab->bytes_log2);

    forget(s);
    p->is_cold[slab->first + index] = 1;
    c->cold[c->n_cold++] = (struct tn__stack_cold){s->slab, index};
    tn__sys_madvise(s->low, ((size_t)1 << slab->bytes_log2) - p->page,
                    MADV_DONTNEED);
}

/* Make superfluous free stacks cold, behind the `keep` hottest. */
static void trim_free(struct tn__stack_pool *p, struct tn__stack_class *c,
                      uint32_t keep)
{
    struct tn__stack **at = &c->free, *s;

    for (uint32_t i = 0; i < keep && *at; i++)
        at = &(*at)->next;
    s = *at;
    for (int i = 0; i < TRIM_FREE_MAX && c->n_to_chill > 0 && s; i++) {
        struct tn__stack *next = s->next;

        if (make_room((void **)&c->cold, c->n_cold, &c->cold_room,
                      sizeof c->cold[0], p->page) < 0)
            break;
        chill(p, c, s);
        s = next;
        c->n_free--;
        c->n_to_chill--;
    }
    *at = s;
}

/* Give back the pages below what a stack uses, if there are any. */
static void trim_below(struct tn__stack_pool *p, struct tn__stack *s,
                       char *low_used)
{
    char *edge = (char *)((uintptr_t)low_used & ~(uintptr_t)(p->page - 1));
    unsigned char is_there = 0;

    if (edge <= s->low)
        return;
    if (tn__sys_mincore(edge - p->page, p->page, &is_there) < 0 ||
        !(is_there & 1))
        return;
    tn__sys_madvise(s->low, (size_t)(edge - s->low), MADV_DONTNEED);
}

static bool trim_used(struct tn__stack_pool *p,
                      char *(*low_of)(struct tn__stack *s))
{
    uint32_t left = TRIM_SCAN_MAX;

    for (; p->trim_slab < p->n_slabs; p->trim_slab++, p->trim_index = 0) {
        struct tn__stack_slab *slab = &p->slabs[p->trim_slab];

        for (; p->trim_index < slab->n_carved; p->trim_index++) {
            struct tn__stack *s = head_of(slab, p->trim_index);
            char *low;

            if (p->is_cold[slab->first + p->trim_index])
                continue;
            if (left-- == 0)
                return true;
            low = s->is_used ? low_of(s) : (char *)s - BLOCK_BYTES;
            if (low)
                trim_below(p, s, low);
        }
    }
    p->trim_slab = p->trim_index = 0;
    return false;
}

/* A round begins: what was free throughout the last one is superfluous. */
static void begin_round(struct tn__stack_pool *p, uint32_t keep)
{
    for (int i = 0; i < TN__STACK_CLASSES; i++) {
        struct tn__stack_class *c = &p->classes[i];

        c->n_to_chill = c->n_free_min > keep ? c->n_free_min - keep : 0;
        c->n_free_min = c->n_free - c->n_to_chill;
    }
}

bool tn__stack_trim(struct tn__stack_pool *p, uint32_t keep,
                    char *(*low_of)(struct tn__stack *s))
{
    bool has_more = false;

    if (!p->is_trimming)
        begin_round(p, keep);
    for (int i = 0; i < TN__STACK_CLASSES; i++) {
        struct tn__stack_class *c = &p->classes[i];

        if (c->n_to_chill == 0)
            continue;
        trim_free(p, c, keep);
        if (c->n_free <= keep)
            c->n_to_chill = 0;
        has_more |= c->n_to_chill > 0;
    }
    if (!p->is_scanned)
        p->is_scanned = !trim_used(p, low_of);
    p->is_trimming = has_more || !p->is_scanned;
    if (!p->is_trimming)
        p->is_scanned = false;
    return p->is_trimming;
}
