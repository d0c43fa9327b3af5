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
#include "greenlet/waitable.h"
#include "stack/sanitizer.h"
#include "stack/stack.h"

enum { TN__NAME_MAX = 32 };

/* Bits of tn_greenlet.alert: why a waiting call must look closer at entry. */
enum {
    TN__ALERT_KILL = 1,  /* killed */
    TN__ALERT_SCOPE = 2, /* some scope or shield of it has expired */
    TN__ALERT_HUB = 4,   /* it is the hub's own: it may not wait */
    TN__ALERT_HOOK = 8   /* it runs, and a switch hook is to be told */
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
    TN__MARK_BACK = 2,    /* `back` is set */
    TN__MARK_NAMED = 4,
    TN__MARK_LOCALS = 8,  /* it has values of its own */
    TN__MARK_TREE = 16,   /* it holds a reference to its tree */
    TN__MARK_PARENT = 32, /* `parent` is set */
    TN__MARK_ORPHAN = 64, /* its end gives control to nobody */
    TN__MARKS_END = TN__MARK_WATCHED | TN__MARK_LOCALS | TN__MARK_TREE
};

/* A place in a group, or in a scope: see sync/group.c and sync/scope.c. */
struct tn__member {
    tn_link end;           /* linked to the end of `g`; told at once */
    struct tn__list link;  /* on a list of its owner */
    struct tn_greenlet *g; /* the member; not owned */
    void *owner;           /* the group or scope; NULL: not in use */
    uint64_t number;       /* of a group: members there ever were, with it */
};

/* What travels with a greenlet beside its registers. Written by the greenlet
 * that leaves, read by the one that resumes it. */
struct tn__carry {
#ifdef TN_ENGINE
    uint64_t fs_base; /* of the green thread: its thread pointer */
    void *vectors;    /* where its vector registers are to be saved once; NULL
                       * outside of the engine, and mostly in it */
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
    uint8_t is_failed_due;    /* on tn_hub.failed */
    uint8_t marks;            /* TN__MARK_* */
    uint8_t is_ended;         /* what its joiner waits for */
    int result;               /* once DONE */
    tn_greenlet_fn fn;
    void *arg;
    uint64_t id;
#ifndef TN_ENGINE
    uint64_t spawner;         /* the id of who made it; 0: nobody */
    bool is_blocking;         /* it is in tn_blocking() */
    void *context;            /* the user's; its children inherit it */
    struct tn__tree *tree;    /* see hub/local.c */
#endif
    void (*leave)(struct tn_greenlet *g); /* it waits in
                               * tn__hub_park_tail(): takes its wait off */
    void *tail_wait[8];       /* storage of such a wait, for its maker */
    struct tn_greenlet *joiner; /* the first who waits for its end, or NULL */
    int wait_fd;              /* what it waits on, for reports; -1: none */
    const char *wait_what;    /* static string: the call it waits in */
    struct tn__timer timer;   /* the deadline of its wait */
    struct tn_timeout *scopes; /* innermost first */
    struct tn__list joiners;  /* the others: struct joiner, on their stacks */
    struct tn_waitable waitable; /* its end */
    void **ret_value;         /* PASSIVE: where its tn_switch() wants what it
                               * is sent; may be NULL */
    struct tn_greenlet *back; /* who resumed it last by tn_switch(), before
                               * that who made it by tn_greenlet_new(); it may
                               * have ended, and its block be another's */
    uint64_t back_id;         /* the id that `back` then had */
    struct tn_greenlet *parent; /* who goes on when it ends; a reference */
    struct tn_greenlet *failed_next; /* on tn_hub.failed */
#ifndef TN_ENGINE
    struct tn__locals *locals; /* owned, or NULL */
    struct tn__member member; /* its place in the first that has it */
#endif
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
