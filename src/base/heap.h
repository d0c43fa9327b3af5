/* SPDX-License-Identifier: MIT */
/* base/heap.h - timers: a 4-ary min-heap on nanoseconds. Its arrays live in
 * NORESERVE mappings, never in malloc. Sifting touches only the arrays, not the
 * timers, which lie scattered over the stacks of their greenlets: each armed
 * timer has a number, and the arrays say where in the heap that number is. */
#ifndef TN_BASE_HEAP_H
#define TN_BASE_HEAP_H

#include <stdbool.h>
#include <stdint.h>
#include <tendril/base.h>

/* Embedded in whatever is timed. */
struct tn__timer {
    tn_time when;  /* valid while slot != 0 */
    uint32_t slot; /* 1 + its number; 0: not armed */
    uint32_t kind; /* the owner's: says what it is embedded in */
};

struct tn__heap_item {
    tn_time when;
    uint32_t number;
};

struct tn__heap {
    struct tn__heap_item *items; /* the tree; owned mapping, NULL at first */
    struct tn__timer **timers;   /* by number; owned mapping */
    uint32_t *places;            /* by number: index in items; of a number that
                                  * is free, the next free one. Owned mapping */
    uint32_t n;                  /* items in use */
    uint32_t n_numbers;          /* numbers ever given out */
    uint32_t room;               /* timers that all three have room for */
    uint32_t items_room, timers_room, places_room;
    uint32_t free;               /* 1 + first free number; 0: none */
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
