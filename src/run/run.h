/* SPDX-License-Identifier: MIT */
/* run/run.h - the engine of `tendril run`, inside. README says where to start.
 *
 * One hub, and one kernel thread or several (cpu.h). Every call of the program
 * arrives in tn__run_syscall(), by a trap (trap.c) or by a libc function that
 * we interpose (symbols.c), on the stack of the green thread that makes it. */
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
    TN__RUN_TID_MIN = 0x400000,    /* above every pid, within FUTEX_TID_MASK, */
    TN__RUN_TID_MAX = 0xffffffe,   /* and within what a clock's number holds */
    TN__RUN_FDS_MAX = 1 << 20,     /* descriptors that we can know */
    TN__RUN_CALLS = 512,           /* system call numbers we have a table for */
    TN__RUN_SIGNALS = 64,
    TN__RUN_LAST_STACK = 16384,    /* with a signal frame on it */
    TN__RUN_CPU_WORDS = 16,        /* affinity to so many times 64 CPUs */
    TN__RUN_QUANTUM_SIGNAL = 33,   /* see quantum.c */
    TN__RUN_RING = 128,            /* signals recorded at a time */
    TN__RUN_CALL_NAME = 24,
    TN__RUN_HUBS_MAX = 64,
    TN__RUN_QUANTUM_MIN = 50000, /* ns */
    TN__RUN_STATS_MAX_S = 1000000,
    TN__RUN_ROBUST_BYTES = 24 /* struct robust_list_head */
};
#define TN__RUN_QUANTUM_MAX INT64_C(10000000000)

/* Ways in, besides the trap, which is always there. */
enum { TN__RUN_WAY_PATCH = 1, TN__RUN_WAY_SYMBOLS = 2 };
/* What becomes of a program that ours starts by exec in a child. */
enum { TN__RUN_FOLLOW, TN__RUN_NATIVE };

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
struct tn__run_helper;

struct tn__run_green {
    struct tn_greenlet g;
    struct tn__list all;      /* on tn__run.greens */
    tn__run_set mask;         /* its signal mask, which only we know: what the
                               * kernel has is in tn__run_cpu.kernel_mask */
    int tid;                  /* what gettid() gives */
    int rank;                 /* its real-time priority; 0: it has none */
    int64_t cpu_ns;           /* CPU time: see cputime.c */
    int policy, nice;         /* SCHED_..., as sched_getscheduler() has it */
    bool has_affinity;        /* `affinity` was set */
    uint64_t affinity[TN__RUN_CPU_WORDS];
    char *unmap;              /* at its end: the stack that it has unmapped */
    size_t unmap_bytes;       /* while it ran on it; 0: it has not */
    bool is_poked;            /* pthread_cancel() woke it */
    bool is_told;             /* by libc's signal: its next setuid() or the like
                               * is for all */
    bool tells;               /* it sent that to others, and makes it last */
    bool has_restore_mask;    /* restore_mask is to be put back at the end of
                               * the call: ppoll() and others */
    tn__run_set restore_mask;
    tn__run_set pending;      /* signals on its list */
    tn__run_set wait_set;     /* what it waits for in rt_sigtimedwait() */
    int raised;               /* the signal that we raise for it; 0: none */
    uint64_t raised_end;      /* what its siginfo has where its mark is */
    bool is_raised_last;      /* and who raises it looks for others then */
    unsigned handlers;        /* that have run since its call began: those
                               * without SA_RESTART, and 1 << 16 for each
                               * that had it */
    long stopped;             /* behind the instruction of its call that has
                               * just given EINTR, while its handlers run; 0:
                               * none has, or it came by symbol */
    ucontext_t *interrupted;  /* the frame that it is about to go back by, to
                               * any instruction of the program; or NULL */
    struct tn__list signals;  /* of struct tn__run_signal, oldest first */
    const uint32_t *late_word; /* its last wait for a futex, which was here, has
                               * timed out; or NULL */
    uint64_t late_turn;       /* and this was its turn */
    uint32_t *clear_tid;      /* set to 0 and woken at its end; or NULL */
    void *robust;             /* its robust list's head; or NULL */
    stack_t alt;              /* its alternate signal stack */
    struct tn__run_regs regs; /* of a new one: where it begins */
    struct tn__run_call *call; /* that it makes; on its stack. NULL: none or
                               * one that was left by a jump */
    tn_time since;            /* when it began, as of the poll before it */
    struct tn__run_helper *own; /* makes its calls, since the kernel keeps for
                               * it what others have not; or NULL */
    char name[16];            /* PR_SET_NAME */
};

