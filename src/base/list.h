/* SPDX-License-Identifier: MIT */
/* base/list.h - intrusive doubly linked list: a ring through its head. A node
 * that is on no list points to itself, so that taking it off twice is
 * harmless. */
#ifndef TN_BASE_LIST_H
#define TN_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct tn__list {
    struct tn__list *next; /* first, for a head */
    struct tn__list *prev; /* last, for a head */
};

static inline void tn__list_init(struct tn__list *l)
{
    l->next = l->prev = l;
}

static inline bool tn__list_is_empty(const struct tn__list *l)
{
    return l->next == l;
}

/* Insert `node` before `at`; with a head for `at`, as the last. */
static inline void tn__list_insert(struct tn__list *at, struct tn__list *node)
{
    node->next = at;
    node->prev = at->prev;
    at->prev->next = node;
    at->prev = node;
}

static inline void tn__list_remove(struct tn__list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = node;
}

#endif /* TN_BASE_LIST_H */
