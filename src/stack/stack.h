/* SPDX-License-Identifier: MIT */
/* stack/stack.h - memory for stacks: slabs, guard pages, a cache.
 *
 * A pool belongs to one hub and is not locked. Stacks come from slabs (one
 * mapping of many); each has a guard page at its low end, installed once for
 * the life of the slab. struct tn__stack, its head, lies at the high end, a few
 * cache lines below the top (another number for each, so that the tops of many
 * stacks do not fall into the same cache sets); what runs there puts its own
 * control block directly below the head and its frames below that. So a parked
 * greenlet touches one page. */
#ifndef TN_STACK_STACK_H
#define TN_STACK_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sizes are 16 KiB << class. */
enum { TN__STACK_CLASSES = 17, TN__STACK_LOG2_MIN = 14 };

struct tn__stack {
    struct tn__stack *next; /* in the cache; meaningless in use */
    char *low;              /* lowest usable address, above the guard */
    uint32_t slab;          /* which one it lies in */
    uint16_t bytes_log2;    /* address space, guard included */
    uint8_t is_used;        /* 1 from get to put */
    uint8_t is_warm;        /* its user's: what lies below the head is still as
                             * its last user left it; 0 on a fresh one */
    uint32_t valgrind_id;   /* Valgrind's number for it */
    void *tsan_fiber;       /* ThreadSanitizer's; made at first use */
};

struct tn__stack_slab {
    char *base;          /* owned mapping, aligned to the stacks' size */
    uint32_t first;      /* number of its first stack, among all of the pool */
    uint32_t n;          /* stacks in it */
    uint32_t n_carved;   /* of these, handed out at least once */
    uint32_t bytes_log2; /* of each stack */
};

/* A free stack without memory. */
struct tn__stack_cold {
    uint32_t slab;
    uint32_t index;
};

struct tn__stack_class {
    struct tn__stack *free;      /* last in, first out */
    uint32_t n_free;             /* in that list */
    uint32_t n_free_min;         /* lowest seen in this round of trimming */
    uint32_t n_to_chill;         /* found superfluous by the last round */
    uint32_t n_stacks;           /* carved, of this class */
    int32_t carve;               /* slab to carve from; -1: none */
    struct tn__stack_cold *cold; /* owned mapping */
    uint32_t n_cold, cold_room;
};

/* Guard pages are made so. */
enum tn__stack_guard {
    TN__GUARD_MADVISE,  /* MADV_GUARD_INSTALL: no extra mappings */
    TN__GUARD_MPROTECT, /* two mappings a stack: vm.max_map_count is the cap */
    TN__GUARD_NONE
};

struct tn__stack_pool {
    struct tn__stack_class classes[TN__STACK_CLASSES];
    struct tn__stack_slab *slabs; /* owned mapping, grown */
    uint32_t n_slabs, slabs_room;
    uint8_t *is_cold;           /* owned mapping, grown; by number of the stack:
                                 * its pages, head included, were given back */
    uint32_t n_numbers, is_cold_room;
    size_t page;                /* bytes of a page */
    enum tn__stack_guard guard; /* what the machine gave, or the user forced */
    uint32_t guard_cap;         /* with mprotect: stacks at which the kernel's
                                 * cap of mappings was hit; 0: not yet */
    uint32_t trim_slab, trim_index; /* where the scan of used ones goes on */
    bool is_trimming;           /* a round of trimming is under way */
    bool is_scanned;            /* and it has seen all used stacks */
};

/* `guard` is the most that may be tried; what works is found at the first
 * slab. `page` is the machine's page size. */
void tn__stack_pool_init(struct tn__stack_pool *p, size_t page,
                         enum tn__stack_guard guard);
void tn__stack_pool_fini(struct tn__stack_pool *p);

/* A class for so many bytes (0: the default, 64 KiB), with room for the guard
 * and a page more where pages are large; -1 if there is none. */
int tn__stack_class(size_t page, size_t bytes);

/* Slow path of tn__stack_get(). */
int tn__stack_get_slow(struct tn__stack_pool *p, int size_class,
                       struct tn__stack **ret);

/* A stack. 0; -ENOMEM (with mprotect guards also at the cap of mappings). */
static inline int tn__stack_get(struct tn__stack_pool *p, int size_class,
                                struct tn__stack **ret)
{
    struct tn__stack_class *c = &p->classes[size_class];
    struct tn__stack *s = c->free;

    if (!s)
        return tn__stack_get_slow(p, size_class, ret);
    c->free = s->next;
    c->n_free--;
    s->is_used = 1;
    *ret = s;
    return 0;
}

/* Give a stack back. The caller may still run on it until it switches away. */
static inline void tn__stack_put(struct tn__stack_pool *p, struct tn__stack *s)
{
    struct tn__stack_class *c = &p->classes[s->bytes_log2 - TN__STACK_LOG2_MIN];

    s->is_used = 0;
    s->next = c->free;
    c->free = s;
    c->n_free++;
}

/* Call fn(head, arg) for each stack in use, until it returns other than 0. */
int tn__stack_each(struct tn__stack_pool *p,
                   int (*fn)(struct tn__stack *s, void *arg), void *arg);

/* Note how many stacks are free now; called at each poll. What is lowest in a
 * round of trimming is superfluous. */
static inline void tn__stack_note(struct tn__stack_pool *p)
{
    for (int i = 0; i < TN__STACK_CLASSES; i++)
        if (p->classes[i].n_free < p->classes[i].n_free_min)
            p->classes[i].n_free_min = p->classes[i].n_free;
}

/* Give memory back, in rounds: that of stacks that were free throughout the
 * last round (but for the `keep` hottest of each class), and the pages below
 * low_of(head) of used ones, where low_of() may return NULL to leave one alone.
 * Does a bounded amount of work: true if the round goes on with the next
 * call. */
bool tn__stack_trim(struct tn__stack_pool *p, uint32_t keep,
                    char *(*low_of)(struct tn__stack *s));

/* True if `addr` lies in the guard page below this stack. */
bool tn__stack_is_guard(const struct tn__stack_pool *p,
                        const struct tn__stack *s, const void *addr);

/* Stacks carved, and of these how many are free (with or without memory). */
void tn__stack_count(const struct tn__stack_pool *p, uint64_t *ret_stacks,
                     uint64_t *ret_free);

/* Address space of all stacks, and how many have no memory. */
void tn__stack_measure(const struct tn__stack_pool *p, uint64_t *ret_bytes,
                       uint64_t *ret_cold);

/* How deep a stack has been used since it last gave memory back, in bytes from
 * the head down, to whole pages: what the kernel holds for it. */
size_t tn__stack_depth(const struct tn__stack_pool *p,
                       const struct tn__stack *s);

#endif /* TN_STACK_STACK_H */
