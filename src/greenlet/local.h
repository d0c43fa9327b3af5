/* SPDX-License-Identifier: MIT */
/* greenlet/local.h - keys, and the table of values that a greenlet, or a tree
 * of them, has for them. See local.c. */
#ifndef TN_GREENLET_LOCAL_H
#define TN_GREENLET_LOCAL_H

#include <stdbool.h>
#include <stdint.h>
#include <tendril/local.h>

#include "base/list.h"

struct tn__local_slot {
    tn_local key; /* 0: no value */
    void *value;  /* valid while key != 0; never NULL */
};

/* On the heap, owned by the greenlet or tree that has it. */
struct tn__locals {
    struct tn__list link; /* on the hub's list of all of them */
    uint32_t n;           /* slots; the index of a key is its slot */
    struct tn__local_slot slots[];
};

/* Make and give back a key. 0, or -EINVAL, -ENOSPC. */
int tn__local_key_new(tn_local_fn destructor, tn_local *ret);
int tn__local_key_free(tn_local key, tn_local_fn *ret_destructor);

/* The value for `key`, or NULL; `l` may be NULL. */
void *tn__locals_get(const struct tn__locals *l, tn_local key);

/* Set it; *l is made, or moved to a larger one, as needed, and is put on `all`
 * when it is made. 0, -EINVAL for what is no key, -ENOMEM. */
int tn__locals_set(struct tn__locals **l, tn_local key, void *value,
                   struct tn__list *all);

/* Take the value out, without its destructor. NULL: there is none. */
void *tn__locals_take(struct tn__locals *l, tn_local key);

/* Call the destructors of all values, in rounds; `*l` may change meanwhile.
 * Then free the table. */
void tn__locals_end(struct tn__locals **l);

#endif /* TN_GREENLET_LOCAL_H */
