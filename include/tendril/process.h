/* SPDX-License-Identifier: MIT */
/* tendril/process.h - child processes: start, feed, read, wait, kill.
 *
 * Ownership  The caller owns a tn_process until tn_process_free(); it owns the
 *            parent's ends of its pipes. Output that was collected belongs to
 *            the struct tn_process_io until tn_process_io_free().
 * Blocking   Functions that take a deadline may switch greenlets. Starting one
 *            holds the thread until the child has called exec.
 * Threads    A tn_process belongs to the hub of the thread that started it, any
 *            thread's: calls from another are -EXDEV.
 * Manual     tn_process(3).  Example: examples/shell.c.
 */
#ifndef TN_PROCESS_H
#define TN_PROCESS_H

#include <stddef.h>
#include <sys/types.h>
#include <tendril/base.h>
#include <tendril/wait.h>

TN_BEGIN_DECLS

typedef struct tn_process tn_process;

/* What a child has as descriptor 0, 1 or 2, instead of a descriptor's number,
 * which stands for itself. */
#define TN_PROCESS_INHERIT (-1)   /* what this process has there */
#define TN_PROCESS_PIPE (-2)      /* a pipe to, or from, this process */
#define TN_PROCESS_NULL (-3)      /* /dev/null */
#define TN_PROCESS_AS_OUTPUT (-4) /* of 2: the same as 1 */

/* Flags. */
#define TN_PROCESS_GROUP 1    /* it leads a process group of its own */
#define TN_PROCESS_SESSION 2  /* it leads a session of its own */
#define TN_PROCESS_KEEP_ALL 4 /* descriptors without FD_CLOEXEC stay open */
#define TN_PROCESS_DIE_WITH_US                                                 \
 8 /* killed when the thread that starts it ends */

/* Start from TN_PROCESS_OPTIONS. */
struct tn_process_options {
    size_t size;      /* sizeof(struct tn_process_options) */
    char *const *env; /* NULL: that of this process */
    const char *cwd;  /* NULL: that of this process */
    int in, out, err; /* a descriptor, or TN_PROCESS_INHERIT and so on */
    unsigned flags;   /* TN_PROCESS_GROUP and so on */
    const int *keep;  /* descriptors of 3 and more that it has too, of the same
                       * number; all others are closed */
    size_t n_keep;
};
#define TN_PROCESS_OPTIONS                                                     \
 {                                                                             \
  sizeof(struct tn_process_options), NULL, NULL, TN_PROCESS_INHERIT,           \
      TN_PROCESS_INHERIT, TN_PROCESS_INHERIT, 0, NULL, 0                       \
 }

/* What goes in and what has come out. Start from TN_PROCESS_IO; the fields
 * below `status`, and `in` as far as it was sent, belong to it until it is
 * freed. */
struct tn_process_io {
    size_t size;    /* sizeof(struct tn_process_io) */
    const void *in; /* to its descriptor 0; may be NULL */
    size_t in_bytes;
    size_t bytes_max; /* of output and of errors, each; 0: no limit */
    int status;       /* how it ended, as by waitpid(2) */
    char *out;        /* its output so far; NULL: none. A 0 follows it */
    size_t out_bytes;
    char *err; /* the same for its errors */
    size_t err_bytes;
    size_t tn__done[3]; /* private */
};
#define TN_PROCESS_IO                                                          \
 {                                                                             \
  sizeof(struct tn_process_io), NULL, 0, 0, 0, NULL, 0, NULL, 0,               \
  {                                                                            \
   0, 0, 0                                                                     \
  }                                                                            \
 }

/* Start argv[0], looked for in PATH, with the arguments `argv`, which ends with
 * NULL. `options` may be NULL. The child has no signal blocked, ignored or
 * handled, and its 0, 1 and 2 are blocking.
 * 0; -EINVAL; what exec says: -ENOENT, -EACCES, -ENOEXEC ...; what chdir says;
 * -EBADF; -EAGAIN (too many processes), -EMFILE, -ENOMEM. */
