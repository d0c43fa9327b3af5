/* SPDX-License-Identifier: MIT */
/* hub/carry.h - what a greenlet carries along beside its registers.
 *
 * It is exchanged by the one that leaves, so that the one that is resumed has
 * nothing to do and can be resumed straight in its user's code.
 *
 * Library: errno, and C++'s exception globals where libstdc++ is linked. The
 * hub keeps the addresses of both, which cannot change, because a greenlet
 * never leaves its thread.
 * Engine: the FS base (a signal frame does not carry it), loaded by whoever
 * resumes a green thread, only when it differs; and the vector registers, of
 * one whose call keeps them: src/run/vectors.S. Signal masks are never loaded:
 * see src/run/mask.c. */
#ifndef TN_HUB_CARRY_H
#define TN_HUB_CARRY_H

#include <string.h>

#include "greenlet/greenlet.h"
#include "hub/hub.h"

#ifdef TN_ENGINE

void tn__run_vectors_save(void *vectors);
/* altstack.c of the engine: take the alternate stack from the kernel. */
extern bool tn__run_has_altstacks __attribute__((visibility("hidden")));
void tn__run_altstack_leave(void);
/* cputime.c: charge who has run. */
extern bool tn__run_is_metered __attribute__((visibility("hidden")));
void tn__run_meter(struct tn_greenlet *from);

/* The current greenlet (whose things the kernel and the CPU keep, or NULL if it
 * is gone) gives way to `g`. The hub runs on whatever was loaded last. */
static inline void tn__carry(struct tn_hub *h, struct tn_greenlet *from,
                             struct tn_greenlet *g)
{
    if (from && from->carry.vectors) {
        tn__run_vectors_save(from->carry.vectors);
        from->carry.vectors = NULL;
    }
    if (TN_UNLIKELY(tn__run_has_altstacks))
        tn__run_altstack_leave();
    if (TN_UNLIKELY(tn__run_is_metered))
        tn__run_meter(from);
    h->turn->current = g;
    if (g == &h->hub_g)
        return;
    if (h->fs_base != g->carry.fs_base) {
        h->fs_base = g->carry.fs_base;
        __asm__ volatile("wrfsbase %0" : : "r"(g->carry.fs_base) : "memory");
    }
}

#else

/* __cxa_eh_globals of the Itanium C++ ABI. */
struct tn__cxa {
    void *caught;
    unsigned uncaught;
};

static inline void tn__carry(struct tn_hub *h, struct tn_greenlet *from,
                             struct tn_greenlet *g)
{
    struct tn__cxa *cxa = (struct tn__cxa *)(void *)h->cxa;

    int *err = h->err;

    if (from)
        from->carry.err = *err;
    *err = g->carry.err;
    if (TN_LIKELY(!cxa))
        return;
    if (from) {
        from->carry.cxa_caught = cxa->caught;
        from->carry.cxa_n = cxa->uncaught;
    }
    cxa->caught = g->carry.cxa_caught;
    cxa->uncaught = g->carry.cxa_n;
}

#endif
#endif /* TN_HUB_CARRY_H */
