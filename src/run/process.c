/* SPDX-License-Identifier: MIT */
/* run/process.c - processes: exec, exit, and waiting for children. */
#include "run/run.h"

#include <sys/ptrace.h>
#include <sys/wait.h>

enum { LOOK_MIN_NS = 5000000, LOOK_MAX_NS = 1000000000 };

tn__run_set tn__run_hand_over_pending(struct tn__run_green *green)
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
    pending = tn__run_hand_over_pending(green);
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

/* We trace some process: one that is traced may stop, too, which ends any wait
 * for it, and no descriptor tells of that. */
static bool is_tracer;

/* A forked child asks to be traced, before it calls exec(): its tracer is to
 * see its calls, and signals, as they are. */
static long trace_me(struct tn__run_call *c)
{
    long r = tn__run_kernel(c);

    if (r < 0)
        return r;
    tn__run_trap_disarm();
    if (c->uc)
        *(tn__run_set *)(void *)&c->uc->uc_sigmask = tn__run_self()->mask;
    tn__run_fds_drop();
    tn__run_go_native();
    tn__run_mask_load(tn__run_self()->mask);
    return r;
}

/* Who traces is one kernel thread, which has to make all these calls. */
long tn__run_ptrace(struct tn__run_call *c)
{
    tn__run_go_first();
    if (c->a[0] != PTRACE_TRACEME)
        is_tracer = true;
    else if (tn__run.is_copy && tn__run.counts.threads == 0)
        return trace_me(c);
    return tn__run_kernel(c);
}

/* Until this child may have ended. 0 or a negative errno. One that asks to be
 * traced does so at its beginning: so we look whether it has stopped, at
 * distances that double from *look_ns. */
static long wait_for_pid(int pid, int64_t *look_ns)
{
    tn_time until = TN_FOREVER;
    long r;

    if (*look_ns < LOOK_MAX_NS) {
        until = tn__clock_after(tn__clock_now(), *look_ns);
        *look_ns *= 2;
    }
    do
        r = tn__run_fd_wait_own(tn__raw3(SYS_pidfd_open, pid, 0, 0), until,
                                "wait");
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
    int64_t look_ns = LOOK_MIN_NS;
    long r;

    /* Alone, it may as well stop the kernel thread. */
    if ((options & WNOHANG) || tn__run.counts.alive == 1)
        return tn__run_kernel(c);
    for (;;) {
        r = tn__raw4(SYS_wait4, pid, c->a[1], options | WNOHANG, c->a[3]);
        if (r != 0)
            return r;
        if (pid <= 0 || (options & stops) || is_tracer)
            return wait_on_helper(c, 2);
        r = wait_for_pid(pid, &look_ns);
        if (r < 0)
            return r == -EMFILE ? wait_on_helper(c, 2) : r;
    }
}

static long waitid_for(struct tn__run_call *c)
{
    siginfo_t info = {0};
    int type = (int)c->a[0], options = (int)c->a[3];
    bool is_end = !(options & (WSTOPPED | WCONTINUED));
    int64_t look_ns = LOOK_MIN_NS;
    long r;

    if ((options & WNOHANG) || tn__run.counts.alive == 1)
        return tn__run_kernel(c);
    if (type != P_PID || !is_end || is_tracer)
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
        r = wait_for_pid((int)c->a[1], &look_ns);
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
