/* SPDX-License-Identifier: MIT */
/* sync/event.c - a flag that greenlets wait for. Setting it gives the result to
 * those who wait at that moment, so clearing it at once takes nothing from
 * them, and who comes after that waits for the next time. */
#include <errno.h>
#include <stdlib.h>
#include <tendril/event.h>

#include "hub/waitable.h"
#include "sync/waitq.h"

struct tn_event {
    struct tn_waitable waitable;
    struct tn__waitq waiters; /* empty while it is set */
    bool is_set;
};

static bool is_ready(const struct tn_waitable *w)
{
    return TN_CONTAINER(w, tn_event, waitable)->is_set;
}

static const struct tn__waitable_ops event_ops = {
    .what = "event",
    .is_ready = is_ready,
};

int tn_event_new(tn_event **ret_event)
{
    struct tn_hub *h;
    tn_event *e;
    int r;

    if (!ret_event)
        return -EINVAL;
    r = tn__hub_self(&h);
    if (r < 0)
        return r;
    e = malloc(sizeof *e);
    if (!e)
        return -ENOMEM;
    tn__waitable_init(&e->waitable, &event_ops, h);
    tn__waitq_init(&e->waiters);
    e->is_set = false;
    *ret_event = e;
    return 0;
}

void tn_event_free(tn_event *e)
{
    if (!e)
        return;
    tn__waitq_fini(e->waitable.hub, &e->waiters);
    tn__waitable_fini(&e->waitable);
    free(e);
}

int tn_event_set(tn_event *e)
{
    if (!e)
        return -EINVAL;
    if (e->waitable.hub != tn__hub_peek())
        return -EXDEV;
    e->is_set = true;
    tn__waitq_wake_all(&e->waiters);
    tn__waitable_notify(&e->waitable);
    return 0;
}

int tn_event_clear(tn_event *e)
{
    if (!e)
        return -EINVAL;
    if (e->waitable.hub != tn__hub_peek())
        return -EXDEV;
    e->is_set = false;
    return 0;
}

int tn_event_is_set(const tn_event *e)
{
    return e && e->is_set;
}

int tn_event_wait(tn_event *e, tn_time deadline)
{
    struct tn__waitq_node node;
    struct tn_hub *h;
    int r;

    if (!e)
        return -EINVAL;
    h = e->waitable.hub;
    r = tn__wait_enter(h, deadline);
    if (r < 0)
        return r;
    if (e->is_set) {
        tn__hub_tick(h);
        return 0;
    }
    return tn__waitq_wait(h, &e->waiters, &node, deadline, "tn_event_wait");
}

tn_waitable *tn_event_waitable(tn_event *e)
{
    return e ? &e->waitable : NULL;
}
