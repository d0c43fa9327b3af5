/* SPDX-License-Identifier: MIT */
/* sync/wait.c - waiting for several things, of whatever kind.
 *
 * A set has an item for each thing, linked to it until it is ready; the item
 * then moves to the set's own list, in the order of the notifications, and the
 * greenlet that waits in the set, if one does, is woken. So nothing is lost
 * while nobody waits, and the three forms differ only in who takes items off
 * that list: tn_wait_any() the first, tn_wait_all() so many, tn_waits_next()
 * one at a time. Items lie on the waiter's stack, or when they are many in
 * memory that is taken before anything is linked. */
#include <errno.h>
#include <stdlib.h>
#include <tendril/wait.h>

#include "hub/hub.h"
#include "hub/waitable.h"
#include "sync/waitq.h"

enum { ON_STACK_MAX = 16 };

struct item {
    tn_link link; /* on its object, or on tn_waits.ready, or on none */
    size_t index; /* its place among those given */
};

struct tn_waits {
    struct tn_hub *hub;    /* not owned */
    struct tn_greenlet *g; /* who waits in it; NULL: nobody */
    struct tn__list ready; /* of item.link, in the order of readiness */
    size_t n;              /* items */
    size_t n_left;         /* items not taken off `ready` yet */
    uint8_t is_any_ready;  /* `ready` is not empty: what `g` waits for */
    struct item *items;    /* owned if they are too many for the stack */
};

tn_waitable *tn_greenlet_waitable(tn_greenlet *g)
{
    return g ? &g->waitable : NULL;
}

int tn_waitable_is_ready(const tn_waitable *w)
{
    return w && tn__waitable_is_ready(w);
}

int tn_waitable_link(tn_waitable *w, tn_link *link, tn_ready_fn fn, void *arg)
{
    if (!w || !link || !fn)
        return -EINVAL;
    if (w->hub != tn__hub_peek())
        return -EXDEV;
    tn__waitable_link(w, link, TN__LINK_READY, (void (*)(void))fn, arg);
    return 0;
}

void tn_waitable_unlink(tn_link *link)
{
    if (link)
        tn__waitable_unlink(link);
}

/* ---- sets ---- */

static struct tn__list *node_of(struct item *item)
{
    return (struct tn__list *)(void *)&item->link;
}

static void push_ready(tn_waits *set, struct item *item)
{
    tn__list_insert(&set->ready, node_of(item));
    set->is_any_ready = 1;
}

/* Take the first that is ready off, and return its place. */
static size_t pop_ready(tn_waits *set)
{
    struct item *item = (struct item *)(void *)set->ready.next;

    TN_ASSERT(set->n_left > 0 && !tn__list_is_empty(&set->ready));
    tn__list_remove(node_of(item));
    set->is_any_ready = !tn__list_is_empty(&set->ready);
    set->n_left--;
    return item->index;
}

/* A waitable says that it is ready: its link is off it. */
static void became_ready(tn_link *link)
{
    tn_waits *set = link->tn__arg;

    push_ready(set, (struct item *)(void *)link);
    if (set->g)
        tn__hub_wake(set->g);
}

/* 0 if all can be waited for from here. */
static int check(tn_waitable *const *ws, size_t n)
{
    if (!ws || n == 0)
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (!ws[i])
            return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (ws[i]->hub != tn__hub_peek())
            return -EXDEV;
    return 0;
}

/* Set it up for n items. The items are memory of the caller's, set->items, when
 * they are few, else of the heap. 0 or -ENOMEM. */
static int set_init(tn_waits *set, struct tn_hub *h, struct item *few, size_t n)
{
    set->hub = h;
    set->g = NULL;
    set->n = set->n_left = n;
    set->is_any_ready = 0;
    tn__list_init(&set->ready);
    set->items = few;
    if (n > ON_STACK_MAX)
        set->items = calloc(n, sizeof *set->items);
    return set->items ? 0 : -ENOMEM;
}

/* Watch all of them, but stop when `enough` are ready. */
static void set_link(tn_waits *set, tn_waitable *const *ws, size_t enough)
{
    for (size_t i = 0; i < set->n; i++) {
        struct item *item = &set->items[i];

        item->index = i;
        item->link.tn__waitable = NULL;
        tn__list_init(node_of(item));
        if (enough == 0)
            continue;
        if (tn__waitable_is_ready(ws[i])) {
            push_ready(set, item);
            enough--;
        } else {
            tn__waitable_add(ws[i], &item->link, TN__LINK_WAITER,
                             (void (*)(void))became_ready, set);
        }
    }
}

