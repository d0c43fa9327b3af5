/* SPDX-License-Identifier: MIT */
/* hub/hub.h - where greenlet and loop meet. See hub.c for how it works.
 *
 * Also the contract of the engine of `tendril run`, which has its own hidden
 * copy of this layer: its green threads are struct tn_greenlet embedded in
 * blocks of its own, made with tn__hub_adopt(). */
#ifndef TN_HUB_HUB_H
#define TN_HUB_HUB_H

#include <stdbool.h>
#include <stdint.h>
#ifndef TN_ENGINE
# include <pthread.h>
#endif
#include <tendril/hub.h>

#include "base/heap.h"
#include "base/list.h"
#include "greenlet/greenlet.h"
#include "loop/loop.h"
#include "stack/stack.h"

/* A tick ends after so many calls that may wait, or when the clock, read every
 * 32nd of them, says that it has lasted too long. */
enum { TN__TICK_CALLS = 1024, TN__TICK_CLOCK = 32 };
#define TN__TICK_NS 5000000

/* What a struct tn__timer is embedded in: its `kind`. */
enum {
    TN__TIMER_WAIT,  /* tn_greenlet.timer: the deadline of a wait */
    TN__TIMER_SCOPE, /* tn_timeout: a timeout scope */
    TN__TIMER_SHIELD, /* tn_timeout: a shield's bound */
    TN__TIMER_CANCEL, /* tn_timeout: a cancel; it has no time */
    TN__TIMER_CALL,  /* struct tn__hub_call: a callback */
    TN__TIMER_START  /* tn_greenlet.timer: when one that is NEW starts */
};

/* A callback on the hub at a time. */
struct tn__hub_call {
    struct tn__timer timer;
    void (*fn)(struct tn__hub_call *call);
};

/* Bits of tn_hub.detour. */
enum {
    TN__DETOUR_OWN = 16,  /* the engine: own_fn() has one who is next */
    TN__DETOUR_TICK = 1,  /* the tick is over: the hub is next */
    TN__DETOUR_RANDOM = 2, /* the simulator's scheduler chooses */
    TN__DETOUR_LEAVER = 4, /* n_leavers is not 0 */
    TN__DETOUR_HOOK = 8   /* switch_fn is to be called */
};

/* A callback that another thread posts: in storage of the poster's, which is
 * its own again once `fn` is called. See post.c. */
struct tn__post {
    struct tn__post *next; /* the one posted before; the hub's */
    void (*fn)(struct tn__post *post);
};

/* Something that refers to a hub and must let go of it when its thread ends. */
struct tn__attached {
    struct tn__list link; /* on tn_hub.attached */
    void (*leave)(struct tn__attached *a); /* it is off the list already */
};

struct tn__watches; /* watch.h */

/* What a hub calls when it ends, before it frees anything; in the storage of
 * who wants it. */
struct tn__hub_end {
    struct tn__hub_end *next;
    void (*fn)(struct tn__hub_end *end);
};

/* An operation that ends in a callback and not in a greenlet's wait: op.owner
 * is NULL. `fn` is called from within the poll: it only takes note. */
struct tn__hub_op {
    struct tn__op op;
    void (*fn)(struct tn__hub_op *op);
};

/* What the hub's own greenlet runs. */
void tn__hub_main(void *arg);

#ifdef TN_ENGINE
/* What each kernel thread of the engine has of the one hub that they share. It
 * is in tn_hub itself while that kernel thread holds the engine's lock, and
 * here otherwise; `current` is in both. See run/hubs.c. */
struct tn__hub_turn {
    struct tn_greenlet *current;
    uint32_t calls, detour;
    tn_time tick_end;
    uint64_t fs_base;
    void *hub_sp;      /* of hub_g, whose context is another on each */
    uint8_t hub_state, hub_is_tail;
    struct tn_greenlet *preempted;
};
#endif

