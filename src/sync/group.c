/* SPDX-License-Identifier: MIT */
/* sync/group.c - groups, and pools, which are groups with a bound.
 *
 * A member has a place: a node with a link to its end, which calls the group at
 * once. The first group (or scope) that a greenlet is in uses the node in its
 * block, so that spawning into a pool allocates nothing; a further one, by
 * tn_group_add(), gets a node on the heap.
 *
 * A place that becomes free is given to the spawner that has waited longest,
 * and stays taken: nobody can come in between, and if that spawner is killed
 * before it runs it has the place all the same and uses it.
 *
 * Members that the group has killed move to a list of their own. So each is
 * killed once, and a kill that waits sees at once who is new. */
#include "sync/group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hub/switch.h"

/* One who waits for the group to be empty; on its own stack. */
struct joiner {
    struct tn__waitq_node node;
    uint64_t n_ever; /* of the group, when it began to wait */
    int error;       /* the first failure among those members; 0: none */
};

static bool is_empty(const struct tn_waitable *w)
{
    return TN_CONTAINER(w, struct tn_group, waitable)->n == 0;
}

static const struct tn__waitable_ops group_ops = {
    .what = "group",
    .is_ready = is_empty,
};

/* ---- making and freeing ---- */

static int make(size_t size, tn_group **ret)
{
    struct tn_hub *h;
    struct tn_group *group;
    int r = ret ? tn__hub_self(&h) : -EINVAL;

    if (r < 0)
        return r;
    group = calloc(1, sizeof *group);
    if (!group)
        return -ENOMEM;
    group->hub = h;
    group->size = size;
    tn__list_init(&group->members);
    tn__list_init(&group->dying);
    tn__waitq_init(&group->spawners);
    tn__waitq_init(&group->lookers);
    tn__waitq_init(&group->joiners);
    tn__waitq_init(&group->killers);
    tn__waitable_init(&group->waitable, &group_ops, h);
    *ret = group;
    return 0;
}

int tn_group_new(tn_group **ret_group)
{
    return make(SIZE_MAX, ret_group);
}

int tn_pool_new(size_t size, tn_pool **ret_pool)
{
    /* What was meant as a negative number is refused. */
    return size > SIZE_MAX / 2 ? -EINVAL : make(size, ret_pool);
}

/* ---- places ---- */

/* A place became free. */
static void give_place(struct tn_group *group)
{
    TN_ASSERT(group->n_taken > 0);
    if (tn__waitq_wake_one(&group->spawners))
        return;
    group->n_taken--;
    tn__waitq_wake_all(&group->lookers);
}

static int take_place(struct tn_group *group, tn_time deadline)
{
    struct tn__waitq_node node;

    if (group->n_taken < group->size) {
        group->n_taken++;
        return 0;
    }
    return tn__waitq_wait(group->hub, &group->spawners, &node, deadline,
                          "tn_group_spawn");
}

static void note_failure(struct tn_group *group, const struct tn__member *m)
{
    struct tn__list *head = &group->joiners.nodes;

    for (struct tn__list *l = head->next; l != head; l = l->next) {
        struct joiner *j = TN_CONTAINER(l, struct joiner, node.link);

        if (m->number <= j->n_ever && !j->error)
            j->error = m->g->result;
    }
}

/* Take a member off. Its node may be freed by that. */
static void leave(struct tn_group *group, struct tn__member *m)
{
    tn__member_detach(m);
    if (m != &m->g->member)
        free(m);
    TN_ASSERT(group->n > 0);
    group->n--;
    give_place(group);
    if (group->n > 0)
        return;
    tn__waitq_wake_all(&group->joiners);
    tn__waitq_wake_all(&group->killers);
    tn__waitable_notify(&group->waitable);
}

static void member_ended(tn_link *link)
{
    struct tn__member *m = TN_CONTAINER(link, struct tn__member, end);
    struct tn_group *group = m->owner;
    struct tn_greenlet *g = m->g;
    struct tn__sink *sink = m->end.tn__arg;

    if (g->result < 0 && g->result != -ECANCELED)
        note_failure(group, m);
    leave(group, m);
    if (sink)
        sink->ended(sink, g);
    else
        tn__greenlet_report(g);
}

