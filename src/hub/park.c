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
    if (g->state == TN_GREENLET_WAITING)
        tn__hub_push(g->hub, g);
}

/* The seeded scheduler of the simulator: any of the runnable ones. */
struct tn_greenlet *tn__hub_pop_random(struct tn_hub *h)
{
    struct tn_greenlet **at = &h->first, *g;
    uint32_t skip;

    h->sim_random = h->sim_random * 6364136223846793005u +
                    1442695040888963407u; /* Knuth's MMIX */
    skip = (uint32_t)(h->sim_random >> 33) % h->n_ready;
    while (skip-- > 0)
        at = &(*at)->next;
    g = *at;
    *at = g->next;
    if (h->last == &g->next)
        h->last = at;
    h->n_ready--;
    return g;
}

static void see_if_tick_is_over(struct tn_hub *h)
{
    if (h->calls >= TN__TICK_CALLS || h->loop.ops->now(&h->loop) >= h->tick_end)
        h->is_tick_over = true;
}

static inline void count_call(struct tn_hub *h)
{
    if (TN_UNLIKELY((++h->calls & (TN__TICK_CLOCK - 1)) == 0))
        see_if_tick_is_over(h);
}

void tn__hub_yield(struct tn_hub *h)
{
    struct tn_greenlet *g = h->current, *to;

    count_call(h);
    tn__hub_push(h, g);
    to = tn__hub_pop(h);
    if (to == g) {
        g->state = TN_GREENLET_RUNNING;
        return;
    }
    tn__hub_switch(h, g, to);
}

void tn__hub_tick_slow(struct tn_hub *h)
{
    see_if_tick_is_over(h);
    if (!h->is_tick_over || h->current == &h->hub_g)
        return;
    tn__hub_push(h, h->current);
    tn__hub_switch(h, h->current, &h->hub_g);
}

int tn__hub_alert(struct tn_hub *h, struct tn_greenlet *g, tn_time deadline)
{
    if (g->alert & TN__ALERT_HUB)
        return deadline == TN_NOWAIT ? 0 : -EDEADLK;
    return tn__timeout_interrupt(h, g);
}

/* Why a greenlet that was woken without a result leaves its wait; 0: it does
 * not, the alarm was about something that a shield hides. */
static int reason_to_leave(struct tn_hub *h, struct tn_greenlet *g)
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
        g->parked_at = h->now;
        count_call(h);
        tn__hub_switch(h, g, tn__hub_pop(h));
        if (__atomic_load_n(is_done, __ATOMIC_RELAXED)) {
            r = 0;
            break;
        }
        r = reason_to_leave(h, g);
    } while (r == 0);
    if (deadline != TN_FOREVER)
        tn__heap_remove(&h->timers, &g->timer);
    return r;
}

void tn__hub_leave(struct tn_hub *h)
{
    struct tn_greenlet *to = tn__hub_pop(h);

    tn__hub_leave_for(h, to);
}

void tn__hub_leave_for(struct tn_hub *h, struct tn_greenlet *to)
{
    h->current = to;
    h->n_switches++;
    to->state = TN_GREENLET_RUNNING;
    tn__carry_load(h, to);
    tn__asan_leave(NULL, to, true);
    tn__tsan_leave(to);
    tn__arch_jump(to->sp);
}
