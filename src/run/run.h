/* SPDX-License-Identifier: MIT */
/* run/run.h - the engine of `tendril run`, inside. README says where to start.
 *
 * One kernel thread, one hub. Every call of the program arrives in
 * tn__run_syscall(), by a trap (trap.c) or by a libc function that we interpose
 * (symbols.c), on the stack of the green thread that makes it. */
#ifndef TN_RUN_RUN_H
#define TN_RUN_RUN_H

#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <ucontext.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/sys.h"
#include "hub/hub.h"

/* So that the compiler need not look for our own things in a table. */
#pragma GCC visibility push(hidden)

enum {
    TN__RUN_TID_MIN = 0x400000,    /* above every pid, within FUTEX_TID_MASK */
    TN__RUN_TID_MAX = 0x3ffffffe,
    TN__RUN_CALLS = 512,           /* system call numbers we have a table for */
    TN__RUN_SIGNALS = 64,
    TN__RUN_CALL_NAME = 24
};

/* Registers in the kernel's order; entry.S knows the offsets. */
struct tn__run_regs {
    long r8, r9, r10, r11, r12, r13, r14, r15;
    long rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
};

/* A signal set as the kernel has it: bit 0 is signal 1. */
typedef uint64_t tn__run_set;

static inline tn__run_set tn__run_bit(int sig)
{
    return (tn__run_set)1 << (sig - 1);
}

/* What the kernel's rt_sigaction() takes. */
struct tn__run_action {
    void *handler;
    unsigned long flags;
    void *restorer;
    tn__run_set mask;
};

/* A green thread. The first member is what the hub knows of it. */
struct tn__run_green {
    struct tn_greenlet g;
    struct tn__list all;      /* on tn__run.greens */
    tn__run_set mask;         /* its signal mask, which only we know: what the
                               * kernel has is in tn__run.kernel_mask */
    int tid;                  /* what gettid() gives */
    bool is_poked;            /* pthread_cancel() woke it */
    bool has_restore_mask;    /* restore_mask is to be put back at the end of
                               * the call: ppoll() and others */
    tn__run_set restore_mask;
    tn__run_set pending;      /* signals on its list */
    tn__run_set wait_set;     /* what it waits for in rt_sigtimedwait() */
    int raised, raised_code;  /* the signal that we raise for it, and its
                               * si_code; 0: none */
    struct tn__list signals;  /* of struct tn__run_signal, oldest first */
    uint32_t *clear_tid;      /* set to 0 and woken at its end; or NULL */
    void *robust;             /* its robust list's head; or NULL */
    stack_t alt;              /* its alternate signal stack */
    struct tn__run_regs regs; /* of a new one: where it begins */
    char name[16];            /* PR_SET_NAME */
};

/* One call of the program. */
struct tn__run_call {
    long nr;
    long a[6];
    ucontext_t *uc;  /* what the trap has saved; NULL: by symbol */
    bool can_cancel; /* by symbol, of a function that is a cancellation point:
                      * return -EINTR when a cancel has woken it */
    bool has_deadline;
    tn_time deadline; /* of its relative timeout, so that a restart keeps it */
    bool is_once;     /* after a handler it gives EINTR even with SA_RESTART */
};

/* A result inside the engine: nothing was done, do it again after the signals.
 * The kernel's number for the same. */
#define TN__RUN_AGAIN (-513L)

/* A signal that waits to be delivered. */
struct tn__run_signal {
    struct tn__list link; /* on a green thread's list, or free */
    siginfo_t info;
};

/* What we have counted. */
struct tn__run_counts {
    uint64_t threads;     /* created, main not counted */
    uint64_t alive;       /* now, main included */
    uint64_t alive_most;
    uint64_t by_trap, by_symbol;
    uint32_t slow[TN__RUN_CALLS];   /* raw calls of more than 10 ms */
    int64_t slow_ns[TN__RUN_CALLS]; /* and how long those took in all */
};