/* One call of the program. */
struct tn__run_call {
    long nr;
    long a[6];
    ucontext_t *uc;  /* what the trap has saved; NULL: by another way */
    long pc;         /* behind its instruction; 0: by symbol */
    const struct tn__run_regs *regs; /* of the program; NULL: not known */
    struct tn__run_vectors *vectors; /* where its vector registers are to be
                      * kept while others run; NULL: need not be kept */
    bool can_cancel; /* by symbol, of a function that is a cancellation point:
                      * return -EINTR when a cancel has woken it */
    bool has_deadline;
    tn_time deadline; /* of its relative timeout, so that a restart keeps it */
    bool is_wall;     /* `deadline` is when it is `at` by `clock`, which can be
                       * set: see wallclock.c */
    int clock;
    int64_t at;
    bool is_once;     /* after a handler it gives EINTR even with SA_RESTART */
    bool is_tried;    /* without the lock, with this result, */
    uint32_t seen;    /* when its descriptor had had so many events */
    long tried;
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
    uint64_t sites_patched, sites_refused; /* of system calls */
    uint64_t offloaded;   /* calls that helpers have made */
    uint64_t preempted;   /* how often a quantum was over */
    uint64_t maps_refused; /* mmap() and mprotect() without memory */
    uint32_t slow[TN__RUN_CALLS];   /* raw calls of more than 10 ms */
    int64_t slow_ns[TN__RUN_CALLS]; /* and how long those took in all */
};

struct tn__run {
    volatile int is_on;     /* the engine does this process's calls; 0 in a
                             * child that shares our memory, or once native */
    int pid;
    struct tn__list greens; /* all, main first */
    struct tn__run_green *main;  /* the one whose number is the process's */
    struct tn__run_green first;  /* main of the process that was started */
    tn__run_set by_signalfd; /* what the program reads by such a descriptor */
    bool has_forked;        /* descriptors may be shared with others */
    bool is_copy;           /* it was forked, and has not called exec() */
    int main_status;        /* what main gave to exit(2), when it is gone */
    struct tn__run_counts counts;

    /* Settings, read once by settings.c. */
    bool is_wanted;     /* false: run natively, and nothing below is valid */
    bool is_first;      /* what `tendril run` itself has started, or exec in
                         * place of that: not a child */
    bool has_fallback;  /* real threads instead of a refusal */
    int n_hubs;
    unsigned ways;      /* TN__RUN_WAY_... */
    int children;       /* TN__RUN_FOLLOW or _NATIVE */
    int64_t quantum_ns; /* 0: no preemption */
    int64_t stats_ns;   /* stats also so often; 0: at the end; -1: none */
    bool has_ps;        /* `tendril ps` may ask */
    const char *runtime; /* XDG_RUNTIME_DIR, or ""; during init only */
};

extern struct tn__run tn__run;
extern struct tn_hub tn__run_hub;

#include "run/cpu.h"
#include "run/ours.h"

/* ---- entry.S ---- */
long tn__raw(long nr, long a, long b, long c, long d, long e, long f);
long tn__run_spawn(long nr, const long a[6], struct tn__run_regs *regs,
                   const tn__run_set *mask);
long tn__run_spawn_here(long nr, const long a[6], struct tn__run_regs *regs,
                        const tn__run_set *mask, void *save);
_Noreturn void tn__run_sigreturn(void *frame);
void tn__run_restore(void);
/* The handlers that the kernel has: of SIGSYS, of the quantum's signal, of all
 * others. They call ..._on_trap() and so on, and put the frame right after. */
void tn__run_trap_handler(void), tn__run_quantum_handler(void);
void tn__run_signal_handler(void);
/* Inside: from where that is done to the end of the handler. Who is moved to
 * another kernel thread there has to do it again. */
