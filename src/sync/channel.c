/* SPDX-License-Identifier: MIT */
/* sync/channel.c - items from greenlet to greenlet, in order.
 *
 * A send or receive that must wait leaves a case on its channel: where its item
 * is, and whose it is. It lies in the greenlet's block, or, when the wait has a
 * deadline, on its stack; those of a tn_select() lie in its caller's array, one
 * on each channel. Who can serve a
 * case, by a send, a receive or a close, copies the item straight between the
 * two variables, takes the whole select off all its channels, marks it done and
 * makes its greenlet runnable: nothing is left to be decided, so nobody can be
 * served twice, overtaken, or woken for nothing. Who leaves without having been
 * served takes its own cases off, and owes nobody anything.
 *
 * The one that finds its peer waiting goes on; the other runs in its turn. A
 * stream of items through a rendezvous thus takes one switch an item, not two.
 *
 * Always true between calls: receivers wait only on an empty channel, senders
 * only on a full one (one without capacity is both); a closed channel has
 * neither; and if both wait, all of them are cases of one and the same select,
 * which must not meet itself, and whoever comes next meets it. */
#include "sync/channel.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

_Static_assert(sizeof(struct tn_select_case) <=
                   sizeof((struct tn_greenlet *)0)->tail_wait,
               "a greenlet has room for a case");

enum { WORD = 8 }; /* the size of an item that is copied in line */

static bool is_ready(const struct tn_waitable *w)
{
    const struct tn_channel *ch = TN_CONTAINER(w, struct tn_channel, waitable);

    return ch->count > 0 || ch->senders.first || ch->is_closed;
}

static const struct tn__waitable_ops channel_ops = {
    .what = "channel",
    .is_ready = is_ready,
};

int tn_channel_new(size_t item_bytes, size_t capacity, tn_channel **ret_channel)
{
    struct tn_hub *h;
    tn_channel *ch;
    size_t bytes;
    int r;

    if (!ret_channel)
        return -EINVAL;
    r = tn__hub_self(&h);
    if (r < 0)
        return r;
    if (__builtin_mul_overflow(item_bytes, capacity, &bytes) ||
        bytes > SIZE_MAX - sizeof *ch)
        return -ENOMEM;
    ch = malloc(sizeof *ch + bytes);
    if (!ch)
        return -ENOMEM;
    *ch = (struct tn_channel){
        .hub = h, .item_bytes = item_bytes, .capacity = capacity};
    tn__waitable_init(&ch->waitable, &channel_ops, h);
    *ret_channel = ch;
    return 0;
}

/* ---- one item ---- */

/* Copy an item; `to` is NULL when the receiver wants it dropped. */
static inline void copy(const struct tn_channel *ch, void *to, const void *from)
{
    if (TN_UNLIKELY(!to))
        return;
    if (TN_LIKELY(ch->item_bytes == WORD))
        memcpy(to, from, WORD);
    else if (ch->item_bytes > 0)
        memcpy(to, from, ch->item_bytes);
}

/* The index of the item `nth` after the oldest, nth <= count. */
static inline size_t index_of(const struct tn_channel *ch, size_t nth)
{
    size_t i = ch->head + nth;

    return i >= ch->capacity ? i - ch->capacity : i;
}

static inline char *place(struct tn_channel *ch, size_t nth)
{
    return ch->items + index_of(ch, nth) * ch->item_bytes;
}

static inline void keep(struct tn_channel *ch, const void *item)
{
    copy(ch, place(ch, ch->count), item);
    ch->count++;
}

static inline void drop_oldest(struct tn_channel *ch)
{
    if (++ch->head == ch->capacity)
        ch->head = 0;
    ch->count--;
}

/* The case of a greenlet that waits in tn__hub_park_tail(). */
static inline struct tn_select_case *case_of(struct tn_greenlet *g)
{
    return (struct tn_select_case *)(void *)g->tail_wait;
}

static inline struct tn_greenlet *greenlet_of(struct tn_select_case *c)
{
    return TN_CONTAINER(c, struct tn_greenlet, tail_wait);
}

