/* SPDX-License-Identifier: MIT */
/* hub/remote.c - a wait that another thread ends: see remote.h. */
#include "hub/remote.h"

#include <stddef.h>

#include "base/assert.h"

/* On the hub. */
static void finished(struct tn__post *post)
{
    struct tn__remote *r = TN_CONTAINER(post, struct tn__remote, post);

    TN_ASSERT(!r->is_done);
    r->is_done = 1;
    tn__hub_wake(r->g);
}

void tn__remote_begin(struct tn_hub *h, struct tn__remote *r,
                      void (*leave)(struct tn__attached *a))
{
    TN_ASSERT(h->current != &h->hub_g);
    r->post.fn = finished;
    r->attached.leave = leave;
    r->hub = h;
    r->g = h->current;
    r->is_done = 0;
    tn__list_insert(&h->attached, &r->attached.link);
    h->outside++;
}

void tn__remote_end(struct tn_hub *h, struct tn__remote *r)
{
    TN_ASSERT(r->hub == h && h->outside > 0);
    tn__list_remove(&r->attached.link);
    h->outside--;
}

int tn__remote_finish(struct tn__remote *r)
{
    return tn__hub_post_node(r->hub, &r->post);
}
