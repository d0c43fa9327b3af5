/* SPDX-License-Identifier: MIT */
/* run/record.c - signals that come while the engine is at work.
 *
 * They are recorded in a ring that needs no lock, and the loop is woken.
 * Somebody in the engine drains the ring: a green thread at the end of its
 * call, or the hub before it polls. Each then goes to the list of the one that
 * it is for (pending.c), or what it does by default is done. */
#include "run/run.h"

enum { RESERVE = 8 }; /* of the ring, for what the kernel never blocks */

void tn__run_records_in_child(void)
{
    tn__run_here()->ring.in = tn__run_here()->ring.out = 0;
    tn__run_here()->is_held = false;
}

/* The ring is nearly full: from the return of this handler on the kernel keeps
 * what else it has, until there is room. */
static void hold(ucontext_t *uc)
{
    *(tn__run_set *)(void *)&uc->uc_sigmask =
        TN__RUN_BLOCKED & ~tn__run_bit(TN__RUN_QUANTUM_SIGNAL);
    tn__run_here()->is_held = true;
}

tn__run_set tn__run_signals_recorded(void)
{
    const struct tn__run_ring *ring = &tn__run_here()->ring;
    tn__run_set set = 0;

    for (uint32_t at = ring->out; at != ring->in; at++)
        set |= tn__run_bit(ring->info[at % TN__RUN_RING].si_signo);
    return set;
}

void tn__run_signal_record(const siginfo_t *info, ucontext_t *uc)
{
    struct tn__run_ring *ring = &tn__run_here()->ring;
    uint32_t at = __atomic_load_n(&ring->in, __ATOMIC_RELAXED);
    tn__run_set bit = tn__run_bit(info->si_signo);

    if ((tn__run_signals_recorded() & bit) && tn__run_signal_stall(info))
        *(tn__run_set *)(void *)&uc->uc_sigmask |= bit;
    do {
        if (at - ring->out >= TN__RUN_RING)
            return; /* as the kernel does when its queue is full */
    } while (!__atomic_compare_exchange_n(&ring->in, &at, at + 1, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    ring->info[at % TN__RUN_RING] = *info;
    tn__run_signal_attribute(&ring->info[at % TN__RUN_RING], uc);
    if (TN_UNLIKELY(at - ring->out >= TN__RUN_RING - RESERVE))
        hold(uc);
    tn__run_here()->is_alert = 1;
    if (!tn__run_is_many) /* else sleeping is made by tn__raw_unless_alert() */
        tn__run_hub.loop.ops->wake(&tn__run_hub.loop);
}

/* Do as the program's default says. Of most signals the kernel does that by
 * itself; of some it has our handler though the program has none. */
void tn__run_act_by_default(int sig)
{
    static const tn__run_set ignored =
        1ull << (SIGCHLD - 1) | 1ull << (SIGCONT - 1) | 1ull << (SIGURG - 1) |
        1ull << (SIGWINCH - 1);
    static const tn__run_set stopping =
        1ull << (SIGSTOP - 1) | 1ull << (SIGTSTP - 1) |
        1ull << (SIGTTIN - 1) | 1ull << (SIGTTOU - 1);
    struct tn__run_action fallback = {(void *)SIG_DFL, 0, NULL, 0};
    tn__run_set its = tn__run_bit(sig), mask;

    if (ignored & tn__run_bit(sig))
        return;
    tn__run_begin();
    if (!(stopping & tn__run_bit(sig))) {
        tn__run_stats_print();
        tn__run_inspect_close();
    }
    tn__run_action_load(sig, &fallback);
    /* What is blocked is not what kernel_mask says, if a handler runs. */
    tn__raw4(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&its, (long)&mask,
             sizeof mask);
    tn__raw3(SYS_tgkill, tn__run.pid, tn__run_kernel_tid(), sig);
    tn__run_action_renew(sig);
    tn__raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, sizeof mask);
}

/* Whom it was sent to: false if that is nobody that is there any more. NULL:
 * the process. */
static bool find_target(const siginfo_t *info,
                        struct tn__run_green **ret_green)
{
    int tid;

    *ret_green = NULL;
    if (info->si_code == SI_TIMER)
        tid = tn__run_timer_target(info);
    else if (!tn__run_signal_is_tagged(info, &tid))
        tid = info->si_code == SI_TKILL ? tn__run.pid : 0;
    if (tid == 0)
        return true;
    *ret_green = tn__run_find_tid(tid);
    return *ret_green || tid == tn__run.pid;
}

void tn__run_signal_hand_over(const siginfo_t *info)
{
    int sig = info->si_signo;
    struct tn__run_green *green, *taker;

    if (!find_target(info, &green))
        return;
    taker = green ? green : tn__run_signal_taker(sig);
    /* At once: the caller of abort() must not go on. */
    if (taker && tn__run_action_of(sig)->handler == (void *)SIG_DFL &&
        !((taker->mask | taker->wait_set) & tn__run_bit(sig)))
        tn__run_act_by_default(sig);
    else
        tn__run_signal_post(green, info);
}

static void empty_ring(void)
{
    struct tn__run_ring *ring = &tn__run_here()->ring;

    while (ring->out != __atomic_load_n(&ring->in, __ATOMIC_RELAXED)) {
        siginfo_t info = ring->info[ring->out % TN__RUN_RING];

        ring->out++;
        tn__run_signal_go_on(&info);
        if (!tn__list_is_empty(&tn__run.greens))
            tn__run_signal_hand_over(&info);
    }
}

void tn__run_signals_drain(void)
{
    struct tn__run_cpu *cpu = tn__run_here();

    empty_ring();
    while (TN_UNLIKELY(cpu->is_held || cpu->has_new_mask)) {
        cpu->is_held = cpu->has_new_mask = false;
        tn__run_unblock(); /* the next come at once */
        empty_ring();
    }
}
