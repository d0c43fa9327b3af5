/* SPDX-License-Identifier: MIT */
/* run/hubs.c - several kernel threads for the green threads, by --hubs.
 *
 * They share one hub: its run queue, timers, loop and all tables of the engine,
 * under one lock, and each has the part of the hub that says who runs and for
 * how long, with a context of its own for the hub's greenlet. The lock is held
 * over a switch and handed on by it, so nobody takes a green thread off the run
 * queue that is still leaving its stack. What waits in the kernel, and what is
 * hot (dispatch.c, io.c), is done without the lock. doc/design/hubs-of-run.md
 * has the reasons.
 *
 * A kernel thread with nothing to run sleeps in the loop, as one alone does:
 * the kernel wakes one of them for each event. Whoever gives the lock up and
 * leaves somebody runnable, or a timer that no sleeper knows, wakes one.
 *
 * The others are made when the program makes its first thread. They block all
 * signals but those that the CPU raises; those for the process come to the
 * kernel thread of main(). nudge.c has what they want of each other. */
#include "run/run.h"

#include <dlfcn.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>

#include "arch/arch.h"
#include "hub/switch.h"

enum {
    SPINS = 1000, /* as long as who polls has the lock, mostly */
    RSEQ_UNREGISTER = 1,
    RSEQ_MARK = 0x53053053, /* what libc registers it with, on x86 */
    HUB_STACK_CLASS = 4     /* as in hub/hub.c */
};

int tn__run_is_many;

struct tn__run_cpu *tn__run_cpus[TN__RUN_HUBS_MAX];
int tn__run_n_cpus = 1;
static int lock_word;  /* atomic: 0 free, 1 taken, 2 and somebody sleeps */
static int n_idle;     /* this and all below: under the lock */
static ptrdiff_t rseq_offset; /* of what libc has registered; 0: nothing */
static bool is_called; /* a sleeper was woken and has not come yet */

/* ---- the lock ---- */

