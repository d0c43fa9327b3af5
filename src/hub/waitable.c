/* SPDX-License-Identifier: MIT */
/* hub/waitable.c - who is told when an object becomes ready.
 *
 * A link is a node in its owner's storage, on the object's list until the
 * object becomes ready. It is then taken off, so it is told once. Greenlets in
 * tn_wait_any() are marked and made runnable there and then. Callbacks of
 * users move to one list of the hub, which calls them before its next poll:
 * they run in the order of the notifications, never inside the call that made
 * the object ready, and each can be taken off until the moment it is called,
 * by an earlier one of the same round too. There is no list to walk while it
 * changes, so adding and removing are O(1) at any time.
 *
 * A round calls those that were due when it began; what they link meanwhile
 * has its turn after the poll, so that a link which links itself again does not
 * keep the hub from polling. */
#include "hub/waitable.h"

#include "hub/switch.h"

static struct tn__list *node_of(tn_link *link)
{
    return (struct tn__list *)(void *)link;
}

static void make_due(struct tn_waitable *w, tn_link *link)
{
    if (w->ops->hold)
        w->ops->hold(w);
    link->tn__is_due = 1;
    tn__list_insert(&w->hub->links_due, node_of(link));
}

bool tn__waitable_tell(struct tn_waitable *w)
{
    bool is_heard = false;

    while (!tn__list_is_empty(&w->links)) {
        tn_link *link = (tn_link *)(void *)w->links.next;

        TN_ASSERT(link->tn__waitable == w && !link->tn__is_due);
        tn__list_remove(node_of(link));
        is_heard |= link->tn__kind != TN__LINK_WATCH;
        if (link->tn__kind >= TN__LINK_WAITER) {
            link->tn__waitable = NULL;
            ((tn__link_waiter_fn)(void *)link->tn__fn)(link);
        } else {
            make_due(w, link);
        }
    }
    return is_heard;
}

void tn__waitable_add(struct tn_waitable *w, tn_link *link, int kind,
                      void (*fn)(void), void *arg)
{
    link->tn__waitable = w;
    link->tn__fn = fn;
    link->tn__arg = arg;
    link->tn__kind = (uint32_t)kind;
    link->tn__is_due = 0;
    if (w->ops->on_link)
        w->ops->on_link(w);
    tn__list_insert(&w->links, node_of(link));
}

void tn__waitable_link(struct tn_waitable *w, tn_link *link, int kind,
                       void (*fn)(void), void *arg)
{
    tn__waitable_add(w, link, kind, fn, arg);
    if (tn__waitable_is_ready(w)) {
        tn__list_remove(node_of(link));
        make_due(w, link);
    }
}

/* It is off its list: what that means. Returns what it was linked to. */
static struct tn_waitable *forget(tn_link *link)
{
    struct tn_waitable *w = link->tn__waitable;

    link->tn__waitable = NULL;
    link->tn__is_due = 0;
    return w;
}

void tn__waitable_unlink(tn_link *link)
{
    bool is_due = link->tn__is_due;
    struct tn_waitable *w;

    if (!link->tn__waitable)
        return;
    tn__list_remove(node_of(link));
    w = forget(link);
    if (!is_due && w->ops->on_unlink)
        w->ops->on_unlink(w);
    if (is_due && w->ops->drop)
        w->ops->drop(w);
}

void tn__waitable_fini(struct tn_waitable *w)
{
    struct tn__list *due = &w->hub->links_due, *next;

    if (w->hub != tn__hub_peek())
        return; /* the hub is gone, and so is what it was to call */
    while (!tn__list_is_empty(&w->links)) {
        tn_link *link = (tn_link *)(void *)w->links.next;

        TN_ASSERT(link->tn__kind !=
                  TN__LINK_WAITER); /* freed while waited for */
        tn__list_remove(node_of(link));
        forget(link);
    }
    for (struct tn__list *n = due->next; n != due; n = next) {
        tn_link *link = (tn_link *)(void *)n;

        next = n->next;
        if (n != w->hub->links_mark && link->tn__waitable == w) {
            tn__list_remove(n);
            forget(link);
        }
    }
}

static void call(tn_link *link)
{
    uint32_t kind = link->tn__kind;
    void (*fn)(void) = link->tn__fn;
    void *arg = link->tn__arg;
    struct tn_waitable *w = forget(link);
    void (*drop)(struct tn_waitable *) = w->ops->drop;

    /* From here on the link's storage is its owner's. */
    if (kind == TN__LINK_END)
        ((tn_link_fn)(void *)fn)(TN_CONTAINER(w, struct tn_greenlet, waitable),
                                 arg);
    else
        ((tn_ready_fn)(void *)fn)(w, arg);
    if (drop)
        drop(w);
}

void tn__hub_run_links(struct tn_hub *h)
{
    struct tn__list mark, *n;

    TN_ASSERT(!h->links_mark);
    h->links_mark = &mark;
    tn__list_insert(&h->links_due, &mark);
    while ((n = h->links_due.next) != &mark) {
        tn__list_remove(n);
        call((tn_link *)(void *)n);
    }
    tn__list_remove(&mark);
    h->links_mark = NULL;
    tn__hub_run_failed(h);
}
