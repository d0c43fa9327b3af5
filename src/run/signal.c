/* SPDX-License-Identifier: MIT */
/* run/signal.c - from the kernel's signal to the program's handler.
 *
 * A signal arrives in tn__run_on_signal(), for there is one kernel thread, with
 * all signals blocked but those of faults.
 *   - The engine is at work: it is only recorded (record.c).
 *   - The program is at work: it goes to a list (pending.c), with all others
 *     that the kernel has for us, and those that are for the green thread that
 *     runs are handled at once. If it is for another one, the one that runs
 *     gives way, from within the handler: the frame that the kernel has built
 *     keeps all of its state. So Ctrl-C reaches the main thread of a program
 *     whose other thread computes for ever.
 * Linux gives a signal for the process to main if main takes it; so do we.
 *
 * A green thread with a signal on a list is alerted: a call that waits gives
 * -EINTR. At the end of the call the signal is raised again by
 * rt_tgsigqueueinfo() to ourselves, on that green thread's stack, and its frame
 * is the kernel's work.
 *
 * Of several signals at once the kernel builds the frames in order, each on top
 * of the one before: the last one's handler runs first. So it does here, though
 * one frame is built only when the handler before it has returned. */
#include "run/patch.h"

enum { BATCH = 24 };
#define RAISED 0x7261697300000000ul /* and the green thread's number */

/* At the end of what the kernel hands on, where pending.c has another mark. */
struct marked {
    char of_kernel[40];
    uint64_t end;
};

/* Of those that were pending a child has none. */
void tn__run_signals_in_child(void)
{
    struct tn__run_green *self = tn__run_self();

    tn__run_records_in_child();
    tn__run_timers_in_child();
    tn__run_signals_init();
    tn__list_init(&self->signals);
    self->pending = 0;
}

/* ---- delivery ---- */

/* What the kernel is to block. */
static tn__run_set effective_mask(void)
{
    return tn__run_here()->kernel_mask | tn__run_signals_stalled();
}

void tn__run_frame_settle(struct tn__run_green *green, ucontext_t *uc)
{
    *(tn__run_set *)(void *)&uc->uc_sigmask = effective_mask();
    uc->uc_stack = green->alt;
    tn__run_here()->alt_owner = green->alt.ss_sp ? green : NULL;
}

_Static_assert(offsetof(ucontext_t, uc_sigmask) + sizeof(long) == 304,
               "entry.S has it");

/* The program was at the end of one of our handlers, and may have been moved:
 * what is there about the kernel thread has to be done again. */
static void settle_again(ucontext_t *uc)
{
    struct tn__run_regs *regs = (void *)uc->uc_mcontext.gregs;
    bool is_over = regs->rip >= (long)tn__run_restore &&
                   regs->rip <= (long)tn__run_restore_last;

    if (is_over)
        regs->rsp -= (long)sizeof(long); /* where the return address was */
    if (is_over || (regs->rip >= (long)tn__run_settle &&
                    regs->rip <= (long)tn__run_settle_last))
        regs->rip = (long)tn__run_settle;
}

/* glibc cancels by its first signal, and since 2.41 only a thread whose program
 * counter is within its cancellation point: at the system call that was stopped
 * and is to be made again. Its handler is shown that place; what it unwinds
 * from is the frame on the stack, which stays as it is. */
enum { SIGCANCEL = 32 };

static void handle_cancel(void *fn, long stopped, siginfo_t *info,
                          const ucontext_t *uc)
{
    ucontext_t shown = *uc;

    shown.uc_mcontext.gregs[REG_RIP] = stopped - TN__RUN_SYSCALL_BYTES;
    ((void (*)(int, siginfo_t *, void *))fn)(SIGCANCEL, info, &shown);
}

/* What the mask is in a handler of `sig` that is called with `mask`. */
static tn__run_set mask_in(int sig, tn__run_set mask)
{
    const struct tn__run_action *action = tn__run_action_of(sig);

    mask |= action->mask;
    return action->flags & SA_NODEFER ? mask : mask | tn__run_bit(sig);
}

