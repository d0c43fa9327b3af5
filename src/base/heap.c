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
    h->places[item.number] = i;
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

/* Make room for twice as much in one of the arrays. */
static int grow_array(void **array, uint32_t room, uint32_t more, size_t size)
{
    void *grown = room ? tn__sys_remap(*array, room * size, more * size)
                       : tn__sys_map(more * size);

    if (!grown)
        return -ENOMEM;
    *array = grown;
    return 0;
}

/* Make room for twice as many timers. When only some of the arrays could grow,
 * each remembers its own room and the next attempt grows the rest. */
static int grow(struct tn__heap *h)
{
    uint32_t more = h->room ? h->room * 2 : HEAP_ROOM_FIRST;
    struct {
        void **array;
        uint32_t *room;
        size_t size;
    } arrays[] = {
        {(void **)&h->items, &h->items_room, sizeof h->items[0]},
        {(void **)&h->timers, &h->timers_room, sizeof h->timers[0]},
        {(void **)&h->places, &h->places_room, sizeof h->places[0]},
    };

    for (int i = 0; i < 3; i++) {
        if (*arrays[i].room >= more)
            continue;
        if (grow_array(arrays[i].array, *arrays[i].room, more,
                       arrays[i].size) < 0)
            return -ENOMEM;
        *arrays[i].room = more;
    }
    h->room = more;
    return 0;
}

static uint32_t take_number(struct tn__heap *h)
{
    uint32_t number;

    if (h->free == 0)
        return h->n_numbers++;
    number = h->free - 1;
    h->free = h->places[number];
    return number;
}

int tn__heap_add(struct tn__heap *h, struct tn__timer *t, tn_time when)
{
    struct tn__heap_item item = {.when = when};

    TN_ASSERT(t->slot == 0);
    if (h->n == h->room) {
        int r = grow(h);

        if (r < 0)
            return r;
    }
    item.number = take_number(h);
    h->timers[item.number] = t;
    t->when = when;
    t->slot = item.number + 1;
    sift_up(h, h->n++, item);
    return 0;
}

void tn__heap_remove(struct tn__heap *h, struct tn__timer *t)
{
    uint32_t number = t->slot - 1, i;
    struct tn__heap_item last;

    if (t->slot == 0)
        return;
    TN_ASSERT(number < h->n_numbers && h->timers[number] == t);
    i = h->places[number];
    TN_ASSERT(i < h->n && h->items[i].number == number);
    t->slot = 0;
    h->places[number] = h->free;
    h->free = number + 1;
    last = h->items[--h->n];
    if (i == h->n)
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
    t = h->timers[h->items[0].number];
    tn__heap_remove(h, t);
    return t;
}

void tn__heap_free(struct tn__heap *h)
{
    if (h->items_room)
        tn__sys_unmap(h->items, h->items_room * sizeof h->items[0]);
    if (h->timers_room)
        tn__sys_unmap(h->timers, h->timers_room * sizeof h->timers[0]);
    if (h->places_room)
        tn__sys_unmap(h->places, h->places_room * sizeof h->places[0]);
    *h = (struct tn__heap){0};
}
