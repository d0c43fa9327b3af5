/* SPDX-License-Identifier: MIT */
/* sync/result.c - a value or an error that comes once. As an event that is
 * never cleared, with something in it. */
#include <errno.h>
#include <stdlib.h>
#include <tendril/result.h>

#include "hub/waitable.h"
#include "sync/waitq.h"

/* One who waits; on its own stack. What it was given is here, so that the
 * result may be freed before it runs. */
struct waiter {
    struct tn__waitq_node node;
    void *value; /* as in tn_result, once woken */
    int error;
};

struct tn_result {
    struct tn_waitable waitable;
    struct tn__waitq waiters; /* struct waiter; none once it is settled */
    void *value;              /* not owned */
    int error;                /* 0, or a negative errno */
    bool is_done;
    bool is_cancelled;
    tn_link follow; /* on the greenlet it follows */
};

static bool is_ready(const struct tn_waitable *w)
{
    return TN_CONTAINER(w, tn_result, waitable)->is_done;
}

static const struct tn__waitable_ops result_ops = {
    .what = "result",
    .is_ready = is_ready,
};

int tn_result_new(tn_result **ret_result)
{
    struct tn_hub *h;
    tn_result *res;
    int r;

    if (!ret_result)
        return -EINVAL;
    r = tn__hub_self(&h);
    if (r < 0)
        return r;
    res = calloc(1, sizeof *res);
    if (!res)
        return -ENOMEM;
    tn__waitable_init(&res->waitable, &result_ops, h);
    tn__waitq_init(&res->waiters);
    *ret_result = res;
    return 0;
}

void tn_result_free(tn_result *r)
{
    if (!r)
        return;
    tn__waitq_fini(r->waitable.hub, &r->waiters);
    tn__waitable_fini(&r->waitable);
    if (r->waitable.hub == tn__hub_peek())
        tn__waitable_unlink(&r->follow);
    free(r);
}

/* 0 if it can be settled from here. */
static int check(const tn_result *r)
{
    if (!r)
        return -EINVAL;
    if (r->waitable.hub != tn__hub_peek())
        return -EXDEV;
    return r->is_done ? -EALREADY : 0;
}

static void settle(tn_result *r, void *value, int error)
{
    TN_ASSERT(!r->is_done);
    r->value = value;
    r->error = error;
    r->is_done = true;
    while (!tn__waitq_is_empty(&r->waiters)) {
        struct waiter *w =
            TN_CONTAINER(tn__waitq_first(&r->waiters), struct waiter, node);

        w->value = value;
        w->error = error;
        tn__waitq_wake(&w->node);
    }
    tn__waitable_notify(&r->waitable);
}

int tn_result_set(tn_result *r, void *value)
{
    int error = check(r);

    if (error == 0)
        settle(r, value, 0);
    return error;
}

int tn_result_fail(tn_result *r, int error)
{
    int e = error < 0 ? check(r) : -EINVAL;

    if (e == 0)
        settle(r, NULL, error);
    return e;
}

int tn_result_cancel(tn_result *r)
{
    int error = tn_result_fail(r, -ECANCELED);

    if (error == 0)
        r->is_cancelled = true;
    return error;
}

/* ---- the end of a greenlet as its source ---- */

static void followed_ended(tn_link *link)
{
    tn_result *r = TN_CONTAINER(link, tn_result, follow);
    struct tn_greenlet *g = link->tn__arg;

    if (r->is_done)
        return;
    if (g->result < 0)
        settle(r, NULL, g->result);
    else
        settle(r, (void *)(intptr_t)g->result, 0);
}

int tn_result_follow(tn_result *r, tn_greenlet *g)
{
    int error = g ? check(r) : -EINVAL;

    if (error)
        return error;
    if (g->hub != r->waitable.hub)
        return -EXDEV;
    if (r->follow.tn__waitable)
        return -EBUSY;
    r->follow.tn__arg = g;
    if (g->is_ended)
        followed_ended(&r->follow);
    else
        tn__waitable_add(&g->waitable, &r->follow, TN__LINK_WAITER,
                         (void (*)(void))followed_ended, g);
    return 0;
}

/* ---- waiting ---- */

static inline int await(tn_result *r, struct waiter *w, tn_time deadline,
                        const char *what)
{
    struct tn_hub *h = r->waitable.hub;
    int error = tn__wait_enter(h, deadline);

    if (error)
        return error;
    if (r->is_done) {
        w->value = r->value;
        w->error = r->error;
        tn__hub_tick(h);
        return 0;
    }
    return tn__waitq_wait(h, &r->waiters, &w->node, deadline, what);
}

int tn_result_wait(tn_result *r, tn_time deadline)
{
    struct waiter w;

    return r ? await(r, &w, deadline, "tn_result_wait") : -EINVAL;
}

int tn_result_get(tn_result *r, void **ret_value, tn_time deadline)
{
    struct waiter w;
    int error = r ? await(r, &w, deadline, "tn_result_get") : -EINVAL;

    if (error)
        return error;
    if (w.error == 0 && ret_value)
        *ret_value = w.value;
    return w.error;
}

/* ---- looking ---- */

int tn_result_is_done(const tn_result *r)
{
    return r && r->is_done;
}

int tn_result_is_cancelled(const tn_result *r)
{
    return r && r->is_cancelled;
}

int tn_result_error(const tn_result *r)
{
    if (!r)
        return -EINVAL;
    return r->is_done ? r->error : -EAGAIN;
}

void *tn_result_value(const tn_result *r)
{
    return r ? r->value : NULL;
}

tn_waitable *tn_result_waitable(tn_result *r)
{
    return r ? &r->waitable : NULL;
}
