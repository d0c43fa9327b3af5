/* SPDX-License-Identifier: MIT */
/* run/ipc.c - message queues and semaphores, of System V and of POSIX, and the
 * kernel's log.
 *
 * Those of System V have no descriptor to wait on: a call that cannot be done
 * at once, as IPC_NOWAIT tells, is made by a helper. A queue of POSIX is a
 * descriptor, with a timeout of its own. */
#include "run/run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ipc.h>
#include <sys/sem.h>

enum { FEW = 8 }; /* so many fit on the stack of a small thread */

/* syslog(): to read what the kernel says is to wait for it. */
long tn__run_syslog(struct tn__run_call *c)
{
    enum { READ = 2 };

    return c->a[0] == READ ? tn__run_offload(c) : tn__run_kernel(c);
}

/* `flags` is the argument that has IPC_NOWAIT. */
static long message(struct tn__run_call *c, int flags, long busy)
{
    struct tn__run_call now = *c;
    long r;

    now.a[flags] |= IPC_NOWAIT;
    r = tn__run_kernel(&now);
    return r == -busy && !(c->a[flags] & IPC_NOWAIT) ? tn__run_offload(c) : r;
}

long tn__run_msgrcv(struct tn__run_call *c)
{
    return message(c, 4, ENOMSG);
}

long tn__run_msgsnd(struct tn__run_call *c)
{
    return message(c, 3, EAGAIN);
}

/* Do the operations if that is possible at once. -EAGAIN: it is not, or one of
 * them has IPC_NOWAIT and says so: only the kernel knows. */
static long try_now(const struct tn__run_call *c)
{
    size_t n = (size_t)c->a[2];
    struct sembuf few[FEW];
    struct tn__run_call now = {.nr = SYS_semop,
                               .a = {c->a[0], (long)few, c->a[2]}};

    if (n == 0 || n > FEW)
        return -EAGAIN;
    if (tn__run_copy(few, (const void *)c->a[1], n * sizeof *few) < 0)
        return -EFAULT;
    for (size_t i = 0; i < n; i++)
        few[i].sem_flg |= IPC_NOWAIT;
    return tn__run_kernel(&now);
}

long tn__run_semop(struct tn__run_call *c)
{
    long r = try_now(c);

    return r == -EAGAIN ? tn__run_offload(c) : r;
}

/* The rest of its time, for a call that is made again after a signal. */
static void tell_rest(struct timespec *rest, tn_time deadline)
{
    int64_t span = deadline - tn__run_clock(CLOCK_MONOTONIC);

    rest->tv_sec = span > 0 ? span / 1000000000 : 0;
    rest->tv_nsec = span > 0 ? span % 1000000000 : 0;
}

long tn__run_semtimedop(struct tn__run_call *c)
{
    struct tn__run_call now = *c;
    struct timespec rest;
    long r;

    if (!c->has_deadline) {
        r = tn__run_deadline((const struct timespec *)c->a[3], false,
                             &c->deadline);
        if (r < 0)
            return r;
        c->has_deadline = true;
    }
    r = try_now(c);
    if (r != -EAGAIN)
        return r;
    if (c->a[3]) {
        tell_rest(&rest, c->deadline);
        now.a[3] = (long)&rest;
    }
    return tn__run_offload(&now);
}

/* ---- POSIX ---- */

static long queue(struct tn__run_call *c, int events)
{
    static const struct timespec past;
    const struct timespec *t = (const void *)c->a[4];
    struct tn__run_fd *f = tn__run_fd_get((int)c->a[0]);
    long r;

    if (!f || tn__run_fd_is_nonblock((int)c->a[0], f))
        return tn__run_kernel(c);
    for (;;) {
        r = tn__run_deadline_by(c, t, CLOCK_REALTIME);
        if (r < 0)
            return r;
        r = tn__raw(c->nr, c->a[0], c->a[1], c->a[2], c->a[3], (long)&past,
                    0);
        if (r != -ETIMEDOUT)
            return r;
        r = tn__run_wait_fd((int)c->a[0], events, c->deadline, "mq");
        if (r <= 0)
            return r < 0 ? r : -ETIMEDOUT;
    }
}

long tn__run_mq_timedreceive(struct tn__run_call *c)
{
    return queue(c, POLLIN);
}

long tn__run_mq_timedsend(struct tn__run_call *c)
{
    return queue(c, POLLOUT);
}
