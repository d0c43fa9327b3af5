/* SPDX-License-Identifier: MIT */
/* base/heap.h - timers: an intrusive 4-ary min-heap on nanoseconds. The array
 * lives in a NORESERVE mapping, never in malloc, and keeps the times beside the
 * pointers so that sifting touches no timer but the one moved. */
#ifndef TN_BASE_HEAP_H
#define TN_BASE_HEAP_H

#include <stdbool.h>
#include <stdint.h>
#include <tendril/base.h>

/* Embedded in whatever is timed. */
struct tn__timer {
    tn_time when;  /* valid while slot != 0 */
    uint32_t slot; /* 1 + index in the heap; 0: not armed */
    uint32_t kind; /* the owner's: says what it is embedded in */
};

struct tn__heap_item {
    tn_time when;
    struct tn__timer *timer; /* not owned */
};

struct tn__heap {
    struct tn__heap_item *items; /* owned mapping, NULL at first */
    uint32_t n;                  /* items in use */
    uint32_t room;               /* items the mapping holds */
};

/* Arm. -ENOMEM when the array cannot grow; the timer is then not armed. It must
 * not be armed already. */
int tn__heap_add(struct tn__heap *h, struct tn__timer *t, tn_time when);

/* Disarm; harmless on a timer that is not armed. */
void tn__heap_remove(struct tn__heap *h, struct tn__timer *t);

/* Take the first timer off if it is due at `now`, else NULL. */
struct tn__timer *tn__heap_pop_due(struct tn__heap *h, tn_time now);

/* When the first timer is due; TN_FOREVER when there is none. */
static inline tn_time tn__heap_first(const struct tn__heap *h)
{
    return h->n ? h->items[0].when : TN_FOREVER;
}

void tn__heap_free(struct tn__heap *h);

#endif /* TN_BASE_HEAP_H */
