/* SPDX-License-Identifier: MIT */
/* run/credentials.c - calls that change what the kernel keeps for each thread:
 * credentials, namespaces, the root and working directory once unshared.
 *
 * A thread that makes such a call for itself alone gets a kernel thread of its
 * own, which only makes its system calls: what the kernel keeps shows nowhere
 * else. It stays a green thread for all that the engine does for it (threads,
 * locks, signals, sleeps, poll), and is slower at the rest. What a program or a
 * thread that it starts would have of it cannot be had so: it may start none.
 *
 * libc makes setuid() and its kin in each thread, since they are meant for the
 * process: it sends all of them a signal, whose handlers make the call, and
 * makes it last itself. The engine makes the first of these for all, and gives
 * its result to the others: made again, it might do something else (setuid(0)
 * by who is not root, and then by root). The other helpers have what they have
 * from their birth: they are retired, and those that are born next have the
 * new. */
#include "run/run.h"

#include <sched.h>

/* What glibc's setuid() sends, and musl's, which glibc gives to programs. */
enum { SIGNAL_GLIBC = 33, SIGNAL_MUSL = 34 };
extern const char *gnu_get_libc_version(void) __attribute__((weak));

enum { /* not in all headers */
    NR_RSEQ = 334,
    NR_CLONE3 = 435,
    NR_CLOSE_RANGE = 436,
    NR_EPOLL_PWAIT2 = 441,
    NR_FUTEX_WAITV = 449,
    PR_SET_NAME = 15,
    PR_GET_NAME = 16
};

/* The calls of a thread with a kernel thread of its own that do not go there:
 * the engine answers them, or they are the same anywhere. */
static const short ours[] = {
    SYS_close, SYS_poll, SYS_ppoll, SYS_select, SYS_pselect6, SYS_epoll_wait,
    SYS_epoll_pwait, NR_EPOLL_PWAIT2, SYS_dup, SYS_dup2, SYS_dup3,
    NR_CLOSE_RANGE, SYS_fcntl, SYS_ioctl, SYS_setsockopt, SYS_nanosleep,
    SYS_clock_nanosleep, SYS_sched_yield, SYS_pause, SYS_clone, NR_CLONE3,
    SYS_fork, SYS_vfork, SYS_execve, SYS_execveat, SYS_exit, SYS_exit_group,
    SYS_wait4, SYS_waitid, SYS_futex, NR_FUTEX_WAITV, SYS_gettid,
    SYS_set_tid_address, SYS_set_robust_list, SYS_get_robust_list, NR_RSEQ,
    SYS_arch_prctl, SYS_sched_getaffinity, SYS_sched_getparam,
    SYS_sched_getscheduler, SYS_sched_getattr, SYS_sched_rr_get_interval,
    SYS_sched_setaffinity, SYS_sched_setparam, SYS_sched_setscheduler,
    SYS_sched_setattr, SYS_getpriority, SYS_setpriority, SYS_rt_sigaction,
    SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending,
    SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_sigaltstack, SYS_tgkill,
    SYS_tkill, SYS_rt_tgsigqueueinfo, SYS_timer_create, SYS_timer_delete,
    SYS_timer_settime, SYS_timer_getoverrun, SYS_mmap, SYS_munmap, SYS_mremap,
    SYS_mprotect, SYS_madvise, SYS_brk, SYS_setuid, SYS_setgid, SYS_setreuid,
    SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setgroups, SYS_unshare,
    SYS_io_getevents, SYS_io_submit,
};

bool tn__run_is_own_call(const struct tn__run_call *c)
{
    if (c->nr == SYS_prctl)
        return c->a[0] != PR_SET_NAME && c->a[0] != PR_GET_NAME;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (c->nr == ours[i])
            return false;
    return true;
}

/* What the call that libc is making in each thread has given, from the first of
 * them to that of the one that tells. It makes no two at once. */
static struct {
    bool is_made;
    long r;
} told;

void tn__run_credentials_told(struct tn__run_green *green, int sig)
{
    if (sig != (gnu_get_libc_version ? SIGNAL_GLIBC : SIGNAL_MUSL))
        return;
    tn__run_self()->tells = true;
    green->is_told = true;
    green->tells = false; /* libc may have told others for something else */
}

void tn__run_credentials_in_child(void)
{
    struct tn__run_green *self = tn__run_self();

    self->is_told = self->tells = false;
    told.is_made = false;
}

/* By a kernel thread of its own, unless nothing came of it. */
static long for_self(struct tn__run_call *c)
{
    struct tn__run_green *self = tn__run_self();
    bool is_first = !self->own;
    long r = tn__run_offload_own(c);

    if (r < 0 && is_first)
        tn__run_offload_drop(self);
    return r;
}

/* One that this kernel thread has made. */
static long spread(const struct tn__run_call *c, long r)
{
    if (r < 0)
        return r;
    tn__run_everywhere(c);
    tn__run_offload_retire();
    return r;
}

static long for_all(struct tn__run_call *c)
{
    return spread(c, tn__run_kernel(c));
}

/* With the lock, so that nobody comes between the call and its result. */
static long once(const struct tn__run_call *c, bool is_last)
{
    long r;

    if (!told.is_made) {
        told.r = tn__raw(c->nr, c->a[0], c->a[1], c->a[2], c->a[3], c->a[4],
                         c->a[5]);
        told.is_made = true;
        spread(c, told.r);
    }
    r = told.r;
    if (is_last)
        told.is_made = false;
    return r;
}

long tn__run_credentials(struct tn__run_call *c)
{
    return for_all(c);
}

/* What libc makes in every thread. */
long tn__run_identity(struct tn__run_call *c)
{
    struct tn__run_green *self = tn__run_self();
    bool is_last = self->tells;
    bool is_broadcast = self->is_told || is_last;

    self->is_told = self->tells = false;
    if (self->own) {
        if (is_last)
            told.is_made = false;
        return for_self(c);
    }
    if (is_broadcast)
        return once(c, is_last);
    return tn__run.counts.alive == 1 ? for_all(c) : for_self(c);
}

/* What nobody makes for others. */
long tn__run_alone(struct tn__run_call *c)
{
    if (tn__run.counts.alive == 1 && !tn__run_self()->own)
        return for_all(c);
    return for_self(c);
}

/* They want a process with one thread, for some of what they do: helpers must
 * not be in the way. With a table of descriptors of its own the loop could not
 * serve a thread. */
long tn__run_namespaces(struct tn__run_call *c)
{
    if (tn__run.counts.alive > 1) {
        if (c->nr == SYS_unshare && (c->a[0] & CLONE_FILES))
            return -EINVAL;
        return for_self(c);
    }
    tn__run_offload_retire();
    tn__run_offload_join();
    return tn__run_self()->own ? for_self(c) : for_all(c);
}