extern char tn__run_settle[], tn__run_settle_last[], tn__run_restore_last[];
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

/* ---- access.S, fault.c: the program's memory ---- */
/* As the kernel's copy_from_user() and copy_to_user(): 0 or -EFAULT. */
long tn__run_copy(void *to, const void *from, size_t n);
/* Up to n bytes, or to the first that is 0: how many came before it. */
long tn__run_copy_text(char *to, const char *from, size_t n);
/* The value of a word, at least 0; or -EFAULT. */
long tn__run_load(const uint32_t *word);
/* Compare and exchange: the value that it had; or -EFAULT. */
long tn__run_exchange(uint32_t *word, uint32_t old, uint32_t new);
extern char tn__run_access_start[], tn__run_access_end[];
extern char tn__run_access_failed[];
/* An instruction has caused it. */
bool tn__run_is_fault(int sig, const siginfo_t *info);
/* The handler of a fault. False: it is for the program's handler. */
bool tn__run_fault(int sig, ucontext_t *uc);
/* A call of a helper; kicked if `*state` is not 0. */
long tn__run_helper_call(const struct tn__run_call *c, const int *state);
/* Inside: as above. */
extern char tn__run_helper_range[], tn__run_helper_range_last[];
extern char tn__run_helper_kicked[];

/* ---- init.c ---- */
/* This process cannot be green: from now on its calls are the kernel's. */
void tn__run_go_native(void);

/* process.c: what is pending for this thread and blocked stays so over exec():
 * the kernel gets it, which blocks it by then. Returns the set. */
tn__run_set tn__run_hand_over_pending(struct tn__run_green *green);

/* ---- settings.c ---- */
/* Read the settings into tn__run; after `pid`. Ends the process if one is bad.
 */
void tn__run_settings_read(char **env);
void tn__run_say(const char *text); /* on descriptor 2 */

/* ---- assume.c ---- */
/* What the engine takes for granted holds. If not, it has said why. */
bool tn__run_assume(void);
/* There can be no green threads: say why, and end the process if it was started
 * by `tendril run` without --fallback. */
void tn__run_refuse(const char *why);

/* ---- environ.c ---- */
struct tn__run_environ {
    const char **env; /* owned mapping, or NULL */
    size_t bytes;
};
/* Take our variables out of it. */
void tn__run_environ_clean(char **env);
/* They are gone, and an exec() of this process is to have them. */
bool tn__run_environ_has_gone(void);
/* A copy of `env` that has them. 0 or a negative errno. */
long tn__run_environ_restore(const char *const *env,
                             struct tn__run_environ *ret);
void tn__run_environ_free(struct tn__run_environ *e);

/* ---- dispatch.c ---- */
/* Do a call, with all that belongs to its end: signals, restart. */
long tn__run_syscall(struct tn__run_call *c);
/* Let the kernel do it, as it is; and by who has given the lock up. */
long tn__run_kernel(struct tn__run_call *c);
long tn__run_kernel_unlocked(struct tn__run_call *c);
/* A call gave -EPIPE or -EFBIG. What it has raised is for the green thread that
 * made it, also where the kernel blocks it, since all do, or as the kernel
 * threads of hubs.c do. */
void tn__run_pass_raised(long result);
typedef long tn__run_fn(struct tn__run_call *c);

/* ---- unlocked.c ---- */
/* With several kernel threads: try a hot call without the lock. False: take the
 * lock and do it as always; what was found out is in `c`. */
bool tn__run_try(struct tn__run_call *c, long *ret);
/* tn__hub_io(), which then gives the lock up for each attempt. */
long tn__run_io(struct tn__run_call *c, struct tn__op *op, tn_time deadline,
                const char *what);

