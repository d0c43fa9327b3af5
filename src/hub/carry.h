/* SPDX-License-Identifier: MIT */
/* hub/carry.h - what a greenlet carries along beside its registers.
 *
 * Library: errno, and C++'s exception globals where libstdc++ is linked. The
 * hub keeps the addresses of both, which cannot change, because a greenlet
 * never leaves its thread.
 * Engine: the FS base (a signal frame does not carry it) and the signal mask,
 * loaded by whoever resumes a green thread, only when they differ. */
#ifndef TN_HUB_CARRY_H
#define TN_HUB_CARRY_H

#include <string.h>

#include "greenlet/greenlet.h"
#include "hub/hub.h"

#ifdef TN_ENGINE

void tn__run_load_sigmask(struct tn_hub *h, uint64_t mask);

static inline void tn__carry_leave(struct tn_hub *h, struct tn_greenlet *g)
{
    (void)h;
    (void)g;
}

/* Before the switch to `g`. The hub runs on whatever was loaded last. */
static inline void tn__carry_load(struct tn_hub *h, struct tn_greenlet *g)
{
    if (g == &h->hub_g)
        return;
    if (h->fs_base != g->carry.fs_base) {
        h->fs_base = g->carry.fs_base;
        __asm__ volatile("wrfsbase %0" : : "r"(g->carry.fs_base) : "memory");
    }
    if (TN_UNLIKELY(h->sigmask != g->carry.sigmask))
        tn__run_load_sigmask(h, g->carry.sigmask);
}

static inline void tn__carry_enter(struct tn_hub *h, struct tn_greenlet *g)
{
    (void)h;
    (void)g;
}

#else

/* __cxa_eh_globals of the Itanium C++ ABI. */
struct tn__cxa {
    void *caught;
    unsigned uncaught;
};

static inline void tn__carry_leave(struct tn_hub *h, struct tn_greenlet *g)
{
    g->carry.err = *h->err;
    if (TN_UNLIKELY(h->cxa != NULL)) {
        struct tn__cxa *cxa = (struct tn__cxa *)(void *)h->cxa;

        g->carry.cxa_caught = cxa->caught;
        g->carry.cxa_n = cxa->uncaught;
    }
}

static inline void tn__carry_load(struct tn_hub *h, struct tn_greenlet *g)
{
    (void)h;
    (void)g;
}

/* After `g` was resumed, or when it begins. */
static inline void tn__carry_enter(struct tn_hub *h, struct tn_greenlet *g)
{
    *h->err = g->carry.err;
    if (TN_UNLIKELY(h->cxa != NULL)) {
        struct tn__cxa *cxa = (struct tn__cxa *)(void *)h->cxa;

        cxa->caught = g->carry.cxa_caught;
        cxa->uncaught = g->carry.cxa_n;
    }
}

#endif
#endif /* TN_HUB_CARRY_H */
