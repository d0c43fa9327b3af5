/* SPDX-License-Identifier: MIT */
/* run/unlocked.c - with several kernel threads, what is hot on sockets is done
 * without the engine's lock.
 *
 * A call is tried first, in the way that never waits; only if it has to wait,
 * or to go on, is the lock taken. The loop counts the events of a descriptor:
 * one that came after the count was read and before the lock was taken means
 * another attempt, so none is lost. Whoever waits is not served by the one who
 * polls, under the lock, but woken to try for itself: also so that a signal
 * that the call raises (SIGPIPE) is raised where it runs.
 *
 * What is known of a descriptor is read here while another may change it. That
 * is a race of the program with itself (a close() during a read()), and ends as
 * natively: the kernel has the last word. */
#include "run/run.h"

#include <sys/socket.h>

static bool is_input(long nr)
{
    return nr == SYS_read || nr == SYS_recvfrom;
}

/* After a read of less than was asked for, is there nothing left? See
 * loop/fdtab.c. */
static void note_drained(struct tn__fd *t, uint32_t seen, long r, size_t len)
{
    if (r > 0 && (size_t)r < len && (t->flags & TN__FD_STREAM) &&
        !(t->flags & (TN__FD_HUP | TN__FD_MARKS)))
        __atomic_store_n(&t->drained_at, seen, __ATOMIC_RELAXED);
}

static bool is_drained(const struct tn__fd *t, uint32_t seen)
{
    return __atomic_load_n(&t->drained_at, __ATOMIC_RELAXED) == seen;
}

/* read() and write() are as if without flags and addresses. */
static long attempt(const struct tn__run_call *c)
{
    bool is_plain = c->nr == SYS_read || c->nr == SYS_write;
    long nr = is_input(c->nr) ? SYS_recvfrom : SYS_sendto;

    return tn__raw(nr, c->a[0], c->a[1], c->a[2],
                   (is_plain ? 0 : c->a[3]) | MSG_DONTWAIT,
                   is_plain ? 0 : c->a[4], is_plain ? 0 : c->a[5]);
}

/* A blocking call on a stream or the like. */
static bool try_socket(struct tn__run_call *c, long *ret)
{
    struct tn__fd *t = tn__fdtab_peek(&tn__run_hub.loop, (int)c->a[0]);
    uint32_t seen;
    long r;

    if (!t || !(t->flags & TN__FD_TRACKED) || c->a[2] == 0 ||
        (t->flags & (TN__FD_HUP | TN__FD_STREAM)) == TN__FD_HUP)
        return false;
    seen = __atomic_load_n(&t->turns, __ATOMIC_ACQUIRE);
    if (is_input(c->nr) && is_drained(t, seen)) {
        r = -EAGAIN;
    } else {
        r = attempt(c);
        if (is_input(c->nr) && !(c->nr == SYS_recvfrom && c->a[3]))
            note_drained(t, seen, r, (size_t)c->a[2]);
    }
    *ret = r;
    if (r != -EAGAIN && r != -EINPROGRESS &&
        (r < 0 || is_input(c->nr) || r == c->a[2]))
        return true;
    c->is_tried = true;
    c->tried = r;
    c->seen = seen;
    return false;
}

bool tn__run_try(struct tn__run_call *c, long *ret)
{
    enum {
        OWN_WAY = MSG_WAITALL | MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB |
                  MSG_ZEROCOPY | MSG_FASTOPEN
    };
    const struct tn__run_fd *f;

    c->is_tried = false;
    if (c->nr != SYS_read && c->nr != SYS_write && c->nr != SYS_recvfrom &&
        c->nr != SYS_sendto)
        return false;
    f = tn__run_fd_seen((int)c->a[0]);
    if (!f || !f->is_socket || f->is_nonblock || f->has_timeout ||
        tn__run_self()->g.alert)
        return false;
    if ((c->nr == SYS_recvfrom || c->nr == SYS_sendto) &&
        (c->a[3] & OWN_WAY))
        return false;
    return try_socket(c, ret);
}

/* ---- with the lock, until it has to wait ---- */

/* Is it tried by who waits? accept() is not: of many, one would get it. */
static bool is_own(const struct tn__op *op, const struct tn__fd *t)
{
    if (!t || !(t->flags & TN__FD_TRACKED))
        return false;
    return op->code != TN__OP_ACCEPT && op->code != TN__OP_CONNECT &&
           op->code != TN__OP_POLL && op->code != TN__OP_SENDFILE;
}

static long try_once(struct tn__run_call *c, struct tn__op *op,
                     struct tn__fd *t, uint32_t *seen)
{
    long r;

    if (c->is_tried) {
        c->is_tried = false;
        *seen = c->seen;
        return c->tried;
    }
    *seen = t->turns;
    if (t->kind == TN__KIND_SOCKET)
        tn__run_unlock();
    r = tn__op_try(op, t);
    tn__run_lock();
    if (op->code == TN__OP_READ || (op->code == TN__OP_RECV && !op->flags))
        note_drained(t, *seen, r, op->len);
    return r;
}

/* Until there may be something to be had. 0, or how it ended. */
static long await(struct tn__op *op, uint32_t seen, tn_time deadline,
                  const char *what)
{
    struct tn_hub *h = &tn__run_hub;
    struct tn_greenlet *g = h->current;
    long r;

    if (g->alert) {
        r = tn__hub_alert(h, g, deadline);
        if (r)
            return r;
    }
    op->owner = g;
    op->any_done = NULL;
    r = tn__loop_park_unless(&h->loop, op, seen);
    if (r != TN__PENDING)
        return r == -EAGAIN ? 0 : r;
    r = tn__hub_park(h, &op->is_done, deadline, what, op->fd);
    if (r < 0)
        tn__loop_cancel(&h->loop, op);
    else
        r = op->result;
    return r == -EAGAIN ? 0 : r;
}

long tn__run_io(struct tn__run_call *c, struct tn__op *op, tn_time deadline,
                const char *what)
{
    struct tn__fd *t;
    uint32_t seen;
    long r;

    do {
        t = tn__run_is_many ? tn__fdtab_peek(&tn__run_hub.loop, op->fd) : NULL;
        if (TN_LIKELY(!is_own(op, t))) {
            c->is_tried = false;
            return tn__hub_io(&tn__run_hub, op, deadline, what);
        }
        r = try_once(c, op, t, &seen);
        if (r != -EAGAIN)
            return r;
        r = await(op, seen, deadline, what);
    } while (r == 0);
    return r;
}
