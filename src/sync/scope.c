/* SPDX-License-Identifier: MIT */
/* sync/scope.c - structured concurrency.
 *
 * A child has a place in its scope as a member has in its group; its end calls
 * the scope at once, in the child's place, so a failure has killed the siblings
 * before anybody else runs. The body is stopped by a cancel: a timeout scope
 * that is raised instead of expiring (hub/timeout.c). It nests with timeouts
 * and shields, is sticky until the scope ends, and is told from a kill by being
 * over then.
 *
 * Rejected: killing the owner. A kill cannot be taken back, and what the owner
 * does after the scope is none of the children's business.
 *
 * In tn_scope_end() the owner's own kill and the scopes outside are heeded
 * until they have canceled the children; the wait that follows hides them. */
#include <errno.h>
#include <string.h>
#include <tendril/scope.h>

#include "hub/switch.h"
#include "hub/timeout.h"
#include "sync/group.h"

_Static_assert(sizeof(struct tn__list) == 2 * sizeof(void *),
               "a tn_scope holds lists");
_Static_assert(sizeof(void *) != 8 || sizeof(tn_scope) == 128,
               "the size of tn_scope is part of the ABI");

static struct tn__list *children_of(tn_scope *s)
{
    return (struct tn__list *)(void *)s->tn__children;
}

static struct tn__list *killed_of(tn_scope *s)
{
    return (struct tn__list *)(void *)s->tn__killed;
}

/* In the child of a fork() by its owner, which has taken its cancel along
 * (hub/fork.c): the greenlets that were its children are not there. */
static void adopt(tn_scope *s)
{
    tn__list_init(children_of(s));
    tn__list_init(killed_of(s));
    s->tn__n = 0;
    s->tn__is_empty = 1;
    s->tn__owner = s->tn__cancel.tn__owner;
}

/* Why a tn_scope cannot be used here; 0: it can. */
static int check(tn_scope *s)
{
    const struct tn_greenlet *owner;

    if (!s || !s->tn__owner)
        return -EINVAL;
    if (s->tn__cancel.tn__owner && s->tn__cancel.tn__owner != s->tn__owner)
        adopt(s);
    owner = s->tn__owner;
    return owner->hub == tn__hub_peek() ? 0 : -EXDEV;
}

void tn_scope_begin(tn_scope *s)
{
    memset(s, 0, sizeof *s);
    tn__list_init(children_of(s));
    tn__list_init(killed_of(s));
    s->tn__is_empty = 1;
    tn__cancel_begin(&s->tn__cancel);
    s->tn__owner = s->tn__cancel.tn__owner; /* NULL: no hub can be made */
}

void tn_scope_cancel(tn_scope *s, int error)
{
    if (check(s) < 0 || s->tn__is_canceled)
        return;
    s->tn__is_canceled = 1;
    s->error = error < 0 ? error : 0;
    while (!tn__list_is_empty(children_of(s))) {
        struct tn__member *m = tn__member_first(children_of(s));

        tn__list_remove(&m->link);
        tn__list_insert(killed_of(s), &m->link);
        tn__greenlet_kill(m->g->hub, m->g);
    }
    tn__cancel_raise(&s->tn__cancel);
}

static void child_ended(tn_link *link)
{
    struct tn__member *m = TN_CONTAINER(link, struct tn__member, end);
    tn_scope *s = m->owner;
    int result = m->g->result;

    tn__member_detach(m);
    TN_ASSERT(s->tn__n > 0);
    s->tn__n--;
    if (result < 0 && !s->tn__is_canceled)
        tn_scope_cancel(s, result);
    else if (result < 0 && result != -ECANCELED && !s->error)
        s->error = result;
    if (s->tn__n > 0)
        return;
    s->tn__is_empty = 1;
    tn__hub_wake(s->tn__owner);
}

int tn_scope_spawn_with(tn_scope *s, const struct tn_greenlet_options *options,
                        tn_greenlet_fn fn, void *arg, tn_greenlet **ret_g)
{
    struct tn_greenlet *g, *owner;
    int r = check(s);

    if (r < 0)
        return r;
    owner = s->tn__owner;
    if (owner == &owner->hub->hub_g)
        return -EDEADLK;
    if (s->tn__is_canceled)
        return -ECANCELED;
    r = options ? tn_spawn_with(options, fn, arg, &g) : tn_spawn(fn, arg, &g);
    if (r < 0)
        return r;
    tn__member_attach(&g->member, g, s, children_of(s), child_ended);
    s->tn__n++;
    s->tn__is_empty = 0;
    if (ret_g)
        *ret_g = g;
    else
        g->refs = 0;
    return 0;
}

int tn_scope_spawn(tn_scope *s, tn_greenlet_fn fn, void *arg,
                   tn_greenlet **ret_g)
{
    return tn_scope_spawn_with(s, NULL, fn, arg, ret_g);
}

/* Wait for the children, killed or not. */
static int await(struct tn_hub *h, tn_scope *s, tn_time deadline)
{
    if (s->tn__is_empty) {
        tn__hub_tick(h);
        return 0;
    }
    if (deadline == TN_NOWAIT)
        return -EAGAIN;
    return tn__hub_park(h, &s->tn__is_empty, deadline, "tn_scope_end", -1);
}

/* Nothing can wake those that are left, though they were killed: they wait
 * behind shields for what never comes. They are nobody's now. */
static void abandon(tn_scope *s)
{
    while (!tn__list_is_empty(killed_of(s)))
        tn__member_detach(tn__member_first(killed_of(s)));
}

int tn_scope_end(tn_scope *s, tn_time deadline)
{
    struct tn_hub *h;
    int r = check(s);

    if (r < 0)
        return r;
    h = tn__hub_peek();
    TN_ASSERT(h->current == s->tn__owner);
    tn__cancel_end(&s->tn__cancel);
    r = tn__wait_enter(h, deadline);
    if (r == 0 && !s->tn__is_canceled) {
        r = await(h, s, deadline);
        if (r < 0 && s->tn__is_canceled && s->error)
            r = 0; /* a child failed: a result that happened */
    }
    if (r < 0)
        tn_scope_cancel(s, 0);
    if (tn__group_await(h, &s->tn__is_empty, "tn_scope_end") < 0) {
        abandon(s);
        r = -EDEADLK;
    }
    s->tn__owner = NULL;
    return r < 0 ? r : s->error;
}
