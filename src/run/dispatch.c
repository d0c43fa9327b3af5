/* SPDX-License-Identifier: MIT */
/* run/dispatch.c - one call of the program, from its arrival to its end.
 *
 * The table says what we do ourselves; every other call is the kernel's as it
 * stands. A call that was interrupted ends like this: signals that are due to
 * this green thread are delivered (signal.c), on its stack and outside of the
 * engine, and then the call is made again if Linux would do so.
 *
 * `in_engine` is one flag for all green threads: whoever is resumed inside the
 * engine finds it set, since whoever left did not clear it, and clears it when
 * it goes back to the program. */
#include "run/run.h"

/* Interrupted by a handler, a call gives EINTR even with SA_RESTART. */
enum { NEVER_AGAIN = 1 };

struct entry {
    tn__run_fn *fn;
    int flags;
};

static const struct entry table[TN__RUN_CALLS] = {
    [SYS_read] = {tn__run_read, 0},
    [SYS_write] = {tn__run_write, 0},
    [SYS_readv] = {tn__run_readv, 0},
    [SYS_writev] = {tn__run_writev, 0},
    [SYS_preadv2] = {tn__run_preadv2, 0},
    [SYS_pwritev2] = {tn__run_pwritev2, 0},
    [SYS_splice] = {tn__run_splice, 0},
    [SYS_tee] = {tn__run_tee, 0},
    [SYS_vmsplice] = {tn__run_vmsplice, 0},
    [SYS_open] = {tn__run_open, 0},
    [SYS_openat] = {tn__run_openat, 0},
    [SYS_close] = {tn__run_close, 0},
    [SYS_poll] = {tn__run_poll, NEVER_AGAIN},
    [SYS_ppoll] = {tn__run_ppoll, NEVER_AGAIN},
    [SYS_select] = {tn__run_select, NEVER_AGAIN},
    [SYS_pselect6] = {tn__run_pselect6, NEVER_AGAIN},
    [SYS_epoll_wait] = {tn__run_epoll_wait, NEVER_AGAIN},
    [SYS_epoll_pwait] = {tn__run_epoll_wait, NEVER_AGAIN},
    [441] = {tn__run_epoll_pwait2, NEVER_AGAIN}, /* epoll_pwait2 */
    [SYS_dup] = {tn__run_dup, 0},
    [SYS_dup2] = {tn__run_dup2, 0},
    [SYS_dup3] = {tn__run_dup3, 0},
    [436] = {tn__run_close_range, 0}, /* close_range */
    [SYS_fcntl] = {tn__run_fcntl, 0},
    [SYS_ioctl] = {tn__run_ioctl, 0},
    [SYS_flock] = {tn__run_flock, 0},
    [SYS_connect] = {tn__run_connect, 0},
    [SYS_accept] = {tn__run_accept, 0},
    [SYS_accept4] = {tn__run_accept4, 0},
    [SYS_sendto] = {tn__run_sendto, 0},
    [SYS_recvfrom] = {tn__run_recvfrom, 0},
    [SYS_sendmsg] = {tn__run_sendmsg, 0},
    [SYS_recvmsg] = {tn__run_recvmsg, 0},
    [SYS_sendmmsg] = {tn__run_sendmmsg, 0},
    [SYS_recvmmsg] = {tn__run_recvmmsg, 0},
    [SYS_sendfile] = {tn__run_sendfile, 0},
    [SYS_setsockopt] = {tn__run_setsockopt, 0},
    [SYS_nanosleep] = {tn__run_nanosleep, NEVER_AGAIN},
    [SYS_clock_nanosleep] = {tn__run_clock_nanosleep, NEVER_AGAIN},
    [SYS_sched_yield] = {tn__run_yield, 0},
    [SYS_pause] = {tn__run_pause, NEVER_AGAIN},
    [SYS_clone] = {tn__run_clone, 0},
    [435] = {tn__run_clone3, 0}, /* clone3 */
    [SYS_fork] = {tn__run_fork, 0},
    [SYS_vfork] = {tn__run_vfork, 0},
    [SYS_execve] = {tn__run_execve, 0},
    [SYS_execveat] = {tn__run_execve, 0},
    [SYS_exit] = {tn__run_exit, 0},
    [SYS_exit_group] = {tn__run_exit_group, 0},
    [SYS_wait4] = {tn__run_wait4, 0},
    [SYS_waitid] = {tn__run_waitid, 0},
    [SYS_futex] = {tn__run_futex, 0},
    [449] = {tn__run_no_such_call, 0}, /* futex_waitv */
    [SYS_gettid] = {tn__run_gettid, 0},
    [SYS_set_tid_address] = {tn__run_set_tid_address, 0},
    [SYS_set_robust_list] = {tn__run_set_robust_list, 0},
    [SYS_get_robust_list] = {tn__run_get_robust_list, 0},
    [334] = {tn__run_rseq, 0}, /* rseq */
    [SYS_arch_prctl] = {tn__run_arch_prctl, 0},
    [SYS_prctl] = {tn__run_prctl, 0},
    [SYS_sched_getaffinity] = {tn__run_sched_get, 0},
    [SYS_sched_getparam] = {tn__run_sched_get, 0},
    [SYS_sched_getscheduler] = {tn__run_sched_get, 0},
    [SYS_sched_getattr] = {tn__run_sched_get, 0},
    [SYS_sched_rr_get_interval] = {tn__run_sched_get, 0},
    [SYS_sched_setaffinity] = {tn__run_sched_set, 0},
    [SYS_sched_setparam] = {tn__run_sched_set, 0},
    [SYS_sched_setscheduler] = {tn__run_sched_set, 0},
    [SYS_sched_setattr] = {tn__run_sched_set, 0},
    [SYS_getpriority] = {tn__run_priority, 0},
    [SYS_setpriority] = {tn__run_priority_set, 0},
    [SYS_rt_sigaction] = {tn__run_rt_sigaction, 0},
    [SYS_rt_sigprocmask] = {tn__run_rt_sigprocmask, 0},
    [SYS_rt_sigreturn] = {tn__run_rt_sigreturn, 0},
    [SYS_rt_sigpending] = {tn__run_rt_sigpending, 0},
    [SYS_rt_sigsuspend] = {tn__run_rt_sigsuspend, NEVER_AGAIN},
    [SYS_rt_sigtimedwait] = {tn__run_rt_sigtimedwait, NEVER_AGAIN},
    [SYS_sigaltstack] = {tn__run_sigaltstack, 0},
    [SYS_tgkill] = {tn__run_tgkill, 0},
    [SYS_tkill] = {tn__run_tkill, 0},
    [SYS_rt_tgsigqueueinfo] = {tn__run_rt_tgsigqueueinfo, 0},
    [SYS_semop] = {tn__run_semop, NEVER_AGAIN},
    [SYS_semtimedop] = {tn__run_semtimedop, NEVER_AGAIN},
    [SYS_msgrcv] = {tn__run_msgrcv, NEVER_AGAIN},
    [SYS_msgsnd] = {tn__run_msgsnd, NEVER_AGAIN},
    [SYS_msgctl] = {tn__run_ipc_control, 0},
    [SYS_semctl] = {tn__run_ipc_control, 0},
    [SYS_mq_timedreceive] = {tn__run_mq_timedreceive, 0},
    [SYS_mq_timedsend] = {tn__run_mq_timedsend, 0},
    [SYS_io_getevents] = {tn__run_kernel, NEVER_AGAIN},
};