void tn__run_unblock(void)
{
    tn__run_set mask = effective_mask();

    tn__raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, sizeof mask);
}

/* Call the program's handler, with `green`'s mask as if the kernel kept it, and
 * the handlers of what has come meanwhile on top of what the frame leads back
 * to; unless that is deliver(), which is about to look itself, and then without
 * a frame more for each of many. */
static void handle(struct tn__run_green *green, siginfo_t *info, ucontext_t *uc,
                   bool is_looked_after)
{
    int sig = info->si_signo;
    struct tn__run_action *action = tn__run_action_of(sig);
    void *fn = action->handler;
    unsigned one = action->flags & SA_RESTART ? 1u << 16 : 1;
    unsigned handlers = green->handlers + one;
    tn__run_set *uc_mask = (tn__run_set *)(void *)&uc->uc_sigmask;
    tn__run_set before = green->mask, mask = mask_in(sig, before);
    long stopped = green->stopped;
    ucontext_t *interrupted = green->interrupted;

    if (action->flags & SA_RESETHAND) {
        action->handler = (void *)SIG_DFL;
        tn__run_action_renew(sig);
    }
    tn__run_mask_set(green, mask);
    tn__run_unblock();
    *uc_mask = green->has_restore_mask ? green->restore_mask : before;
    green->has_restore_mask = false;
    green->stopped = 0; /* the handler may leave by a jump */
    green->interrupted = NULL;
    tn__run_out();
    if (sig == SIGCANCEL && stopped)
        handle_cancel(fn, stopped, info, uc);
    else
        ((void (*)(int, siginfo_t *, void *))fn)(sig, info, uc);
    tn__run_begin();
    green->handlers = handlers; /* not those that ran in the handler's calls */
    green->stopped = stopped;
    green->interrupted = interrupted;
    tn__run_mask_set(green, *uc_mask);
    if (!is_looked_after) {
        tn__run_leave();
        tn__run_begin();
    }
    tn__run_frame_settle(green, uc);
}

/* Another one of that number may come first, of a timer of another thread: so
 * ours bears a mark, and `raised_end` has what was there. */
static void mark(struct tn__run_green *green, siginfo_t *info)
{
    struct marked *m = (void *)info;

    green->raised_end = m->end;
    m->end = RAISED | (uint32_t)green->tid;
}

/* To the kernel thread that we are on, and at once. All but the first block it
 * otherwise, or it is stalled; the frame of its handler puts the mask back. */
static void raise_here(int sig, siginfo_t *info)
{
    tn__run_set set = tn__run_bit(sig);

    tn__raw4(SYS_rt_tgsigqueueinfo, tn__run.pid, tn__run_kernel_tid(), sig,
             (long)info);
    if (TN_UNLIKELY(tn__run_here() != &tn__run_first ||
                    tn__run_first.has_new_mask ||
                    (tn__run_signals_stalled() & set)))
        tn__raw4(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&set, 0, sizeof set);
}

/* Raise it for the one that runs. */
static void raise_again(struct tn__run_green *green, siginfo_t *info,
                        bool is_last)
{
    void *vectors = green->g.carry.vectors;
    int sig = info->si_signo;

    green->raised = sig;
    green->is_raised_last = is_last;
    mark(green, info);
    green->g.carry.vectors = NULL; /* the handler may leave by a jump */
    raise_here(sig, info);
    green->g.carry.vectors = vectors;
    green->raised = 0;
}

/* The signals that are due to `green`, in the order in which the kernel builds
 * their frames. Those without a handler are seen to at once. */
static int choose(struct tn__run_green *green, uint8_t batch[BATCH])
{
    tn__run_set mask = green->mask, used = 0;
    int n = 0, sig;
    siginfo_t info;

    while (n < BATCH &&
           (sig = tn__run_signal_due(green, mask | used)) != 0) {
        if (tn__run_has_handler(sig)) {
            tn__run_signal_claim(green, sig);
            batch[n++] = (uint8_t)sig;
            used |= tn__run_bit(sig);
            mask = mask_in(sig, mask);
            continue;
        }
        tn__run_signal_take(green, tn__run_bit(sig), &info);
        if (tn__run_action_of(sig)->handler == (void *)SIG_DFL)
            tn__run_act_by_default(sig);
    }
    return n;
}