static void join_group(struct tn_group *group, struct tn__member *m,
                       struct tn_greenlet *g)
{
    tn__member_attach(m, g, group, &group->members, member_ended);
    m->number = ++group->n_ever;
    group->n++;
    tn__waitq_wake_all(&group->killers);
}

/* It was no member any more, but worked for somebody. */
static void stray_ended(tn_link *link)
{
    struct tn__member *m = TN_CONTAINER(link, struct tn__member, end);
    struct tn__sink *sink = m->end.tn__arg;

    m->owner = NULL;
    if (sink)
        sink->ended(sink, m->g);
}

/* Take a member off that has not ended. Who had it work hears of its end all
 * the same. */
static void dismiss(struct tn_group *group, struct tn__member *m)
{
    struct tn__sink *sink = m->end.tn__arg;
    struct tn_greenlet *g = m->g;

    leave(group, m);
    if (!sink)
        return;
    m->owner = sink;
    tn__waitable_add(&g->waitable, &m->end, TN__LINK_WAITER,
                     (void (*)(void))stray_ended, sink);
}

void tn_group_free(tn_group *group)
{
    if (!group)
        return;
    TN_ASSERT(tn__waitq_is_empty(&group->spawners) &&
              tn__waitq_is_empty(&group->lookers) &&
              tn__waitq_is_empty(&group->joiners) &&
              tn__waitq_is_empty(&group->killers));
    while (!tn__list_is_empty(&group->members))
        dismiss(group, tn__member_first(&group->members));
    while (!tn__list_is_empty(&group->dying))
        dismiss(group, tn__member_first(&group->dying));
    tn__waitable_fini(&group->waitable);
    free(group);
}

/* The place of `g` in the group, or NULL. */
static struct tn__member *find(const struct tn_group *group,
                               const struct tn_greenlet *g)
{
    const struct tn__list *head = &g->waitable.links;

    for (struct tn__list *l = head->next; l != head; l = l->next) {
        tn_link *link = (tn_link *)(void *)l;
        struct tn__member *m = TN_CONTAINER(link, struct tn__member, end);

        if (link->tn__kind == TN__LINK_WAITER &&
            link->tn__fn == (void (*)(void))member_ended && m->owner == group)
            return m;
    }
    return NULL;
}

bool tn__group_is_inside(const tn_group *group)
{
    return find(group, group->hub->current) != NULL;
}

/* ---- members ---- */

int tn__group_spawn(tn_group *group, tn_greenlet_fn fn, void *arg,
                    struct tn_greenlet **ret_g, tn_time deadline)
{
    struct tn_greenlet *g;
    int r = take_place(group, deadline);

    if (r < 0)
        return r;
    r = tn_spawn(fn, arg, &g);
    if (r < 0) {
        give_place(group);
        return r;
    }
    g->refs = 0;
    TN_ASSERT(!g->member.owner);
    join_group(group, &g->member, g);
    *ret_g = g;
    return 0;
}

int tn_group_spawn(tn_group *group, tn_greenlet_fn fn, void *arg,
                   tn_greenlet **ret_g, tn_time deadline)
{
    struct tn_greenlet *g;
    int r = group && fn ? tn__wait_enter(group->hub, deadline) : -EINVAL;

    if (r == 0)
        r = tn__group_spawn(group, fn, arg, &g, deadline);
    if (r < 0)
        return r;
    if (ret_g)
        *ret_g = tn_ref(g);
    tn__hub_tick(group->hub);
    return 0;
}

/* Give `g` a place that was taken for it, unless it needs none any more. */
static int add(tn_group *group, tn_greenlet *g)
{
    struct tn__member *m = &g->member;

    if (g->state == TN_GREENLET_DONE || find(group, g)) {
        give_place(group);
        return 0;
    }
    if (m->owner)
        m = malloc(sizeof *m);
    if (!m) {
        give_place(group);
        return -ENOMEM;
    }
    join_group(group, m, g);
    return 0;
}

