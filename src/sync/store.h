/* SPDX-License-Identifier: MIT */
/* sync/store.h - what a queue holds, and which item is next: a ring, a stack or
 * a heap. Knows no greenlets. */
#ifndef TN_SYNC_STORE_H
#define TN_SYNC_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <tendril/queue.h>

struct tn__store {
    int kind;                    /* enum tn_queue_kind */
    void **items;                /* of `size`; NULL when that is 0 */
    uint64_t *order;             /* PRIORITY: beside each item its number */
    size_t size;                 /* items that there is memory for */
    size_t count;                /* items that it holds */
    size_t head;                 /* FIFO: index of the oldest */
    uint64_t next_order;         /* PRIORITY: the number of the next item */
    tn_queue_compare_fn compare; /* PRIORITY */
    void *arg;                   /* of compare */
};

/* Make memory for n items. 0, or -ENOMEM: nothing has changed. */
int tn__store_reserve(struct tn__store *s, size_t n);

/* Give the memory back; it is empty. */
void tn__store_release(struct tn__store *s);

/* Add an item; there is memory for it. */
void tn__store_add(struct tn__store *s, void *item);

/* The next item, and taking it off. There is one. */
void *tn__store_next(const struct tn__store *s);
void *tn__store_take(struct tn__store *s);

#endif /* TN_SYNC_STORE_H */