static bool try_lock(void)
{
    int free = 0;

    return __atomic_compare_exchange_n(&lock_word, &free, 1, false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Who holds it may wait for our errand, and this may be a handler that blocks
 * nudges: so it looks for one itself. */
static void acquire(void)
{
    static const struct timespec look = {0, 500000};

    for (int i = 0; i < SPINS; i++) {
        if (!__atomic_load_n(&lock_word, __ATOMIC_RELAXED) && try_lock())
            return;
        __builtin_ia32_pause();
    }
    while (__atomic_exchange_n(&lock_word, 2, __ATOMIC_ACQUIRE) != 0) {
        tn__raw4(SYS_futex, (long)&lock_word,
                 FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2, (long)&look);
        tn__run_do_errand();
    }
}

static void release(void)
{
    if (__atomic_exchange_n(&lock_word, 0, __ATOMIC_RELEASE) == 2)
        tn__raw3(SYS_futex, (long)&lock_word,
                 FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
}

static void take_turn(struct tn__hub_turn *turn)
{
    struct tn_hub *h = &tn__run_hub;

    h->turn = turn;
    h->current = turn->current;
    h->calls = turn->calls;
    h->detour = turn->detour;
    h->tick_end = turn->tick_end;
    h->fs_base = turn->fs_base;
    h->preempted = turn->preempted;
    h->hub_g.sp = turn->hub_sp;
    h->hub_g.state = turn->hub_state;
    h->hub_g.is_tail = turn->hub_is_tail;
}

static void end_turn(struct tn__hub_turn *turn)
{
    const struct tn_hub *h = &tn__run_hub;

    turn->calls = h->calls;
    turn->detour = h->detour;
    turn->tick_end = h->tick_end;
    turn->fs_base = h->fs_base;
    turn->preempted = h->preempted;
    turn->hub_sp = h->hub_g.sp;
    turn->hub_state = h->hub_g.state;
    turn->hub_is_tail = h->hub_g.is_tail;
}

void tn__run_lock_many(void)
{
    struct tn__run_cpu *cpu = tn__run_here();

    if (cpu->has_lock)
        return;
    if (TN_UNLIKELY(!try_lock()))
        acquire();
    cpu->has_lock = true;
    take_turn(&cpu->turn);
}

/* Is there something that no kernel thread will do by itself in time, and one
 * that sleeps? */
static bool is_call_due(void)
{
    tn_time first = tn__heap_first(&tn__run_hub.timers);

    if (n_idle == 0 || is_called)
        return false;
    if (tn__run_hub.tail)
        return true;
    for (int i = 0; i < tn__run_n_cpus; i++)
        if (tn__run_cpus[i]->is_idle && tn__run_cpus[i]->idle_until <= first)
            return false;
    return true;
}

void tn__run_unlock_many(void)
{
    struct tn__run_cpu *cpu = tn__run_here();
    bool is_due;

    if (!cpu->has_lock)
        return;
    is_due = is_call_due();
    is_called |= is_due;
    end_turn(&cpu->turn);
    cpu->has_lock = false;
    release();
    if (TN_UNLIKELY(is_due))
        tn__run_hub.loop.ops->wake(&tn__run_hub.loop);
}

/* ---- sleeping ---- */

long tn__run_idle(long nr, long ep, void *events, long n, const void *span,
                  long ms)
{
    struct tn__run_cpu *cpu = tn__run_here();
    bool is_sleep = span || ms != 0;
    long r;

    if (!tn__run_is_many)
        return tn__raw(nr, ep, (long)events, n, span ? (long)span : ms, 0, 0);
    if (is_sleep) {
        cpu->is_idle = true;
        cpu->idle_until = tn__heap_first(&tn__run_hub.timers);
        n_idle++;
    }
    tn__run_unlock();
    r = tn__raw_unless_alert(nr, ep, (long)events, n, span ? (long)span : ms,
                             0, 0);
    tn__run_lock();
    if (is_sleep) {
        cpu->is_idle = false;
        n_idle--;
    }
    is_called = false;
    return r == TN__RUN_AGAIN ? -EINTR : r;
}

/* ---- the end of a green thread ---- */

void tn__run_leave_stack(struct tn__run_green *green)
{
    tn__run_here()->ended = green;
    tn__hub_leave_for(&tn__run_hub, &tn__run_hub.hub_g);
    __builtin_unreachable();
}

void tn__run_hubs_look(void)
{
    struct tn__run_cpu *cpu = tn__run_here();
    struct tn__run_green *green = cpu->ended;

    if (!green)
        return;
    cpu->ended = NULL;
    tn__run_thread_gone(green);
}

/* ---- beginning ---- */

/* Where a kernel thread begins, on a stack with nothing on it. The arguments
 * are those that tn__raw() had. */
static void begin(long flags, struct tn__run_cpu **at_top)
{
    struct tn__run_cpu *cpu = at_top[1];

    (void)flags;
    __asm__ volatile("wrgsbase %0" : : "r"(cpu) : "memory");
    tn__run_mask_reload(); /* until here no signal could come */
    tn__run_trap_arm();
    tn__run_quantum_start();
    tn__run_lock();
    tn__hub_leave_for(&tn__run_hub, &tn__run_hub.hub_g);
}

/* The context of its hub's greenlet, which nobody has entered yet. */
static int prepare(struct tn__run_cpu *cpu)
{
    struct tn_hub *h = &tn__run_hub;

    if (!cpu->stack && tn__stack_get(&h->stacks, HUB_STACK_CLASS,
                                     &cpu->stack) < 0)
        return -ENOMEM;
    cpu->turn = (struct tn__hub_turn){.current = &h->hub_g,
                                      .hub_state = TN_GREENLET_READY,
                                      .hub_is_tail = 1};
    cpu->turn.hub_sp =
        tn__arch_prepare(cpu->stack->low, cpu->stack, tn__hub_main, h);
    return 0;
}

/* It begins on the stack of its hub, far below what the context there needs. */
static int start(struct tn__run_cpu *cpu)
{
    static const long flags = CLONE_VM | CLONE_FS | CLONE_FILES |
                              CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                              CLONE_PARENT_SETTID;
    char *middle = cpu->stack->low + ((char *)cpu->stack - cpu->stack->low) / 2;
    void **top = (void **)((uintptr_t)middle & ~(uintptr_t)15);

    top[0] = (void *)begin;
    top[1] = cpu;
    return (int)tn__raw4(SYS_clone, flags, (long)top, (long)&cpu->tid, 0);
}

static struct tn__run_cpu *make(int i)
{
    struct tn__run_cpu *cpu = tn__run_cpus[i];

    if (!cpu)
        cpu = tn__sys_map(sizeof *cpu);
    if (!cpu)
        return NULL;
    tn__run_cpus[i] = cpu->self = cpu;
    cpu->in_engine = 1;
    cpu->is_alert = 0;
    cpu->alt_owner = NULL;
    cpu->is_lent = 0;
    cpu->has_lock = cpu->is_idle = false;
    cpu->is_nudged = cpu->has_errand = cpu->has_new_mask = false;
    cpu->has_to_look = false;
    cpu->ended = NULL;
    cpu->is_ticking = cpu->has_timer = false;
    cpu->ring.in = cpu->ring.out = 0;
    cpu->kernel_mask = tn__run_mask_of_others();
    return prepare(cpu) < 0 ? NULL : cpu;
}

/* What the kernel writes into main's memory would be about this kernel thread,
 * wherever main runs. */
static void unregister_rseq(void)
{
    enum { BYTES = 32 };

    if (rseq_offset)
        tn__raw4(334, (long)tn__run.first.g.carry.fs_base + rseq_offset, BYTES,
                 RSEQ_UNREGISTER, RSEQ_MARK);
}

void tn__run_hubs_init(void)
{
    const ptrdiff_t *offset;

    if (tn__run.n_hubs < 2)
        return;
    offset = dlsym(RTLD_DEFAULT, "__rseq_offset");
    rseq_offset = offset ? *offset : 0;
}

/* From one to many: what is in tn__run_hub is ours, and the lock. */
static void become_many(void)
{
    struct tn__run_cpu *cpu = &tn__run_first;

    tn__run_cpus[0] = cpu->self = cpu;
    cpu->tid = tn__run.pid;
    cpu->turn.current = tn__run_hub.current;
    cpu->has_lock = true;
    cpu->is_nudged = cpu->has_errand = cpu->has_new_mask = false;
    cpu->has_to_look = false;
    lock_word = 1;
    n_idle = 0;
    is_called = false;
    tn__run_hub.own_fn = tn__run_next_own;
    __asm__ volatile("wrgsbase %0" : : "r"(cpu) : "memory");
    __atomic_store_n(&tn__run_is_many, 1, __ATOMIC_SEQ_CST);
    unregister_rseq();
}

void tn__run_hubs_start(void)
{
    tn__run_set mask;

    if (tn__run_is_many || tn__run.n_hubs < 2)
        return;
    become_many();
    mask = tn__run_first.kernel_mask;
    tn__run_mask_load(~(tn__run_set)0);
    while (tn__run_n_cpus < tn__run.n_hubs) {
        struct tn__run_cpu *cpu = make(tn__run_n_cpus);

        tn__run_n_cpus++;
        if (!cpu || start(cpu) < 0) {
            tn__run_n_cpus--;
            break; /* fewer, then */
        }
    }
    tn__run_mask_load(mask);
}

void tn__run_hubs_count(struct tn__run_calls *ret)
{
    *ret = tn__run_first.calls;
    for (int i = 1; i < tn__run_n_cpus; i++) {
        const struct tn__run_calls *calls = &tn__run_cpus[i]->calls;

        ret->by_trap += calls->by_trap;
        ret->by_symbol += calls->by_symbol;
        ret->by_patch += calls->by_patch;
    }
}

/* ---- children ---- */

void tn__run_lend(void)
{
    if (tn__run_is_many) {
        tn__run_here()->is_lent = 1;
        tn__run_unlock();
    } else {
        tn__run.is_on = 0;
    }
}

void tn__run_lend_end(void)
{
    tn__run_lock();
    tn__run_here()->is_lent = 0;
    tn__run.is_on = 1;
}

void tn__run_hubs_in_child(void)
{
    struct tn__run_cpu *cpu = tn__run_here(), *first = &tn__run_first;
    struct tn__stack *stack = first->stack;

    if (!tn__run_is_many)
        return;
    first->turn = cpu->turn;
    first->alt_owner = cpu->alt_owner;
    first->kernel_mask = cpu->kernel_mask;
    first->in_engine = 1;
    first->is_alert = 0;
    first->has_lock = false;
    if (cpu != first) { /* the hub's context that lives on is of that one */
        first->stack = cpu->stack;
        cpu->stack = stack;
    }
    tn__run_hub.turn = &first->turn;
    tn__run_is_many = 0;
    tn__run_n_cpus = 1;
    lock_word = 0;
    tn__run_nudges_in_child();
}