/* thread.c */
tn__run_fn tn__run_clone, tn__run_clone3, tn__run_exit, tn__run_yield;
tn__run_fn tn__run_set_tid_address, tn__run_set_robust_list;
tn__run_fn tn__run_get_robust_list;
/* identity.c */
tn__run_fn tn__run_gettid, tn__run_rseq, tn__run_arch_prctl, tn__run_prctl;
/* cputime.c */
tn__run_fn tn__run_clock_gettime, tn__run_clock_getres, tn__run_getrusage;
tn__run_fn tn__run_cpu_sleep;
/* numbers.c */
tn__run_fn tn__run_by_number, tn__run_set_owner;
/* sched.c */
tn__run_fn tn__run_sched_getaffinity, tn__run_sched_setaffinity;
tn__run_fn tn__run_sched_getparam, tn__run_sched_setparam;
tn__run_fn tn__run_sched_getscheduler, tn__run_sched_setscheduler;
tn__run_fn tn__run_sched_getattr, tn__run_sched_setattr, tn__run_setpriority;
tn__run_fn tn__run_sched_rr_get_interval, tn__run_getpriority;
/* futex.c */
tn__run_fn tn__run_futex;
/* waitv.c */
tn__run_fn tn__run_futex_waitv, tn__run_futex_wake, tn__run_futex_wait;
tn__run_fn tn__run_futex_requeue;
/* fork.c, process.c */
tn__run_fn tn__run_fork, tn__run_vfork, tn__run_execve, tn__run_exit_group;
tn__run_fn tn__run_wait4, tn__run_waitid, tn__run_ptrace;
/* action.c, mask.c, signal.c, kill.c */
tn__run_fn tn__run_rt_sigaction, tn__run_rt_sigprocmask, tn__run_rt_sigreturn;
tn__run_fn tn__run_rt_sigpending, tn__run_rt_sigsuspend;
tn__run_fn tn__run_rt_sigtimedwait, tn__run_sigaltstack, tn__run_pause;
tn__run_fn tn__run_kill, tn__run_tgkill, tn__run_tkill, tn__run_signalfd;
tn__run_fn tn__run_rt_tgsigqueueinfo, tn__run_rt_sigqueueinfo;
/* timers.c */
tn__run_fn tn__run_timer_create, tn__run_timer_delete;
tn__run_fn tn__run_timer_settime, tn__run_timer_getoverrun;
/* sleep.c */
tn__run_fn tn__run_nanosleep, tn__run_clock_nanosleep;
/* wait.c, select.c */
tn__run_fn tn__run_poll, tn__run_ppoll, tn__run_select, tn__run_pselect6;
tn__run_fn tn__run_epoll_wait, tn__run_epoll_pwait2;
/* io.c, message.c, connect.c */
tn__run_fn tn__run_read, tn__run_write, tn__run_readv, tn__run_writev;
tn__run_fn tn__run_recvfrom, tn__run_sendto, tn__run_recvmsg, tn__run_sendmsg;
tn__run_fn tn__run_recvmmsg, tn__run_sendmmsg, tn__run_accept4;
tn__run_fn tn__run_accept, tn__run_connect, tn__run_shutdown;
tn__run_fn tn__run_sendfile, tn__run_flock;
tn__run_fn tn__run_preadv2, tn__run_pwritev2;
/* disk.c, aio.c, credentials.c */
tn__run_fn tn__run_file_io, tn__run_file_sync, tn__run_lseek, tn__run_msync;
tn__run_fn tn__run_mlock, tn__run_io_getevents, tn__run_io_pgetevents;
tn__run_fn tn__run_io_submit, tn__run_uring_setup, tn__run_uring_register;
tn__run_fn tn__run_uring_enter, tn__run_credentials, tn__run_namespaces;
tn__run_fn tn__run_file_ask, tn__run_file_copy, tn__run_madvise;
tn__run_fn tn__run_syslog;
/* filter.c */
tn__run_fn tn__run_filter;
/* paths.c, device.c */
tn__run_fn tn__run_path, tn__run_device, tn__run_identity, tn__run_alone;
/* splice.c, ipc.c, fifo.c */
tn__run_fn tn__run_splice, tn__run_tee, tn__run_vmsplice;
tn__run_fn tn__run_msgrcv, tn__run_msgsnd, tn__run_semop, tn__run_semtimedop;
tn__run_fn tn__run_mq_timedreceive, tn__run_mq_timedsend;
tn__run_fn tn__run_open, tn__run_openat, tn__run_openat2, tn__run_creat;
/* fd.c */
tn__run_fn tn__run_close, tn__run_dup, tn__run_dup2, tn__run_dup3;
tn__run_fn tn__run_close_range, tn__run_new, tn__run_new_pair;
tn__run_fn tn__run_fstat, tn__run_fcntl, tn__run_ioctl, tn__run_setsockopt;

