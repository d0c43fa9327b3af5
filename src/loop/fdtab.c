/* SPDX-License-Identifier: MIT */
/* loop/fdtab.c - what the readiness back ends share: who waits on which
 * descriptor, and what is known of it.
 *
 * An operation is tried at once, unless its direction is known to be drained or
 * others wait before it; when it would wait, it is parked on the descriptor's
 * list. An event sets the ready bit of a direction and serves the list in order
 * until a call says EAGAIN, which clears the bit. So nobody is parked in a
 * direction while its bit is set, and a parked operation that is cancelled
 * leaves nothing to hand on.
 *
 * Tracked descriptors (every close passes through tn__fd_closing()) are
 * registered once, edge-triggered, and what was learnt about them stays. On
 * others the number may mean another file at each call, so nothing is
 * believed: each wait arms the descriptor for one event.
 *
 * A short read on a stream socket means that it is drained, and saves the call
 * that would say EAGAIN. That does not hold once the peer has hung up (no
 * further edge comes), with urgent data (a read stops at the mark), on unix
 * sockets (it stops at a message with descriptors, or of another sender), and
 * for calls that peek.
 *
 * Entries live in chunks that never move, since operations are linked to
 * them. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/sys.h"
#include "loop/loop.h"

enum {
    HUP_EVENTS = POLLHUP | POLLERR | POLLRDHUP,
    /* What tn__fdtab_event() is told of, and all that one may ask for. */
    EVENTS = POLLIN | POLLOUT | POLLPRI | HUP_EVENTS,
    POLL_EVENTS = EVENTS | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND
};

/* Who tries calls while we are at work shall look again. */
static void turn(struct tn__fd *f)
{
#ifdef TN_ENGINE
    __atomic_store_n(&f->turns, f->turns + 1, __ATOMIC_RELEASE);
#else
    (void)f;
#endif
}

/* Is what one has polled for still so when it is dealt with? Where others go on
 * meanwhile, one of them may have read it all and wait for more by now. */
static bool is_new(const struct tn__loop *l)
{
#ifdef TN_ENGINE
    return !l->is_shared;
#else
    (void)l;
    return true;
#endif
}

struct tn__fd *tn__fdtab_peek(struct tn__loop *l, int fd)
{
    unsigned chunk = (unsigned)fd / TN__FD_CHUNK;

    if (TN_UNLIKELY(chunk >= TN__FD_CHUNKS || !l->chunks[chunk]))
        return NULL;
    return &l->chunks[chunk][(unsigned)fd % TN__FD_CHUNK];
}

struct tn__fd *tn__fdtab_get(struct tn__loop *l, int fd)
{
    unsigned chunk = (unsigned)fd / TN__FD_CHUNK;
    struct tn__fd *entries;

    if (fd < 0 || chunk >= TN__FD_CHUNKS)
        return NULL;
    if (l->chunks[chunk])
        return &l->chunks[chunk][(unsigned)fd % TN__FD_CHUNK];
    entries = tn__sys_map(TN__FD_CHUNK * sizeof *entries);
    if (!entries)
        return NULL;
    for (int i = 0; i < TN__FD_CHUNK; i++) {
        tn__list_init(&entries[i].in);
        tn__list_init(&entries[i].out);
        tn__list_init(&entries[i].poll);
        entries[i].ready = POLLIN | POLLOUT;
        turn(&entries[i]);
    }
    __atomic_store_n(&l->chunks[chunk], entries, __ATOMIC_RELEASE);
    if (chunk >= l->chunks_end)
        l->chunks_end = chunk + 1;
    return &entries[(unsigned)fd % TN__FD_CHUNK];
}

