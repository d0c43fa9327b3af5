/* SPDX-License-Identifier: MIT */
/* hub/watch.c - what all watchers have in common.
 *
 * A watcher never calls its user from where something happened: a descriptor
 * that became ready, a signal, a feed only put it on the list of those that are
 * due. In each turn, after the poll, the list is taken whole and called in
 * order; what becomes due meanwhile waits for the next turn, so callbacks that
 * feed each other let the poll in between. A callback may stop or free any
 * watcher, itself included: whoever is taken off a list is not called, and
 * nothing is looked at after the call.
 *
 * The order of a turn: prepare, poll, check, what is due, timers, and idle when
 * none of these had anything to do and no greenlet can run.
 *
 * The hub does not know watchers; it offers two hooks around its poll, which
 * are set when the first watcher is made. */
#include "hub/watch.h"

#include <errno.h>
#include <stdlib.h>

/* The fork watchers of the parent's thread, in a child that has no hub yet. */
static struct tn__list left_over = {&left_over, &left_over};

/* ---- calling back ---- */

void tn__watch_queue(struct tn_watch *w, int events)
{
    struct tn__watches *ws = w->hub->watches;

    w->events |= events;
    if (tn__list_is_empty(&w->due))
        tn__list_insert(&ws->due, &w->due);
    w->hub->is_restless = true;
}

static void settle_rest(struct tn_hub *h)
{
    struct tn__watches *ws = h->watches;

    h->is_restless =
        !tn__list_is_empty(&ws->due) || !tn__list_is_empty(&ws->idle);
}

/* Move all of a list behind the head `to`. */
static void take_all(struct tn__list *from, struct tn__list *to)
{
    tn__list_init(to);
    if (tn__list_is_empty(from))
        return;
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    tn__list_init(from);
}

/* Call those of `batch`, which are linked by `due`. True if there were any. */
static bool call_batch(struct tn__list *batch)
{
    bool is_any = !tn__list_is_empty(batch);

    while (!tn__list_is_empty(batch)) {
        struct tn_watch *w = TN_CONTAINER(batch->next, struct tn_watch, due);
        int events = w->events;

        tn__list_remove(&w->due);
        w->events = 0;
        if (w->ops->fired)
            w->ops->fired(w);
        w->fn(w, events, w->arg);
    }
    return is_any;
}

static bool call_due(struct tn_hub *h)
{
    struct tn__list batch;

    take_all(&h->watches->due, &batch);
    return call_batch(&batch);
}

/* Call all of a list of roles, before those that are due already. */
static bool call_role(struct tn_hub *h, struct tn__list *role)
{
    struct tn__list others, *n;
    bool is_any;

    if (tn__list_is_empty(role))
        return false;
    take_all(&h->watches->due, &others);
    for (n = role->next; n != role; n = n->next) {
        struct tn_watch *w = TN_CONTAINER(n, struct tn_watch, role);

        /* One that was fed is called now, for both. */
        tn__list_remove(&w->due);
        tn__watch_queue(w, 0);
    }
    is_any = call_due(h);
    while (!tn__list_is_empty(&others)) {
        struct tn__list *last = others.prev;

        tn__list_remove(last);
        tn__list_insert(h->watches->due.next, last);
    }
    return is_any;
}

/* ---- the hooks around the poll ---- */

static void before_poll(struct tn_hub *h)
{
    call_role(h, &h->watches->prepare);
    tn__watch_rearm(h->watches);
    settle_rest(h);
}

static void after_poll(struct tn_hub *h)
{
    struct tn__watches *ws = h->watches;
    bool is_any;

    call_role(h, &ws->check);
    tn__watch_take_told(ws);
    tn__watch_take_asyncs(ws);
    tn__watch_take_signals(ws);
    is_any = call_due(h);
    if (!is_any && !h->tail && tn__heap_first(&h->timers) > h->now)
        call_role(h, &ws->idle);
    settle_rest(h);
}

/* ---- the watchers of a hub ---- */

static int make_watches(struct tn_hub *h)
{
    struct tn__watches *ws = calloc(1, sizeof *ws);

    if (!ws)
        return -ENOMEM;
    tn__list_init(&ws->all);
    tn__list_init(&ws->due);
    tn__list_init(&ws->rearm);
    tn__list_init(&ws->told);
    tn__list_init(&ws->idle);
    tn__list_init(&ws->prepare);
    tn__list_init(&ws->check);
    tn__list_init(&ws->async);
    tn__list_init(&ws->signal);
    tn__list_init(&ws->fork);
    ws->slot.hub = h;
    h->watches = ws;
    h->on_poll = before_poll;
    h->on_polled = after_poll;
    return 0;
}

