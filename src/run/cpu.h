/* SPDX-License-Identifier: MIT */
/* run/cpu.h - the kernel threads that run green threads. See hubs.c.
 *
 * As long as there is one, it is tn__run_first, found by its address. When
 * there are several, each finds its own by the GS base, by single instructions:
 * out of the engine a green thread may be moved to another kernel thread
 * between any two. Inside the engine it moves only where it waits. */
#ifndef TN_RUN_CPU_H
#define TN_RUN_CPU_H

#include "run/run.h"

/* Signals that came while the engine was at work: see record.c. */
struct tn__run_ring {
    siginfo_t info[TN__RUN_RING];
    uint32_t in;  /* atomic: written by handlers */
    uint32_t out; /* written in the engine */
};

/* How many calls came in what way. */
struct tn__run_calls {
    uint64_t by_trap, by_symbol, by_patch;
};

/* A kernel thread, on which green threads run. */
struct tn__run_cpu {
    volatile int in_engine; /* our code runs: a signal is only recorded */
    volatile int is_alert;  /* look for signals at the end of the call; entry.S
                             * knows where it is */
    struct tn__run_cpu *self;        /* where the GS base finds it */
    struct tn__hub_turn turn;        /* the first is who runs */
    tn__run_set kernel_mask;         /* the signal mask that the kernel has */
    volatile int is_lent;            /* to a child that shares our memory until
                                      * it calls exec: its calls are native */
    struct tn__run_green *alt_owner; /* whose alternate stack the kernel has;
                                      * NULL: none */
    struct tn__run_calls calls;
    int tid;                         /* its number in the kernel */
    bool has_lock;                   /* it holds the engine's lock */
    bool has_new_mask;               /* kernel_mask is to be loaded */
    volatile bool is_held;           /* the kernel blocks all, until the ring
                                      * has room again */
    bool is_nudged;                  /* atomic: a nudge is on its way */
    bool has_errand, has_to_look;    /* atomic: what for; nudge.c */
    bool is_idle;                    /* it sleeps, until idle_until */
    tn_time idle_until;
    struct tn__run_green *ended;     /* has run here to its end: hubs.c */
    struct tn__stack *stack;         /* of its hub; NULL: none yet */
    bool is_ticking; /* the quantum's timer runs, or there is none to run */
    bool has_timer;  /* `timer` is the kernel's number of that */
    int timer;
    int64_t metered_at; /* its CPU time at the last switch: cputime.c */
    struct tn__run_ring ring;
    _Alignas(16) char last_stack[TN__RUN_LAST_STACK]; /* of those that end
                                                       * without their own */
};

_Static_assert(offsetof(struct tn__run_cpu, is_alert) == 4,
               "entry.S has it");
_Static_assert(offsetof(struct tn__run_cpu, kernel_mask) == 72,
               "entry.S has it");
_Static_assert(offsetof(struct tn__run_cpu, self) == 8 &&
                   offsetof(struct tn__run_cpu, turn.current) == 16 &&
                   offsetof(struct tn__run_cpu, is_lent) == 80,
               "the functions below have it");

extern struct tn__run_cpu tn__run_first; /* the kernel thread of main() */
extern int tn__run_is_many;              /* there are several: these */
extern struct tn__run_cpu *tn__run_cpus[];
extern int tn__run_n_cpus;

/* The kernel thread that we are on. It can be another one after every wait of
 * the green thread, and out of the engine at any time: do not keep it. */
static inline struct tn__run_cpu *tn__run_here(void)
{
    struct tn__run_cpu *cpu = &tn__run_first;

    if (TN_UNLIKELY(tn__run_is_many))
        __asm__ volatile("movq %%gs:8, %0" : "=r"(cpu));
    return cpu;
}

/* Its number in the kernel. */
static inline int tn__run_kernel_tid(void)
{
    return TN_LIKELY(!tn__run_is_many) ? tn__run.pid : tn__run_here()->tid;
}

/* The green thread that runs here. Good at any time. */
static inline struct tn__run_green *tn__run_self(void)
{
    struct tn_greenlet *g = tn__run_hub.current;

    if (TN_UNLIKELY(tn__run_is_many))
        __asm__ volatile("movq %%gs:16, %0" : "=r"(g));
    return (struct tn__run_green *)g;
}

static inline bool tn__run_is_inside(void)
{
    int is_inside = tn__run_first.in_engine;

    if (TN_UNLIKELY(tn__run_is_many))
        __asm__ volatile("movl %%gs:0, %0" : "=r"(is_inside));
    return is_inside;
}

/* Does the engine do the calls of this kernel thread? */
static inline bool tn__run_is_on(void)
{
    int is_lent = 0;

    if (TN_UNLIKELY(!tn__run.is_on))
        return false;
    if (TN_UNLIKELY(tn__run_is_many))
        __asm__ volatile("movl %%gs:80, %0" : "=r"(is_lent));
    return !is_lent;
}

