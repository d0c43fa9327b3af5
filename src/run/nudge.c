/* SPDX-License-Identifier: MIT */
/* run/nudge.c - what the kernel threads of hubs.c want of each other.
 *
 * A nudge is the quantum's signal with a code of its own, for one kernel
 * thread. Its handler ends a call that waits in the kernel, and gives way where
 * the program is at work, so that what was left for that kernel thread is seen
 * at once: a signal for who runs there, another mask, somebody who has to run
 * there and nowhere else.
 *
 * A call that changes what the kernel keeps for each thread is made by all of
 * them, each in the handler of its nudge, wherever that finds it; who wants it
 * waits for the last, without the lock. */
#include "run/run.h"

#include <linux/futex.h>

#include "hub/switch.h"

enum {
    SIGNAL = TN__RUN_QUANTUM_SIGNAL,
    NUDGE_CODE = -7654, /* si_code: no other has it */
    YIELDS = 100, SPINS = 2000, /* before one sleeps */
    STOP_MS = 20 /* so long one waits for others to stand still */
};

/* Those who wait for the kernel thread of main(), by tn_greenlet.next. */
static struct tn_greenlet *own_first, **own_last = &own_first;
static const struct tn__run_call *errand; /* under the lock; NULL: none */
static const struct tn__run_call nothing; /* the errand is to stand still */
static uint32_t n_left;                   /* atomic: who have not made it */
static uint32_t n_stops;                  /* atomic: odd while it is to stand
                                           * still */

/* It sees what was written before. */
static void nudge(struct tn__run_cpu *cpu)
{
    siginfo_t info = {.si_signo = SIGNAL, .si_code = NUDGE_CODE};

    if (__atomic_exchange_n(&cpu->is_nudged, true, __ATOMIC_SEQ_CST))
        return; /* one is on its way, and nobody has looked since */
    tn__raw4(SYS_rt_tgsigqueueinfo, tn__run.pid, cpu->tid, SIGNAL,
             (long)&info);
}

static void have_look(struct tn__run_cpu *cpu)
{
    __atomic_store_n(&cpu->has_to_look, true, __ATOMIC_RELAXED);
    nudge(cpu);
}

bool tn__run_has_to_look(void)
{
    return __atomic_exchange_n(&tn__run_here()->has_to_look, false,
                               __ATOMIC_SEQ_CST);
}

bool tn__run_is_nudge(const siginfo_t *info)
{
    return info->si_signo == SIGNAL && info->si_code == NUDGE_CODE;
}

void tn__run_nudge(const struct tn__run_green *green)
{
    if (!tn__run_is_many || green->g.state != TN_GREENLET_RUNNING)
        return;
    for (int i = 0; i < tn__run_n_cpus; i++)
        if (tn__run_cpus[i] != tn__run_here() &&
            tn__run_cpus[i]->turn.current == &green->g)
            have_look(tn__run_cpus[i]);
}

void tn__run_nudge_first(void)
{
    have_look(&tn__run_first);
}

struct tn_greenlet *tn__run_next_own(struct tn_hub *h)
{
    struct tn_greenlet *g = own_first;

    if (!g || h->turn != &tn__run_first.turn) {
        h->detour &= ~(uint32_t)TN__DETOUR_OWN;
        return NULL;
    }
    own_first = g->next;
    if (!own_first)
        own_last = &own_first;
    return g;
}

void tn__run_go_first(void)
{
    struct tn_hub *h = &tn__run_hub;
    struct tn_greenlet *g = h->current;

    if (!tn__run_is_many || tn__run_here() == &tn__run_first)
        return;
    g->state = TN_GREENLET_READY;
    g->next = NULL;
    *own_last = g;
    own_last = &g->next;
    __atomic_fetch_or(&tn__run_first.turn.detour, TN__DETOUR_OWN,
                      __ATOMIC_RELAXED); /* a handler may write it, too */
    tn__run_nudge_first();
    tn__hub_switch(h, g, tn__hub_pop(h));
    TN_ASSERT(tn__run_here() == &tn__run_first);
}

void tn__run_altstack_forget(const struct tn__run_green *green)
{
    static struct tn__run_green nobody;

    for (int i = 0; i < tn__run_n_cpus && tn__run_is_many; i++)
        if (tn__run_cpus[i] != tn__run_here() &&
            tn__run_cpus[i]->alt_owner == green)
            tn__run_cpus[i]->alt_owner = &nobody;
}

void tn__run_nudges_in_child(void)
{
    own_first = NULL;
    own_last = &own_first;
    errand = NULL;
    n_stops = 0;
}

