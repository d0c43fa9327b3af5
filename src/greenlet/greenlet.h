/* SPDX-License-Identifier: MIT */
/* greenlet/greenlet.h - the control block of a greenlet, and the switch between
 * two of them. Knows no clock, no descriptor and no queue discipline; the hub
 * gives it those.
 *
 * The block of a spawned greenlet lies at the top of its stack, below the
 * stack's head. The block of a thread's main greenlet lies in the hub; that of
 * a green thread of `tendril run` in the engine's slab. */
#ifndef TN_GREENLET_GREENLET_H
#define TN_GREENLET_GREENLET_H

#include <stdbool.h>
#include <stdint.h>
#include <tendril/greenlet.h>
#include <tendril/timeout.h>

#include "arch/arch.h"
#include "base/assert.h"
#include "base/heap.h"
#include "base/list.h"
#include "stack/sanitizer.h"
#include "stack/stack.h"

enum { TN__NAME_MAX = 32 };

/* Bits of tn_greenlet.alert: why a waiting call must look closer at entry. */
enum {
    TN__ALERT_KILL = 1,  /* killed */
    TN__ALERT_SCOPE = 2, /* some scope or shield of it has expired */
    TN__ALERT_HUB = 4    /* it is the hub's own: it may not wait */
};

/* Values of tn_greenlet.begun. */
enum {
    TN__BEGUN_NOT,
    TN__BEGUN_YES,
    TN__BEGUN_NEVER /* ended in the run queue, killed before it ran */
};

/* Values of tn_greenlet.timed_out. */
enum {
    TN__TIMED_NOT,
    TN__TIMED_OUT,     /* the deadline of the wait has passed */
    TN__TIMED_DEADLOCK /* nothing can ever wake it */
};

/* Bits of tn_greenlet.marks: what its end must see to. */
enum {
    TN__MARK_WATCHED = 1, /* somebody joined it or linked to it */
    TN__MARK_BACK = 2,    /* it was resumed by tn_switch() */
    TN__MARK_NAMED = 4
};

/* What travels with a greenlet beside its registers. Written by the greenlet
 * that leaves, read by the one that resumes it. */
struct tn__carry {
#ifdef TN_ENGINE
    uint64_t fs_base; /* of the green thread: its thread pointer */
#else
    int err;          /* errno */
    unsigned cxa_n;   /* C++: uncaught exceptions */
    void *cxa_caught; /* C++: caught exceptions */
#endif
};

struct tn_greenlet {
    /* The first cache line is what switching touches. */
    void *sp;                 /* saved context, while it does not run */
    struct tn_greenlet *next; /* in the run queue */
    struct tn_hub *hub;       /* not owned; never changes */
    uint8_t state;            /* enum tn_greenlet_state */
    uint8_t alert;            /* TN__ALERT_* */
    uint8_t begun;            /* TN__BEGUN_* */
    uint8_t timed_out;        /* TN__TIMED_*: how its wait ran out */
    int resume_value;         /* what a call that left by a tail switch returns
                               * when it is resumed */
    struct tn__carry carry;
    uint32_t refs;            /* references that users hold */
    uint8_t is_tail;          /* it is new, or left by a tail switch */
    uint8_t is_links_due;     /* on tn_hub.ended */
    uint8_t marks;            /* TN__MARK_* */
    uint8_t is_ended;         /* what its joiner waits for */
    int result;               /* once DONE */
    tn_greenlet_fn fn;
    void *arg;
    int wait_fd;              /* what it waits on, for reports; -1: none */
    const char *wait_what;    /* static string: the call it waits in */
    struct tn__timer timer;   /* the deadline of its wait */
    struct tn_timeout *scopes; /* innermost first */
    struct tn_greenlet *joiner; /* the first who waits for its end, or NULL */
    struct tn__list joiners;  /* the others: struct joiner, on their stacks */
    struct tn__list links;    /* of tn_link (same first two fields) */
    void **ret_value;         /* PASSIVE: where its tn_switch() wants what it
                               * is sent; may be NULL */
    struct tn_greenlet *back; /* who resumed it last by tn_switch(); it may
                               * have ended, and its block be another's */
    uint64_t back_id;         /* the id that `back` then had */
    struct tn_greenlet *ended_next; /* among those whose links are due */
    uint64_t id;
    char name[TN__NAME_MAX];  /* "" : unnamed */
#ifdef TN_ASAN
    void *asan_fake;          /* fake stack while it does not run */
    const void *asan_low;     /* bounds, for those without a tn__stack */
    size_t asan_bytes;
#endif
#ifdef TN_TSAN
    void *tsan_fiber;         /* not owned */
#endif
    struct tn__stack *stack;  /* its stack's head; NULL: not from the pool */
};

#endif /* TN_GREENLET_GREENLET_H */
