/* SPDX-License-Identifier: MIT */
/* run/process.c - processes: fork, exec, wait, exit.
 *
 * A forked child runs native: Syscall User Dispatch is not inherited, our
 * interposed functions are plain calls from then on, and the program's handlers
 * are given to the kernel. Only the green thread that forked lives on in it,
 * as the one kernel thread.
 *
 * A child that shares our memory until it calls exec, with a stack of its own
 * (posix_spawn), goes on where the program made the call; this process stands
 * still meanwhile, and is_on is 0, so that the child touches nothing of ours.
 * vfork() without a stack of its own becomes fork().
 *
 * The kernel blocks all signals around both: one must not find the parent with
 * the engine off, nor the child before it is native. */
#include "run/run.h"

#include <poll.h>
#include <sched.h>
#include <sys/wait.h>

enum { BACKOFF_MIN_NS = 200000, BACKOFF_MAX_NS = 10000000 };

static void set_frame_mask(struct tn__run_call *c)
{
    if (c->uc)
        *(tn__run_set *)(void *)&c->uc->uc_sigmask = tn__run_self()->mask;
}

static long fork_as(struct tn__run_call *c, long nr, long a0)
{
    tn__run_set mask = tn__run.kernel_mask;
    long r;

    set_frame_mask(c);
    tn__run_mask_load(~(tn__run_set)0);
    r = tn__raw(nr, a0, c->a[1], c->a[2], c->a[3], c->a[4], c->a[5]);
    if (r == 0) {
        tn__run_go_native();
        tn__run_mask_load(tn__run_self()->mask);
        return 0;
    }
    tn__run.has_forked = true;
    tn__run_mask_load(mask);
    return r;
}

long tn__run_fork(struct tn__run_call *c)
{
    return fork_as(c, c->nr, c->a[0]);
}

/* What is asked for is a vfork() that cannot share our stack. */
static long vfork_as_fork(struct tn__run_call *c)
{
    uint64_t args[16] = {0};
    size_t bytes = (size_t)c->a[1];

    switch (c->nr) {
    case SYS_vfork:
        c->a[1] = c->a[2] = c->a[3] = c->a[4] = 0;
        return fork_as(c, SYS_clone, CLONE_VFORK | SIGCHLD);
    case SYS_clone:
        return fork_as(c, SYS_clone, c->a[0] & ~(long)CLONE_VM);
    default: /* clone3 */
        if (bytes > sizeof args)
            return -E2BIG;
        for (size_t i = 0; i < bytes / 8; i++)
            args[i] = ((const uint64_t *)c->a[0])[i];
        args[0] &= ~(uint64_t)CLONE_VM;
        return fork_as(c, c->nr, (long)args);
    }
}

static bool has_own_stack(const struct tn__run_call *c)
{
    if (c->nr == SYS_vfork)
        return false;
    if (c->nr == SYS_clone)
        return c->a[1] != 0;
    return ((const uint64_t *)c->a[0])[5] != 0;
}

long tn__run_vfork(struct tn__run_call *c)
{
    tn__run_set mask = tn__run.kernel_mask;
    long r;

    if (!c->uc)
        return -EINVAL;
    if (!has_own_stack(c))
        return vfork_as_fork(c);
    tn__run_mask_load(~(tn__run_set)0);
    tn__run.is_on = 0;
    r = tn__run_spawn(c->nr, c->a,
                      (struct tn__run_regs *)(void *)
                          c->uc->uc_mcontext.gregs,
                      &tn__run_self()->mask);
    tn__run.is_on = 1;
    tn__run.has_forked = true;
    tn__run_mask_load(mask);
    return r;
}

long tn__run_execve(struct tn__run_call *c)
{
    tn__run_set mask = tn__run.kernel_mask;
    long r;

    tn__run_mask_load(tn__run_self()->mask);
    r = tn__run_kernel(c);
    tn__run_mask_load(mask);
    return r;
}

long tn__run_exit_group(struct tn__run_call *c)
{
    tn__run_stats_print();
    return tn__raw1(SYS_exit_group, c->a[0]);
}

/* ---- waiting for children ---- */

/* Until this child may have ended. 0 or a negative errno. */
static long wait_for_pid(int pid)
{
    long fd = tn__run_fd_hide(tn__raw3(SYS_pidfd_open, pid, 0, 0));
    long r;

    if (fd < 0)
        return fd;
    r = tn__run_wait_fd((int)fd, POLLIN, TN_FOREVER, "wait");
    tn__run_fd_forget((int)fd);
    tn__sys_close((int)fd);
    return r < 0 ? r : 0;
}

/* Until something may have changed. `backoff` grows from call to call. */
static long wait_a_little(int64_t *backoff)
{
    tn_time until = tn__clock_after(tn__clock_now(), *backoff);

    if (*backoff < BACKOFF_MAX_NS)
        *backoff *= 2;
    return tn__run_sleep_until(until, "wait");
}

long tn__run_wait4(struct tn__run_call *c)
{
    static const int stops = WUNTRACED | WCONTINUED;
    int64_t backoff = BACKOFF_MIN_NS;
    int pid = (int)c->a[0], options = (int)c->a[2];
    long r;

    /* Alone, it may as well stop the kernel thread. */
    if ((options & WNOHANG) || tn__run.counts.alive == 1)
        return tn__run_kernel(c);
    for (;;) {
        r = tn__raw4(SYS_wait4, pid, c->a[1], options | WNOHANG, c->a[3]);
        if (r != 0)
            return r;
        if (pid > 0 && !(options & stops))
            r = wait_for_pid(pid);
        else
            r = wait_a_little(&backoff);
        if (r < 0)
            return r;
    }
}

long tn__run_waitid(struct tn__run_call *c)
{
    siginfo_t own, *info = c->a[2] ? (siginfo_t *)c->a[2] : &own;
    int64_t backoff = BACKOFF_MIN_NS;
    int type = (int)c->a[0], options = (int)c->a[3];
    bool is_end = !(options & (WSTOPPED | WCONTINUED));
    long r;

    if ((options & WNOHANG) || tn__run.counts.alive == 1)
        return tn__run_kernel(c);
    for (;;) {
        info->si_pid = 0;
        r = tn__raw(SYS_waitid, type, c->a[1], (long)info, options | WNOHANG,
                    c->a[4], 0);
        if (r < 0 || info->si_pid != 0)
            return r;
        if (type == P_PID && is_end)
            r = wait_for_pid((int)c->a[1]);
        else
            r = wait_a_little(&backoff);
        if (r < 0)
            return r;
    }
}