/* `c`, which is on `l`, is done: its greenlet goes on. */
static inline void finish(struct tn_select_case *c, struct tn__case_list *l,
                          int result)
{
    struct tn__select *s = c->tn__select;

    if (TN_LIKELY(!s)) {
        tn__case_unlink(c, l);
        tn__hub_resume(c->channel->hub, greenlet_of(c), result);
        return;
    }
    TN_ASSERT(!s->is_done);
    tn__select_unlink(s);
    c->result = result;
    if (s->is_tail) {
        tn__hub_resume(s->g->hub, s->g, (int)(c - s->cases));
        return;
    }
    s->chosen = c;
    s->is_done = 1;
    tn__hub_wake(s->g);
}

/* ---- operations that do not wait ---- */

/* Send without waiting: 0, -EPIPE, or -EAGAIN. */
static inline int try_send(struct tn_channel *ch, const void *item)
{
    struct tn_select_case *peer = ch->receivers.first;

    if (peer) {
        copy(ch, peer->item, item);
        finish(peer, &ch->receivers, 0);
        return 0;
    }
    if (TN_UNLIKELY(ch->is_closed))
        return -EPIPE;
    if (ch->count == ch->capacity)
        return -EAGAIN;
    keep(ch, item);
    tn__waitable_notify(&ch->waitable);
    return 0;
}

/* Receive without waiting: 0, -EPIPE, or -EAGAIN. */
static inline int try_recv(struct tn_channel *ch, void *ret_item)
{
    struct tn_select_case *peer = ch->senders.first;

    if (ch->count > 0) {
        copy(ch, ret_item, place(ch, 0));
        drop_oldest(ch);
        if (peer) {
            keep(ch, peer->item);
            finish(peer, &ch->senders, 0);
        }
        return 0;
    }
    if (peer) {
        copy(ch, ret_item, peer->item);
        finish(peer, &ch->senders, 0);
        return 0;
    }
    return TN_UNLIKELY(ch->is_closed) ? -EPIPE : -EAGAIN;
}

int tn__channel_try(struct tn_select_case *c)
{
    return c->op == TN_SELECT_SEND ? try_send(c->channel, c->item)
                                   : try_recv(c->channel, c->item);
}

/* ---- operations that may wait ---- */

static void leave(struct tn_greenlet *g)
{
    struct tn_select_case *c = case_of(g);

    tn__case_unlink(c, tn__case_list(c));
}

/* Wait for a peer as the last thing the caller does. */
static inline int wait_for_peer(struct tn_channel *ch, void *item, int op,
                                const char *what)
{
    struct tn_select_case *c = case_of(ch->hub->current);

    c->channel = ch;
    c->item = item;
    c->op = op;
    c->tn__select = NULL;
    tn__case_link(c);
    return tn__hub_park_tail(ch->hub, leave, what);
}

/* Do an operation that is not on the straight path of a send or receive. */
static __attribute__((noinline)) int act(struct tn_channel *ch, void *item,
                                         int op, tn_time deadline)
{
    struct tn_select_case c = {.channel = ch, .item = item, .op = op};
    struct tn_hub *h = tn__hub_peek();
    int r;

    if (!ch || (op == TN_SELECT_SEND && !item && ch->item_bytes > 0))
        return -EINVAL;
    if (ch->hub != h)
        return -EXDEV;
    if (h->current->alert) {
        r = tn__hub_alert(h, h->current, deadline);
        if (r)
            return r;
    }
    r = tn__channel_try(&c);
    if (r != -EAGAIN || deadline == TN_NOWAIT) {
        tn__hub_tick(h);
        return r;
    }
    r = tn__select_wait(h, &c, 1, deadline,
                        op == TN_SELECT_SEND ? "tn_channel_send"
                                             : "tn_channel_recv");
    return r < 0 ? r : c.result;
}

/* The straight paths, without a call that is not the last thing they do. */

/* Whether an operation may try: nothing is wrong, and items are words. */
static inline bool is_plain(const struct tn_channel *ch, const void *item)
{
    return ch && item && ch->item_bytes == WORD && ch->hub == tn__hub_peek() &&
           !ch->hub->current->alert;
}

/* Whether `peer` is met without a detour. */
static inline bool is_simple(const struct tn_channel *ch,
                             struct tn_select_case *peer)
{
    return !peer->tn__select && peer->item &&
           greenlet_of(peer)->state == TN_GREENLET_WAITING &&
           tn__hub_is_straight(ch->hub);
}

