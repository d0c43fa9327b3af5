/* SPDX-License-Identifier: MIT */
/* run/dispatch.c - one call of the program, from its arrival to its end.
 *
 * The table says what we do ourselves; every other call is the kernel's as it
 * stands. A call that was interrupted ends like this: signals that are due to
 * this green thread are delivered (signal.c), on its stack and outside of the
 * engine, and then the call is made again if Linux would do so.
 *
 * `in_engine` is one flag for all on a kernel thread: whoever is resumed inside
 * the engine finds it set, since whoever left did not clear it, and clears it
 * when it goes back to the program. */
#include "run/patch.h"

enum {
    NEVER_AGAIN = 1, /* interrupted by a handler: EINTR even with SA_RESTART */
    CLOSES = 2       /* with EINTR too it has closed what it is to close */
};

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
    [SYS_pread64] = {tn__run_file_io, 0},
    [SYS_pwrite64] = {tn__run_file_io, 0},
    [SYS_preadv] = {tn__run_file_io, 0},
    [SYS_pwritev] = {tn__run_file_io, 0},
    [SYS_lseek] = {tn__run_lseek, 0},
    [SYS_stat] = {tn__run_path, 0},
    [SYS_lstat] = {tn__run_path, 0},
    [SYS_access] = {tn__run_path, 0},
    [SYS_faccessat] = {tn__run_path, 0},
    [439] = {tn__run_path, 0}, /* faccessat2 */
    [SYS_chdir] = {tn__run_path, 0},
    [SYS_mkdir] = {tn__run_path, 0},
    [SYS_mkdirat] = {tn__run_path, 0},
    [SYS_rmdir] = {tn__run_path, 0},
    [SYS_unlink] = {tn__run_path, 0},
    [SYS_unlinkat] = {tn__run_path, 0},
    [SYS_rename] = {tn__run_path, 0},
    [SYS_renameat] = {tn__run_path, 0},
    [SYS_renameat2] = {tn__run_path, 0},
    [SYS_link] = {tn__run_path, 0},
    [SYS_linkat] = {tn__run_path, 0},
    [SYS_symlink] = {tn__run_path, 0},
    [SYS_symlinkat] = {tn__run_path, 0},
    [SYS_readlink] = {tn__run_path, 0},
    [SYS_readlinkat] = {tn__run_path, 0},
    [SYS_chmod] = {tn__run_path, 0},
    [SYS_fchmodat] = {tn__run_path, 0},
    [SYS_chown] = {tn__run_path, 0},
    [SYS_lchown] = {tn__run_path, 0},
    [SYS_fchownat] = {tn__run_path, 0},
    [SYS_truncate] = {tn__run_path, 0},
    [SYS_statfs] = {tn__run_path, 0},
    [SYS_utimensat] = {tn__run_path, 0},
    [SYS_utimes] = {tn__run_path, 0},
    [SYS_mknod] = {tn__run_path, 0},
    [SYS_mknodat] = {tn__run_path, 0},
    [SYS_getxattr] = {tn__run_path, 0},
    [SYS_lgetxattr] = {tn__run_path, 0},
    [SYS_setxattr] = {tn__run_path, 0},
    [SYS_listxattr] = {tn__run_path, 0},
    [SYS_llistxattr] = {tn__run_path, 0},
    [SYS_lsetxattr] = {tn__run_path, 0},
    [SYS_removexattr] = {tn__run_path, 0},
    [SYS_lremovexattr] = {tn__run_path, 0},
    [SYS_chroot] = {tn__run_path, 0},
    [SYS_utime] = {tn__run_path, 0},
    [SYS_futimesat] = {tn__run_path, 0},
    [SYS_name_to_handle_at] = {tn__run_path, 0},
    [SYS_inotify_add_watch] = {tn__run_path, 0},
    [SYS_fanotify_mark] = {tn__run_path, 0},
    [SYS_acct] = {tn__run_path, 0},
    [SYS_pivot_root] = {tn__run_path, 0},
    [428] = {tn__run_path, 0}, /* open_tree */
    [429] = {tn__run_path, 0}, /* move_mount */
    [433] = {tn__run_path, 0}, /* fspick */
    [442] = {tn__run_path, 0}, /* mount_setattr */
    [452] = {tn__run_path, 0}, /* fchmodat2 */
    [463] = {tn__run_path, 0}, /* setxattrat */
    [464] = {tn__run_path, 0}, /* getxattrat */
    [465] = {tn__run_path, 0}, /* listxattrat */
    [466] = {tn__run_path, 0}, /* removexattrat */
    [467] = {tn__run_path, 0}, /* open_tree_attr */
    [468] = {tn__run_path, 0}, /* file_getattr */
    [469] = {tn__run_path, 0}, /* file_setattr */
    [SYS_fchmod] = {tn__run_file_ask, 0},
    [SYS_fchown] = {tn__run_file_ask, 0},
    [SYS_fchdir] = {tn__run_file_ask, 0},
    [SYS_fsetxattr] = {tn__run_file_ask, 0},
    [SYS_flistxattr] = {tn__run_file_ask, 0},
    [SYS_fremovexattr] = {tn__run_file_ask, 0},
    [SYS_open_by_handle_at] = {tn__run_file_ask, 0},
    [451] = {tn__run_file_ask, 0}, /* cachestat */
    [430] = {tn__run_new, 0},      /* fsopen */
    [432] = {tn__run_new, 0},      /* fsmount */
    [444] = {tn__run_new, 0},      /* landlock_create_ruleset */
    [447] = {tn__run_new, 0},      /* memfd_secret */
    [SYS_fadvise64] = {tn__run_file_sync, 0},
    [SYS_madvise] = {tn__run_madvise, 0},
    [SYS_mount] = {tn__run_offload, 0},
    [SYS_umount2] = {tn__run_offload, 0},
    [431] = {tn__run_offload, 0}, /* fsconfig */
    [457] = {tn__run_offload, 0}, /* statmount */
    [SYS_swapon] = {tn__run_offload_quick, 0},
    [SYS_swapoff] = {tn__run_offload_quick, 0},
    [SYS_quotactl] = {tn__run_offload_quick, 0},
    [443] = {tn__run_offload_quick, 0}, /* quotactl_fd */
    [SYS_init_module] = {tn__run_offload, 0},
    [SYS_finit_module] = {tn__run_offload, 0},
    [SYS_delete_module] = {tn__run_offload, 0},
    [SYS_request_key] = {tn__run_offload, 0},
    [SYS_syslog] = {tn__run_syslog, 0},
    [SYS_io_destroy] = {tn__run_offload, 0},
    [SYS_getdents] = {tn__run_file_ask, 0},
    [SYS_getdents64] = {tn__run_file_ask, 0},
    [SYS_fstatfs] = {tn__run_file_ask, 0},
    [SYS_fgetxattr] = {tn__run_file_ask, 0},
    [SYS_fsync] = {tn__run_file_sync, 0},
    [SYS_fdatasync] = {tn__run_file_sync, 0},
    [SYS_sync_file_range] = {tn__run_file_sync, 0},
    [SYS_syncfs] = {tn__run_file_sync, 0},
    [SYS_fallocate] = {tn__run_file_sync, 0},
    [SYS_ftruncate] = {tn__run_file_sync, 0},
    [SYS_readahead] = {tn__run_file_sync, 0},
    [SYS_copy_file_range] = {tn__run_file_sync, 0},
    [SYS_sync] = {tn__run_offload_quick, 0},
    [SYS_msync] = {tn__run_msync, 0},
    [SYS_mlock] = {tn__run_mlock, 0},
    [SYS_mlock2] = {tn__run_mlock, 0},
    [SYS_mlockall] = {tn__run_mlock, 0},
    [SYS_splice] = {tn__run_splice, 0},
    [SYS_tee] = {tn__run_tee, 0},
    [SYS_vmsplice] = {tn__run_vmsplice, 0},
    [SYS_open] = {tn__run_open, 0},
    [SYS_openat] = {tn__run_openat, 0},
    [437] = {tn__run_openat2, 0}, /* openat2 */
    [SYS_creat] = {tn__run_creat, 0},
    [SYS_close] = {tn__run_close, CLOSES},
    [SYS_poll] = {tn__run_poll, NEVER_AGAIN},
    [SYS_ppoll] = {tn__run_ppoll, NEVER_AGAIN},
    [SYS_select] = {tn__run_select, NEVER_AGAIN},
    [SYS_pselect6] = {tn__run_pselect6, NEVER_AGAIN},
    [SYS_epoll_wait] = {tn__run_epoll_wait, NEVER_AGAIN},
    [SYS_epoll_pwait] = {tn__run_epoll_wait, NEVER_AGAIN},
    [441] = {tn__run_epoll_pwait2, NEVER_AGAIN}, /* epoll_pwait2 */
    [SYS_socket] = {tn__run_new, 0},
    [SYS_socketpair] = {tn__run_new_pair, 0},
    [SYS_pipe] = {tn__run_new_pair, 0},
    [SYS_pipe2] = {tn__run_new_pair, 0},
    [SYS_eventfd] = {tn__run_new, 0},
    [SYS_eventfd2] = {tn__run_new, 0},
    [SYS_epoll_create] = {tn__run_new, 0},
    [SYS_epoll_create1] = {tn__run_new, 0},
    [SYS_timerfd_create] = {tn__run_new, 0},
    [SYS_inotify_init] = {tn__run_new, 0},
    [SYS_inotify_init1] = {tn__run_new, 0},
    [SYS_fanotify_init] = {tn__run_new, 0},
    [SYS_memfd_create] = {tn__run_new, 0},
    [SYS_mq_open] = {tn__run_new, 0},
    [SYS_perf_event_open] = {tn__run_by_number, 0},
    [SYS_userfaultfd] = {tn__run_new, 0},
    [434] = {tn__run_by_number, 0}, /* pidfd_open */
    [438] = {tn__run_new, 0}, /* pidfd_getfd */
    [SYS_dup] = {tn__run_dup, 0},
    [SYS_dup2] = {tn__run_dup2, CLOSES},
    [SYS_dup3] = {tn__run_dup3, CLOSES},
    [436] = {tn__run_close_range, CLOSES}, /* close_range */
    [SYS_fstat] = {tn__run_fstat, 0},
    [SYS_newfstatat] = {tn__run_fstat, 0},
    [SYS_statx] = {tn__run_fstat, 0},
    [SYS_fcntl] = {tn__run_fcntl, 0},
    [SYS_ioctl] = {tn__run_ioctl, 0},
    [SYS_flock] = {tn__run_flock, 0},
    [SYS_connect] = {tn__run_connect, 0},
    [SYS_shutdown] = {tn__run_shutdown, 0},
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
    [SYS_ptrace] = {tn__run_ptrace, 0},
    [SYS_futex] = {tn__run_futex, 0},
    [SYS_munmap] = {tn__run_munmap, 0},
    [SYS_mmap] = {tn__run_mmap, 0},
    [SYS_mprotect] = {tn__run_mprotect, 0},
    [449] = {tn__run_futex_waitv, 0},   /* futex_waitv */
    [454] = {tn__run_futex_wake, 0},    /* futex_wake */
    [455] = {tn__run_futex_wait, 0},    /* futex_wait */
    [456] = {tn__run_futex_requeue, 0}, /* futex_requeue */
    [SYS_gettid] = {tn__run_gettid, 0},
    [SYS_set_tid_address] = {tn__run_set_tid_address, 0},
    [SYS_set_robust_list] = {tn__run_set_robust_list, 0},
    [SYS_get_robust_list] = {tn__run_get_robust_list, 0},
    [334] = {tn__run_rseq, 0}, /* rseq */
    [SYS_arch_prctl] = {tn__run_arch_prctl, 0},
    [SYS_prctl] = {tn__run_prctl, 0},
    [SYS_sched_getaffinity] = {tn__run_sched_getaffinity, 0},
    [SYS_sched_getparam] = {tn__run_sched_getparam, 0},
    [SYS_sched_getscheduler] = {tn__run_sched_getscheduler, 0},
    [SYS_sched_getattr] = {tn__run_sched_getattr, 0},
    [SYS_sched_rr_get_interval] = {tn__run_sched_rr_get_interval, 0},
    [SYS_sched_setaffinity] = {tn__run_sched_setaffinity, 0},
    [SYS_sched_setparam] = {tn__run_sched_setparam, 0},
    [SYS_sched_setscheduler] = {tn__run_sched_setscheduler, 0},
    [SYS_sched_setattr] = {tn__run_sched_setattr, 0},
    [SYS_getpriority] = {tn__run_getpriority, 0},
    [SYS_setpriority] = {tn__run_setpriority, 0},
    [SYS_rt_sigaction] = {tn__run_rt_sigaction, 0},
    [SYS_rt_sigprocmask] = {tn__run_rt_sigprocmask, 0},
    [SYS_rt_sigreturn] = {tn__run_rt_sigreturn, 0},
    [SYS_rt_sigpending] = {tn__run_rt_sigpending, 0},
    [SYS_rt_sigsuspend] = {tn__run_rt_sigsuspend, NEVER_AGAIN},
    [SYS_rt_sigtimedwait] = {tn__run_rt_sigtimedwait, NEVER_AGAIN},
    [SYS_sigaltstack] = {tn__run_sigaltstack, 0},
    [SYS_signalfd] = {tn__run_signalfd, 0},
    [SYS_signalfd4] = {tn__run_signalfd, 0},
    [SYS_clock_gettime] = {tn__run_clock_gettime, 0},
    [SYS_clock_getres] = {tn__run_clock_getres, 0},
    [SYS_getrusage] = {tn__run_getrusage, 0},
    [SYS_timer_create] = {tn__run_timer_create, 0},
    [SYS_timer_delete] = {tn__run_timer_delete, 0},
    [SYS_timer_settime] = {tn__run_timer_settime, 0},
    [SYS_timer_getoverrun] = {tn__run_timer_getoverrun, 0},
    [SYS_kill] = {tn__run_kill, 0},
    [SYS_tgkill] = {tn__run_tgkill, 0},
    [SYS_tkill] = {tn__run_tkill, 0},
    [SYS_rt_sigqueueinfo] = {tn__run_rt_sigqueueinfo, 0},
    [SYS_rt_tgsigqueueinfo] = {tn__run_rt_tgsigqueueinfo, 0},
    [SYS_semop] = {tn__run_semop, NEVER_AGAIN},
    [SYS_semtimedop] = {tn__run_semtimedop, NEVER_AGAIN},
    [SYS_msgrcv] = {tn__run_msgrcv, NEVER_AGAIN},
    [SYS_msgsnd] = {tn__run_msgsnd, NEVER_AGAIN},
    [SYS_mq_timedreceive] = {tn__run_mq_timedreceive, 0},
    [SYS_mq_timedsend] = {tn__run_mq_timedsend, 0},
    [SYS_io_getevents] = {tn__run_io_getevents, NEVER_AGAIN},
    [SYS_io_pgetevents] = {tn__run_io_pgetevents, NEVER_AGAIN},
    [SYS_io_submit] = {tn__run_io_submit, 0},
    [425] = {tn__run_uring_setup, 0},          /* io_uring_setup */
    [426] = {tn__run_uring_enter, NEVER_AGAIN}, /* io_uring_enter */
    [427] = {tn__run_uring_register, 0},       /* io_uring_register */
    [SYS_setuid] = {tn__run_identity, 0},
    [SYS_setgid] = {tn__run_identity, 0},
    [SYS_setreuid] = {tn__run_identity, 0},
    [SYS_setregid] = {tn__run_identity, 0},
    [SYS_setresuid] = {tn__run_identity, 0},
    [SYS_setresgid] = {tn__run_identity, 0},
    [SYS_setgroups] = {tn__run_identity, 0},
    [SYS_setfsuid] = {tn__run_alone, 0},
    [SYS_setfsgid] = {tn__run_alone, 0},
    [SYS_capset] = {tn__run_alone, 0},
    [SYS_keyctl] = {tn__run_credentials, 0},
    [SYS_ioprio_set] = {tn__run_by_number, 0},
    [SYS_ioprio_get] = {tn__run_by_number, 0},
    [SYS_prlimit64] = {tn__run_by_number, 0},
    [SYS_getpgid] = {tn__run_by_number, 0},
    [SYS_setpgid] = {tn__run_by_number, 0},
    [SYS_getsid] = {tn__run_by_number, 0},
    [SYS_process_vm_readv] = {tn__run_by_number, 0},
    [SYS_process_vm_writev] = {tn__run_by_number, 0},
    [SYS_migrate_pages] = {tn__run_by_number, 0},
    [SYS_move_pages] = {tn__run_by_number, 0},
    [SYS_set_mempolicy] = {tn__run_credentials, 0},
    [SYS_personality] = {tn__run_credentials, 0},
    [SYS_seccomp] = {tn__run_filter, 0},
    [446] = {tn__run_alone, 0}, /* landlock_restrict_self */
    [SYS_unshare] = {tn__run_namespaces, 0},
    [SYS_setns] = {tn__run_namespaces, 0},
};