int tn__watch_make(const struct tn__watch_ops *ops, size_t bytes,
                   tn_watch_fn fn, void *arg, struct tn_watch **ret_w)
{
    struct tn_hub *h;
    struct tn_watch *w;
    int r = tn__hub_self(&h);

    if (r == 0 && (!fn || !ret_w))
        r = -EINVAL;
    if (r == 0 && !h->watches)
        r = make_watches(h);
    if (r < 0)
        return r;
    w = calloc(1, bytes);
    if (!w)
        return -ENOMEM;
    w->ops = ops;
    w->hub = h;
    w->fn = fn;
    w->arg = arg;
    w->is_ref = 1;
    tn__list_init(&w->due);
    tn__list_init(&w->role);
    tn__list_insert(&h->watches->all, &w->all);
    *ret_w = w;
    return 0;
}

/* ---- start and stop ---- */

static int check(const struct tn_watch *w)
{
    if (!w)
        return -EINVAL;
    return w->hub && w->hub == tn__hub_peek() ? 0 : -EXDEV;
}

int tn_watch_start(tn_watch *w)
{
    int r = check(w);

    if (r < 0 || w->is_active)
        return r;
    if (w->ops->start)
        r = w->ops->start(w);
    if (r < 0)
        return r;
    w->is_active = 1;
    w->hub->n_held += w->is_ref;
    return 0;
}

/* Nobody holds tn_hub_join() any more. */
static void let_join_go(struct tn_hub *h)
{
    if (!h->joining || h->n_alive > 1 || h->n_held)
        return;
    h->is_joined = 1;
    tn__hub_wake(h->joining);
}

void tn__watch_stop(struct tn_watch *w)
{
    tn__list_remove(&w->due);
    w->events = 0;
    if (!w->is_active)
        return;
    if (w->ops->stop)
        w->ops->stop(w);
    tn__list_remove(&w->role);
    w->is_active = 0;
    if (w->is_ref) {
        TN_ASSERT(w->hub->n_held > 0);
        w->hub->n_held--;
        let_join_go(w->hub);
    }
}

int tn_watch_stop(tn_watch *w)
{
    int r = check(w);

    if (r < 0)
        return r;
    tn__watch_stop(w);
    settle_rest(w->hub);
    return 0;
}

int tn_watch_free(tn_watch *w)
{
    if (!w)
        return 0;
    if (w->hub) {
        int r = tn_watch_stop(w);

        if (r < 0)
            return r;
    }
    tn__list_remove(&w->all);
    if (w->ops->free)
        w->ops->free(w);
    free(w);
    return 0;
}

int tn_watch_is_active(const tn_watch *w)
{
    return w && w->is_active;
}

int tn_watch_is_due(const tn_watch *w)
{
    return w && !tn__list_is_empty(&w->due);
}

int tn_watch_set_ref(tn_watch *w, int is_ref)
{
    int r = check(w);

    if (r < 0 || w->is_ref == !!is_ref)
        return r;
    w->is_ref = !!is_ref;
    if (w->is_active) {
        w->hub->n_held += is_ref ? 1 : (uint32_t)-1;
        let_join_go(w->hub);
    }
    return 0;
}

int tn_watch_feed(tn_watch *w, int events)
{
    int r = check(w);

    if (r == 0)
        tn__watch_queue(w, events);
    return r;
}

/* ---- the end of a hub, and forks ---- */

void tn__watch_end(struct tn_hub *h)
{
    struct tn__watches *ws = h->watches;

    if (!ws)
        return;
    while (!tn__list_is_empty(&ws->all)) {
        struct tn_watch *w = TN_CONTAINER(ws->all.next, struct tn_watch, all);

        tn__watch_stop(w);
        tn__list_remove(&w->all);
        w->hub = NULL;
    }
    TN_ASSERT(h->n_held == 0);
    h->watches = NULL;
    h->on_poll = h->on_polled = NULL;
    h->is_restless = false;
    free(ws);
}

/* What the parent's watchers hold of its loop is a copy that is left alone:
 * they are only taken apart. */
void tn__watch_forked(struct tn_hub *h)
{
    tn__signal_forked();
    if (!h || !h->watches)
        return;
    while (!tn__list_is_empty(&h->watches->all)) {
        struct tn_watch *w =
            TN_CONTAINER(h->watches->all.next, struct tn_watch, all);
        bool is_kept = tn__watch_is_fork(w) && w->is_active;

        tn__list_remove(&w->all);
        tn__list_remove(&w->due);
        tn__list_remove(&w->role);
        w->hub = NULL;
        w->is_active = 0;
        w->events = 0;
        if (is_kept)
            tn__list_insert(&left_over, &w->all);
    }
}

void tn__watch_adopt(struct tn_hub *h)
{
    if (tn__list_is_empty(&left_over))
        return;
    if (!h->watches && make_watches(h) < 0)
        return;
    while (!tn__list_is_empty(&left_over)) {
        struct tn_watch *w = TN_CONTAINER(left_over.next, struct tn_watch, all);

        tn__list_remove(&w->all);
        tn__list_insert(&h->watches->all, &w->all);
        w->hub = h;
        w->is_active = 1;
        h->n_held += w->is_ref;
        tn__watch_queue(w, 0);
    }
}