long tn__run_kernel(struct tn__run_call *c)
{
    int64_t start = tn__run.stats_ns >= 0 ? tn__run_clock(CLOCK_MONOTONIC) : 0;
    long r;

    r = tn__raw_unless_alert(c->nr, c->a[0], c->a[1], c->a[2], c->a[3],
                             c->a[4], c->a[5]);
    if (TN_UNLIKELY(start))
        tn__run_stats_slow(c->nr,
                           tn__run_clock(CLOCK_MONOTONIC) - start);
    return r;
}

/* An interrupted call: does Linux make it again, after these handlers? */
static bool is_again(const struct tn__run_call *c, long r, unsigned handlers)
{
    int flags = (unsigned long)c->nr < TN__RUN_CALLS ? table[c->nr].flags : 0;

    if (r == TN__RUN_AGAIN)
        return true;
    if (r != -EINTR || (handlers & 0xffff))
        return false;
    if (handlers)
        return !(flags & NEVER_AGAIN) && !c->is_once &&
               !(c->nr == SYS_futex && c->has_deadline);
    return !(c->can_cancel && tn__run_self()->is_poked);
}

long tn__run_syscall(struct tn__run_call *c)
{
    unsigned handlers;
    long r;

    do {
        tn__run.in_engine = 1;
        __asm__ volatile("" ::: "memory");
        if (TN_LIKELY((unsigned long)c->nr < TN__RUN_CALLS &&
                      table[c->nr].fn))
            r = table[c->nr].fn(c);
        else
            r = tn__run_kernel(c);
        if (TN_UNLIKELY(!tn__run.is_on)) { /* the child of a fork() */
            tn__run.in_engine = 0;
            return r;
        }
        tn__hub_tick(&tn__run_hub); /* who never waits starves nobody */
        handlers = tn__run_leave();
    } while (TN_UNLIKELY(is_again(c, r, handlers)));
    return r;
}
