/* SPDX-License-Identifier: MIT */
/* hub/later.c - greenlets that start at a time.
 *
 * One that waits for its start is NEW, and its timer, which it does not need
 * before it runs, is armed with a kind of its own. It counts as alive: joining
 * the hub waits for it. Whatever takes a NEW greenlet out of that state (a
 * start, a switch, a kill, its last reference) first claims it, and so takes
 * the timer off. */
#include <errno.h>

#include "hub/hub.h"
#include "hub/switch.h"

void tn__greenlet_claim(struct tn_hub *h, struct tn_greenlet *g)
{
    TN_ASSERT(g->state == TN_GREENLET_NEW);
    if (g->timer.kind != TN__TIMER_START) {
        h->n_alive++;
        return;
    }
    tn__heap_remove(&h->timers, &g->timer);
    g->timer.kind = TN__TIMER_WAIT;
}

void tn__greenlet_start_due(struct tn_hub *h, struct tn_greenlet *g)
{
    TN_ASSERT(g->state == TN_GREENLET_NEW);
    g->timer.kind = TN__TIMER_WAIT;
    tn__parent_queued(g);
    tn__hub_push(h, g);
}

int tn_start_later(tn_greenlet *g, tn_time when)
{
    int r;

    if (!g || when == TN_FOREVER)
        return -EINVAL;
    if (g->hub != tn__hub_peek())
        return -EXDEV;
    if (g->state != TN_GREENLET_NEW || g->timer.kind == TN__TIMER_START)
        return 0;
    r = tn__heap_add(&g->hub->timers, &g->timer, when);
    if (r < 0)
        return r;
    g->timer.kind = TN__TIMER_START;
    g->hub->n_alive++;
    return 0;
}

int tn_spawn_later(tn_time when, tn_greenlet_fn fn, void *arg,
                   tn_greenlet **ret_g)
{
    tn_greenlet *g;
    int r;

    if (when == TN_FOREVER)
        return -EINVAL;
    r = tn_greenlet_new(NULL, fn, arg, &g);
    if (r < 0)
        return r;
    r = tn_start_later(g, when);
    if (r < 0 || !ret_g)
        tn_unref(g);
    if (r == 0 && ret_g)
        *ret_g = g;
    return r;
}
