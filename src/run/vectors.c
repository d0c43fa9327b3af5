/* SPDX-License-Identifier: MIT */
/* run/vectors.c - what this CPU has for vectors.S, and how large it is. */
#include "run/patch.h"

#include <cpuid.h>

enum {
    X87_AND_VECTORS = 0xe7, /* x87, SSE, AVX and the three of AVX-512. Not
                             * protection keys; not AMX, whose tiles nobody
                             * keeps over a call. */
    SSE_BYTES = 16 * 16,
    HEAD = 512 + 64,        /* of what XSAVEC writes */
    HAS_OSXSAVE = 1 << 27,  /* leaf 1, ecx */
    HAS_XSAVEC = 1 << 1,    /* leaf 13.1, eax; and xgetbv(1) */
    HAS_XGETBV1 = 1 << 2,
    IS_ALIGNED = 1 << 1     /* leaf 13.n, ecx: begins at a multiple of 64 */
};

uint16_t tn__run_vectors_bytes[TN__RUN_COMPONENTS];
unsigned long tn__run_vectors_mask;

static unsigned long enabled(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* What XSAVEC writes of a component, and whether that begins at a multiple of
 * 64. Asked once: in a virtual machine each question takes microseconds. */
static struct component {
    unsigned bytes;
    bool is_aligned;
} components[8];

static void ask(void)
{
    unsigned a, b, c, d;

    for (unsigned i = 2; i < 8; i++)
        if ((tn__run_vectors_mask & 1u << i) &&
            __get_cpuid_count(13, i, &a, &b, &c, &d))
            components[i] = (struct component){a, c & IS_ALIGNED};
}

/* Of `set`, which is more than the SSE registers. */
static unsigned bytes_of(unsigned set)
{
    unsigned bytes = HEAD;

    for (unsigned i = 2; i < 8; i++) {
        if (!(set & 1u << i))
            continue;
        if (components[i].is_aligned)
            bytes = (bytes + 63) & ~63u;
        bytes += components[i].bytes;
    }
    return bytes;
}

bool tn__run_vectors_init(void)
{
    enum { SSE = 2 };
    unsigned a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & HAS_OSXSAVE) ||
        !__get_cpuid_count(13, 1, &a, &b, &c, &d) || !(a & HAS_XSAVEC) ||
        !(a & HAS_XGETBV1))
        return false;
    tn__run_vectors_mask = enabled() & X87_AND_VECTORS;
    ask();
    for (unsigned set = SSE; set < TN__RUN_COMPONENTS; set++)
        tn__run_vectors_bytes[set] =
            (uint16_t)(sizeof(struct tn__run_vectors) +
                       (set == SSE ? SSE_BYTES : bytes_of(set)));
    return true;
}