/* robust.c: the kernel's part at the end of a thread: the mutexes on its list
 * have no owner any more. */
void tn__run_robust_give_up(const struct tn__run_green *green);

/* At the end of the process, for all but main. */
void tn__run_robust_give_up_all(void);

/* sched.c */
void tn__run_sched_init(void);
void tn__run_sched_inherit(struct tn__run_green *green,
                           const struct tn__run_green *from);
/* Make what is kept for the thread that forked the kernel's. */
void tn__run_sched_in_child(struct tn__run_green *self);

/* cputime.c: the clock of one of us, as one of the kernel's; any other one is
 * what it is. */
int tn__run_cpu_clock(int clock);
void tn__run_cputime_in_child(void);

/* comm.c: a file that is not there; -ENOENT: nor is it a thread's name. */
long tn__run_comm_open(const char *path, int flags);
/* A path that is not there: is it below /proc/self/task/ of a green thread, or
 * its /proc? Then `to` is that of the kernel thread of main(). */
enum { TN__RUN_TASK_PATH = 64 };
bool tn__run_task_path(const char *path, char to[TN__RUN_TASK_PATH]);
void tn__run_comm_close(int fd);
long tn__run_stat_put_right(char *text, long n, size_t room); /* of n read */

/* ---- thread.c ---- */
/* The end of the green thread that runs; its stack is left at once. */
_Noreturn void tn__run_end(int status);
/* A thread unmaps the stack it runs on, and is about to end: see to it then.
 * False: it is another's. */
bool tn__run_keep_stack(long start, long bytes);
struct tn__run_green *tn__run_find_tid(int tid);
/* numbers.c: is it the number of one of us, which the kernel does not know? */
bool tn__run_is_green_number(long n);
/* It has left its stack, which others may now free. */
void tn__run_thread_gone(struct tn__run_green *green);
/* Only the one that runs is left, and it is main. For this and the others of
 * that name see fork.c. */
void tn__run_threads_in_child(void);

/* ---- futex.c, ipc.c ---- */
void tn__run_futex_in_child(void);

#include "run/signals.h"

/* The length of the instruction that makes a call. */
enum { TN__RUN_SYSCALL_BYTES = 2 };

/* trap.c */
/* Turn it off. True, also where it is off, if the kernel has it. */
bool tn__run_trap_disarm(void);
void tn__run_trap_arm(void);
bool tn__run_on_trap(int sig, siginfo_t *info, void *context);
/* pthread_cancel() of the thread with this FS base. */
void tn__run_poke(uint64_t fs_base);

/* ---- quantum.c ---- */
void tn__run_quantum_init(void);
/* From now on its handler runs on the alternate stack, where there is one; or
 * it does not. */
void tn__run_quantum_on_altstack(bool is_there);
/* Is this program counter in the text of the engine? */
bool tn__run_is_ours(long pc);
/* There is more than one green thread now. When is_ticking is not set. */
void tn__run_quantum_start(void);
void tn__run_quantum_in_child(void);
void tn__run_quantum_stop(void); /* here; there is no other green thread */
bool tn__run_on_quantum(int sig, siginfo_t *info, void *context);

/* ---- sleep.c ---- */
int64_t tn__run_clock(int clock);
/* When `t` (NULL: never) is over, or when it is, on the hub's clock, which is
 * CLOCK_MONOTONIC. -EINVAL, -EFAULT. */
int tn__run_deadline(const struct timespec *t, bool is_absolute,
                     tn_time *ret_deadline);
/* Park until `deadline`. 0, or -EINTR. */
long tn__run_sleep_until(tn_time deadline, const char *what);

/* ---- wallclock.c ---- */
/* Let c->deadline be when it is `t` (NULL: never) by this clock: when the clock
 * is set, the end of the call's wait is moved. 0, -EINVAL, -EFAULT. */