struct tn_hub {
    struct tn_greenlet *current;  /* the one that runs; &hub_g on the hub */
    struct tn_greenlet *tail;     /* run queue, FIFO: its last, whose `next` is
                                   * its first; NULL: empty */
    uint32_t calls;               /* calls that may wait, in this tick */
    uint32_t detour;              /* TN__DETOUR_*: why the next to run is not
                                   * simply the first of the queue */
    struct tn_greenlet *preempted; /* READY and in no queue: goes to the end of
                                   * the run queue after the poll; or NULL */
    uint32_t n_leavers;           /* in the run queue: those woken in
                                   * tn__hub_park_tail() without a result */
    tn_time tick_end;             /* when this tick has lasted long enough */
#ifdef TN_ENGINE
    uint64_t fs_base;             /* FS base that is loaded */
    struct tn__hub_turn *turn;    /* of the kernel thread at work */
    struct tn_greenlet *(*own_fn)(struct tn_hub *h); /* the next who waits for
                                   * this very kernel thread, or NULL */
#else
    int *err;                     /* this thread's errno */
    unsigned char *cxa;           /* __cxa_get_globals(), or NULL */
#endif
    uint64_t n_switches;
    struct tn_greenlet hub_g;     /* the hub's own; runs hub_main() */
    struct tn_greenlet *main;     /* the thread's main: &main_g, or the
                                   * engine's block of the main thread */
    struct tn_greenlet main_g;
    struct tn__heap timers;
    struct tn__loop loop;
    struct tn__stack_pool stacks;
    tn_time now;                  /* as of the last poll */
    int64_t tick_ns;
    int stack_class;              /* of greenlets that name no size */
    struct tn__list links_due;    /* of tn_link: to be called on the hub */
    struct tn__list *links_mark;  /* on links_due while it is being worked
                                   * off: where this round ends; or NULL */
    struct tn_greenlet *failed;   /* those that ended in a way that the error
                                   * hook must hear of, chained by failed_next,
                                   * oldest first */
    struct tn_greenlet **failed_last;
    struct tn__post *posts;       /* atomic: newest first; see post.c */
    uint32_t refs;                /* atomic: handles other threads may hold, and
                                   * 1 for the hub's thread */
    uint32_t outside;             /* things other than handles that may wake it
                                   * from outside: then never -EDEADLK */
#ifndef TN_ENGINE
    pthread_mutex_t post_lock;    /* of is_gone, and of waking: see post.c */
    struct tn__list attached;     /* struct tn__attached */
    void *file_ring;              /* net's: owned, see net/file_ring.c; NULL */
#endif
    struct tn__hub_end *ends;     /* to be called at its end, last come first */
    bool is_gone;                 /* its thread has ended; only refs keep it */
    uint64_t n_alive;             /* greenlets not DONE, main included */
    uint64_t n_polls;
    uint64_t next_id;             /* the last number given to a greenlet */
    tn_time trim_at;              /* when memory is next given back */
    bool is_trim_due;             /* something ran since the last trim */
    uint64_t random;              /* state of tn__hub_random() */
    tn_switch_fn switch_fn;       /* hears of each switch; NULL: nobody */
    void *switch_arg;
    tn_error_fn error_fn;
    void *error_arg;
    bool in_error_hook;
    bool is_cap_told;             /* the cap of guards was reported */
    bool is_watched;              /* tn__overflow_watch() was called */
    void *altstack;               /* for the overflow report; owned or NULL */
    size_t altstack_bytes;
    struct tn__list locals;       /* all tables of values: see local.c */
    struct tn_greenlet *joining;  /* main, while it is in tn_hub_join() */
    uint8_t is_joined;            /* and what ends that wait */
    struct tn__watches *watches;  /* watch.c's; NULL: none was made */
    uint32_t n_held;              /* active watchers that tn_hub_join() waits
                                   * for */
    bool is_restless;             /* polls do not wait: callbacks of watchers
                                   * are due */
    /* Called on the hub when poll() was ended by a signal (the engine's),
     * before each poll (the engine's, and watchers'), and after each
     * (watchers'). Or NULL. */
    void (*on_interrupt)(struct tn_hub *h);
    void (*on_poll)(struct tn_hub *h);
    void (*on_polled)(struct tn_hub *h);
};

/* This thread's hub, or NULL if it has none yet. */
#ifdef TN_ENGINE
extern struct tn_hub *tn__hub_engine;
static inline struct tn_hub *tn__hub_peek(void)
{
    return tn__hub_engine;
}
#else
extern __thread struct tn_hub *tn__hub_tls
    __attribute__((tls_model("initial-exec")));
static inline struct tn_hub *tn__hub_peek(void)
{
    return tn__hub_tls;
}
#endif

/* This thread's hub, made if there is none. 0 or a negative errno. */
int tn__hub_self(struct tn_hub **ret);

/* Set up `h` (zeroed memory) with the back end; `main` runs now and is the
 * thread's main greenlet. 0 or a negative errno. For hub_self() and the
 * engine. */
int tn__hub_init(struct tn_hub *h, const struct tn__loop_ops *ops,
                 struct tn_greenlet *main, size_t page,
                 enum tn__stack_guard guard);

/* Have end->fn called once, when the hub ends, on its thread. What it frees
 * must not be waited on by anybody but those that can never run again. */
