/* SPDX-License-Identifier: MIT */
/* base/heap.c - see heap.h. Four children a node: the tree is half as deep as a
 * binary one and the children of a node share a cache line. */
#include "base/heap.h"

#include <errno.h>
#include <stddef.h>

#include "base/assert.h"
#include "base/sys.h"

enum { HEAP_ROOM_FIRST = 256 };

static void put(struct tn__heap *h, uint32_t i, struct tn__heap_item item)
{
    h->items[i] = item;
    item.timer->slot = i + 1;
}

static void sift_up(struct tn__heap *h, uint32_t i, struct tn__heap_item item)
{
    while (i > 0) {
        uint32_t parent = (i - 1) / 4;

        if (h->items[parent].when <= item.when)
            break;
        put(h, i, h->items[parent]);
        i = parent;
    }
    put(h, i, item);
}

static void sift_down(struct tn__heap *h, uint32_t i, struct tn__heap_item item)
{
    for (;;) {
        uint32_t first = 4 * i + 1, best = first;
        uint32_t end = first + 4 < h->n ? first + 4 : h->n;

        if (first >= h->n)
            break;
        for (uint32_t k = first + 1; k < end; k++)
            if (h->items[k].when < h->items[best].when)
                best = k;
        if (h->items[best].when >= item.when)
            break;
        put(h, i, h->items[best]);
        i = best;
    }
    put(h, i, item);
}

static int grow(struct tn__heap *h)
{
    uint32_t room = h->room ? h->room * 2 : HEAP_ROOM_FIRST;
    size_t size = sizeof h->items[0];
    void *items = h->room
                      ? tn__sys_remap(h->items, h->room * size, room * size)
                      : tn__sys_map(room * size);

    if (!items)
        return -ENOMEM;
    h->items = items;
    h->room = room;
    return 0;
}

int tn__heap_add(struct tn__heap *h, struct tn__timer *t, tn_time when)
{
    struct tn__heap_item item = {when, t};

    TN_ASSERT(t->slot == 0);
    if (h->n == h->room) {
        int r = grow(h);

        if (r < 0)
            return r;
    }
    t->when = when;
    sift_up(h, h->n++, item);
    return 0;
}

void tn__heap_remove(struct tn__heap *h, struct tn__timer *t)
{
    uint32_t i = t->slot;
    struct tn__heap_item last;

    if (i == 0)
        return;
    i--;
    TN_ASSERT(i < h->n && h->items[i].timer == t);
    t->slot = 0;
    last = h->items[--h->n];
    if (last.timer == t)
        return;
    if (i > 0 && h->items[(i - 1) / 4].when > last.when)
        sift_up(h, i, last);
    else
        sift_down(h, i, last);
}

struct tn__timer *tn__heap_pop_due(struct tn__heap *h, tn_time now)
{
    struct tn__timer *t;

    if (h->n == 0 || h->items[0].when > now)
        return NULL;
    t = h->items[0].timer;
    tn__heap_remove(h, t);
    return t;
}

void tn__heap_free(struct tn__heap *h)
{
    if (h->items)
        tn__sys_unmap(h->items, h->room * sizeof h->items[0]);
    *h = (struct tn__heap){0};
}
