/* SPDX-License-Identifier: MIT */
/* floor_stacks.c - bare stacks, laid out as tendril lays out its own: slabs of
 * many, 64 KiB apart, a guard page at the low end, and tops that differ by
 * cache lines so that they do not fall into the same cache sets. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "bench.h"
#include "floor.h"

#ifndef MADV_GUARD_INSTALL
# define MADV_GUARD_INSTALL 102
#endif

enum { SLAB_STACKS = 4096, COLOURS = 16, GUARD_BYTES = 4096 };

static char *map_slab(size_t stacks)
{
    size_t bytes = stacks * FLOOR_STACK_BYTES;
    char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED)
        bench_fail("mmap of %zu bytes: %m", bytes);
    madvise(base, bytes, MADV_NOHUGEPAGE);
    return base;
}

struct floor_block **floor_blocks(size_t n)
{
    struct floor_block **blocks = malloc(n * sizeof(*blocks));

    if (!blocks)
        bench_fail("no memory for %zu stacks", n);
    for (size_t i = 0; i < n; i++)
        *(struct floor_block *volatile *)&blocks[i] = NULL;
    return blocks;
}

int floor_stacks(struct floor_block **blocks, size_t n)
{
    char *slab = NULL;
    int is_guarded = 1;

    for (size_t i = 0; i < n; i++) {
        size_t at = i % SLAB_STACKS;

        if (at == 0)
            slab = map_slab(n - i < SLAB_STACKS ? n - i : SLAB_STACKS);
        char *low = slab + at * FLOOR_STACK_BYTES;
        if (is_guarded && madvise(low, GUARD_BYTES, MADV_GUARD_INSTALL))
            is_guarded = 0;
        char *top = low + FLOOR_STACK_BYTES - (i % COLOURS) * 64;
        blocks[i] = (struct floor_block *)(top - 64);
    }
    return is_guarded;
}

void floor_prepare(struct floor_block *block, void (*entry)(void))
{
    /* As floor_switch() leaves it; above it a return address of 0. At entry the
     * stack pointer is 8 beside a multiple of 16, as after a call. */
    uint64_t *sp = (uint64_t *)block - 9;

    sp[0] = 0x1f80 | (uint64_t)0x037f << 32; /* mxcsr, x87cw of a new thread */
    for (int i = 1; i < 7; i++)
        sp[i] = 0;
    sp[7] = (uint64_t)(uintptr_t)entry;
    sp[8] = 0;
    block->sp = sp;
}