static inline void finish_simple(struct tn_channel *ch,
                                 struct tn_select_case *peer,
                                 struct tn__case_list *l)
{
    l->first = peer->tn__next;
    if (TN_UNLIKELY(l->first))
        l->first->tn__prev = NULL;
    tn__hub_resume_waiting(ch->hub, greenlet_of(peer), 0);
    ch->hub->calls++;
}

int tn_channel_send(tn_channel *ch, const void *item, tn_time deadline)
{
    void *from = (void *)(uintptr_t)item;
    struct tn_select_case *peer;

    if (TN_UNLIKELY(!is_plain(ch, item)))
        return act(ch, from, TN_SELECT_SEND, deadline);
    peer = ch->receivers.first;
    if (peer) {
        if (TN_UNLIKELY(!is_simple(ch, peer)))
            return act(ch, from, TN_SELECT_SEND, deadline);
        memcpy(peer->item, item, WORD);
        finish_simple(ch, peer, &ch->receivers);
        return 0;
    }
    if (ch->is_closed || tn__waitable_has_links(&ch->waitable))
        return act(ch, from, TN_SELECT_SEND, deadline);
    if (ch->count < ch->capacity && tn__hub_is_straight(ch->hub)) {
        memcpy(ch->items + WORD * index_of(ch, ch->count), item, WORD);
        ch->count++;
        ch->hub->calls++;
        return 0;
    }
    if (ch->count == ch->capacity && deadline == TN_FOREVER)
        return wait_for_peer(ch, from, TN_SELECT_SEND, "tn_channel_send");
    return act(ch, from, TN_SELECT_SEND, deadline);
}

int tn_channel_recv(tn_channel *ch, void *ret_item, tn_time deadline)
{
    struct tn_select_case *peer;

    if (TN_UNLIKELY(!is_plain(ch, ret_item)))
        return act(ch, ret_item, TN_SELECT_RECV, deadline);
    peer = ch->senders.first;
    if (ch->count > 0) {
        if (peer || !tn__hub_is_straight(ch->hub))
            return act(ch, ret_item, TN_SELECT_RECV, deadline);
        memcpy(ret_item, ch->items + WORD * index_of(ch, 0), WORD);
        drop_oldest(ch);
        ch->hub->calls++;
        return 0;
    }
    if (peer && is_simple(ch, peer)) {
        memcpy(ret_item, peer->item, WORD);
        finish_simple(ch, peer, &ch->senders);
        return 0;
    }
    if (!peer && !ch->is_closed && deadline == TN_FOREVER)
        return wait_for_peer(ch, ret_item, TN_SELECT_RECV, "tn_channel_recv");
    return act(ch, ret_item, TN_SELECT_RECV, deadline);
}

/* ---- the end ---- */

static void close_now(struct tn_channel *ch)
{
    if (ch->is_closed)
        return;
    ch->is_closed = true;
    while (ch->senders.first)
        finish(ch->senders.first, &ch->senders, -EPIPE);
    while (ch->receivers.first)
        finish(ch->receivers.first, &ch->receivers, -EPIPE);
    tn__waitable_notify(&ch->waitable);
}

int tn_channel_close(tn_channel *ch)
{
    if (!ch)
        return -EINVAL;
    if (ch->hub != tn__hub_peek())
        return -EXDEV;
    close_now(ch);
    return 0;
}

void tn_channel_free(tn_channel *ch)
{
    if (!ch)
        return;
    if (ch->hub == tn__hub_peek()) /* else who waited is gone with it */
        close_now(ch);
    tn__waitable_fini(&ch->waitable);
    free(ch);
}

/* ---- looking at it ---- */

int tn_channel_is_closed(const tn_channel *ch)
{
    return ch && ch->is_closed;
}

size_t tn_channel_count(const tn_channel *ch)
{
    return ch ? ch->count : 0;
}

size_t tn_channel_capacity(const tn_channel *ch)
{
    return ch ? ch->capacity : 0;
}

static long length(const struct tn__case_list *l)
{
    long n = 0;

    for (const struct tn_select_case *c = l->first; c; c = c->tn__next)
        n++;
    return n;
}

long tn_channel_balance(const tn_channel *ch)
{
    return ch ? length(&ch->senders) - length(&ch->receivers) : 0;
}

tn_waitable *tn_channel_waitable(tn_channel *ch)
{
    return ch ? &ch->waitable : NULL;
}
