/* SPDX-License-Identifier: MIT */
/* hub/waitable.h - things that can be waited for. An object embeds a struct
 * tn_waitable, says in its ops when it is ready, and calls
 * tn__waitable_notify() whenever it becomes so: nothing else is needed for
 * links, tn_wait_any() and the rest to work on it. See waitable.c. */
#ifndef TN_HUB_WAITABLE_H
#define TN_HUB_WAITABLE_H

#include <tendril/wait.h>

#include "base/assert.h"
#include "base/list.h"
#include "greenlet/waitable.h"
#include "hub/hub.h"

/* Values of tn_link.tn__kind. */
enum {
    TN__LINK_END,    /* tn__fn is a tn_link_fn: called on the hub */
    TN__LINK_READY,  /* tn__fn is a tn_ready_fn: called on the hub */
    TN__LINK_WAITER, /* tn__fn is a tn__link_waiter_fn: called at once */
    TN__LINK_WATCH   /* the same, but not to learn how it ended: a failure of
                      * a detached greenlet that only such links hear of is
                      * still reported */
};

/* The object of `link` has become ready; the link is off already. May only mark
 * something and wake greenlets. */
typedef void (*tn__link_waiter_fn)(tn_link *link);

static inline void tn__waitable_init(struct tn_waitable *w,
                                     const struct tn__waitable_ops *ops,
                                     struct tn_hub *hub)
{
    w->ops = ops;
    w->hub = hub;
    tn__list_init(&w->links);
}

/* The object is being freed: links to it are forgotten, those whose call is
 * due too. Nobody may be in tn_wait_any() or the like with it. */
void tn__waitable_fini(struct tn_waitable *w);

static inline bool tn__waitable_is_ready(const struct tn_waitable *w)
{
    return w->ops->is_ready(w);
}

/* The object has become ready: take off and tell all links it has now, in
 * order. Callable from greenlets and from the hub. False if there was none but
 * TN__LINK_WATCH. */
bool tn__waitable_tell(struct tn_waitable *w);
static inline bool tn__waitable_has_links(const struct tn_waitable *w)
{
    return TN_UNLIKELY(!tn__list_is_empty(&w->links));
}
static inline void tn__waitable_notify(struct tn_waitable *w)
{
    if (TN_UNLIKELY(!tn__list_is_empty(&w->links)))
        tn__waitable_tell(w);
}

/* Add a link of the given kind, as the last. Whether the object is ready now is
 * for the caller to look at. */
void tn__waitable_add(struct tn_waitable *w, tn_link *link, int kind,
                      void (*fn)(void), void *arg);

/* The same, and have it called soon if the object is ready already. */
void tn__waitable_link(struct tn_waitable *w, tn_link *link, int kind,
                       void (*fn)(void), void *arg);

/* Take a link off, due or not. One that is not linked: nothing. */
void tn__waitable_unlink(tn_link *link);

#endif /* TN_HUB_WAITABLE_H */