/* ---- errands ---- */

static void send_all(void)
{
    __atomic_store_n(&n_left, (uint32_t)tn__run_n_cpus - 1, __ATOMIC_RELAXED);
    for (int i = 0; i < tn__run_n_cpus; i++) {
        struct tn__run_cpu *cpu = tn__run_cpus[i];

        if (cpu == tn__run_here())
            continue;
        __atomic_store_n(&cpu->has_errand, true, __ATOMIC_RELEASE);
        nudge(cpu);
    }
}

/* Sleep while it is `value`, for a while. */
static void sleep_on(const uint32_t *word, uint32_t value)
{
    static const struct timespec look = {0, 1000000};

    tn__raw4(SYS_futex, (long)word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG,
             (long)value, (long)&look);
}

static void wake_all(const uint32_t *word)
{
    tn__raw3(SYS_futex, (long)word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG,
             INT32_MAX);
}

static void made(void)
{
    if (__atomic_sub_fetch(&n_left, 1, __ATOMIC_RELEASE) == 0)
        wake_all(&n_left);
}

/* False: not all have made it, after having been looked at so often. */
static bool await_for(unsigned times)
{
    uint32_t n;

    for (unsigned i = 0; (n = __atomic_load_n(&n_left, __ATOMIC_ACQUIRE)) > 0;
         i++)
        if (i >= times)
            return false;
        else if (i < YIELDS)
            tn__raw1(SYS_sched_yield, 0);
        else
            sleep_on(&n_left, n);
    return true;
}

static void await_all(void)
{
    await_for(UINT32_MAX);
}

/* Until no errand is under way. */
static void await_turn(void)
{
    while (errand) {
        tn__run_unlock();
        tn__raw1(SYS_sched_yield, 0);
        tn__run_lock();
    }
}

void tn__run_everywhere(const struct tn__run_call *c)
{
    if (!tn__run_is_many)
        return;
    await_turn();
    errand = c;
    send_all();
    tn__run_unlock();
    await_all();
    tn__run_lock();
    errand = NULL;
}

/* Those who have not seen it yet are not to make it any more. */
static void take_back(void)
{
    for (int i = 0; i < tn__run_n_cpus; i++)
        if (__atomic_exchange_n(&tn__run_cpus[i]->has_errand, false,
                                __ATOMIC_ACQ_REL))
            made();
}

bool tn__run_stop_others(void)
{
    if (!tn__run_is_many)
        return true;
    if (errand)
        return false;
    for (int i = 0; i < tn__run_n_cpus; i++)
        if (tn__run_cpus[i]->is_lent)
            return false;
    errand = &nothing;
    __atomic_fetch_add(&n_stops, 1, __ATOMIC_RELEASE);
    send_all();
    if (await_for(YIELDS + STOP_MS))
        return true;
    /* One is in a call that no signal ends, as of a disk. */
    take_back();
    __atomic_fetch_add(&n_stops, 1, __ATOMIC_RELEASE);
    wake_all(&n_stops);
    await_all();
    errand = NULL;
    return false;
}

void tn__run_resume_others(void)
{
    if (!tn__run_is_many)
        return;
    errand = NULL;
    __atomic_fetch_add(&n_stops, 1, __ATOMIC_RELEASE);
    wake_all(&n_stops);
}

/* What is written meanwhile may be instructions that come next here. */
static void stand_still(uint32_t stop)
{
    unsigned a = 0, b, c = 0, d;

    made();
    for (int i = 0; __atomic_load_n(&n_stops, __ATOMIC_ACQUIRE) == stop; i++)
        if (i < SPINS)
            __builtin_ia32_pause();
        else
            sleep_on(&n_stops, stop);
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : : "memory");
}

void tn__run_do_errand(void)
{
    struct tn__run_cpu *cpu = tn__run_here();
    const struct tn__run_call *c;
    uint32_t stop;

    __atomic_store_n(&cpu->is_nudged, false, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    /* Once: this may be a handler that has interrupted this very function. */
    if (!__atomic_exchange_n(&cpu->has_errand, false, __ATOMIC_ACQUIRE))
        return;
    c = errand;
    stop = __atomic_load_n(&n_stops, __ATOMIC_ACQUIRE);
    if (stop & 1) {
        stand_still(stop);
        return;
    }
    if (c != &nothing)
        tn__raw(c->nr, c->a[0], c->a[1], c->a[2], c->a[3], c->a[4], c->a[5]);
    made();
}