int tn__run_deadline_by(struct tn__run_call *c, const struct timespec *t,
                        int clock);
/* The same for a call that waits in steps, before each. */
void tn__run_deadline_renew(struct tn__run_call *c);
void tn__run_wallclock_in_child(void);
/* The program wants this number: if it is the timerfd's, use another. */
bool tn__run_wallclock_give_up(int fd);

/* ---- wait.c ---- */
/* Wait until `fd` has `events`. revents, 0 (deadline) or -EINTR. */
long tn__run_wait_fd(int fd, int events, tn_time deadline, const char *what);
/* The mask of ppoll() and others: for the time of this call. */
int tn__run_mask_borrow(const tn__run_set *mask, size_t bytes);
void tn__run_mask_give_back(long result);

/* ---- fd.c ---- */
enum { TN__RUN_IN, TN__RUN_OUT };
/* What a file is on: memory and procfs are never waited for. */
enum {
    TN__RUN_DISK_UNKNOWN,
    TN__RUN_DISK_MEMORY, TN__RUN_DISK_PROC,
    TN__RUN_DISK_LOCAL,
    TN__RUN_DISK_SLOW /* of a network, or of another process */
};
/* How long calls of one kind took: pace.c. All zero: nothing was slow. */
struct tn__run_pace {
    uint8_t n_slow;    /* calls that a helper is to make */
    uint8_t n_watched; /* calls of which we ask whether they slept */
};
/* Is the next one a helper's? Else make it. */
bool tn__run_pace_is_slow(struct tn__run_pace *p);
long tn__run_paced(struct tn__run_call *c, struct tn__run_pace *p);
/* What we know of a descriptor of the program. All zero: nothing. */
struct tn__run_fd {
    uint32_t flags_as_of; /* is_nonblock was read at this count of changes */
    bool is_nonblock;     /* its description has O_NONBLOCK */
    bool is_known;        /* is_file is valid, and else the loop tracks it */
    bool is_file;         /* never waits in the sense of poll() */
    bool is_socket;
    bool is_listener;     /* connections are accepted on it */
    bool is_terminal;
    bool is_fifo;         /* a pipe with a name, which others may have too */
    bool is_foreign;      /* was there at start or at a fork, or is a
                           * duplicate of one: other processes may share it */
    bool has_timeout;     /* SO_RCVTIMEO or SO_SNDTIMEO is set; valid after
                           * tn__run_fd_is_nonblock() */
    int64_t timeout_ns[2]; /* these; 0: none */
    bool has_low_mark;    /* SO_RCVLOWAT is more than a byte; then has_timeout
                           * is set too */
    bool is_direct, is_sync; /* O_DIRECT, O_SYNC or O_DSYNC; valid after
                              * tn__run_fd_is_nonblock() */
    bool has_no_nowait;    /* RWF_NOWAIT is not known there */
    uint8_t disk;          /* TN__RUN_DISK_*, if is_file */
    struct tn__run_pace pace; /* of calls that are made and timed */
    bool has_twin;         /* another number may be the same description */
    uint32_t n_seeking;    /* helpers that use its position: disk.c */
    uint8_t device;        /* device.c's */
    uint8_t events;        /* disk.c's, if is_file */
    uint8_t n_shut;        /* calls of shutdown() */
};
int tn__run_fds_init(void);
/* The entry of `fd`, with its kind found out. NULL: not a descriptor of the
 * program; let the kernel say so. */
struct tn__run_fd *tn__run_fd_get(int fd);
/* The same without the lock, if its kind and flags are known; or NULL. */
struct tn__run_fd *tn__run_fd_seen(int fd);
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
/* It may have come from another process. */
void tn__run_fd_received(int fd);
/* A call has given this descriptor, or an error, to the program: what is known
 * of the number is of one that was closed behind us. Passes it on. */
long tn__run_fd_new(long fd);
/* It is being closed: forget it and wake who waits on it. Before the close. */
void tn__run_fd_forget(int fd);
/* 0, or a negative errno: there is no loop. */
int tn__run_fds_in_child(void);
/* A child is about to be forked, which shares what is open; or what an exec()
 * leaves open, since before that it does nothing. */
