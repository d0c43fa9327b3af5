/* SPDX-License-Identifier: MIT */
/* sync/group_all.c - waiting for, and killing, greenlets in an array.
 *
 * Each that has not ended gets a link to its end, which counts. The links of a
 * few lie on the stack; those of many in a mapping for the time of the call:
 * stacks are small, and a wait never enters malloc. */
#include <errno.h>
#include <limits.h>
#include <tendril/group.h>

#include "base/sys.h"
#include "hub/switch.h"
#include "hub/waitable.h"
#include "sync/waitq.h"

enum { FEW = 16 };

struct all {
    struct tn_greenlet *waiter; /* who waits */
    size_t count;               /* how many ends are enough */
    size_t n_ended;             /* ends so far */
    int error;       /* the first failure, with TN_JOIN_RAISE; 0: none */
    bool is_raised;  /* TN_JOIN_RAISE */
    uint8_t is_done; /* what the waiter waits for */
};

/* One that has not ended. */
struct one {
    tn_link link;
    const struct tn_greenlet *g;
    struct all *all;
};

static void count_end(struct all *all, const struct tn_greenlet *g)
{
    all->n_ended++;
    if (all->is_raised && !all->error && g->result < 0 &&
        g->result != -ECANCELED)
        all->error = g->result;
    if (all->error || all->n_ended >= all->count)
        all->is_done = 1;
}

static void one_ended(tn_link *link)
{
    struct one *one = TN_CONTAINER(link, struct one, link);

    count_end(one->all, one->g);
    if (one->all->is_done)
        tn__hub_wake(one->all->waiter);
}

static void watch(struct all *all, tn_greenlet *const *gs, size_t n,
                  struct one *ones)
{
    for (size_t i = 0; i < n; i++) {
        ones[i].link.tn__waitable = NULL;
        if (gs[i]->is_ended || gs[i] == all->waiter)
            continue;
        ones[i].all = all;
        ones[i].g = gs[i];
        tn__waitable_add(&gs[i]->waitable, &ones[i].link, TN__LINK_WAITER,
                         (void (*)(void))one_ended, NULL);
    }
}

/* Wait until all->is_done. */
static int await(struct all *all, tn_greenlet *const *gs, size_t n,
                 tn_time deadline, const char *what)
{
    struct one few[FEW], *ones = few;
    int r;

    if (deadline == TN_NOWAIT) {
        tn__hub_tick(all->waiter->hub);
        return -EAGAIN;
    }
    if (n > FEW)
        ones = tn__sys_map(n * sizeof *ones);
    if (!ones)
        return -ENOMEM;
    watch(all, gs, n, ones);
    r = tn__hub_park(all->waiter->hub, &all->is_done, deadline, what, -1);
    for (size_t i = 0; i < n; i++)
        tn__waitable_unlink(&ones[i].link);
    if (ones != few)
        tn__sys_unmap(ones, n * sizeof *ones);
    return r;
}

/* 0, -EINVAL or -EXDEV. */
static int check_all(struct tn_hub *h, tn_greenlet *const *gs, size_t n)
{
    if ((n && !gs) || n > INT_MAX)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (!gs[i])
            return -EINVAL;
        if (gs[i]->hub != h)
            return -EXDEV;
    }
    return 0;
}

int tn_joinall(tn_greenlet *const *gs, size_t n, size_t count, int flags,
               tn_time deadline)
{
    struct tn_hub *h;
    struct all all = {.count = count ? count : n,
                      .is_raised = flags & TN_JOIN_RAISE};
    int r = tn__hub_self(&h);

    if (r == 0)
        r = check_all(h, gs, n);
    if (r == 0 && (count > n || (flags & ~TN_JOIN_RAISE)))
        r = -EINVAL;
    for (size_t i = 0; r == 0 && i < n; i++)
        if (gs[i] == h->current)
            r = -EINVAL;
    if (r == 0)
        r = tn__wait_enter(h, deadline);
    if (r < 0)
        return r;
    all.waiter = h->current;
    all.is_done = n == 0;
    for (size_t i = 0; i < n; i++)
        if (gs[i]->is_ended)
            count_end(&all, gs[i]);
    if (all.is_done)
        tn__hub_tick(h);
    else
        r = await(&all, gs, n, deadline, "tn_joinall");
    if (r == 0)
        r = all.error ? all.error : (int)all.n_ended;
    return r;
}

int tn_killall(tn_greenlet *const *gs, size_t n, tn_time deadline)
{
    struct tn_hub *h;
    struct all all = {.count = 0};
    int r = tn__hub_self(&h);

    if (r == 0)
        r = check_all(h, gs, n);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (gs[i] == h->main || gs[i] == &h->hub_g)
            r = -EINVAL;
    if (r < 0)
        return r;
    all.waiter = h->current;
    for (size_t i = 0; i < n; i++)
        tn__greenlet_kill(h, gs[i]);
    for (size_t i = 0; i < n; i++)
        all.count += !gs[i]->is_ended && gs[i] != all.waiter;
    if (all.count == 0) {
        tn__hub_tick(h);
        return 0;
    }
    r = tn__wait_enter(h, deadline);
    return r < 0 ? r : await(&all, gs, n, deadline, "tn_killall");
}
