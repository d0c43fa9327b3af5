/* SPDX-License-Identifier: MIT */
/* hub/switch.h - the hot inline parts of the hub: the run queue and the switch
 * with all that must travel along. Included by the few files that switch. */
#ifndef TN_HUB_SWITCH_H
#define TN_HUB_SWITCH_H

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "arch/arch.h"
#include "base/assert.h"
#include "base/own.h"
#include "hub/carry.h"
#include "hub/hub.h"

/* ---- what the sanitizers must be told ---- */

#ifdef TN_ASAN
static inline void tn__asan_leave(struct tn_greenlet *from,
                                  struct tn_greenlet *to, bool is_last)
{
    const void *low = to->stack ? to->stack->low : to->asan_low;
    size_t bytes = to->stack ? ((size_t)1 << to->stack->bytes_log2) -
                                   to->hub->stacks.page
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
/* ThreadSanitizer keeps a signal that comes upon code in no call for the next
 * call of the same fiber, which may be never: so there is one before each
 * switch, and from there on none comes until the fiber is another. */
static inline void tn__tsan_leave(struct tn_greenlet *to)
{
    sigset_t all, mask;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

/* Where a fiber keeps them is made in its first blocking call, and one that
 * comes meanwhile may be lost: so that call is made here, where none comes. */
static inline void *tn__tsan_create(void)
{
    void *self = __tsan_get_current_fiber(), *fiber;
    sigset_t all, mask;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    fiber = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(fiber, 0);
    TN_OWN(nanosleep(&(const struct timespec){0, 0}, NULL));
    __tsan_switch_to_fiber(self, 0);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return fiber;
}
#else
# define tn__tsan_leave(to) ((void)0)
#endif

/* ---- run queue ---- */

static inline void tn__hub_push(struct tn_hub *h, struct tn_greenlet *g)
{
    struct tn_greenlet *tail = h->tail;

    g->state = TN_GREENLET_READY;
    if (tail) {
        g->next = tail->next;
        tail->next = g;
    } else {
        g->next = g;
    }
    h->tail = g;
}

/* Take the first of the queue, which is not empty. */
static inline struct tn_greenlet *tn__hub_pop_first(struct tn_hub *h)
{
    struct tn_greenlet *tail = h->tail, *g = tail->next;

    if (g == tail)
        h->tail = NULL;
    else
        tail->next = g->next;
    return g;
}

/* Push `g` and take the first, of a queue that is not empty. */
static inline struct tn_greenlet *tn__hub_rotate(struct tn_hub *h,
                                                 struct tn_greenlet *g)
{
    struct tn_greenlet *tail = h->tail, *to = tail->next;

    g->state = TN_GREENLET_READY;
    if (to == tail) {
        g->next = g;
    } else {
        g->next = to->next;
        tail->next = g;
    }
    h->tail = g;
    return to;
}

/* Who runs next when it is not simply the first of the queue. */
struct tn_greenlet *tn__hub_pop_detour(struct tn_hub *h);

/* Who runs next: the first of the queue, or the hub. */
static inline struct tn_greenlet *tn__hub_pop(struct tn_hub *h)
{
    if (TN_UNLIKELY(!h->tail || h->detour))
        return tn__hub_pop_detour(h);
    return tn__hub_pop_first(h);
}

/* ---- switching ---- */

/* What every switch from `from` (whose state is set already; NULL: it is gone)
 * to `to` must see to. */
static inline void tn__hub_prepare(struct tn_hub *h, struct tn_greenlet *from,
                                   struct tn_greenlet *to)
{
    h->current = to;
    h->n_switches++;
    to->state = TN_GREENLET_RUNNING;
    tn__carry(h, from, to);
    tn__asan_leave(from, to, !from);
    tn__tsan_leave(to);
}

/* Leave `from` for `to`; returns when somebody resumes `from`. */
static inline void tn__hub_switch(struct tn_hub *h, struct tn_greenlet *from,
                                  struct tn_greenlet *to)
{
    from->is_tail = 0;
    tn__hub_prepare(h, from, to);
    if (to->is_tail)
        tn__arch_switch_tail(&from->sp, to->sp, to->resume_value);
    else
        tn__arch_switch(&from->sp, to->sp, to->resume_value);
    tn__asan_enter(h, from);
}

/* The same as the last thing a public function does: `from` is resumed in its
 * user's code, and the function returns what from->resume_value then is. */
static inline int tn__hub_switch_tail(struct tn_hub *h,
                                      struct tn_greenlet *from,
                                      struct tn_greenlet *to)
{
#ifdef TN_ASAN
    tn__hub_switch(h, from, to);
    return from->resume_value;
#else
    from->is_tail = 1;
    tn__hub_prepare(h, from, to);
    if (TN_LIKELY(to->is_tail))
        return tn__arch_switch_tail(&from->sp, to->sp, to->resume_value);
    return tn__arch_switch(&from->sp, to->sp, to->resume_value);
#endif
}

/* Leave a greenlet that has ended, or whose memory is lost, for `to`. Does not
 * return; to be the last thing its caller does. */
static inline void tn__hub_leave_for(struct tn_hub *h, struct tn_greenlet *to)
{
    tn__hub_prepare(h, NULL, to);
    if (to->is_tail)
        tn__arch_jump_tail(to->sp, to->resume_value);
    else
        tn__arch_jump(to->sp, to->resume_value);
}

/* ---- parking: see park.c ---- */

/* Look whether the tick is over. */
void tn__hub_look_at_clock(struct tn_hub *h);

/* Count a call that may wait; true when the clock is to be looked at. */
static inline bool tn__hub_is_clock_due(struct tn_hub *h)
{
    return (++h->calls & (TN__TICK_CLOCK - 1)) == 0;
}

/* Why a greenlet that was woken without a result leaves its wait; 0: it does
 * not, the alarm was about something that a shield hides. */
int tn__hub_reason_to_leave(struct tn_hub *h, struct tn_greenlet *g);

/* tn__hub_park(), for the hottest of its callers. */
static inline int tn__hub_park_inline(struct tn_hub *h, const uint8_t *is_done,
                                      tn_time deadline, const char *what,
                                      int fd)
{
    struct tn_greenlet *g = h->current;
    int r;

    if (TN_UNLIKELY(g == &h->hub_g))
        return -EDEADLK;
    g->timed_out = TN__TIMED_NOT;
    g->wait_what = what;
    g->wait_fd = fd;
    if (deadline != TN_FOREVER) {
        r = tn__heap_add(&h->timers, &g->timer, deadline);
        if (r < 0)
            return r;
    }
    do {
        g->state = TN_GREENLET_WAITING;
        if (tn__hub_is_clock_due(h))
            tn__hub_look_at_clock(h);
        tn__hub_switch(h, g, tn__hub_pop(h));
        if (__atomic_load_n(is_done, __ATOMIC_RELAXED)) {
            r = 0;
            break;
        }
        r = tn__hub_reason_to_leave(h, g);
    } while (r == 0);
    if (deadline != TN_FOREVER)
        tn__heap_remove(&h->timers, &g->timer);
    return r;
}

/* True when a call may count itself by h->calls++ and go on: neither the clock
 * is to be looked at, nor is there another reason not to take the first of the
 * run queue. For paths without a call that would need a frame. */
static inline bool tn__hub_is_straight(const struct tn_hub *h)
{
    return !h->detour && ((h->calls + 1) & (TN__TICK_CLOCK - 1)) != 0;
}

/* What is not on the straight path of tn__hub_park_tail(). */
int tn__hub_park_detour(struct tn_hub *h);

/* Park the current greenlet, which is not the hub's, as the last thing that a
 * public function does, with no deadline, until tn__hub_resume(). Returns what
 * that was given, or -ECANCELED, -ETIME, -EDEADLK: then `leave` was called
 * first. Faster than tn__hub_park(): it returns straight to the user. What the
 * waker has to find can lie in g->tail_wait. */
static inline int tn__hub_park_tail(struct tn_hub *h,
                                    void (*leave)(struct tn_greenlet *g),
                                    const char *what)
{
    struct tn_greenlet *g = h->current;

    g->leave = leave;
    g->timed_out = TN__TIMED_NOT;
    g->wait_what = what;
    g->wait_fd = -1;
    g->state = TN_GREENLET_WAITING;
    if (TN_UNLIKELY(!tn__hub_is_straight(h) || !h->tail))
        return tn__hub_park_detour(h);
    h->calls++;
    return tn__hub_switch_tail(h, g, tn__hub_pop_first(h));
}

/* One of tn_hub.n_leavers has a result, or waits on. */
void tn__hub_not_leaving(struct tn_hub *h);

/* Have the tn__hub_park_tail() of `g`, which is in it, return `value`. The
 * first: when its state is WAITING. */
static inline void tn__hub_resume_waiting(struct tn_hub *h,
                                          struct tn_greenlet *g, int value)
{
    g->leave = NULL;
    g->resume_value = value;
    tn__hub_push(h, g);
}

static inline void tn__hub_resume(struct tn_hub *h, struct tn_greenlet *g,
                                  int value)
{
    if (TN_UNLIKELY(g->state != TN_GREENLET_WAITING)) {
        g->leave = NULL;
        g->resume_value = value;
        tn__hub_not_leaving(h);
    } else {
        tn__hub_resume_waiting(h, g, value);
    }
}

#endif /* TN_HUB_SWITCH_H */
