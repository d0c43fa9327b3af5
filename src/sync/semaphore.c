/* SPDX-License-Identifier: MIT */
/* sync/semaphore.c - units that greenlets take and give back. A unit that is
 * given back while somebody waits is handed to who has waited longest, and the
 * count does not move: nobody can come in between, and as long as anybody waits
 * the count is 0. One that was handed a unit has it, whatever ends its wait at
 * the same time; one that left has none, so there is nothing to pass on. */
#include <errno.h>
#include <stdlib.h>
#include <tendril/lock.h>

#include "hub/waitable.h"
#include "sync/waitq.h"

struct tn_semaphore {
    struct tn_waitable waitable;
    struct tn__waitq waiters;
    size_t count; /* 0 while anybody waits */
    size_t max;   /* of count */
};

static bool is_ready(const struct tn_waitable *w)
{
    return TN_CONTAINER(w, tn_semaphore, waitable)->count > 0;
}

static const struct tn__waitable_ops semaphore_ops = {
    .what = "semaphore",
    .is_ready = is_ready,
};

int tn_semaphore_new(size_t count, size_t max, tn_semaphore **ret_semaphore)
{
    struct tn_hub *h;
    tn_semaphore *s;
    int r;

    if (!ret_semaphore || (max && count > max))
        return -EINVAL;
    r = tn__hub_self(&h);
    if (r < 0)
        return r;
    s = malloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    tn__waitable_init(&s->waitable, &semaphore_ops, h);
    tn__waitq_init(&s->waiters);
    s->count = count;
    s->max = max ? max : SIZE_MAX;
    *ret_semaphore = s;
    return 0;
}

void tn_semaphore_free(tn_semaphore *s)
{
    if (!s)
        return;
    tn__waitq_fini(s->waitable.hub, &s->waiters);
    tn__waitable_fini(&s->waitable);
    free(s);
}

int tn_semaphore_acquire(tn_semaphore *s, tn_time deadline)
{
    struct tn__waitq_node node;
    struct tn_hub *h;
    int r;

    if (!s)
        return -EINVAL;
    h = s->waitable.hub;
    r = tn__wait_enter(h, deadline);
    if (r < 0)
        return r;
    if (s->count > 0) {
        s->count--;
        tn__hub_tick(h);
        return 0;
    }
    return tn__waitq_wait(h, &s->waiters, &node, deadline,
                          "tn_semaphore_acquire");
}

/* How many wait, up to `limit`. */
static size_t count_waiters(const tn_semaphore *s, size_t limit)
{
    const struct tn__list *head = &s->waiters.nodes, *node = head->next;
    size_t n = 0;

    for (; node != head && n < limit; node = node->next)
        n++;
    return n;
}

int tn_semaphore_release_n(tn_semaphore *s, size_t n)
{
    size_t n_handed;

    if (!s)
        return -EINVAL;
    if (s->waitable.hub != tn__hub_peek())
        return -EXDEV;
    n_handed = count_waiters(s, n);
    TN_ASSERT(n_handed == 0 || s->count == 0);
    if (n - n_handed > s->max - s->count)
        return -EOVERFLOW;
    n -= n_handed;
    for (; n_handed > 0; n_handed--)
        tn__waitq_wake_one(&s->waiters);
    s->count += n;
    if (n > 0)
        tn__waitable_notify(&s->waitable);
    return 0;
}

int tn_semaphore_release(tn_semaphore *s)
{
    if (!s)
        return -EINVAL;
    if (s->waitable.hub != tn__hub_peek())
        return -EXDEV;
    if (tn__waitq_wake_one(&s->waiters))
        return 0;
    if (s->count == s->max)
        return -EOVERFLOW;
    s->count++;
    tn__waitable_notify(&s->waitable);
    return 0;
}

size_t tn_semaphore_count(const tn_semaphore *s)
{
    return s ? s->count : 0;
}

tn_waitable *tn_semaphore_waitable(tn_semaphore *s)
{
    return s ? &s->waitable : NULL;
}