void tn__fdtab_each(struct tn__loop *l,
                    void (*fn)(struct tn__loop *l, int fd, struct tn__fd *f))
{
    for (uint32_t i = 0; i < l->chunks_end; i++) {
        if (!l->chunks[i])
            continue;
        for (int k = 0; k < TN__FD_CHUNK; k++) {
            struct tn__fd *f = &l->chunks[i][k];

            if ((f->flags & TN__FD_REGISTERED) || !tn__list_is_empty(&f->in) ||
                !tn__list_is_empty(&f->out) || !tn__list_is_empty(&f->poll))
                fn(l, (int)i * TN__FD_CHUNK + k, f);
        }
    }
}

static bool is_input(const struct tn__op *op)
{
    switch (op->code) {
    case TN__OP_RECV:
    case TN__OP_RECVFROM:
    case TN__OP_RECVMSG:
    case TN__OP_RECVMMSG:
    case TN__OP_READ:
    case TN__OP_READV:
    case TN__OP_ACCEPT:
        return true;
    default:
        return false;
    }
}

static struct tn__list *list_of(struct tn__fd *f, const struct tn__op *op)
{
    if (op->code == TN__OP_POLL || op->code == TN__OP_CLOSE)
        return &f->poll;
    return is_input(op) ? &f->in : &f->out;
}

static int bit_of(const struct tn__op *op)
{
    return is_input(op) ? POLLIN : POLLOUT;
}

/* What a call that succeeded says about what is left to be had. */
static void learn_from(const struct tn__op *op, struct tn__fd *f, long r)
{
    enum { STRANGE = MSG_PEEK | MSG_OOB | MSG_TRUNC | MSG_ERRQUEUE };

    if (!(f->flags & TN__FD_STREAM) || r <= 0 || (size_t)r >= op->len)
        return;
    switch (op->code) {
    case TN__OP_RECV:
    case TN__OP_READ:
        if (f->flags & (TN__FD_HUP | TN__FD_MARKS))
            return;
        if (op->code == TN__OP_RECV && (op->flags & STRANGE))
            return;
        f->ready &= (uint8_t)~POLLIN;
        return;
    case TN__OP_SEND:
    case TN__OP_WRITE:
        f->ready &= (uint8_t)~POLLOUT;
        return;
    default:
        return;
    }
}

int tn__fdtab_wanted(const struct tn__fd *f)
{
    int events = 0;

    if (!tn__list_is_empty(&f->in))
        events |= POLLIN;
    if (!tn__list_is_empty(&f->out))
        events |= POLLOUT;
    for (struct tn__list *n = f->poll.next; n != &f->poll; n = n->next)
        events |= TN_CONTAINER(n, struct tn__op, link)->flags;
    return events & POLL_EVENTS;
}

/* Not the same as nothing wanted: a poll() may ask for no event, and waits for
 * errors then. */
static bool is_idle(const struct tn__fd *f)
{
    if (!tn__list_is_empty(&f->in) || !tn__list_is_empty(&f->out))
        return false;
    for (struct tn__list *n = f->poll.next; n != &f->poll; n = n->next)
        if (TN_CONTAINER(n, struct tn__op, link)->code != TN__OP_CLOSE)
            return false;
    return true;
}

static long park(struct tn__loop *l, struct tn__op *op)
{
    struct tn__fd *f = tn__fdtab_get(l, op->fd);
    int r;

    if (!f)
        return -ENOMEM;
    tn__list_insert(list_of(f, op), &op->link);
    if (op->code != TN__OP_CLOSE &&
        (!(f->flags & TN__FD_TRACKED) || !(f->flags & TN__FD_REGISTERED) ||
         l->ops->is_level)) {
        if ((f->flags & TN__FD_TRACKED) && !(f->flags & TN__FD_STREAM))
            tn__fd_learn(op->fd, f);
        r = l->ops->arm(l, op->fd, f, tn__fdtab_wanted(f));
        /* A poll() has asked a file for what it never has: it waits. */
        if (r < 0 && (r != -EPERM || op->code != TN__OP_POLL)) {
            tn__list_remove(&op->link);
            return r;
        }
    }
    op->is_done = 0;
    op->is_parked = 1;
    l->n_parked++;
    return TN__PENDING;
}

