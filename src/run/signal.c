/* SPDX-License-Identifier: MIT */
/* run/signal.c - from the kernel's signal to the program's handler.
 *
 * A signal arrives in tn__run_on_signal(), for there is one kernel thread.
 *   - The engine is at work: it is only recorded, in a ring that needs no
 *     lock, and the loop is woken. Somebody in the engine drains the ring: a
 *     green thread at the end of its call, or the hub before it polls.
 *   - The program is at work: it is handled at once if it is for the green
 *     thread that runs. If not, it is put on the list of the right one, and the
 *     one that runs gives way, from within the handler: the frame that the
 *     kernel has built keeps all of its state. So Ctrl-C reaches the main
 *     thread of a program whose other thread computes for ever.
 * Linux gives a signal for the process to main if main takes it; so do we.
 *
 * A green thread with a signal on its list is alerted: a call that waits gives
 * -EINTR. At the end of the call, with the engine left, the signal is raised
 * again by rt_tgsigqueueinfo() to ourselves, on that green thread's stack; the
 * kernel then does as it always does: handler, default action, or nothing. */
#include "run/run.h"

enum { RING = 128, POOL = 256 };

static siginfo_t ring[RING];
static uint32_t ring_in;  /* atomic: written by handlers */
static uint32_t ring_out; /* written in the engine */

static struct tn__run_signal pool[POOL];
static struct tn__list pool_free;

void tn__run_signals_init(void)
{
    tn__list_init(&pool_free);
    for (int i = 0; i < POOL; i++)
        tn__list_insert(&pool_free, &pool[i].link);
}

/* ---- recorded signals ---- */

