/* SPDX-License-Identifier: MIT */
/* greenlet/local.c - keys of locals, and tables of values.
 *
 * Keys belong to the process: a key is the number of an entry in one table and
 * a count of how often that entry was given out, so that a key that was freed
 * never names the value of a later one. Entries are taken and given back with
 * one atomic exchange, without a lock that a fork() could copy while held.
 *
 * A table of values is an array by the number of the key. Reading is one
 * comparison of the whole key; the table of keys is not touched. A value left
 * behind by a key that was freed on another thread is found by that comparison
 * to be nobody's, and overwritten. */
#include "greenlet/local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { INDEX_BITS = 10, FIRST_SLOTS = 4, ROUNDS = 4 };

_Static_assert(1 << INDEX_BITS == TN_LOCALS_MAX, "a number for each key");

struct key {
    uint32_t state;         /* atomic: times it was given out * 2 + is used */
    tn_local_fn destructor; /* valid while used; may be NULL */
};

static struct key keys[TN_LOCALS_MAX];

static uint32_t index_of(tn_local key)
{
    return key & (TN_LOCALS_MAX - 1);
}

/* Never 0: a used entry was given out at least once. */
static tn_local key_of(uint32_t state, uint32_t index)
{
    return (state >> 1) << INDEX_BITS | index;
}

static bool is_key(tn_local key)
{
    uint32_t state =
        __atomic_load_n(&keys[index_of(key)].state, __ATOMIC_ACQUIRE);

    return key && (state & 1) && key_of(state, index_of(key)) == key;
}

/* Give the entry out if it is free. The count wraps past 0. */
static tn_local take(uint32_t index, uint32_t state)
{
    uint32_t used = (state + 2) | 1;

    if (key_of(used, index) >> INDEX_BITS == 0)
        used += 2;
    if (!__atomic_compare_exchange_n(&keys[index].state, &state, used, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return 0;
    return key_of(used, index);
}

int tn__local_key_new(tn_local_fn destructor, tn_local *ret)
{
    for (uint32_t i = 0; i < TN_LOCALS_MAX; i++) {
        uint32_t state = __atomic_load_n(&keys[i].state, __ATOMIC_ACQUIRE);
        tn_local key = state & 1 ? 0 : take(i, state);

        if (!key)
            continue;
        __atomic_store_n(&keys[i].destructor, destructor, __ATOMIC_RELEASE);
        *ret = key;
        return 0;
    }
    return -ENOSPC;
}

int tn__local_key_free(tn_local key, tn_local_fn *ret_destructor)
{
    struct key *entry = &keys[index_of(key)];
    uint32_t state = __atomic_load_n(&entry->state, __ATOMIC_ACQUIRE);

    *ret_destructor = __atomic_load_n(&entry->destructor, __ATOMIC_ACQUIRE);
    if (!is_key(key) ||
        !__atomic_compare_exchange_n(&entry->state, &state, state & ~1u, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return -EINVAL;
    return 0;
}

/* ---- values ---- */

void *tn__locals_get(const struct tn__locals *l, tn_local key)
{
    uint32_t i = index_of(key);

    if (!l || i >= l->n || l->slots[i].key != key || !key)
        return NULL;
    return l->slots[i].value;
}

/* A table with room for the slot `index`, with what *l has. */
static int grow(struct tn__locals **l, uint32_t index, struct tn__list *all)
{
    struct tn__locals *old = *l, *made;
    uint32_t n = old ? old->n : FIRST_SLOTS;

    while (n <= index)
        n *= 2;
    made = calloc(1, sizeof *made + n * sizeof made->slots[0]);
    if (!made)
        return -ENOMEM;
    made->n = n;
    if (old) {
        memcpy(made->slots, old->slots, old->n * sizeof old->slots[0]);
        tn__list_remove(&old->link);
        free(old);
    }
    tn__list_insert(all, &made->link);
    *l = made;
    return 0;
}

int tn__locals_set(struct tn__locals **l, tn_local key, void *value,
                   struct tn__list *all)
{
    uint32_t i = index_of(key);
    int r;

    if (!is_key(key))
        return -EINVAL;
    if (!value) {
        tn__locals_take(*l, key);
        return 0;
    }
    if (!*l || i >= (*l)->n) {
        r = grow(l, i, all);
        if (r < 0)
            return r;
    }
    TN_ASSERT(i < (*l)->n);
    (*l)->slots[i].key = key;
    (*l)->slots[i].value = value;
    return 0;
}

void *tn__locals_take(struct tn__locals *l, tn_local key)
{
    void *value = tn__locals_get(l, key);

    if (value)
        l->slots[index_of(key)].key = 0;
    return value;
}

/* Take the value of slot `i` and call its destructor. True if there was one to
 * call. */
static bool destroy(struct tn__locals *l, uint32_t i)
{
    struct tn__local_slot slot = l->slots[i];
    tn_local_fn destructor;

    l->slots[i].key = 0;
    if (!slot.key || !is_key(slot.key))
        return false;
    destructor = __atomic_load_n(&keys[i].destructor, __ATOMIC_ACQUIRE);
    if (!destructor)
        return false;
    destructor(slot.value);
    return true;
}

void tn__locals_end(struct tn__locals **l)
{
    bool again = true;

    for (int round = 0; again && round < ROUNDS; round++) {
        again = false;
        for (uint32_t i = 0; i < (*l)->n; i++)
            again |= destroy(*l, i);
    }
    tn__list_remove(&(*l)->link);
    free(*l);
    *l = NULL;
}
