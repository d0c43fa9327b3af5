/* SPDX-License-Identifier: MIT */
/* run/kill.c - signals for one thread, and waiting for signals.
 *
 * A signal for a green thread never reaches the kernel before that thread runs:
 * it goes to its list (signal.c). So pthread_kill() runs the handler on the
 * stack of its target, and interrupts the call in which that waits. */
#include "run/run.h"

static void fill(siginfo_t *info, int sig)
{
    *info = (siginfo_t){.si_signo = sig, .si_code = SI_TKILL};
    info->si_pid = tn__run.pid;
    info->si_uid = (unsigned)tn__raw1(SYS_getuid, 0);
}

/* Is it over with at once, whoever gets it? */
static bool is_at_once(const struct tn__run_green *green, int sig)
{
    return !tn__run_has_handler(sig) && !(green->mask & tn__run_bit(sig)) &&
           !(green->wait_set & tn__run_bit(sig));
}

static long send(int tid, int sig, const siginfo_t *info)
{
    struct tn__run_green *green;
    siginfo_t own;
    long r;

    if (TN_UNLIKELY(tn__run.by_signalfd))
        tn__run_go_first(); /* from there the kernel takes any siginfo */
    green = tn__run_find_tid(tid);
    if (!green)
        return -ESRCH;
    if (sig < 0 || sig > TN__RUN_SIGNALS)
        return -EINVAL;
    if (sig == 0)
        return 0;
    if (sig >= 32)
        tn__run_credentials_told(green, sig);
    tn__run_signal_displace(sig);
    if (is_at_once(green, sig)) {
        if (tn__run_action_of(sig)->handler == (void *)SIG_DFL)
            tn__run_act_by_default(sig);
        return 0;
    }
    if (!info) {
        fill(&own, sig);
        info = &own;
    }
    r = tn__run_signal_send(green, info);
    return sig >= 32 ? r : 0;
}

void tn__run_raise_self(int sig)
{
    siginfo_t info;

    fill(&info, sig);
    info.si_code = SI_USER;
    send(tn__run_self()->tid, sig, &info);
}

/* For the process. Of what one may say in its name, the kernel allows more to
 * main, whose number is the process's. */
long tn__run_rt_sigqueueinfo(struct tn__run_call *c)
{
    siginfo_t info;

    tn__run_go_first();
    if (c->a[0] != tn__run.pid || tn__run_self() == tn__run.main)
        return tn__run_kernel(c);
    if (tn__run_copy(&info, (const void *)c->a[2], sizeof info) < 0)
        return -EFAULT;
    if (info.si_code >= 0 || info.si_code == SI_TKILL)
        return -EPERM;
    return tn__run_kernel(c);
}

/* One for this process arrives before it returns, where that is: on the kernel
 * thread of main(). By the number of any thread one kills its process. */
long tn__run_kill(struct tn__run_call *c)
{
    if (c->a[0] >= TN__RUN_TID_MIN && tn__run_find_tid((int)c->a[0]))
        c->a[0] = tn__run.pid;
    tn__run_go_first();
    if (c->a[0] == tn__run.pid)
        tn__run_signal_displace((int)c->a[1]);
    return tn__run_kernel(c);
}

/* Of this process, as far as we can tell: fake numbers, and main's. */
static bool is_ours(int tid)
{
    return tid >= TN__RUN_TID_MIN || tid == tn__run.pid;
}

long tn__run_tgkill(struct tn__run_call *c)
{
    if (c->a[0] != tn__run.pid || !is_ours((int)c->a[1]))
        return tn__run_kernel(c);
    return send((int)c->a[1], (int)c->a[2], NULL);
}

long tn__run_tkill(struct tn__run_call *c)
{
    if (!is_ours((int)c->a[0]))
        return tn__run_kernel(c);
    return send((int)c->a[0], (int)c->a[1], NULL);
}

long tn__run_rt_tgsigqueueinfo(struct tn__run_call *c)
{
    siginfo_t info;

    if (c->a[0] != tn__run.pid || !is_ours((int)c->a[1]))
        return tn__run_kernel(c);
    if (tn__run_copy(&info, (const void *)c->a[3], sizeof info) < 0)
        return -EFAULT;
    if ((info.si_code >= 0 || info.si_code == SI_TKILL) &&
        c->a[1] != tn__run_self()->tid)
        return -EPERM;
    info.si_signo = (int)c->a[2];
    return send((int)c->a[1], (int)c->a[2], &info);
}

