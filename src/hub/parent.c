/* SPDX-License-Identifier: MIT */
/* hub/parent.c - who goes on when a greenlet ends that was switched to by hand,
 * and who hears of switches.
 *
 * A parent that was set is held by a reference, also after it has ended, so the
 * way to the next ancestor is never lost. Who resumed a greenlet last, its
 * parent as long as none was set, is not held: a generator would keep its last
 * reader. It is known by its number, since its block may be another's by then.
 * Ancestors are followed by parents that were set, which form no cycle, and at
 * most one step more.
 *
 * Rejected: the maker as parent, as in Python's greenlet. There a generator
 * that is read by another than its maker must be given a parent at each step,
 * or its end continues the wrong one. */
#include <errno.h>

#include "hub/switch.h"

/* Who resumed `g` last, or made it, if it still lives; else NULL. */
static struct tn_greenlet *back_of(const struct tn_greenlet *g)
{
    struct tn_greenlet *back = g->back;

    if (!(g->marks & TN__MARK_BACK) || !back || back->id != g->back_id ||
        back->state == TN_GREENLET_DONE)
        return NULL;
    return back;
}

struct tn_greenlet *tn__parent_ancestor(const struct tn_greenlet *g)
{
    if (g->marks & TN__MARK_ORPHAN)
        return NULL;
    while (g->marks & TN__MARK_PARENT) {
        g = g->parent;
        if (g->state != TN_GREENLET_DONE)
            return (struct tn_greenlet *)g;
    }
    return back_of(g);
}

bool tn__parent_can_go_on(const struct tn_greenlet *g)
{
    return g && (g->state == TN_GREENLET_PASSIVE ||
                 g->state == TN_GREENLET_NEW);
}

bool tn__parent_is_error(int result)
{
    return result < 0 && result != -ECANCELED;
}

void tn__parent_tell(struct tn_hub *h, struct tn_greenlet *g, int result)
{
    TN_ASSERT(tn__parent_can_go_on(g));
    if (g->state == TN_GREENLET_NEW)
        tn__greenlet_claim(h, g);
    else if (tn__parent_is_error(result))
        g->resume_value = result;
    else
        tn__hub_send(g, NULL);
}

/* Those above that only this one holds go too: one after the other, as a chain
 * of them may be longer than a stack is deep. */
void tn__parent_release(struct tn_greenlet *g)
{
    struct tn_greenlet *p = g->parent;

    TN_ASSERT(g->marks & TN__MARK_PARENT);
    g->marks &= (uint8_t)~TN__MARK_PARENT;
    g->parent = NULL;
    while (p) {
        struct tn_greenlet *up = NULL;

        if (p->refs == 1 && (p->marks & TN__MARK_PARENT) &&
            (p->state == TN_GREENLET_DONE || p->state == TN_GREENLET_NEW)) {
            up = p->parent;
            p->marks &= (uint8_t)~TN__MARK_PARENT;
            p->parent = NULL;
        }
        tn_unref(p);
        p = up;
    }
}

tn_greenlet *tn_greenlet_parent(const tn_greenlet *g)
{
    if (!g)
        return NULL;
    return g->marks & TN__MARK_PARENT ? g->parent : back_of(g);
}

int tn_greenlet_set_parent(tn_greenlet *g, tn_greenlet *parent)
{
    struct tn_hub *h = tn__hub_peek();

    if (!g)
        return -EINVAL;
    if (g->hub != h || (parent && parent->hub != h))
        return -EXDEV;
    if (g == h->main || g == &h->hub_g || g == parent || parent == &h->hub_g)
        return -EINVAL;
    for (const struct tn_greenlet *p = parent; p;
         p = p->marks & TN__MARK_PARENT ? p->parent : NULL)
        if (p == g)
            return -ELOOP;
    if (parent)
        tn_ref(parent);
    if (g->marks & TN__MARK_PARENT)
        tn__parent_release(g);
    if (parent) {
        g->parent = parent;
        g->marks |= TN__MARK_PARENT;
    }
    return 0;
}

/* ---- who hears of switches ---- */

/* While there is a hook, every switch takes a detour: TN__DETOUR_HOOK is set,
 * and TN__ALERT_HOOK of the one that runs, so that tn_switch() needs no test of
 * its own.
 *
 * The hook runs where the one that leaves stands, but as on the hub, so that it
 * may not wait nor switch. */
void tn__hub_call_hook(struct tn_hub *h, struct tn_greenlet *to, bool is_throw)
{
    struct tn_greenlet *from = h->current;
#ifndef TN_ENGINE
    int err_before = *h->err;
#endif

    if (from == to)
        return;
    to->state = TN_GREENLET_RUNNING;
    h->current = &h->hub_g;
    h->switch_fn(from, to, is_throw, h->switch_arg);
    h->current = from;
    from->alert &= (uint8_t)~TN__ALERT_HOOK;
    if (h->switch_fn) /* it may have removed itself */
        to->alert |= TN__ALERT_HOOK;
#ifndef TN_ENGINE
    *h->err = err_before;
#endif
}

int tn_set_switch_hook(tn_switch_fn fn, void *arg)
{
    struct tn_hub *h;
    int r = tn__hub_self(&h);

    if (r < 0)
        return r;
    h->switch_fn = fn;
    h->switch_arg = arg;
    if (fn) {
        h->detour |= TN__DETOUR_HOOK;
        h->current->alert |= TN__ALERT_HOOK;
    } else {
        h->detour &= ~(uint32_t)TN__DETOUR_HOOK;
        h->current->alert &= (uint8_t)~TN__ALERT_HOOK;
    }
    return 0;
}

tn_switch_fn tn_switch_hook(void **ret_arg)
{
    struct tn_hub *h = tn__hub_peek();

    if (!h || !h->switch_fn)
        return NULL;
    if (ret_arg)
        *ret_arg = h->switch_arg;
    return h->switch_fn;
}
