/* SPDX-License-Identifier: MIT */
/* sync/channel.h - what channel.c and select.c share. See channel.c for how it
 * works. */
#ifndef TN_SYNC_CHANNEL_H
#define TN_SYNC_CHANNEL_H

#include <string.h>
#include <tendril/channel.h>

#include "hub/switch.h"
#include "hub/waitable.h"

/* One greenlet that waits until one of its cases is done. On its stack, or, if
 * it waits in tn__hub_park_tail(), in its block. A case without a tn__select is
 * the only one of a greenlet that waits so, and lies in the block itself. */
struct tn__select {
    uint8_t is_done;              /* a case is done: the greenlet's flag */
    bool is_tail;                 /* it waits in tn__hub_park_tail() */
    struct tn_greenlet *g;        /* who waits */
    struct tn_select_case *cases; /* all of them; the enabled ones are linked
                                   * while it waits and is not done */
    size_t n;
    struct tn_select_case *chosen; /* valid once is_done */
};

/* Cases of one kind that wait on one channel. */
struct tn__case_list {
    struct tn_select_case *first; /* the oldest; NULL: empty */
    struct tn_select_case *last;  /* valid when not empty */
};

struct tn_channel {
    struct tn_hub *hub; /* not owned */
    struct tn__case_list receivers;
    struct tn__case_list senders;
    size_t item_bytes;
    size_t capacity;
    size_t count; /* items kept */
    size_t head;  /* index of the oldest of them */
    bool is_closed;
    struct tn_waitable waitable; /* ready: a receive would not wait */
    char items[];                /* ring of `capacity` items */
};

static inline struct tn__case_list *tn__case_list(struct tn_select_case *c)
{
    return c->op == TN_SELECT_SEND ? &c->channel->senders
                                   : &c->channel->receivers;
}

static inline void tn__case_link(struct tn_select_case *c)
{
    struct tn__case_list *l = tn__case_list(c);

    c->tn__next = NULL;
    if (TN_LIKELY(!l->first)) {
        c->tn__prev = NULL;
        l->first = c;
    } else {
        c->tn__prev = l->last;
        l->last->tn__next = c;
    }
    l->last = c;
}

static inline void tn__case_unlink(struct tn_select_case *c,
                                   struct tn__case_list *l)
{
    if (TN_LIKELY(!c->tn__prev))
        l->first = c->tn__next;
    else
        c->tn__prev->tn__next = c->tn__next;
    if (TN_UNLIKELY(c->tn__next))
        c->tn__next->tn__prev = c->tn__prev;
    else
        l->last = c->tn__prev;
}

/* Wait until one of the n cases is done. Its index, or a negative errno. */
int tn__select_wait(struct tn_hub *h, struct tn_select_case *cases, size_t n,
                    tn_time deadline, const char *what);

/* Take all cases of `s` off their channels. */
void tn__select_unlink(struct tn__select *s);

/* Do the operation of `c`, a valid case, if that takes no waiting. 0 or -EPIPE:
 * it is done; -EAGAIN: it would wait. */
int tn__channel_try(struct tn_select_case *c);

#endif /* TN_SYNC_CHANNEL_H */
