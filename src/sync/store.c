/* SPDX-License-Identifier: MIT */
/* sync/store.c - the items of a queue. All kinds are one array: a ring that
 * begins at `head`, a stack, or a binary heap with the next item first. Items
 * of a heap are numbered as they come, so that equal ones keep their order. */
#include "sync/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { SIZE_MIN = 16 };

/* ---- memory ---- */

/* Copy the items to `to`, a ring's from its head. */
static void copy_items(const struct tn__store *s, void **to)
{
    size_t n_first = s->count;

    if (n_first > s->size - s->head)
        n_first = s->size - s->head;
    memcpy(to, s->items + s->head, n_first * sizeof *to);
    memcpy(to + n_first, s->items, (s->count - n_first) * sizeof *to);
}

int tn__store_reserve(struct tn__store *s, size_t n)
{
    size_t size = s->size < SIZE_MIN / 2 ? SIZE_MIN : s->size * 2;
    uint64_t *order = NULL;
    void **items;

    if (n <= s->size)
        return 0;
    if (size < n)
        size = n;
    if (size > SIZE_MAX / sizeof *items)
        return -ENOMEM;
    items = malloc(size * sizeof *items);
    if (items && s->kind == TN_QUEUE_PRIORITY)
        order = malloc(size * sizeof *order);
    if (!items || (s->kind == TN_QUEUE_PRIORITY && !order)) {
        free(items);
        return -ENOMEM;
    }
    if (s->count > 0) {
        copy_items(s, items);
        if (order)
            memcpy(order, s->order, s->count * sizeof *order);
    }
    free(s->items);
    free(s->order);
    s->items = items;
    s->order = order;
    s->size = size;
    s->head = 0;
    return 0;
}

void tn__store_release(struct tn__store *s)
{
    TN_ASSERT(s->count == 0);
    free(s->items);
    free(s->order);
    s->items = NULL;
    s->order = NULL;
    s->size = s->head = 0;
}

/* ---- heap ---- */

static bool is_before(const struct tn__store *s, size_t a, size_t b)
{
    int r = s->compare(s->items[a], s->items[b], s->arg);

    return r < 0 || (r == 0 && s->order[a] < s->order[b]);
}

static void swap(struct tn__store *s, size_t a, size_t b)
{
    void *item = s->items[a];
    uint64_t order = s->order[a];

    s->items[a] = s->items[b];
    s->order[a] = s->order[b];
    s->items[b] = item;
    s->order[b] = order;
}

static void sift_up(struct tn__store *s, size_t i)
{
    while (i > 0 && is_before(s, i, (i - 1) / 2)) {
        swap(s, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static void sift_down(struct tn__store *s)
{
    size_t i = 0, least;

    while ((least = 2 * i + 1) < s->count) {
        if (least + 1 < s->count && is_before(s, least + 1, least))
            least++;
        if (!is_before(s, least, i))
            return;
        swap(s, i, least);
        i = least;
    }
}

/* ---- items ---- */

void tn__store_add(struct tn__store *s, void *item)
{
    size_t i = s->head + s->count;

    TN_ASSERT(s->count < s->size);
    s->items[i >= s->size ? i - s->size : i] = item;
    s->count++;
    if (s->kind == TN_QUEUE_PRIORITY) {
        s->order[i] = s->next_order++;
        sift_up(s, i);
    }
}

void *tn__store_next(const struct tn__store *s)
{
    TN_ASSERT(s->count > 0);
    return s->items[s->kind == TN_QUEUE_LIFO ? s->count - 1 : s->head];
}

void *tn__store_take(struct tn__store *s)
{
    void *item = tn__store_next(s);

    s->count--;
    if (s->kind == TN_QUEUE_FIFO) {
        if (++s->head == s->size)
            s->head = 0;
    } else if (s->kind == TN_QUEUE_PRIORITY && s->count > 0) {
        s->items[0] = s->items[s->count];
        s->order[0] = s->order[s->count];
        sift_down(s);
    }
    return item;
}