#ifdef TN_ENGINE
long tn__loop_park_unless(struct tn__loop *l, struct tn__op *op,
                          uint32_t seen)
{
    struct tn__fd *f = tn__fdtab_peek(l, op->fd);

    if (!f || !(f->flags & TN__FD_TRACKED) || f->turns != seen)
        return -EAGAIN;
    f->ready &= (uint8_t)~bit_of(op);
    op->mode = TN__OP_WAKE;
    return park(l, op);
}
#endif

long tn__loop_submit(struct tn__loop *l, struct tn__op *op)
{
    struct tn__fd *f = tn__fdtab_peek(l, op->fd);
    bool is_tracked = f && (f->flags & TN__FD_TRACKED);
    long r;

    op->is_done = 0;
    op->is_parked = 0;
    if ((op->mode & TN__OP_NOTRY) || op->code == TN__OP_CLOSE)
        return park(l, op);
    if (!(op->mode & TN__OP_NOWAIT) && f && op->code != TN__OP_POLL) {
        bool is_early = is_tracked ? !(f->ready & bit_of(op))
                                   : !tn__list_is_empty(list_of(f, op));

        if (is_early && !tn__op_is_nothing(op))
            return park(l, op);
    }
    r = tn__op_try(op, f);
    if (r == -EAGAIN) {
        if (is_tracked && op->code != TN__OP_POLL)
            f->ready &= (uint8_t)~bit_of(op);
        return op->mode & TN__OP_NOWAIT ? -EAGAIN : park(l, op);
    }
    if (is_tracked)
        learn_from(op, f, r);
    return r;
}

static void unpark(struct tn__loop *l, struct tn__op *op)
{
    TN_ASSERT(op->is_parked && l->n_parked > 0);
    tn__list_remove(&op->link);
    op->is_parked = 0;
    l->n_parked--;
}

static void complete(struct tn__loop *l, struct tn__op *op, long r)
{
    unpark(l, op);
    op->result = r;
    op->is_done = 1;
    l->complete(op);
}

void tn__loop_cancel(struct tn__loop *l, struct tn__op *op)
{
    struct tn__fd *f;

    if (!op->is_parked)
        return;
    unpark(l, op);
    f = tn__fdtab_peek(l, op->fd);
    if (f && !(f->flags & TN__FD_TRACKED) && is_idle(f))
        l->ops->disarm(l, op->fd, f);
}

/* Try it again for who waits. */
static long try_parked(struct tn__loop *l, struct tn__op *op, struct tn__fd *f)
{
    long r;

    l->serving = op;
    r = tn__op_try(op, f);
    l->serving = NULL;
    return r;
}

/* Serve a direction in order for as long as calls succeed. */
static void serve(struct tn__loop *l, struct tn__fd *f, struct tn__list *list,
                  int bit)
{
    f->ready |= (uint8_t)bit;
    while (!tn__list_is_empty(list) && (f->ready & bit)) {
        struct tn__op *op = TN_CONTAINER(list->next, struct tn__op, link);
        long r;

        if (op->mode & TN__OP_WAKE) {
            complete(l, op, -EAGAIN);
            continue;
        }
        r = try_parked(l, op, f);
        if (r == -EAGAIN) {
            f->ready &= (uint8_t)~bit;
            break;
        }
        learn_from(op, f, r);
        complete(l, op, r);
    }
}

/* `events` are fresh from the kernel, unless the lists were served meanwhile
 * or other kernel threads went on: then each must ask again. */
static void serve_pollers(struct tn__loop *l, struct tn__fd *f, int events,
                          bool is_fresh)
{
    struct tn__list *n = f->poll.next;

    while (n != &f->poll) {
        struct tn__op *op = TN_CONTAINER(n, struct tn__op, link);
        long r = events & (op->flags | POLLHUP | POLLERR);

        n = n->next;
        if (op->code == TN__OP_CLOSE)
            continue;
        if (!is_fresh || (op->flags & ~EVENTS))
            r = try_parked(l, op, f);
        if (r != 0 && r != -EAGAIN)
            complete(l, op, r);
    }
}

