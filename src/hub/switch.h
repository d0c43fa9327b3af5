/* SPDX-License-Identifier: MIT */
/* hub/switch.h - the hot inline parts of the hub: the run queue and the switch
 * with all that must travel along. Included by the few files that switch. */
#ifndef TN_HUB_SWITCH_H
#define TN_HUB_SWITCH_H

#include "arch/arch.h"
#include "base/assert.h"
#include "hub/carry.h"
#include "hub/hub.h"

/* ---- what the sanitizers must be told ---- */

#ifdef TN_ASAN
static inline void tn__asan_leave(struct tn_greenlet *from,
                                  struct tn_greenlet *to, bool is_last)
{
    const void *low = to->stack ? to->stack->low : to->asan_low;
    size_t bytes = to->stack ? ((size_t)1 << to->stack->bytes_log2) - 4096
                             : to->asan_bytes;

    __sanitizer_start_switch_fiber(is_last ? NULL : &from->asan_fake, low,
                                   bytes);
}
/* `self` has just been entered; `from` may be any other. */
static inline void tn__asan_enter(struct tn_hub *h, struct tn_greenlet *self)
{
    const void *low;
    size_t bytes;

    __sanitizer_finish_switch_fiber(self->asan_fake, &low, &bytes);
    if (!h->main->asan_low) {
        h->main->asan_low = low;
        h->main->asan_bytes = bytes;
    }
}
#else
# define tn__asan_leave(from, to, is_last) ((void)0)
# define tn__asan_enter(h, self) ((void)0)
#endif

#ifdef TN_TSAN
# define tn__tsan_leave(to) __tsan_switch_to_fiber((to)->tsan_fiber, 0)
#else
# define tn__tsan_leave(to) ((void)0)
#endif

/* ---- run queue ---- */

static inline void tn__hub_push(struct tn_hub *h, struct tn_greenlet *g)
{
    g->state = TN_GREENLET_READY;
    g->next = NULL;
    *h->last = g;
    h->last = &g->next;
    h->n_ready++;
}

struct tn_greenlet *tn__hub_pop_random(struct tn_hub *h);

/* Who runs next: the first of the queue, or the hub. */
static inline struct tn_greenlet *tn__hub_pop(struct tn_hub *h)
{
    struct tn_greenlet *g = h->first;

    if (TN_UNLIKELY(!g || h->is_tick_over))
        return &h->hub_g;
#ifndef TN_ENGINE
    if (TN_UNLIKELY(h->sim_random != 0))
        return tn__hub_pop_random(h);
#endif
    h->first = g->next;
    if (!h->first)
        h->last = &h->first;
    h->n_ready--;
    return g;
}

/* ---- switching ---- */

/* Leave `from` (whose state is set already) for `to`; returns when somebody
 * resumes `from`. */
static inline void tn__hub_switch(struct tn_hub *h, struct tn_greenlet *from,
                                  struct tn_greenlet *to)
{
    h->current = to;
    h->n_switches++;
    to->state = TN_GREENLET_RUNNING;
    tn__carry_leave(h, from);
    tn__carry_load(h, to);
    tn__asan_leave(from, to, false);
    tn__tsan_leave(to);
    tn__arch_switch(&from->sp, to->sp);
    tn__asan_enter(h, from);
    tn__carry_enter(h, from);
}

#endif /* TN_HUB_SWITCH_H */