void tn__run_poke(uint64_t fs_base)
{
    for (struct tn__list *n = tn__run.greens.next; n != &tn__run.greens;
         n = n->next) {
        struct tn__run_green *green =
            TN_CONTAINER(n, struct tn__run_green, all);

        if (green->g.carry.fs_base != fs_base)
            continue;
        green->is_poked = true;
        green->g.alert |= TN__ALERT_KILL;
        tn__hub_wake(&green->g);
        tn__run_nudge(green);
        return;
    }
}

/* ---- rt_sigtimedwait() ---- */

/* Is one that the kernel had for another green thread? Then that gets it. */
static bool is_for_another(const siginfo_t *info)
{
    int tid = 0;

    if (info->si_code == SI_TIMER)
        tid = tn__run_timer_target(info);
    else if (!tn__run_signal_is_tagged(info, &tid))
        tid = 0;
    if (tid == 0 || tid == tn__run_self()->tid)
        return false;
    tn__run_signal_hand_over(info);
    return true;
}

/* One that is there already, from our lists or the kernel's. */
static long take_now(struct tn__run_call *c, tn__run_set set)
{
    static const struct timespec zero = {0, 0};
    siginfo_t info;
    long r;

    if (!tn__run_signal_take(tn__run_self(), set, &info))
        do {
            r = tn__raw4(SYS_rt_sigtimedwait, (long)&set, (long)&info,
                         (long)&zero, sizeof set);
            if (r < 0)
                return r;
        } while (is_for_another(&info));
    if (info.si_code == SI_TIMER)
        tn__run_timer_taken(&info);
    if (c->a[1] && tn__run_copy((void *)c->a[1], &info, sizeof info) < 0)
        return -EFAULT;
    return info.si_signo;
}

/* Until a signal of the set may be pending in the kernel: one that every green
 * thread blocks. There is a descriptor for that; who can have none looks again
 * and again. -EAGAIN at the deadline. */
static long wait_for(tn__run_set set, tn_time deadline)
{
    enum { LOOK_NS = 5000000 };
    tn_time until;
    long r = tn__run_fd_wait_own(
        tn__raw4(SYS_signalfd4, -1, (long)&set, sizeof set, 02004000),
        deadline, "sigwait");

    if (r == -EBADF)
        return 0;
    if (r != -EMFILE)
        return r == 0 ? -EAGAIN : r;
    until = tn__clock_after(tn__clock_now(), LOOK_NS);
    r = tn__run_sleep_until(until < deadline ? until : deadline, "sigwait");
    return r == 0 && until >= deadline ? -EAGAIN : r;
}

long tn__run_rt_sigtimedwait(struct tn__run_call *c)
{
    struct tn__run_green *green = tn__run_self();
    tn__run_set set;
    long r;
    int failed;

    if (c->a[3] != sizeof set)
        return -EINVAL;
    if (tn__run_copy(&set, (const void *)c->a[0], sizeof set) < 0)
        return -EFAULT;
    if (!c->has_deadline) {
        failed = tn__run_deadline((const void *)c->a[2], false, &c->deadline);
        if (failed < 0)
            return failed;
        c->has_deadline = true;
    }
    for (;;) {
        r = take_now(c, set);
        if (r != -EAGAIN)
            return r;
        tn__run_actions_watch(set); /* others may not block it */
        green->wait_set = set;
        r = wait_for(set, c->deadline);
        green->wait_set = 0;
        if (r == -EINTR && tn__run_signal_next(green, set)) {
            green->g.alert &= (uint8_t)~TN__ALERT_KILL;
            continue;
        }
        if (r < 0)
            return r;
    }
}

/* From now on the kernel must have what all block of these (pending.c). */
long tn__run_signalfd(struct tn__run_call *c)
{
    tn__run_set set;

    if (c->a[2] == sizeof set &&
        tn__run_copy(&set, (const void *)c->a[1], sizeof set) == 0)
        tn__run.by_signalfd |= set;
    return (int)c->a[0] < 0 ? tn__run_new(c) : tn__run_kernel(c);
}
