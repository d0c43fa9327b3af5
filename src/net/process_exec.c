/* SPDX-License-Identifier: MIT */
/* net/process_exec.c - the way of a child from clone() to exec.
 *
 * The child shares our memory and runs on a stack of its own while this thread
 * stands still (CLONE_VM | CLONE_VFORK), as in posix_spawn(), which cannot do
 * all that is needed here. So nothing is copied, however large we are; and the
 * child may only make system calls. It has all signals blocked until none of
 * our handlers is its any more. Signals are handled by bare system calls,
 * because libraries that watch those (sanitizers) would take the child's for
 * ours.
 *
 * What fails in the child is an errno in the shared memory. There are emulators
 * that make a plain fork() of this: then it is in a pipe that exec closes. A
 * process that another thread forks meanwhile may keep that open for long. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "base/sys.h"
#include "net/process.h"

#ifndef CLONE_PIDFD
# define CLONE_PIDFD 0x1000
#endif
#ifndef SYS_close_range
# define SYS_close_range 436
#endif

#if defined(__clang__)
# define IN_CHILD __attribute__((no_sanitize("address", "thread", "undefined")))
#else
# define IN_CHILD                                                              \
  __attribute__((no_sanitize_address, no_sanitize_thread,                      \
                 no_sanitize_undefined))
#endif

/* TSan's clone() makes the state of this thread that of a forked child; and it
 * is ours. */
#if defined(__SANITIZE_THREAD__)
# define HAS_TSAN 1
#elif defined(__has_feature)
# if __has_feature(thread_sanitizer)
#  define HAS_TSAN 1
# endif
#endif
#ifdef HAS_TSAN
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
# define clone __clone
#endif

enum { STACK_BYTES = 65536, SIGSET_BYTES = 8, SIGNAL_MAX = 64 };

/* ---- in the child ----
 *
 * It shares our memory, so that it makes its calls without what may stand
 * before libc's: a sanitizer would take the descriptors for ours, and write
 * out stdio's buffers at _exit(). */

IN_CHILD static _Noreturn void leave(int status)
{
    for (;;)
        syscall(SYS_exit_group, status);
}

IN_CHILD static void reset_signals(void)
{
    /* The kernel's struct sigaction, of SIG_DFL and no flags. */
    const unsigned long none[8] = {0};

    for (int signo = 1; signo <= SIGNAL_MAX; signo++)
        syscall(SYS_rt_sigaction, signo, none, NULL, SIGSET_BYTES);
}

IN_CHILD static int set_up_process(const struct tn__exec *e)
{
    if ((e->flags & TN_PROCESS_SESSION) && setsid() < 0)
        return -1;
    if ((e->flags & TN_PROCESS_GROUP) && !(e->flags & TN_PROCESS_SESSION) &&
        setpgid(0, 0) < 0)
        return -1;
    if (e->flags & TN_PROCESS_DIE_WITH_US) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
            return -1;
        if (getppid() != e->parent)
            leave(127); /* too late for that */
    }
    return 0;
}

/* Put e->fds at 0, 1 and 2. */
IN_CHILD static int set_up_standard(struct tn__exec *e)
{
    if (e->error_fd < 3) {
        e->error_fd = (int)syscall(SYS_fcntl, e->error_fd, F_DUPFD_CLOEXEC, 3);
        if (e->error_fd < 0)
            return -1;
    }
    for (int i = 0; i < 3; i++)
        if (e->fds[i] >= 0 && e->fds[i] < 3 && e->fds[i] != i) {
            e->fds[i] = (int)syscall(SYS_fcntl, e->fds[i], F_DUPFD_CLOEXEC, 3);
            if (e->fds[i] < 0)
                return -1;
        }
    for (int i = 0; i < 3; i++) {
        if (e->fds[i] < 0)
            syscall(SYS_close, i);
        else if (e->fds[i] == i)
            syscall(SYS_fcntl, i, F_SETFD, 0);
        else if (syscall(SYS_dup3, e->fds[i], i, 0) < 0)
            return -1;
    }
    return 0;
}

IN_CHILD static void close_range_of(unsigned first, unsigned last)
{
    struct rlimit limit;

    if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
        return;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && last >= limit.rlim_cur)
        last = (unsigned)limit.rlim_cur;
    for (; first <= last; first++)
        syscall(SYS_close, (int)first);
}