static inline void tn__hub_at_end(struct tn_hub *h, struct tn__hub_end *end)
{
    end->next = h->ends;
    h->ends = end;
}

/* Give back what tn__hub_init() took. Only main is alive. */
void tn__hub_fini(struct tn_hub *h);

/* ---- run queue and parking: park.c, and inline in switch.h ---- */

/* The next of a sequence of numbers below 2^31. With the simulated loop the
 * sequence, like all that is chosen by it, follows from the loop's seed. */
uint32_t tn__hub_random(struct tn_hub *h);

/* Put `g` at the end of the run queue. Its state must be NEW, WAITING, PASSIVE
 * or RUNNING (it is about to leave). */
void tn__hub_ready(struct tn_hub *h, struct tn_greenlet *g);

/* Let a WAITING greenlet look again at what it waits for; any other state:
 * nothing. Callable from completions, timers, other greenlets. */
void tn__hub_wake(struct tn_greenlet *g);

/* Park the current greenlet until *is_done is set by somebody who then calls
 * tn__hub_wake(), or a kill, an expired scope, or `deadline`.
 *   0           *is_done is set (whatever else is due)
 *   -ECANCELED -ETIME -ENOMEM -EDEADLK  it is not set: the caller takes off
 *               whatever could still set it
 * `what` is a static string and `fd` a number (-1: none) for reports. */
int tn__hub_park(struct tn_hub *h, const uint8_t *is_done, tn_time deadline,
                 const char *what, int fd);

/* Park the current greenlet until *is_done is set, whatever else is due: for
 * what cannot be taken back and is sure to end soon. */
void tn__hub_park_firmly(struct tn_hub *h, const uint8_t *is_done,
                         const char *what);

/* 0, or what a call must return at entry: -ECANCELED, -ETIME, -ENOMEM,
 * -EDEADLK. Call when g->alert is not 0. */
int tn__hub_alert(struct tn_hub *h, struct tn_greenlet *g, tn_time deadline);

/* A call that may wait has completed at once: counts it, and yields if the tick
 * is over. */
void tn__hub_tick_slow(struct tn_hub *h);
static inline void tn__hub_tick(struct tn_hub *h)
{
    if (TN_UNLIKELY((++h->calls & (TN__TICK_CLOCK - 1)) == 0))
        tn__hub_tick_slow(h);
}

/* Go to the end of the run queue and let all others run. Returns 0. */
int tn__hub_yield(struct tn_hub *h);

/* Let the hub poll, and all that is runnable then, run first. */
void tn__hub_give_way(struct tn_hub *h);

/* Have the next call that may wait end this tick. From a signal handler. */
static inline void tn__hub_end_tick(struct tn_hub *h)
{
    h->calls |= TN__TICK_CLOCK - 1;
    h->tick_end = 0;
}

/* Switch to whoever is next; the current greenlet is lost (it has ended, and
 * its memory may be reused as soon as this leaves it). */
_Noreturn void tn__hub_leave(struct tn_hub *h);

/* Make `g` (the caller's block) a greenlet of this hub in state NEW, whose
 * context is g->sp. For the engine. */
void tn__hub_adopt(struct tn_hub *h, struct tn_greenlet *g);

/* Arm a callback. 0 or -ENOMEM. */
int tn__hub_call_at(struct tn_hub *h, struct tn__hub_call *call, tn_time when);
void tn__hub_call_cancel(struct tn_hub *h, struct tn__hub_call *call);

/* Report a failure nobody can see to the error hook. */
void tn__hub_error(struct tn_hub *h, struct tn_greenlet *g, int error,
                   const char *text);

/* ---- life.c: how greenlets begin and end ---- */

/* Set the block of a new greenlet (zeroed or recycled memory) up. */
void tn__greenlet_init(struct tn_hub *h, struct tn_greenlet *g,
                       tn_greenlet_fn fn, void *arg);

/* It has ended with `result`: wakes joiners, has links called. Does not leave
 * it, nor recycle it. */
void tn__greenlet_end(struct tn_hub *h, struct tn_greenlet *g, int result);

/* Give up one reference; recycles a greenlet that has ended with none left. */
void tn__greenlet_unref(struct tn_greenlet *g);

/* Make a kill of `g`, which is not main, stand. True if it has ended, by that
 * or before; then it may have been recycled. */
bool tn__greenlet_kill(struct tn_hub *h, struct tn_greenlet *g);

/* Have the error hook told that `g`, which has ended just now, failed, if
 * nobody has a reference to it. */
void tn__greenlet_report(struct tn_greenlet *g);

/* Tell the error hook of detached ones that failed. On the hub. */
void tn__hub_run_failed(struct tn_hub *h);

