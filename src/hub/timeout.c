/* SPDX-License-Identifier: MIT */
/* hub/timeout.c - timeout scopes and shields.
 *
 * Each greenlet has a stack of them, innermost first. Each has a timer of its
 * own, so that a waiting call needs no clock at entry: the timer marks the
 * scope as expired and raises the greenlet's alert, which is one test. What an
 * alert means is found by walking inwards to outwards until a shield that still
 * holds: of the expired scopes passed on the way the outermost counts, and a
 * kill counts when no shield was met.
 *
 * A cancel is a scope that expires when it is told to, and says -ECANCELED: by
 * it the body of a tn_scope is stopped. */
#include "hub/timeout.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/assert.h"

enum { SCOPE_ENDED, SCOPE_OPEN, SCOPE_EXPIRED, SCOPE_NOMEM };

/* The public struct hides a timer in its private fields. */
static struct tn__timer *timer_of(tn_timeout *t)
{
    return (struct tn__timer *)(void *)&t->tn__when;
}

_Static_assert(offsetof(tn_timeout, tn__slot) ==
                   offsetof(tn_timeout, tn__when) +
                       offsetof(struct tn__timer, slot),
               "tn_timeout holds a struct tn__timer");
_Static_assert(offsetof(tn_timeout, tn__kind) ==
                   offsetof(tn_timeout, tn__when) +
                       offsetof(struct tn__timer, kind),
               "tn_timeout holds a struct tn__timer");
_Static_assert(sizeof(void *) != 8 || sizeof(tn_timeout) == 56,
               "the size of tn_timeout is part of the ABI");

static bool is_shield(const tn_timeout *t)
{
    return t->tn__kind == TN__TIMER_SHIELD;
}

int tn__timeout_interrupt(struct tn_hub *h, struct tn_greenlet *g)
{
    tn_timeout *outermost = NULL, *t;

    (void)h;
    for (t = g->scopes; t; t = t->tn__outer) {
        if (t->tn__state == SCOPE_NOMEM)
            return -ENOMEM;
        if (is_shield(t) && t->tn__state == SCOPE_OPEN)
            break;
        if (!is_shield(t) && t->tn__state == SCOPE_EXPIRED)
            outermost = t;
    }
    if (!t && (g->alert & TN__ALERT_KILL))
        return -ECANCELED;
    if (!outermost)
        return 0;
    for (t = g->scopes; t != outermost; t = t->tn__outer)
        t->fired = 0;
    outermost->fired = 1;
    return outermost->tn__kind == TN__TIMER_CANCEL ? -ECANCELED : -ETIME;
}

void tn__timeout_expired(struct tn__timer *timer)
{
    tn_timeout *t = TN_CONTAINER(timer, tn_timeout, tn__when);
    struct tn_greenlet *g = t->tn__owner;

    TN_ASSERT(t->tn__state == SCOPE_OPEN);
    t->tn__state = SCOPE_EXPIRED;
    g->alert |= TN__ALERT_SCOPE;
    tn__hub_interrupt(g->hub, g);
}

static void arm(struct tn_hub *h, tn_timeout *t, tn_time deadline)
{
    struct tn_greenlet *g = t->tn__owner;

    t->fired = 0;
    t->tn__state = SCOPE_OPEN;
    if (deadline == TN_FOREVER)
        return;
    if (tn__heap_add(&h->timers, timer_of(t), deadline) < 0) {
        t->tn__state = SCOPE_NOMEM;
        g->alert |= TN__ALERT_SCOPE;
    }
}

static void begin(tn_timeout *t, tn_time deadline, uint32_t kind)
{
    struct tn_hub *h;
    int r = tn__hub_self(&h);

    memset(t, 0, sizeof *t);
    t->tn__kind = kind;
    if (r < 0)
        return; /* no hub can be made: every call inside will say why */
    t->tn__owner = h->current;
    t->tn__outer = h->current->scopes;
    h->current->scopes = t;
    arm(h, t, deadline);
}

/* The alert that scopes raised falls when none that raised it is left. */
static void settle_alert(struct tn_greenlet *g)
{
    for (tn_timeout *t = g->scopes; t; t = t->tn__outer)
        if (t->tn__state != SCOPE_OPEN)
            return;
    g->alert &= (uint8_t)~TN__ALERT_SCOPE;
}

static void end(tn_timeout *t)
{
    struct tn_greenlet *g = t->tn__owner;

    if (!g && t->tn__state == SCOPE_ENDED)
        return; /* begun without a hub, or ended */
    TN_ASSERT(g && g->scopes == t && g == g->hub->current);
    tn__heap_remove(&g->hub->timers, timer_of(t));
    g->scopes = t->tn__outer;
    t->tn__state = SCOPE_ENDED;
    t->tn__owner = NULL;
    if (g->alert & TN__ALERT_SCOPE)
        settle_alert(g);
}

void tn_timeout_begin(tn_timeout *t, tn_time deadline)
{
    begin(t, deadline, TN__TIMER_SCOPE);
}

void tn_timeout_end(tn_timeout *t)
{
    TN_ASSERT(t->tn__kind == TN__TIMER_SCOPE || !t->tn__owner);
    end(t);
}

void tn_timeout_reset(tn_timeout *t, tn_time deadline)
{
    struct tn_greenlet *g = t->tn__owner;

    if (!g)
        return;
    TN_ASSERT(t->tn__state != SCOPE_ENDED);
    tn__heap_remove(&g->hub->timers, timer_of(t));
    t->tn__state = SCOPE_OPEN;
    settle_alert(g);
    arm(g->hub, t, deadline);
}

void tn_shield_begin(tn_shield *s, tn_time bound)
{
    begin(s, bound, TN__TIMER_SHIELD);
}

void tn_shield_end(tn_shield *s)
{
    TN_ASSERT(is_shield(s));
    end(s);
}

void tn__cancel_begin(tn_timeout *t)
{
    begin(t, TN_FOREVER, TN__TIMER_CANCEL);
}

void tn__cancel_raise(tn_timeout *t)
{
    TN_ASSERT(t->tn__kind == TN__TIMER_CANCEL);
    if (t->tn__state == SCOPE_OPEN)
        tn__timeout_expired(timer_of(t));
}

void tn__cancel_end(tn_timeout *t)
{
    TN_ASSERT(t->tn__kind == TN__TIMER_CANCEL);
    end(t);
}

/* Expire the scopes of `g` that are due: while it computes, the hub does not
 * run their timers. */
static void expire_due(struct tn_hub *h, struct tn_greenlet *g)
{
    tn_time now = h->loop.ops->now(&h->loop);

    for (tn_timeout *t = g->scopes; t; t = t->tn__outer) {
        if (t->tn__state != SCOPE_OPEN || !t->tn__slot || t->tn__when > now)
            continue;
        tn__heap_remove(&h->timers, timer_of(t));
        tn__timeout_expired(timer_of(t));
    }
}

int tn_check(void)
{
    struct tn_hub *h = tn__hub_peek();

    if (!h || (h->current->alert & TN__ALERT_HUB))
        return 0;
    if (h->current->scopes)
        expire_due(h, h->current);
    return h->current->alert ? tn__timeout_interrupt(h, h->current) : 0;
}