/* Close all that is not kept; mind the pipe for errors. */
IN_CHILD static int set_up_others(const struct tn__exec *e)
{
    bool is_closing = !(e->flags & TN_PROCESS_KEEP_ALL);
    unsigned next = 3, error_fd = (unsigned)e->error_fd;

    for (size_t i = 0; i <= e->n_keep; i++) {
        unsigned kept = i < e->n_keep ? (unsigned)e->keep[i] : ~0u;

        if (i < e->n_keep && syscall(SYS_fcntl, e->keep[i], F_SETFD, 0) < 0)
            return -1;
        if (is_closing && next <= error_fd && error_fd < kept) {
            close_range_of(next, error_fd - 1);
            next = error_fd + 1;
        }
        if (is_closing && next <= kept)
            close_range_of(next, i < e->n_keep ? kept - 1 : kept);
        next = kept + 1;
    }
    return 0;
}

IN_CHILD static int in_child(void *arg)
{
    struct tn__exec *e = arg;
    const unsigned long no_signals[2] = {0};
    int error;

    e->is_shared = true;
    reset_signals();
    if (set_up_process(e) == 0 && set_up_standard(e) == 0 &&
        set_up_others(e) == 0 && (!e->cwd || chdir(e->cwd) == 0)) {
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, no_signals, NULL,
                SIGSET_BYTES);
        execvpe(e->argv[0], e->argv, e->env);
    }
    error = e->error = errno;
    if (syscall(SYS_write, e->error_fd, &error, sizeof error) < 0)
        leave(126);
    leave(127);
}

/* ---- in the parent ---- */

/* One page for what the shell's fallback in execvpe() copies is enough for 500
 * arguments; so many more, so much more. */
static size_t stack_bytes_of(const struct tn__exec *e)
{
    size_t n = 0;

    while (e->argv[n])
        n++;
    return STACK_BYTES + ((n * sizeof(char *) + 4095) & ~(size_t)4095);
}

static int begin(struct tn__exec *e, int *pidfd)
{
    size_t bytes = stack_bytes_of(e);
    char *stack = tn__sys_map(bytes);
    int flags = CLONE_VM | CLONE_VFORK | SIGCHLD, error = errno, old, r;
    sigset_t all, mask;

    if (!stack)
        return -ENOMEM;
    sigfillset(&all);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    if (tn__pid_is_old_kernel)
        r = -1, errno = EINVAL;
    else
        r = clone(in_child, stack + bytes, flags | CLONE_PIDFD, e, pidfd);
    if (r < 0 && errno == EINVAL)
        r = clone(in_child, stack + bytes, flags, e);
    r = r < 0 ? -errno : r;
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    pthread_setcancelstate(old, NULL);
    tn__sys_unmap(stack, bytes);
    errno = error; /* the child's was ours */
    return r;
}

/* What the child has to say: 0 once it has called exec. */
static int verdict(int fd)
{
    int error = 0;
    ssize_t n;

    do
        n = read(fd, &error, sizeof error);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n == sizeof error ? -error : 0;
}

/* Of one that has ended, or is to. */
static void bury(pid_t pid, int pidfd)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (pidfd >= 0)
        close(pidfd);
}

static int exec(struct tn__exec *e, struct tn__pid *ret_pid)
{
    int error = errno, pipes[2], pidfd = -1, pid, r;

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return -errno;
    e->error_fd = pipes[1];
    e->parent = getpid();
    pid = begin(e, &pidfd);
    close(pipes[1]);
    if (pid < 0)
        r = pid;
    else
        r = e->is_shared ? -e->error : verdict(pipes[0]);
    close(pipes[0]);
    if (r == 0 && pidfd >= 0)
        tn__pid_open_as(pid, pidfd, ret_pid);
    else if (r == 0)
        r = tn__pid_open(pid, ret_pid);
    if (pid > 0 && r < 0)
        bury(pid, pidfd);
    errno = error;
    return r;
}

/* The child, which shares our memory until it has called exec, too. */
int tn__process_exec(struct tn__exec *e, struct tn__pid *ret_pid)
{
    return TN_OWN(exec(e, ret_pid));
}
