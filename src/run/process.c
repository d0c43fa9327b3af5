/* SPDX-License-Identifier: MIT */
/* run/process.c - processes: exec, exit, and waiting for children. */
#include "run/run.h"

#include <sys/wait.h>

/* What is pending for this thread stays so over exec(): the kernel gets it,
 * with a mask that blocks it. Returns the set. */
static tn__run_set hand_over_pending(struct tn__run_green *green)
{
    tn__run_set set = 0;
    siginfo_t info;

    while (tn__run_signal_take(green, green->mask, &info)) {
        set |= tn__run_bit(info.si_signo);
        tn__raw4(SYS_rt_tgsigqueueinfo, tn__run.pid,
                 tn__raw1(SYS_gettid, 0), info.si_signo, (long)&info);
    }
    return set;
}

/* There was no exec(): take it back. */
static void take_back_pending(struct tn__run_green *green, tn__run_set set)
{
    static const struct timespec zero = {0, 0};
    siginfo_t info;

    while (set && tn__raw4(SYS_rt_sigtimedwait, (long)&set, (long)&info,
                           (long)&zero, sizeof set) > 0)
        tn__run_signal_post(green, &info);
}

/* The new program has the mask of the thread that calls. */
static long exec(struct tn__run_call *c)
{
    struct tn__run_green *green = tn__run_self();
    tn__run_set mask = tn__run_here()->kernel_mask, pending, ignored;
    long r;

    tn__run_mask_load(green->mask);
    pending = hand_over_pending(green);
    ignored = tn__run_actions_before_exec();
    r = tn__run_kernel(c);
    tn__run_actions_after_exec(ignored);
    take_back_pending(green, pending);
    if (tn__run_is_many)
        tn__run_mask_reload();
    else
        tn__run_mask_load(mask);
    return r;
}

long tn__run_execve(struct tn__run_call *c)
{
    int arg = c->nr == SYS_execve ? 2 : 3;
    long given = c->a[arg], r;
    struct tn__run_environ e = {0};

    if (tn__run_self()->own)
        return -EPERM;
    if (!tn__run_environ_has_gone())
        return exec(c);
    r = tn__run_environ_restore((const char *const *)given, &e);
    if (r < 0)
        return r;
    c->a[arg] = (long)e.env;
    r = exec(c);
    c->a[arg] = given;
    tn__run_environ_free(&e);
    return r;
}

long tn__run_exit_group(struct tn__run_call *c)
{
    tn__run_stats_print();
    tn__run_inspect_close();
    tn__run_robust_give_up_all();
    return tn__raw1(SYS_exit_group, c->a[0]);
}

/* ---- waiting for children ---- */

/* Until this child may have ended. 0 or a negative errno. */
static long wait_for_pid(int pid)
{
    long r;

    do
        r = tn__run_fd_wait_own(tn__raw3(SYS_pidfd_open, pid, 0, 0),
                                TN_FOREVER, "wait");
    while (r == -EBADF);
    return r < 0 ? r : 0;
}

/* With __WNOTHREAD only children of the calling thread count, and a helper has
 * none. Here they all have the same parent. */
static long wait_on_helper(const struct tn__run_call *c, int arg)
{
    struct tn__run_call waiting = *c;

    waiting.a[arg] &= ~(long)__WNOTHREAD;
    return tn__run_offload(&waiting);
}

static long wait4_for(struct tn__run_call *c)
{
    static const int stops = WUNTRACED | WCONTINUED;
    int pid = (int)c->a[0], options = (int)c->a[2];
    long r;

    /* Alone, it may as well stop the kernel thread. */
    if ((options & WNOHANG) || tn__run.counts.alive == 1)
        return tn__run_kernel(c);
    for (;;) {
        r = tn__raw4(SYS_wait4, pid, c->a[1], options | WNOHANG, c->a[3]);
        if (r != 0)
            return r;
        if (pid <= 0 || (options & stops))
            return wait_on_helper(c, 2);
        r = wait_for_pid(pid);
        if (r < 0)
            return r == -EMFILE ? wait_on_helper(c, 2) : r;
    }
}

static long waitid_for(struct tn__run_call *c)
{
    siginfo_t info = {0};
    int type = (int)c->a[0], options = (int)c->a[3];
    bool is_end = !(options & (WSTOPPED | WCONTINUED));
    long r;

    if ((options & WNOHANG) || tn__run.counts.alive == 1)
        return tn__run_kernel(c);
    if (type != P_PID || !is_end)
        return wait_on_helper(c, 3);
    for (;;) {
        info.si_pid = 0;
        r = tn__raw(SYS_waitid, type, c->a[1], (long)&info, options | WNOHANG,
                    c->a[4], 0);
        if (r < 0 || info.si_pid != 0) /* it tells in either case */
            return c->a[2] && tn__run_copy((void *)c->a[2], &info,
                                           sizeof info) < 0
                       ? -EFAULT
                       : r;
        r = wait_for_pid((int)c->a[1]);
        if (r < 0)
            return r == -EMFILE ? wait_on_helper(c, 3) : r;
    }
}

/* The signal that tells of a child comes before the call ends: be where that
 * is, so that it has come. */
static long told(long r)
{
    if (tn__run_is_many && r != -EINTR && tn__run_has_handler(SIGCHLD))
        tn__run_go_first();
    return r;
}

long tn__run_wait4(struct tn__run_call *c)
{
    return told(wait4_for(c));
}

long tn__run_waitid(struct tn__run_call *c)
{
    return told(waitid_for(c));
}
