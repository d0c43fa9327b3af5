/* SPDX-License-Identifier: MIT */
/* run/ipc.c - message queues and semaphores, of System V and of POSIX.
 *
 * Those of System V have no descriptor to wait on: the call is made with
 * IPC_NOWAIT, again and again. Whoever does one that may be what another green
 * thread waits for wakes them all; other processes are seen a little later. A
 * queue of POSIX is a descriptor, with a timeout of its own. */
#include "run/run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ipc.h>
#include <sys/sem.h>

enum {
    BACKOFF_MIN_NS = 500000,
    BACKOFF_MAX_NS = 20000000,
    FEW = 8,   /* so many fit on the stack of a small thread */
    MANY = 500 /* that one call may have */
};

struct waiter {
    struct tn__list link;
    struct tn_greenlet *g;
    uint8_t is_done;
};

static struct tn__list waiters = {&waiters, &waiters};

static void wake_all(void)
{
    for (struct tn__list *n = waiters.next; n != &waiters; n = n->next) {
        struct waiter *w = TN_CONTAINER(n, struct waiter, link);

        w->is_done = 1;
        tn__hub_wake(w->g);
    }
}

/* 0: look again; -ETIME: `deadline` is over; or -EINTR. */
static long wait_until(tn_time deadline, int64_t *backoff)
{
    struct waiter w = {.g = tn__run_hub.current};
    tn_time until = tn__clock_after(tn__clock_now(), *backoff);
    int r = w.g->alert ? tn__hub_alert(&tn__run_hub, w.g, deadline) : 0;

    if (tn__clock_now() >= deadline)
        return -ETIME;
    if (*backoff < BACKOFF_MAX_NS)
        *backoff *= 2;
    if (r == 0) {
        tn__list_insert(&waiters, &w.link);
        r = tn__hub_park(&tn__run_hub, &w.is_done,
                         until < deadline ? until : deadline, "ipc", -1);
        tn__list_remove(&w.link);
    }
    if (r == -ECANCELED)
        return -EINTR;
    return r == -ETIME ? 0 : r;
}

/* Make `now`, which does not wait and says `busy` instead, until it is done. */
static long repeat(const struct tn__run_call *now, long busy,
                   tn_time deadline)
{
    int64_t backoff = BACKOFF_MIN_NS;
    bool has_waited = false;

    for (;;) {
        long r = tn__raw(now->nr, now->a[0], now->a[1], now->a[2], now->a[3],
                         now->a[4], now->a[5]);

        if (r >= 0)
            wake_all();
        if (r == -EINVAL && has_waited)
            return -EIDRM; /* it was removed meanwhile */
        if (r != -busy)
            return r;
        r = wait_until(deadline, &backoff);
        if (r < 0)
            return r == -ETIME ? -EAGAIN : r;
        has_waited = true;
    }
}

/* `flags` is the argument that has IPC_NOWAIT. */
static long message(struct tn__run_call *c, int flags, long busy)
{
    struct tn__run_call now = *c;

    if (c->a[flags] & IPC_NOWAIT) {
        long r = tn__run_kernel(c);

        if (r >= 0)
            wake_all();
        return r;
    }
    now.a[flags] |= IPC_NOWAIT;
    return repeat(&now, busy, TN_FOREVER);
}

long tn__run_msgrcv(struct tn__run_call *c)
{
    return message(c, 4, ENOMSG);
}

long tn__run_msgsnd(struct tn__run_call *c)
{
    return message(c, 3, EAGAIN);
}

/* The operations in `sops`, all with IPC_NOWAIT. False: one has it already, and
 * EAGAIN is for the program. */
static bool copy_sops(const struct sembuf *from, struct sembuf *to, size_t n)
{
    bool is_waiting = true;

    for (size_t i = 0; i < n; i++) {
        is_waiting &= !(from[i].sem_flg & IPC_NOWAIT);
        to[i] = from[i];
        to[i].sem_flg |= IPC_NOWAIT;
    }
    return is_waiting;
}

static long semaphores(struct tn__run_call *c, tn_time deadline)
{
    struct tn__run_call now = {.nr = SYS_semop, .a = {c->a[0], 0, c->a[2]}};
    size_t n = (size_t)c->a[2];
    struct sembuf few[FEW], *sops = few;
    long r;

    if (n == 0 || n > MANY)
        return tn__run_kernel(c); /* EINVAL, E2BIG */
    if (n > FEW) {
        sops = tn__sys_map(n * sizeof *sops);
        if (!sops)
            return -ENOMEM;
    }
    if (!copy_sops((const struct sembuf *)c->a[1], sops, n))
        deadline = 1; /* over */
    now.a[1] = (long)sops;
    r = repeat(&now, EAGAIN, deadline);
    if (sops != few)
        tn__sys_unmap(sops, n * sizeof *sops);
    return r;
}

long tn__run_semop(struct tn__run_call *c)
{
    return semaphores(c, TN_FOREVER);
}

long tn__run_semtimedop(struct tn__run_call *c)
{
    if (!c->has_deadline) {
        long r = tn__run_deadline((const struct timespec *)c->a[3],
                                  CLOCK_MONOTONIC, false, &c->deadline);

        if (r < 0)
            return r;
        c->has_deadline = true;
    }
    return semaphores(c, c->deadline);
}

/* msgctl() and semctl(): one may be removed, or its semaphores set. */
long tn__run_ipc_control(struct tn__run_call *c)
{
    long r = tn__run_kernel(c);

    wake_all();
    return r;
}

/* ---- POSIX ---- */

static long queue(struct tn__run_call *c, int events)
{
    static const struct timespec past;
    const struct timespec *t = (const void *)c->a[4];
    struct tn__run_fd *f = tn__run_fd_get((int)c->a[0]);
    tn_time deadline;
    long r;

    if (!f || tn__run_fd_is_nonblock((int)c->a[0], f))
        return tn__run_kernel(c);
    for (;;) {
        r = tn__run_deadline(t, CLOCK_REALTIME, true, &deadline);
        if (r < 0)
            return r;
        r = tn__raw(c->nr, c->a[0], c->a[1], c->a[2], c->a[3], (long)&past,
                    0);
        if (r != -ETIMEDOUT)
            return r;
        r = tn__run_wait_fd((int)c->a[0], events, deadline, "mq");
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
