/* SPDX-License-Identifier: MIT */
/* sync/select.c - the first of several sends and receives. See channel.c for
 * what a case is and who serves it.
 *
 * When several cases can be done at once, one of those is drawn, so that a busy
 * channel cannot hide another, wherever it stands in the array. The numbers are
 * the hub's own sequence: on the simulated loop they come from its seed, so
 * that a run can be repeated. */
#include <errno.h>
#include <limits.h>

#include "sync/channel.h"

static bool can_do(const struct tn_select_case *c)
{
    const struct tn_channel *ch = c->channel;

    if (!ch)
        return false;
    if (ch->is_closed)
        return true;
    return c->op == TN_SELECT_SEND
               ? ch->receivers.first || ch->count < ch->capacity
               : ch->senders.first || ch->count > 0;
}

static int check(const struct tn_hub *h, const struct tn_select_case *cases,
                 size_t n)
{
    if ((n > 0 && !cases) || n > INT_MAX)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        const struct tn_select_case *c = &cases[i];

        if (!c->channel)
            continue;
        if (c->channel->hub != h)
            return -EXDEV;
        if (c->op == TN_SELECT_SEND ? !c->item && c->channel->item_bytes > 0
                                    : c->op != TN_SELECT_RECV)
            return -EINVAL;
    }
    return 0;
}

/* Do one of those that can be done. Its index, or -EAGAIN. */
static int try_one(struct tn_hub *h, struct tn_select_case *cases, size_t n)
{
    size_t n_able = 0, nth = 0, i;

    for (i = 0; i < n; i++)
        n_able += can_do(&cases[i]);
    if (n_able == 0)
        return -EAGAIN;
    if (n_able > 1)
        nth = tn__hub_random(h) % n_able;
    for (i = 0; !can_do(&cases[i]) || nth-- > 0; i++)
        ;
    cases[i].result = tn__channel_try(&cases[i]);
    TN_ASSERT(cases[i].result != -EAGAIN);
    return (int)i;
}

void tn__select_unlink(struct tn__select *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->cases[i].channel)
            tn__case_unlink(&s->cases[i], tn__case_list(&s->cases[i]));
}

static void link_all(struct tn__select *s)
{
    struct tn_select_case *end = s->cases + s->n;

    for (struct tn_select_case *c = s->cases; c < end; c++) {
        if (!c->channel)
            continue;
        c->tn__select = s;
        tn__case_link(c);
    }
    for (struct tn_select_case *c = s->cases; c < end; c++)
        if (c->channel && c->op == TN_SELECT_SEND)
            tn__waitable_notify(&c->channel->waitable);
}

int tn__select_wait(struct tn_hub *h, struct tn_select_case *cases, size_t n,
                    tn_time deadline, const char *what)
{
    struct tn__select s = {.g = h->current, .cases = cases, .n = n};
    int r;

    link_all(&s);
    r = tn__hub_park(h, &s.is_done, deadline, what, -1);
    if (r == 0)
        return (int)(s.chosen - cases);
    tn__select_unlink(&s);
    return r;
}

_Static_assert(sizeof(struct tn__select) <=
                   sizeof((struct tn_greenlet *)0)->tail_wait,
               "a greenlet has room for a select");

static void leave(struct tn_greenlet *g)
{
    tn__select_unlink((struct tn__select *)(void *)g->tail_wait);
}

/* The same without a deadline, as the last thing that the caller does. */
static inline int wait_tail(struct tn_hub *h, struct tn_select_case *cases,
                            size_t n)
{
    struct tn__select *s = (struct tn__select *)(void *)h->current->tail_wait;

    *s = (struct tn__select){
        .is_tail = true, .g = h->current, .cases = cases, .n = n};
    link_all(s);
    return tn__hub_park_tail(h, leave, "tn_select");
}

/* With a hub. */
static inline int select_on(struct tn_hub *h, struct tn_select_case *cases,
                            size_t n, tn_time deadline)
{
    int r = check(h, cases, n);

    if (TN_UNLIKELY(r == 0 && h->current->alert))
        r = tn__hub_alert(h, h->current, deadline);
    if (r)
        return r;
    r = try_one(h, cases, n);
    if (r == -EAGAIN && deadline == TN_FOREVER)
        return wait_tail(h, cases, n);
    if (r == -EAGAIN && deadline != TN_NOWAIT)
        return tn__select_wait(h, cases, n, deadline, "tn_select");
    tn__hub_tick(h);
    return r;
}

static __attribute__((noinline)) int select_first(struct tn_select_case *cases,
                                                  size_t n, tn_time deadline)
{
    struct tn_hub *h;
    int r = tn__hub_self(&h);

    return r < 0 ? r : select_on(h, cases, n, deadline);
}

int tn_select(struct tn_select_case *cases, size_t n, tn_time deadline)
{
    struct tn_hub *h = tn__hub_peek();

    if (TN_UNLIKELY(!h))
        return select_first(cases, n, deadline);
    return select_on(h, cases, n, deadline);
}