static void record(const siginfo_t *info)
{
    uint32_t at = __atomic_load_n(&ring_in, __ATOMIC_RELAXED);

    do {
        if (at - ring_out >= RING)
            return; /* as the kernel does when its queue is full */
    } while (!__atomic_compare_exchange_n(&ring_in, &at, at + 1, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    ring[at % RING] = *info;
    tn__run.is_alert = 1;
    tn__run_hub.loop.ops->wake(&tn__run_hub.loop);
}

tn__run_set tn__run_signals_recorded(void)
{
    tn__run_set set = 0;

    for (uint32_t at = ring_out; at != ring_in; at++)
        set |= tn__run_bit(ring[at % RING].si_signo);
    return set;
}

/* Who gets a signal for the process. */
static struct tn__run_green *pick(int sig)
{
    tn__run_set bit = tn__run_bit(sig);

    for (struct tn__list *n = tn__run.greens.next; n != &tn__run.greens;
         n = n->next) {
        struct tn__run_green *green =
            TN_CONTAINER(n, struct tn__run_green, all);

        if (!(green->mask & bit) || (green->wait_set & bit))
            return green;
    }
    return TN_CONTAINER(tn__run.greens.next, struct tn__run_green, all);
}

/* Nobody handles it and it ends the process: only with --stats is it here. */
static void end_by(int sig)
{
    struct tn__run_action fallback = {(void *)SIG_DFL, 0, NULL, 0};

    tn__run.in_engine = 1;
    tn__run_stats_print();
    tn__run_action_load(sig, &fallback);
    tn__raw3(SYS_tgkill, tn__run.pid, tn__run.pid, sig);
}

static void hand_over(const siginfo_t *info)
{
    int sig = info->si_signo;
    struct tn__run_green *green = pick(sig);

    /* At once: the caller of abort() must not go on. */
    if (tn__run_action_of(sig)->handler == (void *)SIG_DFL &&
        !((green->mask | green->wait_set) & tn__run_bit(sig)))
        end_by(sig);
    else
        tn__run_signal_post(green, info);
}

void tn__run_signals_drain(void)
{
    while (ring_out != __atomic_load_n(&ring_in, __ATOMIC_RELAXED)) {
        siginfo_t info = ring[ring_out % RING];

        ring_out++;
        if (!tn__list_is_empty(&tn__run.greens))
            hand_over(&info);
    }
}

/* ---- a green thread's list ---- */

void tn__run_signal_post(struct tn__run_green *green, const siginfo_t *info)
{
    tn__run_set bit = tn__run_bit(info->si_signo);
    struct tn__run_signal *s;

    if ((green->pending & bit) && info->si_signo < 32)
        return; /* the classic signals do not queue */
    if (tn__list_is_empty(&pool_free))
        return;
    s = TN_CONTAINER(pool_free.next, struct tn__run_signal, link);
    tn__list_remove(&s->link);
    s->info = *info;
    tn__list_insert(&green->signals, &s->link);
    green->pending |= bit;
    if ((bit & ~green->mask) || (bit & green->wait_set)) {
        green->g.alert |= TN__ALERT_KILL;
        tn__hub_wake(&green->g);
    }
}

bool tn__run_signal_take(struct tn__run_green *green, tn__run_set set,
                         siginfo_t *ret_info)
{
    struct tn__run_signal *found = NULL;
    tn__run_set left = 0;

    if (!(green->pending & set))
        return false;
    for (struct tn__list *n = green->signals.next; n != &green->signals;
         n = n->next) {
        struct tn__run_signal *s =
            TN_CONTAINER(n, struct tn__run_signal, link);
        tn__run_set bit = tn__run_bit(s->info.si_signo);

        if (!found && (bit & set))
            found = s;
        else
            left |= bit;
    }
    green->pending = left;
    *ret_info = found->info;
    tn__list_remove(&found->link);
    tn__list_insert(&pool_free, &found->link);
    return true;
}

void tn__run_signals_drop(struct tn__run_green *green)
{
    siginfo_t info;

    while (tn__run_signal_take(green, ~(tn__run_set)0, &info))
        ;
}

/* ---- delivery ---- */

void tn__run_frame_settle(struct tn__run_green *green, ucontext_t *uc)
{
    *(tn__run_set *)(void *)&uc->uc_sigmask = tn__run.kernel_mask;
    uc->uc_stack = green->alt;
    tn__run.alt_owner = green->alt.ss_sp ? green : NULL;
}

/* Call the program's handler, with `green`'s mask as if the kernel kept it. */
static void handle(struct tn__run_green *green, int sig, siginfo_t *info,
                   ucontext_t *uc)
{
    struct tn__run_action *action = tn__run_action_of(sig);
    void *fn = action->handler;
    tn__run_set *uc_mask = (tn__run_set *)(void *)&uc->uc_sigmask;
    tn__run_set before = green->mask, mask = before | action->mask;

    if (fn == (void *)SIG_IGN)
        return;
    if (fn == (void *)SIG_DFL) {
        end_by(sig);
        return;
    }
    tn__run.in_engine = 1;
    if (!(action->flags & SA_NODEFER))
        mask |= tn__run_bit(sig);
    if (action->flags & SA_RESETHAND) {
        action->handler = (void *)SIG_DFL;
        tn__run_action_load(sig, action);
    }
    tn__run_mask_set(green, mask);
    *uc_mask = before;
    tn__run.in_engine = 0;
    ((void (*)(int, siginfo_t *, void *))fn)(sig, info, uc);
    tn__run.in_engine = 1;
    tn__run_mask_set(green, *uc_mask);
    tn__run_leave();
    tn__run_frame_settle(green, uc);
}

static bool is_fault(int sig, const siginfo_t *info)
{
    return info->si_code > 0 && (sig == SIGSEGV || sig == SIGBUS ||
                                 sig == SIGFPE || sig == SIGILL ||
                                 sig == SIGTRAP);
}

static bool is_on_altstack(const struct tn__run_green *green)
{
    char here;

    return &here >= (char *)green->alt.ss_sp &&
           &here < (char *)green->alt.ss_sp + green->alt.ss_size;
}

/* The program was interrupted: by a signal for it, or for another one. */
static void arrive(struct tn__run_green *green, siginfo_t *info,
                   ucontext_t *uc)
{
    struct tn__run_green *target;

    tn__run.in_engine = 1;
    target = pick(info->si_signo);
    if (target == green && !(green->mask & tn__run_bit(info->si_signo))) {
        tn__run.in_engine = 0;
        handle(green, info->si_signo, info, uc);
        return;
    }
    tn__run_signal_post(target, info);
    if (!is_on_altstack(green))
        tn__hub_yield(&tn__run_hub);
    tn__run_leave();
    tn__run_frame_settle(green, uc);
}

/* A call that may sleep in the kernel has just tested for signals, and would
 * sleep with nobody left to see this one: the call is not made. */
static void keep_awake(ucontext_t *uc)
{
    struct tn__run_regs *regs = (void *)uc->uc_mcontext.gregs;

    if (regs->rip >= (long)tn__raw_range &&
        regs->rip <= (long)tn__raw_range_last)
        regs->rip = (long)tn__raw_alerted;
}

/* Is it the one that we have raised for `green`? Others may come first, and be
 * handled on top of it. */
static bool is_raised(const struct tn__run_green *green, const siginfo_t *info)
{
    return green->raised == info->si_signo &&
           green->raised_code == info->si_code;
}

/* In a child of the program, before its handlers are the kernel's again. */
static void handle_native(int sig, siginfo_t *info, void *context)
{
    struct tn__run_action *action = tn__run_action_of(sig);

    if (tn__run_has_handler(sig))
        ((void (*)(int, siginfo_t *, void *))action->handler)(sig, info,
                                                              context);
}

void tn__run_on_signal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    if (TN_UNLIKELY(!tn__run.is_on)) {
        handle_native(sig, info, context);
    } else if (tn__run.in_engine && is_fault(sig, info)) {
        struct tn__run_action fallback = {(void *)SIG_DFL, 0, NULL, 0};

        tn__run_action_load(sig, &fallback); /* and it happens again */
    } else if (tn__run.in_engine) {
        record(info);
        keep_awake(uc);
    } else if (is_raised(tn__run_self(), info)) {
        tn__run_self()->raised = 0;
        handle(tn__run_self(), sig, info, uc);
    } else if (is_fault(sig, info)) {
        handle(tn__run_self(), sig, info, uc);
    } else {
        arrive(tn__run_self(), info, uc);
    }
}

/* Raise it for the one that runs. What tn__run_leave() counts. */
static unsigned raise_again(struct tn__run_green *green, siginfo_t *info)
{
    int sig = info->si_signo;
    bool has_handler = tn__run_has_handler(sig);
    unsigned long flags = tn__run_action_of(sig)->flags;

    green->raised = has_handler ? sig : 0;
    green->raised_code = info->si_code;
    tn__run.in_engine = 0;
    tn__raw4(SYS_rt_tgsigqueueinfo, tn__run.pid, tn__run.pid, sig,
             (long)info);
    tn__run.in_engine = 1;
    green->raised = 0;
    if (!has_handler)
        return 0;
    return flags & SA_RESTART ? 1u << 16 : 1;
}

unsigned tn__run_leave_slow(void)
{
    struct tn__run_green *green = tn__run_self();
    unsigned handlers = 0;

    for (;;) {
        siginfo_t info;

        tn__run.in_engine = 1;
        if (tn__run.is_alert) {
            tn__run.is_alert = 0;
            tn__run_signals_drain();
            /* They may be for another, who must run: this one may compute and
             * never give way again. */
            if (!is_on_altstack(green))
                tn__hub_yield(&tn__run_hub);
        }
        tn__run_altstack_load(green);
        if (tn__run_signal_take(green, ~green->mask, &info)) {
            handlers += raise_again(green, &info);
            continue;
        }
        if (green->has_restore_mask) {
            green->has_restore_mask = false;
            tn__run_mask_set(green, green->restore_mask);
            continue;
        }
        green->g.alert &= (uint8_t)~TN__ALERT_KILL;
        tn__run.in_engine = 0;
        __asm__ volatile("" ::: "memory");
        if (!tn__run.is_alert)
            return handlers;
    }
}
