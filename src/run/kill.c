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

/* Does the kernel act on it by itself, whoever gets it? */
static bool is_for_kernel(const struct tn__run_green *green, int sig)
{
    return !tn__run_has_handler(sig) && !(green->mask & tn__run_bit(sig)) &&
           !(green->wait_set & tn__run_bit(sig));
}

static long send(int tid, int sig, const siginfo_t *info)
{
    struct tn__run_green *green = tn__run_find_tid(tid);
    siginfo_t own;

    if (!green)
        return -ESRCH;
    if (sig < 0 || sig > TN__RUN_SIGNALS)
        return -EINVAL;
    if (sig == 0)
        return 0;
    if (is_for_kernel(green, sig))
        return tn__raw3(SYS_tgkill, tn__run.pid, tn__run.pid, sig);
    if (!info) {
        fill(&own, sig);
        info = &own;
    }
    tn__run_signal_post(green, info);
    return 0;
}

/* Of this process, as far as we can tell: fake numbers, and main's. */
static bool is_ours(long tid)
{
    return tid >= TN__RUN_TID_MIN || tid == tn__run.pid;
}

long tn__run_tgkill(struct tn__run_call *c)
{
    if ((c->a[0] != tn__run.pid && c->a[0] != -1) || !is_ours(c->a[1]))
        return tn__run_kernel(c);
    return send((int)c->a[1], (int)c->a[2], NULL);
}

long tn__run_tkill(struct tn__run_call *c)
{
    if (!is_ours(c->a[0]))
        return tn__run_kernel(c);
    return send((int)c->a[0], (int)c->a[1], NULL);
}

long tn__run_rt_tgsigqueueinfo(struct tn__run_call *c)
{
    siginfo_t info;

    if (c->a[0] != tn__run.pid || !is_ours(c->a[1]))
        return tn__run_kernel(c);
    info = *(const siginfo_t *)c->a[3];
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
        return;
    }
}

/* ---- rt_sigtimedwait() ---- */

/* One that is there already, from our list or the kernel's. */
static long take_now(struct tn__run_call *c, tn__run_set set)
{
    static const struct timespec zero = {0, 0};
    siginfo_t info;

    if (tn__run_signal_take(tn__run_self(), set, &info)) {
        if (c->a[1])
            *(siginfo_t *)c->a[1] = info;
        return info.si_signo;
    }
    return tn__raw4(SYS_rt_sigtimedwait, c->a[0], c->a[1], (long)&zero,
                    c->a[3]);
}

/* A descriptor that becomes readable when a signal of the set is pending in the
 * kernel: one that every green thread blocks. */
static long wait_for(tn__run_set set, tn_time deadline)
{
    long fd = tn__run_fd_hide(
        tn__raw4(SYS_signalfd4, -1, (long)&set, sizeof set, 02004000));
    long r;

    if (fd < 0)
        return fd;
    r = tn__run_wait_fd((int)fd, 1 /* POLLIN */, deadline, "sigwait");
    tn__run_fd_forget((int)fd);
    tn__sys_close((int)fd);
    return r == 0 ? -EAGAIN : r;
}

long tn__run_rt_sigtimedwait(struct tn__run_call *c)
{
    struct tn__run_green *green = tn__run_self();
    const tn__run_set *set = (const void *)c->a[0];
    long r;
    int failed;

    if (c->a[3] != sizeof *set)
        return -EINVAL;
    if (!c->has_deadline) {
        failed = tn__run_deadline((const void *)c->a[2], CLOCK_MONOTONIC,
                                  false, &c->deadline);
        if (failed < 0)
            return failed;
        c->has_deadline = true;
    }
    for (;;) {
        r = take_now(c, *set);
        if (r != -EAGAIN)
            return r;
        green->wait_set = *set;
        r = wait_for(*set, c->deadline);
        green->wait_set = 0;
        if (r == -EINTR && (green->pending & *set)) {
            green->g.alert &= (uint8_t)~TN__ALERT_KILL;
            continue;
        }
        if (r < 0)
            return r;
    }
}