/* Arguments, by number, of which Linux looks at 32 bits: an int in a register
 * may have anything above them. Not in here are those that the functions above
 * cast, as they take a descriptor, and those that are handed on. */
enum { A0 = 1, A1 = 2, A2 = 4, A3 = 8, A5 = 32 };

static const uint8_t halves[TN__RUN_CALLS] = {
    [SYS_futex] = A1,
    [SYS_poll] = A1,
    [SYS_ppoll] = A1,
    [SYS_preadv2] = A5,
    [SYS_pwritev2] = A5,
    [SYS_fcntl] = A0 | A1,
    [SYS_dup2] = A0 | A1,
    [SYS_dup3] = A0 | A1 | A2,
    [SYS_setsockopt] = A0 | A1 | A2,
    [SYS_kill] = A0 | A1,
    [SYS_tkill] = A0 | A1,
    [SYS_tgkill] = A0 | A1 | A2,
    [SYS_rt_sigqueueinfo] = A0 | A1,
    [SYS_rt_tgsigqueueinfo] = A0 | A1 | A2,
    [SYS_rt_sigprocmask] = A0,
    [SYS_getpriority] = A0 | A1,
    [SYS_setpriority] = A0 | A1 | A2,
    [SYS_madvise] = A2,
    [SYS_prctl] = A0,
    [SYS_arch_prctl] = A0,
    [SYS_seccomp] = A0 | A1,
    [426] = A0 | A1 | A2 | A3, /* io_uring_enter */
    [427] = A0 | A1 | A3,      /* io_uring_register */
};

