/* SPDX-License-Identifier: MIT */
/* hub/park.c - how a greenlet waits, and what ends its wait.
 *
 * A wait has a flag that its waker sets (*is_done). Whatever else may end it, a
 * kill, a scope's timer, its own deadline, only makes the greenlet runnable and
 * leaves a mark; nothing is taken off. The greenlet itself then looks, in the
 * order of precedence: the flag, kill, the outermost expired scope, its own
 * deadline. So an operation that completes between a deadline and the moment
 * its greenlet runs still counts, and is never lost.
 *
 * A call whose wait is the last thing that it does (tn__hub_park_tail()) is
 * resumed in its user's code, and so cannot look for itself. Its waker gives it
 * the result, and when it was woken without one, whoever would switch to it
 * looks on its behalf, at that moment and in the same order. While there are
 * such in the run queue, taking the first from it makes a detour.
 *
 * A parking greenlet switches straight to the next runnable one. The hub runs
 * only when the queue is empty or the tick is over. */
#include <errno.h>

#include "base/clock.h"
#include "hub/switch.h"
#include "hub/timeout.h"

void tn__hub_ready(struct tn_hub *h, struct tn_greenlet *g)
{
    TN_ASSERT(g->state != TN_GREENLET_READY && g->state != TN_GREENLET_DONE);
    tn__hub_push(h, g);
}

void tn__hub_wake(struct tn_greenlet *g)
{
    if (g->state != TN_GREENLET_WAITING)
        return;
    if (TN_UNLIKELY(g->leave != NULL)) {
        g->hub->n_leavers++;
        g->hub->detour |= TN__DETOUR_LEAVER;
    }
    tn__hub_push(g->hub, g);
}

void tn__hub_not_leaving(struct tn_hub *h)
{
    TN_ASSERT(h->n_leavers > 0);
    if (--h->n_leavers == 0)
        h->detour &= ~(uint32_t)TN__DETOUR_LEAVER;
}

/* `g`, which was woken without a result in tn__hub_park_tail(), is to run:
 * what does its call return? False if it waits on. */
static bool leave(struct tn_hub *h, struct tn_greenlet *g)
{
    int r = tn__hub_reason_to_leave(h, g);

    tn__hub_not_leaving(h);
    if (r == 0) {
        g->state = TN_GREENLET_WAITING;
        return false;
    }
    g->leave(g);
    g->leave = NULL;
    g->resume_value = r;
    return true;
}

uint32_t tn__hub_random(struct tn_hub *h)
{
    h->random = h->random * 6364136223846793005u +
                1442695040888963407u; /* Knuth's MMIX */
    return (uint32_t)(h->random >> 33);
}

/* Any of the runnable ones, for the seeded scheduler of the simulator. */
static struct tn_greenlet *pop_random(struct tn_hub *h)
{
    struct tn_greenlet *g = h->tail;
    uint32_t n = 1, skip;

    while (g->next != h->tail) {
        g = g->next;
        n++;
    }
    /* The queue is a ring: turn it. */
    for (skip = tn__hub_random(h) % n; skip > 0; skip--)
        h->tail = h->tail->next;
    return tn__hub_pop_first(h);
}

/* As tn__hub_pop_detour(), without the switch hook. */
static struct tn_greenlet *choose(struct tn_hub *h)
{
    struct tn_greenlet *g;

#ifdef TN_ENGINE
    if (h->detour & TN__DETOUR_OWN) {
        g = h->own_fn(h);
        if (g)
            return g;
    }
#endif
    while (h->tail && !(h->detour & TN__DETOUR_TICK)) {
        g = h->detour & TN__DETOUR_RANDOM ? pop_random(h)
                                          : tn__hub_pop_first(h);
        if (!g->leave || leave(h, g))
            return g;
    }
    return &h->hub_g;
}

struct tn_greenlet *tn__hub_pop_detour(struct tn_hub *h)
{
    struct tn_greenlet *to = choose(h);

    if (h->detour & TN__DETOUR_HOOK)
        tn__hub_call_hook(h, to, false);
    return to;
}

