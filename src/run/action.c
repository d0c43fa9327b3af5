/* SPDX-License-Identifier: MIT */
/* run/action.c - what the program wants done about each signal.
 *
 * The kernel gets our handler wherever the program has one, with everything
 * blocked until we have looked: masks are ours to keep (mask.c). SA_RESTART is
 * not passed on: a raw call of ours must come back when a signal was recorded,
 * and dispatch.c makes it again. Default actions and SIG_IGN stay with the
 * kernel, so exit status, core files and job control are as without us. SIGSEGV
 * and SIGBUS are always ours (fault.c); SIGPIPE and SIGXFSZ are in place of
 * their default, for what a call raises is for its green thread, which may
 * block it where the kernel does not. */
#include "run/run.h"

#define SA_RESTORER_FLAG 0x04000000ul

static tn__run_set watched_too; /* signals of timers for one thread, and those
                                 * that were waited for */

static struct tn__run_action actions[TN__RUN_SIGNALS + 1];

struct tn__run_action *tn__run_action_of(int sig)
{
    TN_ASSERT(sig > 0 && sig <= TN__RUN_SIGNALS);
    return &actions[sig];
}

static bool is_function(const struct tn__run_action *a)
{
    return a->handler != (void *)SIG_DFL && a->handler != (void *)SIG_IGN;
}

bool tn__run_has_handler(int sig)
{
    return is_function(tn__run_action_of(sig));
}

long tn__run_action_load(int sig, const struct tn__run_action *action)
{
    struct tn__run_action a = *action;

    if (is_function(&a)) {
        a.flags |= SA_RESTORER_FLAG;
        a.restorer = (void *)tn__run_restore;
    }
    return tn__raw4(SYS_rt_sigaction, sig, (long)&a, 0, sizeof a.mask);
}

/* With --stats, a signal that would end the program passes through us, so that
 * the summary is printed. */
static bool is_watched(int sig)
{
    static const tn__run_set watched =
        1ull << (SIGHUP - 1) | 1ull << (SIGINT - 1) | 1ull << (SIGQUIT - 1) |
        1ull << (SIGABRT - 1) | 1ull << (SIGALRM - 1) | 1ull << (SIGTERM - 1);

    return tn__run.stats_ns >= 0 && actions[sig].handler == (void *)SIG_DFL &&
           (watched & tn__run_bit(sig));
}

/* The engine's own, which it always has a handler for in the kernel, and passes
 * on if they are not its. */
static bool is_engines(int sig)
{
    return sig == SIGSYS || sig == TN__RUN_QUANTUM_SIGNAL;
}

/* Our handler stands in front of the default action, or of none. */
static bool is_ours(int sig)
{
    if (sig == SIGPIPE || sig == SIGXFSZ)
        return actions[sig].handler == (void *)SIG_DFL;
    if (sig == SIGCHLD && actions[sig].handler == (void *)SIG_IGN)
        return false; /* children that end are not waited for */
    return sig == SIGSEGV || sig == SIGBUS || is_watched(sig) ||
           (watched_too & tn__run_bit(sig));
}

/* Give the kernel what follows from what the program wants. */
static long load(int sig)
{
    static const unsigned long keep = SA_ONSTACK | SA_NOCLDSTOP | SA_NOCLDWAIT;
    struct tn__run_action a = actions[sig];

    if (is_function(&a) || is_ours(sig)) {
        a.handler = (void *)tn__run_signal_handler;
        a.flags = (a.flags & keep) | SA_SIGINFO | SA_NODEFER;
        a.mask = TN__RUN_BLOCKED;
    }
    return tn__run_action_load(sig, &a);
}

void tn__run_action_renew(int sig)
{
    load(sig);
}