/* ---- the lock ---- */

/* With several kernel threads, one at a time is at work in the engine, and has
 * what is its own of the hub in tn__run_hub. The lock belongs to the kernel
 * thread: it is kept over a switch, and given up before any system call that
 * may take long. Taking it twice is harmless, giving it up unowned, too. */
void tn__run_lock_many(void);
void tn__run_unlock_many(void);

static inline void tn__run_lock(void)
{
    if (TN_UNLIKELY(tn__run_is_many))
        tn__run_lock_many();
}

static inline void tn__run_unlock(void)
{
    if (TN_UNLIKELY(tn__run_is_many))
        tn__run_unlock_many();
}

/* ---- in and out ---- */

/* From here on the engine is at work on this kernel thread: signals are only
 * recorded, and the green thread goes nowhere but where it waits. Without the
 * lock: only what is the green thread's own, and the kernel's, may be used. */
static inline void tn__run_begin_unlocked(void)
{
    if (TN_LIKELY(!tn__run_is_many))
        tn__run_first.in_engine = 1;
    else
        __asm__ volatile("movl $1, %%gs:0" : : : "memory");
    __asm__ volatile("" ::: "memory");
}

static inline void tn__run_begin(void)
{
    tn__run_begin_unlocked();
    tn__run_lock();
}

/* The opposite, without a look at what is due: that is tn__run_leave(). */
static inline void tn__run_out(void)
{
    tn__run_unlock();
    __asm__ volatile("" ::: "memory");
    if (TN_LIKELY(!tn__run_is_many))
        tn__run_first.in_engine = 0;
    else
        __asm__ volatile("movl $0, %%gs:0" : : : "memory");
    __asm__ volatile("" ::: "memory");
}

/* Leave the engine: deliver what is due to this green thread. */
void tn__run_leave_slow(void *vectors);
static inline void tn__run_leave(void)
{
    struct tn__run_green *self = tn__run_self();
    void *vectors = self->g.carry.vectors;

    self->g.carry.vectors = NULL;
    tn__run_out();
    if (TN_LIKELY(!tn__run_here()->is_alert && self->g.alert == 0 &&
                  tn__run_here()->alt_owner ==
                      (self->alt.ss_sp ? self : NULL)))
        return;
    tn__run_leave_slow(vectors);
}

/* ---- hubs.c ---- */

/* In the constructor. */
void tn__run_hubs_init(void);
/* In the engine, before there is a second green thread: make the others. */
void tn__run_hubs_start(void);
/* In a forked child, first of all: there is one kernel thread again. */
void tn__run_hubs_in_child(void);
/* ---- nudge.c ---- */

/* Go on on the kernel thread of main(), whose signal mask is the process's.
 * Parks; in the engine. */
void tn__run_go_first(void);
/* `green` has something to look at. If it runs on another kernel thread, and
 * perhaps computes, have it look. In the engine. */
void tn__run_nudge(const struct tn__run_green *green);
/* The same for the kernel thread of main(): its mask is not what it should be,
 * or somebody waits to run there. */
void tn__run_nudge_first(void);
/* A nudge has come: is it for one of these? In its handler. */
bool tn__run_has_to_look(void);
bool tn__run_is_nudge(const siginfo_t *info);
/* The next who waits in tn__run_go_first(), if we are there; or NULL. */
struct tn_greenlet *tn__run_next_own(struct tn_hub *h);
/* Have all the others make this call, too; waits until they have. In the
 * engine, of which others may use meanwhile. */
void tn__run_everywhere(const struct tn__run_call *c);
/* Have all the others stand still, in the handler of a nudge. False: not now,
 * for one is lent, about an errand, or in a call that nothing interrupts. In
 * the engine, which waits. */
bool tn__run_stop_others(void);
void tn__run_resume_others(void);
/* Make it, if there is one. In the handler of a nudge. */
void tn__run_do_errand(void);
void tn__run_nudges_in_child(void);
/* ---- hubs.c ---- */

/* The green thread that runs has ended, and leaves its stack for good; what
 * others may free it by is done after that. */
_Noreturn void tn__run_leave_stack(struct tn__run_green *green);
/* The look at these, on the hub. */
void tn__run_hubs_look(void);
/* Sleep, or look, for events; gives the lock up meanwhile. */
long tn__run_idle(long nr, long ep, void *events, long n, const void *span,
                  long ms);
/* A child that shares our memory runs on this kernel thread, with native calls;
 * and no more. */
void tn__run_lend(void);
void tn__run_lend_end(void);
/* The calls of all. */
void tn__run_hubs_count(struct tn__run_calls *ret);
/* No kernel thread has this green thread's alternate stack any more. */
void tn__run_altstack_forget(const struct tn__run_green *green);

#endif /* TN_RUN_CPU_H */