TN_API TN_MUST int tn_process_spawn(char *const argv[],
                                    const struct tn_process_options *options,
                                    tn_process **ret_p);

/* Close its pipes and forget it. One that still runs goes on, and leaves no
 * zombie. Those that wait on it get -EBADF. NULL is ignored. 0 or -EXDEV. */
TN_API int tn_process_free(tn_process *p);

/* Its number; another process may have it once this one was waited for. */
TN_API pid_t tn_process_pid(const tn_process *p);

/* Our end of the pipe to its 0, or from its 1 or 2; tendril's. -EBADF when
 * there is none, or none any more. */
TN_API TN_MUST int tn_process_fd(const tn_process *p, int which);

/* Close it. 0, -EBADF, -EXDEV. */
TN_API int tn_process_close(tn_process *p, int which);

/* Wait until it has ended and store how, as waitpid(2) does, in *ret_status
 * (which may be NULL). Any number of times, by any number of greenlets.
 * 0; -ETIME -EAGAIN -ECANCELED -EDEADLK as everywhere; -ECHILD when somebody
 * else's wait for any child has taken the status; -EBADF when freed
 * meanwhile. */
TN_API TN_MUST int tn_process_wait(tn_process *p, int *ret_status,
                                   tn_time deadline);

/* Its end, as something to wait for with others; see tn_wait(3). NULL for NULL,
 * on another thread, and without memory. From the first call on the loop
 * watches it until it has ended or is freed. */
TN_API tn_waitable *tn_process_waitable(tn_process *p);

/* Send it a signal; never another process that has its number. With
 * tn_process_kill_group() all of the group that it leads. 0; -ESRCH when it has
 * ended and was waited for; -EINVAL (no such signal, or it leads none). */
TN_API int tn_process_kill(tn_process *p, int signo);
TN_API int tn_process_kill_group(tn_process *p, int signo);

/* Send what is in `io` to its pipe, read its pipes to their ends, and wait for
 * it. On an error `io` has all that has come so far, and the next call goes on
 * from there; nothing is lost.
 * 0; errors as tn_process_wait(), and -EMSGSIZE: more than bytes_max. */
TN_API TN_MUST int tn_process_communicate(tn_process *p,
                                          struct tn_process_io *io,
                                          tn_time deadline);

/* Free what has come. */
TN_API void tn_process_io_free(struct tn_process_io *io);

/* Start, communicate, wait. Without options its output and errors are
 * collected, and its input is what `io` says; `io` may be NULL. When that
 * fails, also by a kill of the caller, it is killed (with its group, if it
 * leads one) and waited for; `io` has what has come so far. A grandchild that
 * holds a pipe is not waited for then. */
TN_API TN_MUST int tn_run(char *const argv[],
                          const struct tn_process_options *options,
                          struct tn_process_io *io, tn_time deadline);

/* As waitpid(2), for children that tn_process_spawn() has not started. Options:
 * WNOHANG, which always asks the kernel and never waits. Returns the pid, or 0
 * as WNOHANG does; -ECHILD; -ETIME -EAGAIN -ECANCELED -EDEADLK as everywhere;
 * -EINVAL for other options. A pid above 0 is waited for by its pidfd. For the
 * others, which mean any of several, the kernel offers nothing to wait on: it
 * is asked again, at distances that grow to 20 ms; a tn_process is among
 * them. */
TN_API TN_MUST pid_t tn_waitpid(pid_t pid, int *ret_status, int options,
                                tn_time deadline);

/* As fork(2). In the child the caller goes on as the main greenlet of a new
 * hub, inside the timeout scopes it was in; none of the others ever runs there,
 * and handles of theirs are -EXDEV. A greenlet that returns from its function
 * in the child ends the process: status 0, or 1 for a negative result. `flags`
 * is 0. Returns the pid, 0 in the child, or -EINVAL (flags; called on the hub),
 * -EAGAIN, -ENOMEM. A plain fork() does the same, but for the scopes. */
TN_API TN_MUST pid_t tn_fork(unsigned flags);

TN_END_DECLS
#endif /* TN_PROCESS_H */
