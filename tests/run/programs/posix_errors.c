/* SPDX-License-Identifier: MIT */
/* tests/run/programs/posix_errors.c - what system calls say to bad arguments:
 * each pointer of each call is in turn one that cannot be read, cannot be
 * written, or lies outside of the program, and other arguments are wrong. */
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "support.h"

/* Arguments that stand for something else. */
enum {
    PTR = -1000, /* each bad pointer in turn; the rest of the call is right */
    TIME,        /* as PTR, but not NULL: that would wait for ever */
    UNREAD,      /* as PTR, but only what cannot be read */
    DATA,        /* 4096 bytes of zeros, to be written to */
    SHORT,       /* a timespec of 1 ms, or of zero seconds anyhow */
    WRONG,       /* a timespec that is none */
    PIPE_IN,     /* nothing in it */
    PIPE_OUT,
    SOCKET,      /* one of a pair, something to receive */
    EPOLL,
    SELF         /* getpid() */
};

struct call {
    const char *name;
    long nr;
    long a[6];
};

#define ALL 0xffffffffl
#define P FUTEX_PRIVATE_FLAG
#define CR FUTEX_CLOCK_REALTIME

static const struct call calls[] = {
    {"futex wait", SYS_futex, {PTR, FUTEX_WAIT | P, 1, SHORT, 0, 0}},
    {"futex wait", SYS_futex, {DATA, FUTEX_WAIT | P, 0, TIME, 0, 0}},
    {"futex wait", SYS_futex, {DATA, FUTEX_WAIT | P, 0, WRONG, 0, 0}},
    {"futex wait", SYS_futex, {DATA, FUTEX_WAIT | P, 1, WRONG, 0, 0}},
    {"futex wait", SYS_futex, {DATA, FUTEX_WAIT | P, 1, 0, 0, 0}},
    {"futex wait", SYS_futex, {DATA, FUTEX_WAIT | P, 0, SHORT, 0, 0}},
    {"futex wait", SYS_futex, {DATA, FUTEX_WAIT | P | CR, 0, SHORT, 0, 0}},
    {"futex wait, shared", SYS_futex, {PTR, FUTEX_WAIT, 1, SHORT, 0, 0}},
    {"futex wait, shared", SYS_futex, {DATA, FUTEX_WAIT, 1, 0, 0, 0}},
    {"futex wait, shared", SYS_futex, {DATA, FUTEX_WAIT, 0, SHORT, 0, 0}},
    {"futex wait bitset", SYS_futex,
     {PTR, FUTEX_WAIT_BITSET | P, 1, SHORT, 0, 1}},
    {"futex wait bitset", SYS_futex,
     {DATA, FUTEX_WAIT_BITSET | P, 0, SHORT, 0, 0}},
    {"futex wait bitset", SYS_futex,
     {DATA, FUTEX_WAIT_BITSET | P, 0, TIME, 0, 0}},
    {"futex wait bitset", SYS_futex,
     {DATA, FUTEX_WAIT_BITSET | P, 0, SHORT, 0, 1}},
    {"futex wait bitset", SYS_futex,
     {DATA, FUTEX_WAIT_BITSET | P | CR, 0, SHORT, 0, 1}},
    {"futex wake", SYS_futex, {PTR, FUTEX_WAKE | P, 1, 0, 0, 0}},
    {"futex wake", SYS_futex, {DATA, FUTEX_WAKE | P, -1, 0, 0, 0}},
    {"futex wake", SYS_futex, {DATA, FUTEX_WAKE | P | CR, 1, 0, 0, 0}},
    {"futex wake, shared", SYS_futex, {PTR, FUTEX_WAKE, 1, 0, 0, 0}},
    {"futex wake bitset", SYS_futex,
     {PTR, FUTEX_WAKE_BITSET | P, 1, 0, 0, 1}},
    {"futex wake bitset", SYS_futex,
     {DATA, FUTEX_WAKE_BITSET | P, 1, 0, 0, 0}},
    {"futex requeue", SYS_futex, {PTR, FUTEX_REQUEUE | P, 1, 1, DATA, 0}},
    {"futex requeue", SYS_futex, {DATA, FUTEX_REQUEUE | P, 1, 1, PTR, 0}},
    {"futex requeue", SYS_futex, {DATA, FUTEX_REQUEUE | P, -1, 1, DATA, 0}},
    {"futex requeue", SYS_futex, {DATA, FUTEX_REQUEUE | P, 1, -1, DATA, 0}},
    {"futex cmp requeue", SYS_futex,
     {PTR, FUTEX_CMP_REQUEUE | P, 1, 1, DATA, 0}},
    {"futex cmp requeue", SYS_futex,
     {DATA, FUTEX_CMP_REQUEUE | P, 1, 1, PTR, 0}},
    {"futex cmp requeue", SYS_futex,
     {DATA, FUTEX_CMP_REQUEUE | P, 1, 1, DATA, 7}},
    {"futex cmp requeue, shared", SYS_futex,
     {PTR, FUTEX_CMP_REQUEUE, 1, 1, DATA, 0}},
    {"futex wake op", SYS_futex, {PTR, FUTEX_WAKE_OP | P, 1, 1, DATA, 0}},
    {"futex wake op", SYS_futex, {DATA, FUTEX_WAKE_OP | P, 1, 1, PTR, 0}},
    {"futex wake op", SYS_futex,
     {DATA, FUTEX_WAKE_OP | P, 1, 1, DATA, 5 << 28}},
    {"futex wake op", SYS_futex,
     {DATA, FUTEX_WAKE_OP | P, 1, 1, DATA, 9 << 24}},
    {"futex lock", SYS_futex, {PTR, FUTEX_LOCK_PI | P, 0, 0, 0, 0}},
    {"futex lock", SYS_futex, {PTR, FUTEX_LOCK_PI, 0, 0, 0, 0}},
    {"futex lock", SYS_futex, {DATA, FUTEX_LOCK_PI | P, 0, PTR, 0, 0}},
    {"futex lock", SYS_futex, {DATA, FUTEX_LOCK_PI | P | CR, 0, 0, 0, 0}},
    {"futex trylock", SYS_futex, {PTR, FUTEX_TRYLOCK_PI | P, 0, 0, 0, 0}},
    {"futex unlock", SYS_futex, {PTR, FUTEX_UNLOCK_PI | P, 0, 0, 0, 0}},
    {"futex unlock", SYS_futex, {DATA, FUTEX_UNLOCK_PI | P, 0, 0, 0, 0}},
    {"futex wait requeue", SYS_futex,
     {PTR, FUTEX_WAIT_REQUEUE_PI | P, 1, SHORT, DATA, 0}},
    {"futex wait requeue", SYS_futex,
     {DATA, FUTEX_WAIT_REQUEUE_PI | P, 1, SHORT, PTR, 0}},
    {"futex wait requeue", SYS_futex,
     {DATA, FUTEX_WAIT_REQUEUE_PI | P, 0, SHORT, DATA, 0}},
    {"futex cmp requeue pi", SYS_futex,
     {DATA, FUTEX_CMP_REQUEUE_PI | P, 1, 1, PTR, 0}},
    {"futex cmp requeue pi", SYS_futex,
     {DATA, FUTEX_CMP_REQUEUE_PI | P, 2, 1, DATA, 0}},
    {"futex fd", SYS_futex, {DATA, 2, 0, 0, 0, 0}},
    {"futex no such", SYS_futex, {DATA, 77, 0, 0, 0, 0}},
    {"futex no such", SYS_futex, {DATA, FUTEX_WAIT | 512, 0, SHORT, 0, 0}},
    {"futex_waitv", 449, {PTR, 1, 0, 0, 0, 0}},
    {"futex_waitv", 449, {DATA, 0, 0, 0, 0, 0}},
    {"futex_waitv", 449, {DATA, 129, 0, 0, 0, 0}},
    {"futex_waitv", 449, {DATA, 1, 1, 0, 0, 0}},
    {"futex_waitv", 449, {DATA, 1, 0, SHORT, 7, 0}},
    {"futex_waitv", 449, {DATA, 1, 0, PTR, 1, 0}},
    {"futex_waitv", 449, {DATA, 1, 0, 0, 0, 0}},
    {"set_robust_list", SYS_set_robust_list, {0, 1, 0, 0, 0, 0}},
    {"get_robust_list", SYS_get_robust_list, {0, PTR, DATA, 0, 0, 0}},
    {"get_robust_list", SYS_get_robust_list, {0, DATA, PTR, 0, 0, 0}},
    {"get_robust_list", SYS_get_robust_list,
     {INT_MAX, DATA, DATA, 0, 0, 0}},
    {"nanosleep", SYS_nanosleep, {PTR, 0, 0, 0, 0, 0}},
    {"nanosleep", SYS_nanosleep, {WRONG, 0, 0, 0, 0, 0}},
    {"clock_nanosleep", SYS_clock_nanosleep, {1, 0, PTR, 0, 0, 0}},
    {"clock_nanosleep", SYS_clock_nanosleep, {1, 0, WRONG, 0, 0, 0}},
    {"clock_nanosleep", SYS_clock_nanosleep, {1, 1, WRONG, 0, 0, 0}},
    {"clock_nanosleep", SYS_clock_nanosleep, {0, 1, SHORT, PTR, 0, 0}},
    {"clock_nanosleep", SYS_clock_nanosleep, {3, 0, SHORT, 0, 0, 0}},
    {"clock_nanosleep", SYS_clock_nanosleep, {4, 0, SHORT, 0, 0, 0}},
    {"clock_nanosleep", SYS_clock_nanosleep, {77, 0, SHORT, 0, 0, 0}},
    {"clock_gettime", SYS_clock_gettime, {3, PTR, 0, 0, 0, 0}},
    {"clock_gettime", SYS_clock_gettime, {-99, DATA, 0, 0, 0, 0}},
    {"rt_sigaction", SYS_rt_sigaction, {SIGUSR1, PTR, 0, 8, 0, 0}},
    {"rt_sigaction", SYS_rt_sigaction, {SIGUSR1, 0, PTR, 8, 0, 0}},
    {"rt_sigaction", SYS_rt_sigaction, {SIGUSR1, 0, DATA, 4, 0, 0}},
    {"rt_sigaction", SYS_rt_sigaction, {SIGKILL, DATA, 0, 8, 0, 0}},
    {"rt_sigaction", SYS_rt_sigaction, {SIGKILL, 0, DATA, 8, 0, 0}},
    {"rt_sigaction", SYS_rt_sigaction, {0, DATA, 0, 8, 0, 0}},
    {"rt_sigaction", SYS_rt_sigaction, {65, DATA, 0, 8, 0, 0}},
    {"rt_sigprocmask", SYS_rt_sigprocmask, {SIG_BLOCK, PTR, 0, 8, 0, 0}},
    {"rt_sigprocmask", SYS_rt_sigprocmask, {SIG_BLOCK, 0, PTR, 8, 0, 0}},
    {"rt_sigprocmask", SYS_rt_sigprocmask, {7, DATA, 0, 8, 0, 0}},
    {"rt_sigprocmask", SYS_rt_sigprocmask, {7, 0, DATA, 8, 0, 0}},
    {"rt_sigprocmask", SYS_rt_sigprocmask, {SIG_BLOCK, DATA, 0, 4, 0, 0}},
    {"rt_sigpending", SYS_rt_sigpending, {PTR, 8, 0, 0, 0, 0}},
    {"rt_sigpending", SYS_rt_sigpending, {DATA, 16, 0, 0, 0, 0}},
    {"rt_sigsuspend", SYS_rt_sigsuspend, {UNREAD, 8, 0, 0, 0, 0}},
    {"rt_sigsuspend", SYS_rt_sigsuspend, {DATA, 4, 0, 0, 0, 0}},
    {"rt_sigtimedwait", SYS_rt_sigtimedwait, {PTR, 0, SHORT, 8, 0, 0}},
    {"rt_sigtimedwait", SYS_rt_sigtimedwait, {DATA, 0, TIME, 8, 0, 0}},
    {"rt_sigtimedwait", SYS_rt_sigtimedwait, {DATA, 0, WRONG, 8, 0, 0}},
    {"rt_sigtimedwait", SYS_rt_sigtimedwait, {DATA, 0, SHORT, 8, 0, 0}},
    {"rt_sigtimedwait", SYS_rt_sigtimedwait, {DATA, 0, SHORT, 4, 0, 0}},
    {"rt_sigqueueinfo", SYS_rt_sigqueueinfo, {SELF, 0, PTR, 0, 0, 0}},
    {"rt_sigqueueinfo", SYS_rt_sigqueueinfo, {SELF, 99, DATA, 0, 0, 0}},
    {"rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo,
     {SELF, SELF, 0, PTR, 0, 0}},
    {"rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo,
     {SELF, SELF, 99, DATA, 0, 0}},
    {"rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo,
     {0, SELF, 0, DATA, 0, 0}},
    {"tgkill", SYS_tgkill, {SELF, SELF, 99, 0, 0, 0}},
    {"tgkill", SYS_tgkill, {SELF, SELF, -1, 0, 0, 0}},
    {"tgkill", SYS_tgkill, {SELF, INT_MAX, 0, 0, 0, 0}},
    {"tgkill", SYS_tgkill, {SELF, INT_MAX, 99, 0, 0, 0}},
    {"tgkill", SYS_tgkill, {0, SELF, 0, 0, 0, 0}},
    {"tgkill", SYS_tgkill, {-1, SELF, 0, 0, 0, 0}},
    {"tgkill", SYS_tgkill, {SELF, 0, 0, 0, 0, 0}},
    {"tgkill", SYS_tgkill, {SELF, -1, 0, 0, 0, 0}},
    {"tgkill", SYS_tgkill, {SELF, 0xffffffff, 0, 0, 0, 0}},
    {"waitid", SYS_waitid, {P_PID, SELF, PTR, WEXITED, 0, 0}},
    {"readv of -1", SYS_readv, {PIPE_IN, DATA, -1, 0, 0, 0}},
    {"readv of 5000", SYS_readv, {PIPE_IN, DATA, 5000, 0, 0, 0}},
    {"writev of -1", SYS_writev, {PIPE_OUT, DATA, -1, 0, 0, 0}},
    {"writev of 5000", SYS_writev, {PIPE_OUT, DATA, 5000, 0, 0, 0}},
    {"tkill", SYS_tkill, {0, 0, 0, 0, 0, 0}},
    {"tkill", SYS_tkill, {SELF, 65, 0, 0, 0, 0}},
    {"tkill", SYS_tkill, {INT_MAX, 0, 0, 0, 0, 0}},
    {"sigaltstack", SYS_sigaltstack, {PTR, 0, 0, 0, 0, 0}},
    {"sigaltstack", SYS_sigaltstack, {0, PTR, 0, 0, 0, 0}},
    {"sigaltstack", SYS_sigaltstack, {DATA, 0, 0, 0, 0, 0}},
    {"prctl name", SYS_prctl, {PR_SET_NAME, PTR, 0, 0, 0, 0}},
    {"prctl name", SYS_prctl, {PR_GET_NAME, PTR, 0, 0, 0, 0}},
    {"arch_prctl", SYS_arch_prctl, {0x1003, PTR, 0, 0, 0, 0}},
    {"arch_prctl", SYS_arch_prctl, {0x77, 0, 0, 0, 0, 0}},
    {"sched_getparam", SYS_sched_getparam, {0, PTR, 0, 0, 0, 0}},
    {"sched_getparam", SYS_sched_getparam, {-1, DATA, 0, 0, 0, 0}},
    {"sched_getparam", SYS_sched_getparam, {INT_MAX, DATA, 0, 0, 0, 0}},
    {"sched_setparam", SYS_sched_setparam, {0, PTR, 0, 0, 0, 0}},
    {"sched_setparam", SYS_sched_setparam, {-1, DATA, 0, 0, 0, 0}},
    {"sched_getscheduler", SYS_sched_getscheduler, {-1, 0, 0, 0, 0, 0}},
    {"sched_setscheduler", SYS_sched_setscheduler, {0, 0, PTR, 0, 0, 0}},
    {"sched_setscheduler", SYS_sched_setscheduler, {0, 99, DATA, 0, 0, 0}},
    {"sched_setscheduler", SYS_sched_setscheduler,
     {0, SCHED_FIFO, DATA, 0, 0, 0}},
    {"sched_setscheduler", SYS_sched_setscheduler,
     {INT_MAX, 0, DATA, 0, 0, 0}},
    {"sched_getaffinity", SYS_sched_getaffinity, {0, 128, PTR, 0, 0, 0}},
    {"sched_getaffinity", SYS_sched_getaffinity, {0, 1, DATA, 0, 0, 0}},
    {"sched_setaffinity", SYS_sched_setaffinity, {0, 128, PTR, 0, 0, 0}},
    {"sched_setaffinity", SYS_sched_setaffinity, {0, 128, DATA, 0, 0, 0}},
    {"sched_rr_get_interval", SYS_sched_rr_get_interval,
     {0, PTR, 0, 0, 0, 0}},
    {"getpriority", SYS_getpriority, {7, 0, 0, 0, 0, 0}},
    {"setpriority", SYS_setpriority, {7, 0, 0, 0, 0, 0}},
    {"timer_create", SYS_timer_create, {1, PTR, DATA, 0, 0, 0}},
    {"timer_create", SYS_timer_create, {1, 0, PTR, 0, 0, 0}},
    {"timer_create", SYS_timer_create, {77, 0, DATA, 0, 0, 0}},
    {"setitimer", SYS_setitimer, {0, PTR, 0, 0, 0, 0}},
    {"setitimer", SYS_setitimer, {9, DATA, 0, 0, 0, 0}},
    {"set_tid_address", SYS_getrusage, {9, DATA, 0, 0, 0, 0}},
    {"poll", SYS_poll, {PTR, 1, 1, 0, 0, 0}},
    {"poll of two", SYS_poll, {PTR, 2, 1, 0, 0, 0}},
    {"poll at once", SYS_poll, {PTR, 1, 0, 0, 0, 0}},
    {"poll of many", SYS_poll, {DATA, 1 << 30, 1, 0, 0, 0}},
    {"ppoll", SYS_ppoll, {PTR, 1, SHORT, 0, 0, 0}},
    {"ppoll", SYS_ppoll, {DATA, 0, TIME, 0, 0, 0}},
    {"ppoll", SYS_ppoll, {DATA, 0, WRONG, 0, 0, 0}},
    {"ppoll", SYS_ppoll, {DATA, 0, SHORT, PTR, 8, 0}},
    {"ppoll", SYS_ppoll, {DATA, 0, SHORT, DATA, 4, 0}},
    {"select", SYS_select, {4, PTR, 0, 0, DATA, 0}},
    {"select", SYS_select, {4, 0, PTR, 0, DATA, 0}},
    {"select", SYS_select, {4, 0, 0, PTR, DATA, 0}},
    {"select", SYS_select, {0, 0, 0, 0, TIME, 0}},
    {"select", SYS_select, {-1, 0, 0, 0, DATA, 0}},
    {"pselect6", SYS_pselect6, {4, PTR, 0, 0, SHORT, 0}},
    {"pselect6", SYS_pselect6, {0, 0, 0, 0, TIME, 0}},
    {"pselect6", SYS_pselect6, {0, 0, 0, 0, WRONG, 0}},
    {"pselect6", SYS_pselect6, {0, 0, 0, 0, SHORT, PTR}},
    {"pselect6", SYS_pselect6, {-1, 0, 0, 0, SHORT, 0}},
    {"epoll_wait", SYS_epoll_wait, {EPOLL, PTR, 1, 1, 0, 0}},
    {"epoll_wait", SYS_epoll_wait, {EPOLL, DATA, 0, 1, 0, 0}},
    {"epoll_pwait", SYS_epoll_pwait, {EPOLL, DATA, 1, 1, PTR, 8}},
    {"epoll_pwait", SYS_epoll_pwait, {EPOLL, DATA, 1, 1, DATA, 4}},
    {"epoll_pwait2", 441, {EPOLL, DATA, 1, TIME, 0, 8}},
    {"read", SYS_read, {SOCKET, PTR, 1, 0, 0, 0}},
    {"readv", SYS_readv, {SOCKET, PTR, 1, 0, 0, 0}},
    {"readv of two", SYS_readv, {PIPE_IN, PTR, 2, 0, 0, 0}},
    {"readv of many", SYS_readv, {SOCKET, DATA, 2000, 0, 0, 0}},
    {"readv of fewer than none", SYS_readv, {SOCKET, DATA, -1, 0, 0, 0}},
    {"readv of what is written", SYS_readv, {PIPE_OUT, PTR, 1, 0, 0, 0}},
    {"writev", SYS_writev, {SOCKET, PTR, 1, 0, 0, 0}},
    {"writev", SYS_writev, {PIPE_OUT, PTR, 1, 0, 0, 0}},
    {"writev of many", SYS_writev, {PIPE_OUT, DATA, 2000, 0, 0, 0}},
    {"preadv2", SYS_preadv2, {PIPE_IN, PTR, 1, -1, 0, 0}},
    {"pwritev2", SYS_pwritev2, {PIPE_OUT, PTR, 1, -1, 0, 0}},
    {"recvfrom", SYS_recvfrom, {SOCKET, PTR, 1, 0, 0, 0}},
    {"recvfrom, all", SYS_recvfrom, {SOCKET, PTR, 1, MSG_WAITALL, 0, 0}},
    {"recvfrom", SYS_recvfrom, {SOCKET, DATA, 0, 0, DATA, PTR}},
    {"recvmsg", SYS_recvmsg, {SOCKET, PTR, 0, 0, 0, 0}},
    {"recvmsg, all", SYS_recvmsg, {SOCKET, PTR, MSG_WAITALL, 0, 0, 0}},
    {"recvmmsg", SYS_recvmmsg, {SOCKET, PTR, 1, 0, 0, 0}},
    {"recvmmsg", SYS_recvmmsg, {SOCKET, DATA, 1, 0, WRONG, 0}},
    {"sendmsg", SYS_sendmsg, {SOCKET, PTR, 0, 0, 0, 0}},
    {"sendmmsg", SYS_sendmmsg, {SOCKET, PTR, 1, 0, 0, 0}},
    {"sendmmsg to no socket", SYS_sendmmsg, {PIPE_OUT, DATA, 0, 0, 0, 0}},
    {"connect", SYS_connect, {SOCKET, PTR, 16, 0, 0, 0}},
    {"ioctl", SYS_ioctl, {SOCKET, FIONBIO, PTR, 0, 0, 0}},
    {"clone3", 435, {UNREAD, 88, 0, 0, 0, 0}},
    {"clone3, too small", 435, {PTR, 8, 0, 0, 0, 0}},
    {"clone3, too large", 435, {PTR, 5000, 0, 0, 0, 0}},
};

