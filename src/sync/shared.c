/* SPDX-License-Identifier: MIT */
/* sync/shared.c - objects that greenlets of all threads use together.
 *
 * Each has a lock, held for a few instructions and never while waiting. Who
 * must wait puts a node of its stack on a list of the object and parks. Who
 * ends the wait takes the node off, writes what it gives into it, and posts it
 * to the hub of the waiter, all under the lock: so a waiter that a kill or a
 * deadline wakes at the same time finds out under the lock whether it was
 * given something. If it was, it awaits the post, which is on its way, and
 * returns that; if not it takes its node off. Nothing is lost or given twice,
 * and there is no barging: what is given is given to the first.
 *
 * A hub whose thread ends takes its nodes off too (leave()); before it gets
 * there, posts to it are refused, and its nodes are passed over. */
#include "sync/shared.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <tendril/shared.h>

#include "base/own.h"
#include "hub/timeout.h"

void tn__shared_init(struct tn__shared *s)
{
    pthread_mutex_init(&s->lock, NULL);
    s->refs = 1;
}

bool tn__shared_unref(struct tn__shared *s)
{
    uint32_t left = __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL);

    TN_ASSERT(left != UINT32_MAX);
    if (left > 0)
        return false;
    pthread_mutex_destroy(&s->lock);
    return true;
}

int tn__shared_enter(tn_time deadline, struct tn_hub **ret_hub)
{
    struct tn_hub *h = tn__hub_peek();

    *ret_hub = h;
    if (!h || !h->current->alert)
        return 0;
    return tn__hub_alert(h, h->current, deadline);
}

/* ---- waiting ---- */

/* Take `w` off its list. False if its wait was ended before. */
static bool take_off(struct tn__shared_waiter *w)
{
    bool is_given;

    TN_OWN(pthread_mutex_lock(&w->object->lock));
    is_given = w->is_given;
    if (!is_given)
        tn__list_remove(&w->link);
    pthread_mutex_unlock(&w->object->lock);
    return !is_given;
}

static void leave(struct tn__attached *a)
{
    take_off(TN_CONTAINER(a, struct tn__shared_waiter, remote.attached));
}

int tn__shared_wait(struct tn__shared *s, struct tn__list *list,
                    struct tn__shared_waiter *w, tn_time deadline,
                    const char *what)
{
    struct tn_hub *h = tn__hub_peek();
    int r;

    TN_ASSERT(h != NULL && deadline != TN_NOWAIT);
    w->object = s;
    w->is_given = false;
    tn__remote_begin(h, &w->remote, leave);
    tn__list_insert(list, &w->link);
    pthread_mutex_unlock(&s->lock);
    r = tn__remote_wait(h, &w->remote, deadline, what);
    if (r < 0 && !take_off(w)) {
        tn__hub_park_firmly(h, &w->remote.is_done, what);
        r = 0;
    }
    tn__remote_end(h, &w->remote);
    return r < 0 ? r : w->result;
}

bool tn__shared_give(struct tn__list *list, int result, void **item,
                     bool is_receiver)
{
    while (!tn__list_is_empty(list)) {
        struct tn__shared_waiter *w =
            TN_CONTAINER(list->next, struct tn__shared_waiter, link);
        void *sent = w->item;

        tn__list_remove(&w->link);
        if (is_receiver)
            w->item = *item;
        w->result = result;
        w->is_given = true;
        if (tn__remote_finish(&w->remote) == 0) {
            if (!is_receiver)
                *item = sent;
            return true;
        }
        w->is_given = false; /* its hub is gone: leave() is yet to come */
    }
    return false;
}

/* ---- event ---- */

struct tn_shared_event {
    struct tn__shared shared;
    struct tn__list waiters;
    bool is_set;
};

int tn_shared_event_new(tn_shared_event **ret_event)
{
    tn_shared_event *e;

    if (!ret_event)
        return -EINVAL;
    e = malloc(sizeof *e);
    if (!e)
        return -ENOMEM;
    tn__shared_init(&e->shared);
    tn__list_init(&e->waiters);
    e->is_set = false;
    *ret_event = e;
    return 0;
}

tn_shared_event *tn_shared_event_ref(tn_shared_event *event)
{
    if (event)
        __atomic_add_fetch(&event->shared.refs, 1, __ATOMIC_RELAXED);
    return event;
}

void tn_shared_event_unref(tn_shared_event *event)
{
    if (!event || !tn__shared_unref(&event->shared))
        return;
    TN_ASSERT(tn__list_is_empty(&event->waiters));
    free(event);
}

void tn_shared_event_set(tn_shared_event *event)
{
    void *nothing = NULL;

    if (!event)
        return;
    TN_OWN(pthread_mutex_lock(&event->shared.lock));
    event->is_set = true;
    while (tn__shared_give(&event->waiters, 0, &nothing, true))
        ;
    pthread_mutex_unlock(&event->shared.lock);
}

void tn_shared_event_clear(tn_shared_event *event)
{
    if (!event)
        return;
    TN_OWN(pthread_mutex_lock(&event->shared.lock));
    event->is_set = false;
    pthread_mutex_unlock(&event->shared.lock);
}

int tn_shared_event_is_set(tn_shared_event *event)
{
    bool is_set;

    if (!event)
        return 0;
    TN_OWN(pthread_mutex_lock(&event->shared.lock));
    is_set = event->is_set;
    pthread_mutex_unlock(&event->shared.lock);
    return is_set;
}

int tn_shared_event_wait(tn_shared_event *event, tn_time deadline)
{
    struct tn__shared_waiter w;
    struct tn_hub *h;
    int r;

    if (!event)
        return -EINVAL;
    r = tn__shared_enter(deadline, &h);
    if (r < 0)
        return r;
    if (!h && deadline != TN_NOWAIT) {
        r = tn__hub_self(&h);
        if (r < 0)
            return r;
    }
    TN_OWN(pthread_mutex_lock(&event->shared.lock));
    if (!event->is_set && deadline != TN_NOWAIT)
        return tn__shared_wait(&event->shared, &event->waiters, &w, deadline,
                               "tn_shared_event_wait");
    r = event->is_set ? 0 : -EAGAIN;
    pthread_mutex_unlock(&event->shared.lock);
    if (h)
        tn__hub_tick(h);
    return r;
}
