/* SPDX-License-Identifier: MIT */
/* sync/group.h - groups as map.c and imap.c see them, and what groups and
 * scopes share: places of greenlets in lists of their owner. See group.c. */
#ifndef TN_SYNC_GROUP_H
#define TN_SYNC_GROUP_H

#include <tendril/group.h>

#include "hub/waitable.h"
#include "sync/waitq.h"

/* One who wants to know of the ends of members that he spawned. */
struct tn__sink {
    /* May only mark something, wake greenlets and free memory. g->arg is what
     * the member was spawned with. */
    void (*ended)(struct tn__sink *sink, struct tn_greenlet *g);
};

struct tn_group {
    struct tn_hub *hub;        /* not owned */
    size_t size;               /* places; SIZE_MAX: no bound */
    size_t n_taken;            /* places taken: of members, and of those who
                                * were given one and have not run since */
    size_t n;                  /* members */
    uint64_t n_ever;           /* members there have ever been */
    struct tn__list members;   /* those not killed by the group, oldest first */
    struct tn__list dying;     /* those it has killed */
    struct tn__waitq spawners; /* wait for a place to be given to them */
    struct tn__waitq lookers;  /* wait for there being a free place */
    struct tn__waitq joiners;  /* struct joiner: wait for there being none */
    struct tn__waitq killers;  /* the same, and for a new one */
    struct tn_waitable waitable; /* ready while there is none */
};

/* Give `m`, which is not in use, the place of `g` on `list`. ended() is called
 * at its end, with m->end, while the place still is. */
static inline void tn__member_attach(struct tn__member *m,
                                     struct tn_greenlet *g, void *owner,
                                     struct tn__list *list,
                                     tn__link_waiter_fn ended)
{
    TN_ASSERT(g->state != TN_GREENLET_DONE);
    m->g = g;
    m->owner = owner;
    tn__list_insert(list, &m->link);
    tn__waitable_add(&g->waitable, &m->end, TN__LINK_WAITER,
                     (void (*)(void))ended, NULL);
}

static inline void tn__member_detach(struct tn__member *m)
{
    tn__list_remove(&m->link);
    tn__waitable_unlink(&m->end);
    m->owner = NULL;
}

static inline struct tn__member *tn__member_first(struct tn__list *list)
{
    return TN_CONTAINER(list->next, struct tn__member, link);
}

/* tn_group_spawn() after tn__wait_enter() and without the end of a tick. Stores
 * the member without a reference; before it gives way, the caller may make
 * member.end.tn__arg the struct tn__sink that is told of its end. */
int tn__group_spawn(tn_group *group, tn_greenlet_fn fn, void *arg,
                    struct tn_greenlet **ret_g, tn_time deadline);

/* Whether the current greenlet would wait for itself in the group: it is a
 * member. */
bool tn__group_is_inside(const tn_group *group);

/* Wait, whatever else happens, until *is_done: a kill and all scopes are
 * hidden. 0, or -EDEADLK. */
int tn__group_await(struct tn_hub *h, const uint8_t *is_done, const char *what);

#endif /* TN_SYNC_GROUP_H */
