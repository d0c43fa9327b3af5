/* SPDX-License-Identifier: MIT */
/* greenlet/waitable.h - the part of an object that others can wait for,
 * whatever it is: a greenlet's block has one. What is done with it is in
 * hub/waitable.h. */
#ifndef TN_GREENLET_WAITABLE_H
#define TN_GREENLET_WAITABLE_H

#include <stdbool.h>

#include "base/list.h"

struct tn_hub;
struct tn_waitable;

/* What a kind of waitable object differs in. All but `is_ready` may be NULL. */
struct tn__waitable_ops {
    const char *what; /* static string for reports, as "event" */
    /* Whether who waits for it now need not wait. */
    bool (*is_ready)(const struct tn_waitable *w);
    /* A link is about to be added. */
    void (*on_link)(struct tn_waitable *w);
    /* A link was taken off that had not been notified. */
    void (*on_unlink)(struct tn_waitable *w);
    /* Keep the object alive while the call of a link to it is due, and give
     * that up. NULL: who frees the object calls tn__waitable_fini(). */
    void (*hold)(struct tn_waitable *w);
    void (*drop)(struct tn_waitable *w);
};

struct tn_waitable {
    const struct tn__waitable_ops *ops; /* static */
    struct tn_hub *hub;                 /* the object's; not owned */
    struct tn__list links; /* of tn_link (same first two fields), oldest
                            * first: to be told when it becomes ready */
};

#endif /* TN_GREENLET_WAITABLE_H */