struct tn__run {
    volatile int is_on;     /* the engine does this process's calls; 0 in a
                             * child of it, which is native */
    volatile int in_engine; /* our code runs: a signal is only recorded */
    volatile int is_alert;  /* look for signals at the end of the call; entry.S
                             * knows where it is */
    int pid;
    struct tn__list greens; /* all, main first */
    struct tn__run_green main;
    tn__run_set kernel_mask;     /* the signal mask that the kernel has */
    struct tn__run_green *alt_owner; /* whose alternate stack the kernel has;
                                      * NULL: none */
    bool has_forked;        /* descriptors may be shared with others */
    int main_status;        /* what main gave to exit(2), when it is gone */
    int64_t stats_ns;       /* stats also so often; 0: at the end; -1: none */
    struct tn__run_counts counts;
};

_Static_assert(offsetof(struct tn__run, is_alert) == 8, "entry.S has it");

extern struct tn__run tn__run;
extern struct tn_hub tn__run_hub;

static inline struct tn__run_green *tn__run_self(void)
{
    return (struct tn__run_green *)tn__run_hub.current;
}

/* ---- entry.S ---- */
long tn__raw(long nr, long a, long b, long c, long d, long e, long f);
long tn__run_spawn(long nr, const long a[6], struct tn__run_regs *regs,
                   const tn__run_set *mask);
_Noreturn void tn__run_sigreturn(void *frame);
void tn__run_restore(void);
/* A call that may sleep in the kernel. TN__RUN_AGAIN, with nothing done, if a
 * signal is recorded, up to the very instruction. */
long tn__raw_unless_alert(long nr, long a, long b, long c, long d, long e,
                          long f);
/* Inside: from the test to the system call instruction, and where to go if a
 * signal comes there. */
extern char tn__raw_range[], tn__raw_range_last[], tn__raw_alerted[];
_Noreturn void tn__run_enter(const struct tn__run_regs *regs);
long tn__run_trap(long nr, const long a[6]);
extern char tn__run_exempt_start[], tn__run_exempt_end[];

static inline long tn__raw1(long nr, long a)
{
    return tn__raw(nr, a, 0, 0, 0, 0, 0);
}

static inline long tn__raw3(long nr, long a, long b, long c)
{
    return tn__raw(nr, a, b, c, 0, 0, 0);
}

static inline long tn__raw4(long nr, long a, long b, long c, long d)
{
    return tn__raw(nr, a, b, c, d, 0, 0);
}

/* ---- init.c ---- */
/* This process is a forked child: from now on its calls are the kernel's. */
void tn__run_go_native(void);

/* ---- dispatch.c ---- */
/* Do a call, with all that belongs to its end: signals, restart. */
long tn__run_syscall(struct tn__run_call *c);
/* Let the kernel do it, as it is. */
long tn__run_kernel(struct tn__run_call *c);
/* Leave the engine: deliver what is due to this green thread. Returns how many
 * handlers ran without SA_RESTART, plus 1 << 16 for each that had it. */
unsigned tn__run_leave_slow(void);
static inline unsigned tn__run_leave(void)
{
    tn__run.in_engine = 0;
    __asm__ volatile("" ::: "memory");
    if (TN_LIKELY(!tn__run.is_alert && tn__run_hub.current->alert == 0 &&
                  !tn__run.alt_owner))
        return 0;
    return tn__run_leave_slow();
}