/* ---- waitable.c ---- */

/* Call the links that are due, and tn__hub_run_failed(). On the hub. */
void tn__hub_run_links(struct tn_hub *h);

static inline bool tn__hub_has_links(const struct tn_hub *h)
{
    return !tn__list_is_empty(&h->links_due) || h->failed;
}

/* ---- parent.c ---- */

/* The nearest ancestor of `g` that has not ended, in any state, or NULL. */
struct tn_greenlet *tn__parent_ancestor(const struct tn_greenlet *g);

/* Whether it can be switched to. */
bool tn__parent_can_go_on(const struct tn_greenlet *g);

/* Whether this result of a greenlet is an error that its parent is to get. */
bool tn__parent_is_error(int result);

/* `g`, which can be switched to and is about to, is told that its child has
 * ended. */
void tn__parent_tell(struct tn_hub *h, struct tn_greenlet *g, int result);

/* Give the reference to g->parent back. */
void tn__parent_release(struct tn_greenlet *g);

/* `g` was put in the run queue: then its end gives control to nobody, unless a
 * parent was set. */
static inline void tn__parent_queued(struct tn_greenlet *g)
{
    g->marks &= (uint8_t)~TN__MARK_BACK;
    g->back = NULL;
}

/* The current greenlet is about to leave for `to`. When TN__DETOUR_HOOK is
 * set. */
void tn__hub_call_hook(struct tn_hub *h, struct tn_greenlet *to,
                       bool is_throw);

/* ---- later.c ---- */

/* Take one that is NEW out of that state: it counts as alive, and no timer will
 * start it. */
void tn__greenlet_claim(struct tn_hub *h, struct tn_greenlet *g);

/* Its time to start has come. */
void tn__greenlet_start_due(struct tn_hub *h, struct tn_greenlet *g);

/* ---- local.c: not in the engine ---- */

/* The tree of a greenlet that is the only one of it so far. */
extern struct tn__tree tn__tree_unmade;

/* Put a new greenlet into the tree of its spawner, which has one. 0, -ENOMEM;
 * and take out one that has ended. */
int tn__tree_join(struct tn_greenlet *g, struct tn_greenlet *spawner);
void tn__tree_leave(struct tn_greenlet *g);

/* Destroy the values of the current greenlet, which is about to end. */
void tn__hub_end_locals(struct tn_greenlet *g);

/* Destroy all values there are, at the end of the hub. */
void tn__hub_drop_locals(struct tn_hub *h);

/* ---- switch.c ---- */

/* Have the tn_switch() of a PASSIVE greenlet, which is about to be resumed,
 * return 0 with `value`. */
void tn__hub_send(struct tn_greenlet *g, void *value);

/* An alert of `g` was raised: let its wait, or its tn_switch(), look at it. */
void tn__hub_interrupt(struct tn_hub *h, struct tn_greenlet *g);

/* ---- post.c ---- */

/* Call what was posted. On the hub. True if there was anything. */
bool tn__hub_run_posts(struct tn_hub *h);

/* Have post->fn(post) called on `h`. From any thread, while somebody sees to it
 * that `h` exists. 0, or -ESRCH when its thread has ended: then `post` is still
 * the caller's. */
int tn__hub_post_node(struct tn_hub *h, struct tn__post *post);

/* ---- report.c ---- */

/* Nothing can ever wake anybody: wakes main with -EDEADLK and tells the error
 * hook who waits on what. False if main does not wait. */
bool tn__hub_deadlock(struct tn_hub *h);

/* ---- overflow.c ---- */

/* Have the overflow of a greenlet's stack reported, on this thread. */
void tn__overflow_watch(struct tn_hub *h);
void tn__overflow_unwatch(struct tn_hub *h);

/* ---- io.c ---- */

void tn__hub_complete(struct tn__op *op);

/* Do an operation, waiting until `deadline`. The result of the system call, or
 * -ETIME, -EAGAIN, -ECANCELED, -EBADF, -EDEADLK, -ENOMEM. */
long tn__hub_io(struct tn_hub *h, struct tn__op *op, tn_time deadline,
                const char *what);

/* Do n TN__OP_POLL operations (one per descriptor) and wait until at least one
 * is done. Returns how many are done; their `result` is revents. Entries with
 * fd < 0 are passed over, and a `mode` of TN__OP_NOTRY is heeded. 0 only when
 * `deadline` passed or was TN_NOWAIT. */
long tn__hub_poll(struct tn_hub *h, struct tn__op *ops, size_t n,
                  tn_time deadline, const char *what);

#endif /* TN_HUB_HUB_H */