static void halve(struct tn__run_call *c)
{
    unsigned rest = (unsigned long)c->nr < TN__RUN_CALLS ? halves[c->nr] : 0;

    for (; TN_UNLIKELY(rest); rest &= rest - 1) {
        long *arg = &c->a[__builtin_ctz(rest)];

        *arg = (int)*arg;
    }
}

long tn__run_kernel_unlocked(struct tn__run_call *c)
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

long tn__run_kernel(struct tn__run_call *c)
{
    long r;

    tn__run_unlock();
    r = tn__run_kernel_unlocked(c);
    tn__run_lock();
    return r;
}

/* An interrupted call: does Linux make it again, after these handlers? */
static bool is_again(const struct tn__run_call *c, long r, unsigned handlers)
{
    int flags = (unsigned long)c->nr < TN__RUN_CALLS ? table[c->nr].flags : 0;

    if (r == TN__RUN_AGAIN)
        return true;
    if (r != -EINTR || (handlers & 0xffff) || (flags & CLOSES))
        return false;
    if (c->can_cancel && tn__run_self()->is_poked)
        return false; /* glibc 2.41 also sends the signal of a cancel */
    return !handlers || (!(flags & NEVER_AGAIN) && !c->is_once &&
                         !(c->nr == SYS_futex && c->has_deadline));
}