typedef long tn__run_fn(struct tn__run_call *c);
/* thread.c */
tn__run_fn tn__run_clone, tn__run_clone3, tn__run_exit, tn__run_yield;
tn__run_fn tn__run_set_tid_address, tn__run_set_robust_list;
tn__run_fn tn__run_get_robust_list;
/* identity.c */
tn__run_fn tn__run_gettid, tn__run_rseq, tn__run_arch_prctl, tn__run_prctl;
tn__run_fn tn__run_sched_get, tn__run_sched_set, tn__run_priority;
tn__run_fn tn__run_priority_set;
/* futex.c */
tn__run_fn tn__run_futex, tn__run_no_such_call;
/* process.c */
tn__run_fn tn__run_fork, tn__run_vfork, tn__run_execve, tn__run_exit_group;
tn__run_fn tn__run_wait4, tn__run_waitid;
/* action.c, mask.c, signal.c, kill.c */
tn__run_fn tn__run_rt_sigaction, tn__run_rt_sigprocmask, tn__run_rt_sigreturn;
tn__run_fn tn__run_rt_sigpending, tn__run_rt_sigsuspend;
tn__run_fn tn__run_rt_sigtimedwait, tn__run_sigaltstack, tn__run_pause;
tn__run_fn tn__run_tgkill, tn__run_tkill, tn__run_rt_tgsigqueueinfo;
/* sleep.c */
tn__run_fn tn__run_nanosleep, tn__run_clock_nanosleep;
/* wait.c */
tn__run_fn tn__run_poll, tn__run_ppoll, tn__run_select, tn__run_pselect6;
tn__run_fn tn__run_epoll_wait, tn__run_epoll_pwait2;
/* io.c, message.c, connect.c */
tn__run_fn tn__run_read, tn__run_write, tn__run_readv, tn__run_writev;
tn__run_fn tn__run_recvfrom, tn__run_sendto, tn__run_recvmsg, tn__run_sendmsg;
tn__run_fn tn__run_recvmmsg, tn__run_sendmmsg, tn__run_accept4;
tn__run_fn tn__run_accept, tn__run_connect, tn__run_sendfile, tn__run_flock;
tn__run_fn tn__run_preadv2, tn__run_pwritev2;
/* splice.c, ipc.c, fifo.c */
tn__run_fn tn__run_splice, tn__run_tee, tn__run_vmsplice;
tn__run_fn tn__run_msgrcv, tn__run_msgsnd, tn__run_semop, tn__run_semtimedop;
tn__run_fn tn__run_ipc_control, tn__run_mq_timedreceive, tn__run_mq_timedsend;
tn__run_fn tn__run_open, tn__run_openat;
/* fd.c */
tn__run_fn tn__run_close, tn__run_dup, tn__run_dup2, tn__run_dup3;
tn__run_fn tn__run_close_range;
tn__run_fn tn__run_fcntl, tn__run_ioctl, tn__run_setsockopt;

/* ---- thread.c ---- */
/* The end of the green thread that runs; its stack is left at once. */
_Noreturn void tn__run_end(int status);
struct tn__run_green *tn__run_find_tid(int tid);

/* ---- signals ---- */
/* mask.c: give `green` this mask, and the kernel what follows from it. */
void tn__run_mask_set(struct tn__run_green *green, tn__run_set mask);
/* Let the kernel have this very mask: for fork() and exec(). */
void tn__run_mask_load(tn__run_set mask);
/* The masks of some green threads have gone: more may be blocked. */
void tn__run_mask_grow(void);
/* action.c: what the program has installed for `sig`. */
struct tn__run_action *tn__run_action_of(int sig);
bool tn__run_has_handler(int sig);
/* As the kernel's rt_sigaction(), without a word to the program. */
long tn__run_action_load(int sig, const struct tn__run_action *action);
void tn__run_actions_init(void);
/* Give the kernel the program's own handlers: for a child. */
void tn__run_actions_go_native(void);
/* signal.c: before a return by sigreturn: the kernel will take its mask and its
 * alternate stack from this frame. */
void tn__run_frame_settle(struct tn__run_green *green, ucontext_t *uc);
/* The handler of every signal the program has a handler for. */
void tn__run_on_signal(int sig, siginfo_t *info, void *context);
void tn__run_signals_init(void);
/* Hand what was recorded to green threads. In the engine. */
void tn__run_signals_drain(void);
/* Put a signal on `green`'s list and wake it. In the engine. */
void tn__run_signal_post(struct tn__run_green *green, const siginfo_t *info);
/* Take the oldest signal of `set` off `green`'s list. False: none. */
bool tn__run_signal_take(struct tn__run_green *green, tn__run_set set,
                         siginfo_t *ret_info);