void tn__run_actions_watch(tn__run_set set)
{
    /* Not what instructions raise: after a breakpoint they would go on. */
    set &= TN__RUN_BLOCKED & ~watched_too;
    set &= ~(tn__run_bit(SIGKILL) | tn__run_bit(SIGSTOP) |
             tn__run_bit(TN__RUN_QUANTUM_SIGNAL));
    watched_too |= set;
    for (; set; set &= set - 1)
        load(__builtin_ctzll(set) + 1);
}

void tn__run_actions_init(void)
{
    for (int sig = 1; sig <= TN__RUN_SIGNALS; sig++) {
        tn__raw4(SYS_rt_sigaction, sig, 0, (long)&actions[sig],
                 sizeof actions[sig].mask);
        if (!is_engines(sig) && is_ours(sig))
            load(sig);
    }
}

void tn__run_actions_unwatch(void)
{
    for (int sig = 1; sig <= TN__RUN_SIGNALS; sig++)
        if (actions[sig].handler == (void *)SIG_DFL && !is_engines(sig))
            load(sig);
}

void tn__run_actions_clear(void)
{
    for (int sig = 1; sig <= TN__RUN_SIGNALS; sig++) {
        if (!is_function(&actions[sig]))
            continue;
        actions[sig] = (struct tn__run_action){(void *)SIG_DFL, 0, NULL, 0};
        if (!is_engines(sig))
            load(sig);
    }
}

tn__run_set tn__run_actions_before_exec(void)
{
    tn__run_set set = 0;

    for (int sig = 1; sig <= TN__RUN_SIGNALS; sig++) {
        if (actions[sig].handler != (void *)SIG_IGN || is_engines(sig) ||
            !is_ours(sig))
            continue;
        tn__run_action_load(sig, &actions[sig]);
        set |= tn__run_bit(sig);
    }
    return set;
}

void tn__run_actions_after_exec(tn__run_set set)
{
    for (; set; set &= set - 1)
        load(__builtin_ctzll(set) + 1);
}

void tn__run_actions_go_native(void)
{
    for (int sig = 1; sig <= TN__RUN_SIGNALS; sig++)
        if (is_function(&actions[sig]) || is_ours(sig) || is_engines(sig))
            tn__raw4(SYS_rt_sigaction, sig, (long)&actions[sig], 0,
                     sizeof actions[sig].mask);
}

static bool is_ignored(int sig)
{
    static const tn__run_set by_default =
        1ull << (SIGCHLD - 1) | 1ull << (SIGCONT - 1) | 1ull << (SIGURG - 1) |
        1ull << (SIGWINCH - 1);

    return actions[sig].handler == (void *)SIG_IGN ||
           (actions[sig].handler == (void *)SIG_DFL &&
            (by_default & tn__run_bit(sig)));
}

long tn__run_rt_sigaction(struct tn__run_call *c)
{
    int sig = (int)c->a[0];
    const struct tn__run_action *wanted = (const void *)c->a[1];
    struct tn__run_action *old = (void *)c->a[2];
    struct tn__run_action before, given;
    long r;

    if (c->a[3] != sizeof before.mask || sig < 1 || sig > TN__RUN_SIGNALS ||
        sig == SIGKILL || sig == SIGSTOP)
        return tn__run_kernel(c);
    if (wanted && tn__run_copy(&given, wanted, sizeof given) < 0)
        return -EFAULT;
    before = actions[sig];
    if (wanted) {
        actions[sig] = given;
        actions[sig].mask &= ~(tn__run_bit(SIGKILL) | tn__run_bit(SIGSTOP));
        if (is_ignored(sig) && is_ours(sig)) /* the kernel forgets those */
            tn__run_action_load(sig, &actions[sig]);
        r = is_engines(sig) ? 0 : load(sig);
        if (r < 0) {
            actions[sig] = before;
            return r;
        }
        if (is_function(&given) && (given.flags & SA_ONSTACK))
            tn__run_altstack_handler(sig);
        if (is_ignored(sig)) {
            tn__run_signals_drain();
            tn__run_signal_discard(sig);
        }
    }
    return old ? tn__run_copy(old, &before, sizeof before) : 0;
}