int tn_group_add(tn_group *group, tn_greenlet *g, tn_time deadline)
{
    int r = group && g ? tn__wait_enter(group->hub, deadline) : -EINVAL;

    if (r < 0)
        return r;
    if (g->hub != group->hub)
        return -EXDEV;
    if (g == g->hub->main || g == &g->hub->hub_g)
        return -EINVAL;
    if (g->state != TN_GREENLET_DONE && !find(group, g)) {
        r = take_place(group, deadline);
        if (r == 0)
            r = add(group, g);
    }
    if (r == 0)
        tn__hub_tick(group->hub);
    return r;
}

int tn_group_discard(tn_group *group, tn_greenlet *g)
{
    struct tn__member *m;

    if (!group || !g)
        return -EINVAL;
    if (group->hub != tn__hub_peek() || g->hub != group->hub)
        return -EXDEV;
    m = find(group, g);
    if (!m)
        return -ENOENT;
    dismiss(group, m);
    return 0;
}

int tn_group_contains(const tn_group *group, const tn_greenlet *g)
{
    return group && g && find(group, g) != NULL;
}

size_t tn_group_count(const tn_group *group)
{
    return group ? group->n : 0;
}

tn_waitable *tn_group_waitable(tn_group *group)
{
    return group ? &group->waitable : NULL;
}

/* ---- waiting ---- */

int tn__group_await(struct tn_hub *h, const uint8_t *is_done, const char *what)
{
    tn_shield shield;
    int r;

    if (*is_done)
        return 0;
    tn_shield_begin(&shield, TN_FOREVER);
    r = tn__hub_park(h, is_done, TN_FOREVER, what, -1);
    tn_shield_end(&shield);
    TN_ASSERT(r == 0 || r == -EDEADLK);
    return r;
}

int tn_group_join(tn_group *group, int flags, tn_time deadline)
{
    struct joiner j = {.error = 0};
    int r;

    if (!group || (flags & ~TN_JOIN_RAISE))
        return -EINVAL;
    r = tn__wait_enter(group->hub, deadline);
    if (r < 0)
        return r;
    if (group->n == 0) {
        tn__hub_tick(group->hub);
        return 0;
    }
    if (deadline != TN_NOWAIT && tn__group_is_inside(group))
        return -EDEADLK;
    j.n_ever = group->n_ever;
    r = tn__waitq_wait(group->hub, &group->joiners, &j.node, deadline,
                       "tn_group_join");
    return r == 0 && (flags & TN_JOIN_RAISE) ? j.error : r;
}

static void kill_members(struct tn_group *group)
{
    while (!tn__list_is_empty(&group->members)) {
        struct tn__member *m = tn__member_first(&group->members);

        tn__list_remove(&m->link);
        tn__list_insert(&group->dying, &m->link);
        tn__greenlet_kill(group->hub, m->g);
    }
}

int tn_group_kill(tn_group *group, tn_time deadline)
{
    struct tn__waitq_node node;
    int r;

    if (!group)
        return -EINVAL;
    if (group->hub != tn__hub_peek())
        return -EXDEV;
    for (;;) {
        kill_members(group);
        if (group->n == 0) {
            tn__hub_tick(group->hub);
            return 0;
        }
        r = tn__wait_enter(group->hub, deadline);
        if (r < 0)
            return r;
        if (deadline != TN_NOWAIT && tn__group_is_inside(group))
            return -EDEADLK;
        r = tn__waitq_wait(group->hub, &group->killers, &node, deadline,
                           "tn_group_kill");
        if (r < 0)
            return r;
    }
}

/* ---- pools ---- */

size_t tn_pool_free_count(const tn_pool *pool)
{
    if (!pool)
        return 0;
    return pool->size == SIZE_MAX ? SIZE_MAX : pool->size - pool->n_taken;
}

int tn_pool_wait_available(tn_pool *pool, tn_time deadline)
{
    struct tn__waitq_node node;
    int r = pool ? tn__wait_enter(pool->hub, deadline) : -EINVAL;

    if (r < 0)
        return r;
    if (pool->n_taken < pool->size) {
        tn__hub_tick(pool->hub);
        return 0;
    }
    return tn__waitq_wait(pool->hub, &pool->lookers, &node, deadline,
                          "tn_pool_wait_available");
}