/* May its handler be called on the stack that we are on? */
static bool has_stack(const struct tn__run_green *green, int sig)
{
    return !(tn__run_action_of(sig)->flags & SA_ONSTACK) || !green->alt.ss_sp ||
           tn__run_was_on_altstack(green, NULL);
}

/* Handle what is due to `green`, which runs. `uc`, or NULL: the frame on top of
 * the program, of the signal `arrived` or of what else has stopped it. The last
 * handler gets that frame and may change it: some runtimes have a thread go on
 * elsewhere. */
static void deliver(struct tn__run_green *green, int arrived,
                        ucontext_t *uc)
{
    uint8_t batch[BATCH];
    tn__run_set below = green->mask;
    int n = choose(green, batch);
    bool has_restore_mask = green->has_restore_mask;
    siginfo_t info;

    while (n-- > 0) {
        tn__run_set mask = below;

        /* sigsuspend() and others: it is the first frame that leads back. */
        green->has_restore_mask = has_restore_mask && n == 0;
        for (int i = 0; i < n; i++)
            mask = mask_in(batch[i], mask);
        tn__run_mask_set(green, mask);
        if (!tn__run_signal_take(green, tn__run_bit(batch[n]), &info))
            continue;
        if (uc && n == 0 && info.si_signo == arrived)
            handle(green, &info, uc, false);
        else if (uc && n == 0 && has_stack(green, info.si_signo))
            handle(green, &info, uc, true);
        else
            raise_again(green, &info, n == 0);
        if (green->mask != mask)
            break; /* a handler has said so */
    }
    if (n > 0)
        green->has_restore_mask = has_restore_mask;
}

/* Take what else the kernel has for us, so that the order is right. */
static void collect(void)
{
    static const struct timespec now;
    static const tn__run_set ours =
        1ull << (SIGSYS - 1) | 1ull << (TN__RUN_QUANTUM_SIGNAL - 1);
    tn__run_set set;
    siginfo_t info;

    do {
        set = ~(effective_mask() | ours);
        if (tn__raw4(SYS_rt_sigtimedwait, (long)&set, (long)&info, (long)&now,
                     sizeof set) <= 0)
            return;
        tn__run_signal_hand_over(&info);
    } while (true);
}

/* A cancel that came while this one had given way sees the place where it was
 * interrupted; and if that was before a cancellation point that will not look
 * again, the call there ends at once. */
void tn__run_go_back(struct tn__run_green *green, ucontext_t *uc)
{
    long stopped = green->stopped;

    do {
        if (!tn__run_is_ours(uc->uc_mcontext.gregs[REG_RIP]))
            green->stopped =
                uc->uc_mcontext.gregs[REG_RIP] + TN__RUN_SYSCALL_BYTES;
        green->interrupted = uc;
        tn__run_leave();
        tn__run_begin();
        green->interrupted = NULL;
        green->stopped = stopped;
        if (green->is_poked)
            green->g.alert |= TN__ALERT_KILL;
        settle_again(uc);
        tn__run_frame_settle(green, uc);
        tn__run_out();
    } while (tn__run_here()->is_alert);
}

