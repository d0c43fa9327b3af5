/* SPDX-License-Identifier: MIT */
/* hub/patch.c - what libtendril-patch asks of the hub: may this call park? */
#include <errno.h>
#include <tendril/patch.h>

#include "base/own.h"
#include "hub/hub.h"

int tn_patch_parks(void)
{
    struct tn_hub *h = tn__hub_peek();
    const struct tn_greenlet *g;

    if (!h || tn__own_depth)
        return 0;
    g = h->current;
    return !(g->alert & (TN__ALERT_HUB | TN__ALERT_HOOK)) && !g->is_blocking;
}

long tn_blocking(long (*fn)(void *arg), void *arg)
{
    struct tn_hub *h = tn__hub_peek();
    struct tn_greenlet *g = h ? h->current : NULL;
    bool before;
    long r;

    if (!fn)
        return -EINVAL;
    if (!g)
        return fn(arg);
    before = g->is_blocking;
    g->is_blocking = true;
    r = fn(arg);
    g->is_blocking = before;
    return r;
}