static void set_fini(tn_waits *set)
{
    for (size_t i = 0; i < set->n; i++)
        tn__waitable_unlink(&set->items[i].link);
    if (set->n > ON_STACK_MAX)
        free(set->items);
}

/* Wait until one is ready. */
static int set_wait(tn_waits *set, tn_time deadline, const char *what)
{
    int r;

    if (set->is_any_ready)
        return 0;
    if (deadline == TN_NOWAIT)
        return -EAGAIN;
    set->g = set->hub->current;
    r = tn__hub_park(set->hub, &set->is_any_ready, deadline, what, -1);
    set->g = NULL;
    TN_ASSERT((r == 0) == set->is_any_ready);
    return r;
}

/* ---- the three forms ---- */

/* Until `count` have been ready. How many, or an error if none has been. */
static long wait_some(tn_waitable *const *ws, size_t n, size_t count,
                      size_t *ret_order, tn_time deadline)
{
    const char *what = count == 1 ? "tn_wait_any" : "tn_wait_all";
    struct tn_hub *h = ws[0]->hub;
    struct item few[ON_STACK_MAX];
    size_t n_done = 0;
    tn_waits set;
    bool is_at_once;
    int r = tn__wait_enter(h, deadline);

    if (r == 0)
        r = set_init(&set, h, few, n);
    if (r < 0)
        return r;
    set_link(&set, ws, count);
    is_at_once = set.is_any_ready || deadline == TN_NOWAIT;
    while (n_done < count && (r = set_wait(&set, deadline, what)) == 0) {
        size_t index = pop_ready(&set);

        if (ret_order)
            ret_order[n_done] = index;
        n_done++;
    }
    set_fini(&set);
    if (is_at_once)
        tn__hub_tick(h);
    return n_done ? (long)n_done : r;
}

int tn_wait_any(tn_waitable *const *ws, size_t n, size_t *ret_index,
                tn_time deadline)
{
    long r = check(ws, n);

    if (r == 0)
        r = wait_some(ws, n, 1, ret_index, deadline);
    return r > 0 ? 0 : (int)r;
}

long tn_wait_all(tn_waitable *const *ws, size_t n, size_t count,
                 size_t *ret_order, tn_time deadline)
{
    int r = check(ws, n);

    if (r < 0)
        return r;
    if (count == 0 || count > n)
        count = n;
    return wait_some(ws, n, count, ret_order, deadline);
}

int tn_waits_begin(tn_waitable *const *ws, size_t n, tn_waits **ret_waits)
{
    int r = ret_waits ? check(ws, n) : -EINVAL;
    tn_waits *set;

    if (r < 0)
        return r;
    /* Room for few items lies behind it. */
    set =
        malloc(sizeof *set + (n > ON_STACK_MAX ? 0 : n) * sizeof(struct item));
    if (!set)
        return -ENOMEM;
    r = set_init(set, ws[0]->hub, (struct item *)(void *)(set + 1), n);
    if (r < 0) {
        free(set);
        return r;
    }
    set_link(set, ws, n);
    *ret_waits = set;
    return 0;
}

int tn_waits_next(tn_waits *waits, size_t *ret_index, tn_time deadline)
{
    int r = waits ? tn__wait_enter(waits->hub, deadline) : -EINVAL;
    bool is_at_once;
    size_t index;

    if (r < 0)
        return r;
    if (waits->n_left == 0)
        return 0;
    if (waits->g)
        return -EBUSY;
    is_at_once = waits->is_any_ready || deadline == TN_NOWAIT;
    r = set_wait(waits, deadline, "tn_waits_next");
    if (r == 0) {
        index = pop_ready(waits);
        if (ret_index)
            *ret_index = index;
    }
    if (is_at_once)
        tn__hub_tick(waits->hub);
    return r < 0 ? r : 1;
}

void tn_waits_end(tn_waits *waits)
{
    if (!waits)
        return;
    TN_ASSERT(!waits->g);
    if (waits->hub == tn__hub_peek())
        set_fini(waits);
    free(waits);
}