/* The program was interrupted: by a signal for it, or for another one. */
static void arrive(struct tn__run_green *green, const siginfo_t *info,
                   ucontext_t *uc)
{
    int sig = info->si_signo;
    siginfo_t own = *info;

    tn__run_begin();
    tn__run_signal_attribute(&own, uc);
    tn__run_signal_hand_over(&own);
    collect();
    tn__run_unblock();
    if (tn__run_signal_due(green, 0)) {
        tn__run_altstack_load(green);
        deliver(green, sig, uc);
    } else if (!tn__run_is_on_shared(green)) {
        tn__hub_yield(&tn__run_hub);
    }
    tn__run_go_back(green, uc);
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
 * handled on top of it. Then it is as it was. */
static bool is_raised(const struct tn__run_green *green, siginfo_t *info)
{
    struct marked *m = (void *)info;

    if (green->raised != info->si_signo ||
        m->end != (RAISED | (uint32_t)green->tid))
        return false;
    m->end = green->raised_end;
    return true;
}

/* In a child of the program, before its handlers are the kernel's again. */
static void handle_native(int sig, siginfo_t *info, void *context)
{
    struct tn__run_action *action = tn__run_action_of(sig);

    if (tn__run_has_handler(sig)) {
        ((void (*)(int, siginfo_t *, void *))action->handler)(sig, info,
                                                              context);
    } else if (action->handler == (void *)SIG_DFL) {
        tn__run_action_load(sig, action); /* ours stood in front of it */
        tn__raw3(SYS_tkill, tn__raw1(SYS_gettid, 0), sig, 0);
    }
}

/* Another kernel thread wants something done here, or this one to look: at its
 * mask, at who waits for it, at what is due to who runs. */
static void on_nudge(ucontext_t *uc)
{
    tn__run_do_errand();
    if (!tn__run_is_on() || !tn__run_has_to_look())
        return;
    tn__run_stub_leave((void *)uc->uc_mcontext.gregs);
    if (tn__run_is_inside()) {
        tn__run_here()->is_alert = 1;
        keep_awake(uc);
        if (tn__run_here()->has_new_mask)
            *(tn__run_set *)(void *)&uc->uc_sigmask = effective_mask();
        tn__run_here()->has_new_mask = false;
        return;
    }
    tn__run_begin();
    tn__run_unblock();
    tn__run_here()->is_alert = 1;
    tn__run_go_back(tn__run_self(), uc);
}

bool tn__run_on_signal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    struct tn__run_green *self = tn__run_self();

    if (TN_UNLIKELY(tn__run_is_nudge(info))) {
        on_nudge(uc);
        return tn__run_is_on();
    }
    tn__run_stub_leave((void *)uc->uc_mcontext.gregs);
    if (TN_UNLIKELY(tn__run_is_fault(sig, info) && tn__run_fault(sig, uc)))
        return false;
    if (TN_UNLIKELY(!tn__run_is_on())) {
        handle_native(sig, info, context);
    } else if (is_raised(self, info)) {
        self->raised = 0;
        handle(self, info, uc, self->is_raised_last);
    } else if (tn__run_is_inside()) {
        tn__run_signal_record(info, uc);
        keep_awake(uc);
    } else if (tn__run_is_fault(sig, info)) {
        tn__run_begin();
        handle(self, info, uc, false);
        tn__run_go_back(self, uc);
    } else {
        arrive(self, info, uc);
    }
    return tn__run_is_on();
}

void tn__run_leave_slow(void *vectors)
{
    struct tn__run_green *green = tn__run_self();

    for (;;) {
        tn__run_begin();
        green->g.carry.vectors = vectors;
        if (tn__run_here()->is_alert) {
            tn__run_here()->is_alert = 0;
            tn__run_signals_drain();
            /* They may be for another, who must run: this one may compute and
             * never give way again. */
            if (!tn__run_is_on_shared(green))
                tn__hub_yield(&tn__run_hub);
        }
        tn__run_altstack_load(green);
        if (tn__run_signal_due(green, 0)) {
            deliver(green, 0, green->interrupted);
            vectors = green->g.carry.vectors;
            continue;
        }
        if (green->has_restore_mask) {
            green->has_restore_mask = false;
            tn__run_mask_set(green, green->restore_mask);
            vectors = green->g.carry.vectors;
            continue;
        }
        green->g.alert &= (uint8_t)~TN__ALERT_KILL;
        vectors = green->g.carry.vectors;
        green->g.carry.vectors = NULL;
        tn__run_out();
        if (!tn__run_here()->is_alert)
            return;
    }
}
