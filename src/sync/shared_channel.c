/* SPDX-License-Identifier: MIT */
/* sync/shared_channel.c - a channel between threads: a ring of pointers, with
 * those who wait to send behind it and those who wait to receive before it.
 *
 * Whoever receives an item also moves the first waiting sender's into the ring;
 * so senders wait only while the ring is full, receivers only while it is empty
 * and no sender waits. See shared.c for how a wait ends. */
#include <errno.h>
#include <stdlib.h>
#include <tendril/shared.h>

#include "base/own.h"
#include "hub/switch.h"
#include "sync/shared.h"

struct tn_shared_channel {
    struct tn__shared shared;
    struct tn__list senders;   /* struct tn__shared_waiter, oldest first */
    struct tn__list receivers; /* the same */
    bool is_closed;
    size_t capacity;
    size_t n;      /* items in the ring */
    size_t first;  /* where the oldest is */
    void *items[]; /* capacity of them */
};

int tn_shared_channel_new(size_t capacity, tn_shared_channel **ret_channel)
{
    tn_shared_channel *c;
    size_t bytes;

    if (!ret_channel)
        return -EINVAL;
    if (__builtin_mul_overflow(capacity, sizeof c->items[0], &bytes) ||
        __builtin_add_overflow(bytes, sizeof *c, &bytes))
        return -ENOMEM;
    c = malloc(bytes);
    if (!c)
        return -ENOMEM;
    tn__shared_init(&c->shared);
    tn__list_init(&c->senders);
    tn__list_init(&c->receivers);
    c->is_closed = false;
    c->capacity = capacity;
    c->n = c->first = 0;
    *ret_channel = c;
    return 0;
}

tn_shared_channel *tn_shared_channel_ref(tn_shared_channel *channel)
{
    if (channel)
        __atomic_add_fetch(&channel->shared.refs, 1, __ATOMIC_RELAXED);
    return channel;
}

void tn_shared_channel_unref(tn_shared_channel *channel)
{
    if (!channel || !tn__shared_unref(&channel->shared))
        return;
    TN_ASSERT(tn__list_is_empty(&channel->senders));
    TN_ASSERT(tn__list_is_empty(&channel->receivers));
    free(channel);
}

static void push(tn_shared_channel *c, void *item)
{
    size_t at = c->first + c->n;

    TN_ASSERT(c->n < c->capacity);
    c->items[at < c->capacity ? at : at - c->capacity] = item;
    c->n++;
}

static void *pop(tn_shared_channel *c)
{
    void *item = c->items[c->first];

    TN_ASSERT(c->n > 0);
    if (++c->first == c->capacity)
        c->first = 0;
    c->n--;
    return item;
}

/* Without waiting; -EAGAIN when one would have to. The lock is held. */
static int try_send(tn_shared_channel *c, void *item)
{
    if (c->is_closed)
        return -EPIPE;
    if (c->n == 0 && tn__shared_give(&c->receivers, 0, &item, true))
        return 0;
    if (c->n == c->capacity)
        return -EAGAIN;
    push(c, item);
    return 0;
}

static int try_recv(tn_shared_channel *c, void **ret_item)
{
    void *next;

    if (c->n > 0) {
        *ret_item = pop(c);
        if (tn__shared_give(&c->senders, 0, &next, false))
            push(c, next);
        return 0;
    }
    if (tn__shared_give(&c->senders, 0, ret_item, false))
        return 0;
    return c->is_closed ? -EPIPE : -EAGAIN;
}

/* What sending and receiving share: what is seen to before the lock is taken.
 * The lock is held when this returns 0. */
static int enter(tn_shared_channel *c, tn_time deadline, struct tn_hub **ret_h)
{
    int r = tn__shared_enter(deadline, ret_h);

    if (r < 0)
        return r;
    if (!*ret_h && deadline != TN_NOWAIT) {
        r = tn__hub_self(ret_h);
        if (r < 0)
            return r;
    }
    TN_OWN(pthread_mutex_lock(&c->shared.lock));
    return 0;
}

/* Done without a wait. */
static int finish(tn_shared_channel *c, struct tn_hub *h, int r)
{
    pthread_mutex_unlock(&c->shared.lock);
    if (h)
        tn__hub_tick(h);
    return r;
}

int tn_shared_channel_send(tn_shared_channel *channel, void *item,
                           tn_time deadline)
{
    struct tn__shared_waiter w = {.item = item};
    struct tn_hub *h;
    int r;

    if (!channel)
        return -EINVAL;
    r = enter(channel, deadline, &h);
    if (r < 0)
        return r;
    r = try_send(channel, item);
    if (r != -EAGAIN || deadline == TN_NOWAIT)
        return finish(channel, h, r);
    return tn__shared_wait(&channel->shared, &channel->senders, &w, deadline,
                           "tn_shared_channel_send");
}

int tn_shared_channel_recv(tn_shared_channel *channel, void **ret_item,
                           tn_time deadline)
{
    struct tn__shared_waiter w = {.item = NULL};
    struct tn_hub *h;
    int r;

    if (!channel || !ret_item)
        return -EINVAL;
    r = enter(channel, deadline, &h);
    if (r < 0)
        return r;
    r = try_recv(channel, ret_item);
    if (r != -EAGAIN || deadline == TN_NOWAIT)
        return finish(channel, h, r);
    r = tn__shared_wait(&channel->shared, &channel->receivers, &w, deadline,
                        "tn_shared_channel_recv");
    if (r == 0)
        *ret_item = w.item;
    return r;
}

void tn_shared_channel_close(tn_shared_channel *channel)
{
    void *item = NULL;

    if (!channel)
        return;
    TN_OWN(pthread_mutex_lock(&channel->shared.lock));
    channel->is_closed = true;
    while (tn__shared_give(&channel->receivers, -EPIPE, &item, true))
        ;
    while (tn__shared_give(&channel->senders, -EPIPE, &item, false))
        ;
    pthread_mutex_unlock(&channel->shared.lock);
}

size_t tn_shared_channel_count(tn_shared_channel *channel)
{
    size_t n;

    if (!channel)
        return 0;
    TN_OWN(pthread_mutex_lock(&channel->shared.lock));
    n = channel->n;
    pthread_mutex_unlock(&channel->shared.lock);
    return n;
}