static const char *const kinds[] = {"NULL", "1", "odd", "unreadable",
                                    "read-only", "minus one", "kernel"};
enum { KINDS = 7 };

static char *data, *unreadable, *read_only;
static int pipe_fds[2], pair[2], epoll_fd;

static long bad(int kind)
{
    switch (kind) {
    case 0:
        return 0;
    case 1:
        return 4;
    case 2:
        return (long)unreadable + 1;
    case 3:
        return (long)unreadable;
    case 4:
        return (long)read_only;
    case 5:
        return -1;
    default:
        return (long)0xffff888000000000;
    }
}

static long real(long a, int kind)
{
    static struct timespec brief, wrong;

    brief = (struct timespec){0, 1000000};
    wrong = (struct timespec){0, 1000000000};
    switch (a) {
    case PTR:
    case TIME:
    case UNREAD:
        return bad(kind);
    case DATA:
        return (long)data;
    case SHORT:
        return (long)&brief;
    case WRONG:
        return (long)&wrong;
    case PIPE_IN:
        return pipe_fds[0];
    case PIPE_OUT:
        return pipe_fds[1];
    case SOCKET:
        return pair[0];
    case EPOLL:
        return epoll_fd;
    case SELF:
        return getpid();
    default:
        return a;
    }
}

/* Which of the arguments is the bad pointer; -1: none. */
static int place(const struct call *c)
{
    for (int i = 0; i < 6; i++)
        if (c->a[i] == PTR || c->a[i] == TIME || c->a[i] == UNREAD)
            return i;
    return -1;
}