void tn__run_fds_shared(bool is_for_exec);
/* One more than the last descriptor of the program that is open. */
int tn__run_fds_end(void);

/* ---- disk.c ---- */
/* What a file is on: TN__RUN_DISK_*. */
int tn__run_disk_kind(int fd, struct tn__run_fd *f);
void tn__run_disk_in_child(void);
/* poll() has said that it is not ready: will it ever be? True of message queues
 * and some of the kernel's own files. */
bool tn__run_file_has_events(int fd, struct tn__run_fd *f);

/* ---- mounts.c ---- */
/* Is it on a file system that may not answer? An open one; a path. */
bool tn__run_fd_is_slow(int fd);
bool tn__run_path_is_slow(long dir, const char *path);

/* ---- device.c ---- */
/* A blocking write to a device that is not a terminal: made as it stands, with
 * its result in *ret. False: as to anything else. */
bool tn__run_device_write(struct tn__run_call *c, struct tn__run_fd *f,
                          long *ret);

/* ---- credentials.c ---- */
/* A call of a thread with a kernel thread of its own that goes there? */
bool tn__run_is_own_call(const struct tn__run_call *c);
/* The one that runs sends this signal to `green`. */
void tn__run_credentials_told(struct tn__run_green *green, int sig);
void tn__run_credentials_in_child(void);

/* ---- offload.c ---- */
/* Make this call, as it stands, on a helper kernel thread; the green thread
 * waits, and a signal for it interrupts the call as it would natively. For one
 * that may wait for ever. The descriptors and memory it names must stay valid.
 * -EINTR, or TN__RUN_AGAIN: give it on. */
tn__run_fn tn__run_offload;
/* The same for a call that ends by itself, and cannot give EINTR unless the
 * kernel says so: of disks. */
tn__run_fn tn__run_offload_quick;
/* By the kernel thread of the caller's own, which it has from then on. */
tn__run_fn tn__run_offload_own;
/* This green thread has ended. */
void tn__run_offload_drop(struct tn__run_green *green);
/* What the kernel keeps for each thread has changed: start anew. */
void tn__run_offload_retire(void);
/* With this result a call may have raised SIGPIPE or SIGXFSZ for the kernel
 * thread that made it, and that blocks it: take it. 0: none. */
int tn__run_raised_by(long result);
/* Wait for the end of those that are retired: soon, if they have no call. */
void tn__run_offload_join(void);
/* Take back what helpers have done, if this is not NULL: at the end of calls,
 * and around each poll. */
extern struct tn__job *tn__run_offload_done;
void tn__run_offload_reap(void);
void tn__run_offload_before_poll(void);
void tn__run_offload_init(void);
/* SIGSYS without a call. True: it is a helper that has got it. */
bool tn__run_offload_on_signal(const siginfo_t *info, ucontext_t *uc);
/* The number of the loop's wake-up has changed: until nobody uses the old. */
void tn__run_offload_settle(void);
void tn__run_offload_in_child(void);

/* ---- stats.c ---- */
void tn__run_stats_init(void);
void tn__run_stats_in_child(void);
void tn__run_stats_print(void);
void tn__run_stats_slow(long nr, int64_t ns);
extern const char *const tn__run_call_names[TN__RUN_CALLS];

/* ---- inspect.c ---- */
void tn__run_inspect_init(void);
/* Make the socket for `tendril ps`, once in each process. */
void tn__run_inspect_open(void);
/* Before each poll: answer who has asked. */
void tn__run_inspect_serve(void);
/* Nobody can run: say so, once, if it is for ever. */
void tn__run_inspect_deadlock(void);
/* This process ends: remove the socket's name. */
void tn__run_inspect_close(void);
void tn__run_inspect_in_child(void);
/* The program wants this number: if it is the socket's, close it. */
bool tn__run_inspect_give_up(int fd);

/* vdso.c */
void tn__run_vdso_init(void);
/* The CPU's counter may be forbidden now, or not any more (PR_SET_TSC). */
void tn__run_vdso_look(void);
/* It is about to be. */
void tn__run_vdso_leave(void);

#pragma GCC visibility pop

#endif /* TN_RUN_RUN_H */