static void fail_list(struct tn__loop *l, struct tn__list *list, long error)
{
    while (!tn__list_is_empty(list))
        complete(l, TN_CONTAINER(list->next, struct tn__op, link), error);
}

static void fail_all(struct tn__loop *l, struct tn__fd *f, long error)
{
    fail_list(l, &f->in, error);
    fail_list(l, &f->out, error);
    fail_list(l, &f->poll, error);
}

void tn__fdtab_event(struct tn__loop *l, int fd, struct tn__fd *f, int events)
{
    bool is_fresh = is_new(l) && tn__list_is_empty(&f->in) &&
                    tn__list_is_empty(&f->out);

    turn(f);
    if (events & HUP_EVENTS)
        f->flags |= TN__FD_HUP;
    if (events & POLLPRI)
        f->flags |= TN__FD_MARKS;
    if (events & (POLLIN | POLLPRI | HUP_EVENTS))
        serve(l, f, &f->in, POLLIN);
    if (events & (POLLOUT | POLLHUP | POLLERR))
        serve(l, f, &f->out, POLLOUT);
    serve_pollers(l, f, events, is_fresh);
    if (!(f->flags & TN__FD_TRACKED) && !is_idle(f)) {
        int r = l->ops->arm(l, fd, f, tn__fdtab_wanted(f));

        if (r < 0)
            fail_all(l, f, r); /* closed, but not by tn_close() */
    }
}

int tn__fd_track(struct tn__loop *l, int fd, int flags, enum tn__fd_kind kind)
{
    struct tn__fd *f = tn__fdtab_get(l, fd);

    if (!f)
        return fd < 0 ? -EBADF : -ENOMEM;
    /* Also one that is tracked: its number may have been closed on another
     * thread and be a new file, which must be learnt and registered again. */
    if (f->flags & TN__FD_REGISTERED)
        l->ops->disarm(l, fd, f);
    turn(f);
    f->flags = (uint8_t)(TN__FD_TRACKED | flags);
    f->kind = (uint8_t)kind;
    /* Those who wait already stay the first. */
    f->ready = (tn__list_is_empty(&f->in) ? POLLIN : 0) |
               (tn__list_is_empty(&f->out) ? POLLOUT : 0);
    return is_idle(f) ? 0 : l->ops->arm(l, fd, f, tn__fdtab_wanted(f));
}

void tn__fd_closing(struct tn__loop *l, int fd)
{
    struct tn__fd *f = fd < 0 ? NULL : tn__fdtab_peek(l, fd);

    if (!f)
        return;
    fail_all(l, f, -EBADF);
    if (f->flags & TN__FD_REGISTERED)
        l->ops->disarm(l, fd, f);
    turn(f);
    f->generation++;
    f->flags = 0;
    f->kind = TN__KIND_UNKNOWN;
    f->ready = POLLIN | POLLOUT;
}

void tn__fd_shut(struct tn__loop *l, int fd, int events)
{
    struct tn__fd *f = fd < 0 ? NULL : tn__fdtab_peek(l, fd);

    if (!f)
        return;
    turn(f);
    if (f->flags & TN__FD_TRACKED)
        f->flags |= TN__FD_HUP;
    if (events & POLLIN)
        serve(l, f, &f->in, POLLIN);
    if (events & POLLOUT)
        serve(l, f, &f->out, POLLOUT);
    serve_pollers(l, f, 0, false);
    if (!(f->flags & TN__FD_TRACKED) && is_idle(f))
        l->ops->disarm(l, fd, f);
}

void tn__fd_made(struct tn__loop *l, int fd)
{
    struct tn__fd *f = tn__fdtab_peek(l, fd);

    if (TN_UNLIKELY(f && (f->flags & TN__FD_TRACKED)))
        tn__fd_closing(l, fd);
}