void tn__hub_look_at_clock(struct tn_hub *h)
{
    if (h->calls >= TN__TICK_CALLS || h->loop.ops->now(&h->loop) >= h->tick_end)
        h->detour |= TN__DETOUR_TICK;
}

int tn__hub_park_detour(struct tn_hub *h)
{
    if (tn__hub_is_clock_due(h))
        tn__hub_look_at_clock(h);
    return tn__hub_switch_tail(h, h->current, tn__hub_pop(h));
}

int tn__hub_yield(struct tn_hub *h)
{
    struct tn_greenlet *g = h->current, *to;

    if (tn__hub_is_clock_due(h))
        tn__hub_look_at_clock(h);
    g->resume_value = 0;
    tn__hub_push(h, g);
    to = tn__hub_pop(h);
    if (to == g) {
        g->state = TN_GREENLET_RUNNING;
        return 0;
    }
    return tn__hub_switch_tail(h, g, to);
}

void tn__hub_give_way(struct tn_hub *h)
{
    struct tn_greenlet *g = h->current;

    TN_ASSERT(g != &h->hub_g && !h->preempted);
    g->state = TN_GREENLET_READY;
    h->preempted = g;
    tn__hub_switch(h, g, &h->hub_g);
}

/* What is not on the straight path of tn_yield(). */
static __attribute__((noinline)) int yield_slow(struct tn_hub *h)
{
    int r;

    if (!h) {
        r = tn__hub_self(&h);
        if (r < 0)
            return r;
    }
    if (h->current->alert) {
        r = tn__hub_alert(h, h->current, TN_FOREVER);
        if (r)
            return r;
    }
    return tn__hub_yield(h);
}

/* The straight path needs no frame of its own: that, and the tail switch, are
 * worth three quarters of its time. */
int tn_yield(void)
{
    struct tn_hub *h = tn__hub_peek();
    struct tn_greenlet *g;

    if (TN_UNLIKELY(!h))
        return yield_slow(h);
    g = h->current;
    if (TN_UNLIKELY(g->alert || !tn__hub_is_straight(h) || !h->tail))
        return yield_slow(h);
    h->calls++;
    g->resume_value = 0;
    return tn__hub_switch_tail(h, g, tn__hub_rotate(h, g));
}

void tn__hub_tick_slow(struct tn_hub *h)
{
    tn__hub_look_at_clock(h);
    if (!(h->detour & TN__DETOUR_TICK) || h->current == &h->hub_g)
        return;
    tn__hub_push(h, h->current);
    if (h->detour & TN__DETOUR_HOOK)
        tn__hub_call_hook(h, &h->hub_g, false);
    tn__hub_switch(h, h->current, &h->hub_g);
}

int tn__hub_alert(struct tn_hub *h, struct tn_greenlet *g, tn_time deadline)
{
    if (g->alert & TN__ALERT_HUB)
        return deadline == TN_NOWAIT ? 0 : -EDEADLK;
    return tn__timeout_interrupt(h, g);
}

int tn__hub_reason_to_leave(struct tn_hub *h, struct tn_greenlet *g)
{
    int r = g->alert ? tn__timeout_interrupt(h, g) : 0;

    if (r)
        return r;
    if (g->timed_out == TN__TIMED_OUT)
        return -ETIME;
    return g->timed_out == TN__TIMED_DEADLOCK ? -EDEADLK : 0;
}

int tn__hub_park(struct tn_hub *h, const uint8_t *is_done, tn_time deadline,
                 const char *what, int fd)
{
    return tn__hub_park_inline(h, is_done, deadline, what, fd);
}

void tn__hub_park_firmly(struct tn_hub *h, const uint8_t *is_done,
                         const char *what)
{
    struct tn_greenlet *g = h->current;

    TN_ASSERT(g != &h->hub_g);
    g->wait_what = what;
    g->wait_fd = -1;
    while (!*is_done) {
        g->state = TN_GREENLET_WAITING;
        tn__hub_switch(h, g, tn__hub_pop(h));
    }
}

void tn__hub_leave(struct tn_hub *h)
{
    tn__hub_leave_for(h, tn__hub_pop(h));
    __builtin_unreachable();
}