static long call(struct tn__run_call *c)
{
    tn__run_fn *fn =
        (unsigned long)c->nr < TN__RUN_CALLS ? table[c->nr].fn : NULL;
    struct tn__run_green *self;
    long r;

    tn__run_begin_unlocked();
    self = tn__run_self();
    if (c->vectors && !c->vectors->saved)
        self->g.carry.vectors = c->vectors;
    self->call = c;
    self->handlers = 0;
    self->since = tn__run_hub.now;
    if (TN_UNLIKELY(self->own) && tn__run_is_own_call(c)) {
        tn__run_lock();
        return tn__run_offload_own(c);
    }
    if (TN_UNLIKELY(tn__run_is_many)) {
        if (fn && tn__run_try(c, &r))
            return r;
        if (fn)
            tn__run_lock();
    }
    return TN_LIKELY(fn) ? fn(c) : tn__run_kernel_unlocked(c);
}

/* Without the lock, the count is where hubs.c keeps it. */
static void tick(void)
{
    struct tn__run_cpu *cpu;

    if (TN_LIKELY(!tn__run_is_many)) {
        if (TN_UNLIKELY(tn__run_offload_done != NULL))
            tn__run_offload_reap();
        tn__hub_tick(&tn__run_hub);
        return;
    }
    cpu = tn__run_here();
    if (cpu->has_lock) {
        tn__hub_tick(&tn__run_hub);
    } else if ((++cpu->turn.calls & (TN__TICK_CLOCK - 1)) == 0) {
        tn__run_lock();
        tn__hub_tick_slow(&tn__run_hub);
    }
}

void tn__run_pass_raised(long r)
{
    tn__run_set set = tn__run_bit(r == -EPIPE ? SIGPIPE : SIGXFSZ);
    int sig;

    if (!(tn__run_here()->kernel_mask & set))
        return;
    sig = tn__run_raised_by(r);
    if (sig == 0)
        return;
    tn__run_lock();
    tn__run_raise_self(sig);
}

long tn__run_syscall(struct tn__run_call *c)
{
    long r;

    halve(c);
    do {
        r = call(c);
        if (TN_UNLIKELY(r == -EPIPE || r == -EFBIG))
            tn__run_pass_raised(r);
        if (TN_UNLIKELY(!tn__run_is_on())) { /* the child of a fork() */
            tn__run_out();
            return r;
        }
        tick(); /* who never waits starves nobody */
        if (TN_UNLIKELY(r == -EINTR))
            tn__run_self()->stopped = c->pc;
        tn__run_self()->call = NULL; /* a handler may jump away */
        tn__run_leave();
        if (TN_UNLIKELY(r == -EINTR))
            tn__run_self()->stopped = 0;
    } while (TN_UNLIKELY(is_again(c, r, tn__run_self()->handlers)));
    return r;
}