static void try_one(const struct call *c, int kind)
{
    long a[6], r;

    memset(data, 0, 4096);
    for (int i = 0; i < 6; i++)
        a[i] = real(c->a[i], kind);
    errno = 0;
    r = syscall(c->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    printf("%s", c->name);
    if (place(c) >= 0)
        printf(" %s as argument %d", kinds[kind], place(c) + 1);
    printf(": %s %s\n", r < 0 ? "-" : r == 0 ? "0" : "+",
           r < 0 ? strerrorname_np(errno) : "");
}

static void try_call(const struct call *c)
{
    long sort = place(c) < 0 ? 0 : c->a[place(c)];
    int last = sort == 0 ? 0 : sort == UNREAD ? 3 : KINDS - 1;

    for (int kind = sort == TIME ? 1 : 0; kind <= last; kind++)
        try_one(c, kind);
}

static void try_all(void)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        try_call(&calls[i]);
}

static void *in_thread(void *arg)
{
    printf("---- in a thread\n");
    try_all();
    return arg;
}

static char *map(int protection)
{
    char *at = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0);

    CHECK(at != MAP_FAILED);
    return at;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    data = map(PROT_READ | PROT_WRITE);
    unreadable = map(PROT_NONE);
    read_only = map(PROT_READ);
    CHECK(pipe(pipe_fds) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(write(pair[1], "x", 1) == 1);
    epoll_fd = epoll_create1(0);
    try_all();
    join(start(in_thread, NULL));
    return 0;
}