void tn__run_signals_drop(struct tn__run_green *green);
/* Bits of signals that were recorded for the process. */
tn__run_set tn__run_signals_recorded(void);
/* altstack.c: load the alternate stack of the one that runs, if need be. */
void tn__run_altstack_load(struct tn__run_green *green);

/* trap.c */
bool tn__run_trap_is_there(void);
void tn__run_trap_arm(void);
void tn__run_on_trap(int sig, siginfo_t *info, void *context);
/* pthread_cancel() of the thread with this FS base. */
void tn__run_poke(uint64_t fs_base);

/* ---- sleep.c ---- */
int64_t tn__run_clock(int clock);
/* When `t` (NULL: never) is over, on the hub's clock. -EINVAL, -EFAULT. */
int tn__run_deadline(const struct timespec *t, int clock, bool is_absolute,
                     tn_time *ret_deadline);
/* Park until `deadline`. 0, or -EINTR. */
long tn__run_sleep_until(tn_time deadline, const char *what);

/* ---- wait.c ---- */
/* Wait until `fd` has `events`. revents, 0 (deadline) or -EINTR. */
long tn__run_wait_fd(int fd, int events, tn_time deadline, const char *what);
/* The mask of ppoll() and others: for the time of this call. */
int tn__run_mask_borrow(const tn__run_set *mask, size_t bytes);
void tn__run_mask_give_back(long result);

/* ---- fd.c ---- */
enum { TN__RUN_IN, TN__RUN_OUT };
/* What we know of a descriptor of the program. All zero: nothing. */
struct tn__run_fd {
    uint32_t flags_as_of; /* is_nonblock was read at this count of changes */
    bool is_nonblock;     /* its description has O_NONBLOCK */
    bool is_known;        /* is_file is valid, and else the loop tracks it */
    bool is_file;         /* never waits in the sense of poll() */
    bool is_socket;
    bool is_terminal;     /* the controlling one of this process */
    bool is_foreign;      /* was there at start, or is a duplicate of one:
                           * other processes may share it */
    bool has_timeout;     /* SO_RCVTIMEO or SO_SNDTIMEO is set; valid after
                           * tn__run_fd_is_nonblock() */
    int64_t timeout_ns[2]; /* these; 0: none */
};
int tn__run_fds_init(void);
/* The entry of `fd`, with its kind found out. NULL: not a descriptor of the
 * program; let the kernel say so. */
struct tn__run_fd *tn__run_fd_get(int fd);
/* A call on it would not block in the kernel, or is meant to. */
bool tn__run_fd_is_nonblock(int fd, struct tn__run_fd *f);
/* Until when a call on it may wait: its SO_RCVTIMEO or SO_SNDTIMEO, which
 * begins once. After tn__run_fd_is_nonblock(). */
tn_time tn__run_fd_wait_until(struct tn__run_call *c,
                              const struct tn__run_fd *f, int direction);
static inline tn_time tn__run_fd_deadline(struct tn__run_call *c,
                                          const struct tn__run_fd *f,
                                          int direction)
{
    return TN_LIKELY(!f->has_timeout) ? TN_FOREVER
                                      : tn__run_fd_wait_until(c, f, direction);
}
/* A descriptor may have come from another process. */
void tn__run_fd_received(void);
/* Move a descriptor of ours out of the program's way; passes errors on. */
long tn__run_fd_hide(long fd);
bool tn__run_fd_is_ours(int fd);
/* It is being closed: forget it and wake who waits on it. Before the close. */
void tn__run_fd_forget(int fd);
/* tn__sys_close() was asked to close it. */
void tn__run_fd_disown(int fd);
/* Close the engine's descriptors, in a child. */
void tn__run_fds_drop(void);

/* ---- stats.c ---- */
void tn__run_stats_init(void);
void tn__run_stats_print(void);
void tn__run_stats_slow(long nr, int64_t ns);
extern const char *const tn__run_call_names[TN__RUN_CALLS];

/* vdso.c */
void tn__run_vdso_init(void);

#pragma GCC visibility pop

#endif /* TN_RUN_RUN_H */
