/* SPDX-License-Identifier: MIT */
/* server/handlers.c - the greenlets that handle what comes to a server: how
 * many there may be, and their end, of which a link tells. So one that is
 * killed before it ran, by whoever has the pool, is accounted for too. */
#include <errno.h>
#include <tendril/greenlet.h>

#include "base/assert.h"
#include "server/common.h"

/* One who waits for handlers to end: in the frame of a stop. */
struct stopper {
    struct tn__list link; /* on tn__server.stoppers */
    tn_greenlet *g;
    uint8_t is_told; /* a handler, or a stop, has ended */
};

void tn__server_tell_stoppers(struct tn__server *s)
{
    struct tn__list *head = &s->stoppers;

    for (struct tn__list *n = head->next; n != head; n = n->next) {
        struct stopper *stopper = TN_CONTAINER(n, struct stopper, link);

        stopper->is_told = 1;
        tn__hub_wake(stopper->g);
    }
}

static void handler_ended(tn_link *end)
{
    struct tn__handler *handler = TN_CONTAINER(end, struct tn__handler, end);
    struct tn__server *s = handler->server;

    TN_ASSERT(s->n_handlers > 0);
    tn__list_remove(&handler->link);
    s->n_handlers--;
    s->ops->ended(handler);
    if (s->waits_room) {
        s->has_room = 1;
        tn__hub_wake(s->waits_room);
    }
    tn__server_tell_stoppers(s);
}

/* ---- room ---- */

int tn__server_await_room(struct tn__server *s)
{
    int r = 0;

    while (r == 0 && s->handlers_max && s->n_handlers >= s->handlers_max) {
        s->has_room = 0;
        s->waits_room = tn_self();
        r = tn__hub_park(s->waitable.hub, &s->has_room, TN_FOREVER,
                         "a server: room for a handler", s->fd);
        s->waits_room = NULL;
    }
    if (r == 0 && s->pool)
        r = tn_pool_wait_available(s->pool, TN_FOREVER);
    return r;
}

size_t tn__server_room(const struct tn__server *s)
{
    size_t own = s->handlers_max ? s->handlers_max - s->n_handlers : SIZE_MAX;
    size_t pool = s->pool ? tn_pool_free_count(s->pool) : SIZE_MAX;

    return own < pool ? own : pool;
}

/* ---- beginning ---- */

/* Make it a member of the pool, which has room. That cannot wait, and is not to
 * be refused: the runner may have been told to rest since it looked. */
static int join_pool(struct tn__server *s, tn_greenlet *g)
{
    tn_shield shield;
    int r;

    tn_shield_begin(&shield, TN_FOREVER);
    r = tn_group_add(s->pool, g, TN_NOWAIT);
    tn_shield_end(&shield);
    return r;
}

int tn__server_spawn(struct tn__server *s, struct tn__handler *handler,
                     tn_greenlet_fn fn)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    tn_greenlet *g;
    int r = 0;

    while (r == 0 && s->pool && tn_pool_free_count(s->pool) == 0)
        r = tn_pool_wait_available(s->pool, TN_FOREVER);
    if (r < 0)
        return r;
    options.stack_bytes = s->stack_bytes;
    r = tn_spawn_with(&options, fn, handler, &g);
    if (r < 0)
        return r;
    handler->server = s;
    handler->g = g;
    tn__list_insert(&s->handlers, &handler->link);
    s->n_handlers++;
    tn__waitable_add(&g->waitable, &handler->end, TN__LINK_WATCH,
                     (void (*)(void))handler_ended, NULL);
    if (s->pool && join_pool(s, g) < 0)
        tn_kill(g, TN_NOWAIT); /* it has not begun, and never will */
    tn_unref(g);
    return 0;
}

/* ---- ending ---- */

/* 1 if the current greenlet is a handler: it does not await itself. */
static size_t count_self(const struct tn__server *s)
{
    const struct tn__list *n = s->handlers.next;

    for (; n != &s->handlers; n = n->next)
        if (TN_CONTAINER(n, struct tn__handler, link)->g == tn_self())
            return 1;
    return 0;
}

static int await_news(struct tn__server *s, tn_time deadline)
{
    struct stopper me = {.g = tn_self()};
    int r;

    tn__list_insert(&s->stoppers, &me.link);
    r = tn__hub_park(s->waitable.hub, &me.is_told, deadline, "stop of a server",
                     -1);
    tn__list_remove(&me.link);
    return r;
}

void tn__server_await_stops(struct tn__server *s)
{
    int r = 0;

    while (r == 0 && s->n_stops > 0)
        r = await_news(s, TN_FOREVER);
}

int tn__server_await_idle(struct tn__server *s, tn_time deadline)
{
    struct tn_hub *h = s->waitable.hub;
    size_t n_self = count_self(s);
    unsigned life = s->life;
    int r = 0;

    if (h->current->alert)
        r = tn__hub_alert(h, h->current, deadline);
    while (r == 0 && s->n_handlers > n_self && s->life == life)
        r = deadline == TN_NOWAIT ? -EAGAIN : await_news(s, deadline);
    return r;
}

void tn__server_kill(struct tn__server *s)
{
    struct tn__list *n = s->handlers.next, *next;

    for (; n != &s->handlers; n = next) {
        tn_greenlet *g = TN_CONTAINER(n, struct tn__handler, link)->g;

        next = n->next; /* one that has not begun ends by this, at once */
        if (g != tn_self())
            tn_kill(g, TN_NOWAIT);
    }
}
