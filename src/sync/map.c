/* SPDX-License-Identifier: MIT */
/* sync/map.c - calls of a function spread over the members of a group.
 *
 * What a caller gives may lie on its stack, so a call never returns before
 * every member that works for it has ended: when its wait ends early it kills
 * them and waits for that with everything hidden. */
#include <errno.h>

#include "hub/switch.h"
#include "sync/group.h"

struct map;

/* The private fields of an item while it is worked on. */
struct job {
    struct map *map;
    struct tn_greenlet *g; /* who works on it; NULL: nobody */
};

struct map {
    struct tn__sink sink;
    struct tn_greenlet *waiter; /* who called */
    tn_greenlet_fn fn;
    size_t n_running; /* members that have not ended */
    uint8_t is_done;  /* there are none */
};

_Static_assert(sizeof(struct job) == sizeof((tn_item){0}.tn__private),
               "an item holds a job");

static struct job *job_of(tn_item *item)
{
    return (struct job *)(void *)item->tn__private;
}

/* Nothing can wake those that are left, though they were killed: they have
 * behind shields what never comes. They are nobody's now. */
static int abandon(tn_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (job_of(&items[i])->g)
            job_of(&items[i])->g->member.end.tn__arg = NULL;
    return -EDEADLK;
}

static int run_item(void *arg)
{
    tn_item *item = arg;

    return job_of(item)->map->fn(item->arg);
}

static void item_ended(struct tn__sink *sink, struct tn_greenlet *g)
{
    struct map *map = TN_CONTAINER(sink, struct map, sink);
    tn_item *item = g->arg;

    TN_ASSERT(job_of(item)->g == g && map->n_running > 0);
    job_of(item)->g = NULL;
    item->result = g->result;
    if (--map->n_running > 0)
        return;
    map->is_done = 1;
    tn__hub_wake(map->waiter);
}

static int spawn_item(struct map *map, tn_group *group, tn_item *item,
                      tn_time deadline)
{
    struct tn_greenlet *g;
    int r = tn__wait_enter(group->hub, deadline);

    if (r == 0)
        r = tn__group_spawn(group, run_item, item, &g, deadline);
    if (r < 0)
        return r;
    g->member.end.tn__arg = &map->sink;
    job_of(item)->map = map;
    job_of(item)->g = g;
    map->n_running++;
    map->is_done = 0;
    tn__hub_tick(group->hub);
    return 0;
}

/* A member runs them itself. */
static void run_inside(struct tn_hub *h, tn_greenlet_fn fn, tn_item *items,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        items[i].result = fn(items[i].arg);
        tn__hub_tick(h);
    }
}

/* 0 when all have run, or why the wait ended early. */
static int run_outside(tn_group *group, tn_greenlet_fn fn, tn_item *items,
                       size_t n, tn_time deadline)
{
    struct map map = {.sink.ended = item_ended,
                      .waiter = group->hub->current,
                      .fn = fn,
                      .is_done = 1};
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = spawn_item(&map, group, &items[i], deadline);
    if (r == 0 && !map.is_done)
        r = deadline == TN_NOWAIT ? -EAGAIN
                                  : tn__hub_park(group->hub, &map.is_done,
                                                 deadline, "tn_group_map", -1);
    if (r == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (job_of(&items[i])->g)
            tn__greenlet_kill(group->hub, job_of(&items[i])->g);
    if (tn__group_await(group->hub, &map.is_done, "tn_group_map") < 0)
        r = abandon(items, n);
    return r;
}

static int run(tn_group *group, tn_greenlet_fn fn, tn_item *items, size_t n,
               tn_time deadline)
{
    int r = group && fn && (items || !n) ? tn__wait_enter(group->hub, deadline)
                                         : -EINVAL;

    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        items[i].result = -ECANCELED;
        job_of(&items[i])->g = NULL;
    }
    if (n == 0) {
        tn__hub_tick(group->hub);
        return 0;
    }
    if (!tn__group_is_inside(group))
        return run_outside(group, fn, items, n, deadline);
    run_inside(group->hub, fn, items, n);
    return 0;
}

int tn_group_map(tn_group *group, tn_greenlet_fn fn, tn_item *items, size_t n,
                 tn_time deadline)
{
    int r = run(group, fn, items, n, deadline);

    for (size_t i = 0; r == 0 && i < n; i++)
        if (items[i].result < 0)
            r = items[i].result;
    return r;
}

int tn_group_apply(tn_group *group, tn_greenlet_fn fn, void *arg,
                   int *ret_result, tn_time deadline)
{
    tn_item item = {.arg = arg, .result = -ECANCELED};
    int r = run(group, fn, &item, 1, deadline);

    if (r < 0 && item.result == -ECANCELED)
        return r;
    if (ret_result)
        *ret_result = item.result;
    return 0;
}
