/* SPDX-License-Identifier: MIT */
/* net/file_ring.c - calls on files by io_uring.
 *
 * Each hub has a ring of its own, made at the first call. A call is submitted
 * at once; if the kernel could do it on the spot its completion is there
 * already, and nobody waits. Otherwise the greenlet parks, and the ring's
 * descriptor is watched by the hub's loop, whichever it is, for as long as
 * calls are under way.
 *
 * The kernel writes into the caller's memory. A greenlet that is to leave its
 * wait therefore cancels the call and goes on waiting, firmly, until the
 * completion has come: cancelled, or done all the same. So does a thread that
 * ends while calls of its greenlets are under way.
 *
 * Where there is no ring (an old kernel, a container that forbids it, the
 * setting `files`), or the kernel's does not know the call, the offload pool
 * does it. */
#include "net/file.h"

#include <errno.h>

#include "base/assert.h"
#include "base/config.h"
#include "hub/hub.h"
#include "hub/switch.h"

#ifdef TN_HAVE_URING

# include <fcntl.h>
# include <liburing.h>
# include <poll.h>
# include <stdlib.h>
# include <sys/stat.h>

enum { ENTRIES = 64 };

/* A call under way; on the stack of the greenlet that waits for it. */
struct flight {
    struct tn__list link; /* on ring.flights until it is done */
    struct tn_greenlet *g;
    long result; /* once is_done */
    uint8_t is_done;
};

struct ring {
    struct io_uring uring;
    struct tn_hub *hub; /* not owned */
    struct tn__attached attached;
    struct tn__hub_op watch;  /* parked while there are flights */
    struct tn__list flights;  /* struct flight */
    bool can[TN__FILE_CODES]; /* what the kernel knows */
};

/* In place of a ring: it was tried and there is none. */
static char none;

/* ---- completions ---- */

static void reap(struct ring *ring)
{
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(&ring->uring, &cqe) == 0) {
        struct flight *f = io_uring_cqe_get_data(cqe);

        if (f) { /* else it is that of a cancellation */
            TN_ASSERT(!f->is_done);
            f->result = cqe->res;
            f->is_done = 1;
            tn__list_remove(&f->link);
            tn__hub_wake(f->g);
        }
        io_uring_cqe_seen(&ring->uring, cqe);
    }
}

/* Watch the ring while there are flights. Edge-triggered: a completion between
 * the last reap() and this makes an edge that the next poll reports. */
static int adjust_watch(struct ring *ring)
{
    struct tn__loop *loop = &ring->hub->loop;
    struct tn__op *op = &ring->watch.op;
    long r;

    if (tn__list_is_empty(&ring->flights)) {
        tn__loop_cancel(loop, op);
        return 0;
    }
    if (op->is_parked)
        return 0;
    op->mode = TN__OP_NOTRY;
    r = tn__loop_submit(loop, op);
    return r == TN__PENDING ? 0 : (int)r;
}

/* Await all that is under way, blocking. */
static void block(struct ring *ring)
{
    struct io_uring_cqe *cqe;

    while (!tn__list_is_empty(&ring->flights)) {
        int r = io_uring_wait_cqe(&ring->uring, &cqe);

        TN_ASSERT(r == 0 || r == -EINTR || r == -EAGAIN);
        reap(ring);
    }
}

/* The loop's: there may be completions. */
static void on_watch(struct tn__hub_op *call)
{
    struct ring *ring = TN_CONTAINER(call, struct ring, watch);

    reap(ring);
    if (adjust_watch(ring) < 0)
        block(ring);
}

/* ---- making and freeing ---- */

static void cancel(struct ring *ring, struct flight *f)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

    if (!sqe)
        return;
    io_uring_prep_cancel(sqe, f, 0);
    io_uring_sqe_set_data(sqe, NULL);
    io_uring_submit(&ring->uring);
}

/* The hub ends. */
static void leave(struct tn__attached *a)
{
    struct ring *ring = TN_CONTAINER(a, struct ring, attached);
    struct tn_hub *h = ring->hub;

    for (struct tn__list *n = ring->flights.next; n != &ring->flights;
         n = n->next)
        cancel(ring, TN_CONTAINER(n, struct flight, link));
    block(ring);
    adjust_watch(ring);
    tn__fd_closing(&h->loop, ring->uring.ring_fd);
    io_uring_queue_exit(&ring->uring);
    h->file_ring = NULL;
    free(ring);
}

static void learn(struct ring *ring)
{
    static const int codes[TN__FILE_CODES] = {
        [TN__FILE_OPEN] = IORING_OP_OPENAT,
        [TN__FILE_CLOSE] = IORING_OP_CLOSE,
        [TN__FILE_READ] = IORING_OP_READ,
        [TN__FILE_WRITE] = IORING_OP_WRITE,
        [TN__FILE_SYNC] = IORING_OP_FSYNC,
        [TN__FILE_STAT] = IORING_OP_STATX,
        [TN__FILE_RENAME] = IORING_OP_RENAMEAT,
        [TN__FILE_UNLINK] = IORING_OP_UNLINKAT,
        [TN__FILE_MKDIR] = IORING_OP_MKDIRAT,
    };
    struct io_uring_probe *probe = io_uring_get_probe_ring(&ring->uring);

    if (!probe)
        return;
    for (int i = 0; i < TN__FILE_CODES; i++)
        ring->can[i] = codes[i] && io_uring_opcode_supported(probe, codes[i]);
    io_uring_free_probe(probe);
}

static struct ring *make_ring(struct tn_hub *h)
{
    struct ring *ring;
    int r;

    if (tn__config_number(TN__CONFIG_FILES) != 0)
        return NULL;
    ring = calloc(1, sizeof *ring);
    if (!ring)
        return NULL;
    if (io_uring_queue_init(ENTRIES, &ring->uring, IORING_SETUP_CLAMP) < 0) {
        free(ring);
        return NULL;
    }
    learn(ring);
    /* A child of fork() has no use for it. */
    r = io_uring_ring_dontfork(&ring->uring);
    if (r == 0)
        r = tn__fd_track(&h->loop, ring->uring.ring_fd, 0, TN__KIND_POLL);
    if (r < 0) {
        io_uring_queue_exit(&ring->uring);
        free(ring);
        return NULL;
    }
    ring->hub = h;
    tn__list_init(&ring->flights);
    ring->watch.op = (struct tn__op){
        .code = TN__OP_POLL, .fd = ring->uring.ring_fd, .flags = POLLIN};
    ring->watch.fn = on_watch;
    ring->attached.leave = leave;
    tn__list_insert(h->attached.next, &ring->attached.link);
    return ring;
}

static struct ring *ring_of(struct tn_hub *h)
{
    if (!h->file_ring) {
        struct ring *ring = make_ring(h);

        h->file_ring = ring ? (void *)ring : &none;
    }
    return h->file_ring == &none ? NULL : h->file_ring;
}

bool tn__file_has_ring(struct tn_hub *h)
{
    return ring_of(h) != NULL;
}

/* ---- a call ---- */

static void prepare(struct io_uring_sqe *sqe, const struct tn__file_call *c)
{
    enum { LEN_MAX = 0x7ffff000 }; /* the kernel's, of any read or write */
    unsigned len = c->len < LEN_MAX ? (unsigned)c->len : LEN_MAX;

    switch (c->code) {
    case TN__FILE_OPEN:
        io_uring_prep_openat(sqe, AT_FDCWD, c->path, c->flags, c->mode);
        break;
    case TN__FILE_CLOSE:
        io_uring_prep_close(sqe, c->fd);
        break;
    case TN__FILE_READ:
        io_uring_prep_read(sqe, c->fd, c->buf, len, (uint64_t)c->offset);
        break;
    case TN__FILE_WRITE:
        io_uring_prep_write(sqe, c->fd, c->buf, len, (uint64_t)c->offset);
        break;
    case TN__FILE_SYNC:
        io_uring_prep_fsync(sqe, c->fd, c->flags ? IORING_FSYNC_DATASYNC : 0);
        break;
    case TN__FILE_STAT:
        io_uring_prep_statx(sqe, c->fd, c->path, c->flags, STATX_BASIC_STATS,
                            c->stat);
        break;
    case TN__FILE_RENAME:
        io_uring_prep_renameat(sqe, AT_FDCWD, c->path, AT_FDCWD, c->to, 0);
        break;
    case TN__FILE_UNLINK:
        io_uring_prep_unlinkat(sqe, AT_FDCWD, c->path, c->flags);
        break;
    default:
        TN_ASSERT(c->code == TN__FILE_MKDIR);
        io_uring_prep_mkdirat(sqe, AT_FDCWD, c->path, c->mode);
        break;
    }
}

/* Give it to the kernel. False if it did not take it. */
static bool submit(struct ring *ring, const struct tn__file_call *call,
                   struct flight *f)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    int r;

    if (!sqe)
        return false;
    prepare(sqe, call);
    io_uring_sqe_set_data(sqe, f);
    tn__list_insert(&ring->flights, &f->link);
    r = io_uring_submit(&ring->uring);
    if (r == -EBUSY || r == -EAGAIN || r == -EINTR) {
        reap(ring);
        (void)io_uring_submit(&ring->uring); /* what is left tells */
    }
    /* What stayed there before may have gone alone: all must be gone. */
    if (io_uring_sq_ready(&ring->uring) == 0)
        return true;
    io_uring_prep_nop(sqe); /* it stays there, and goes with the next */
    io_uring_sqe_set_data(sqe, NULL);
    tn__list_remove(&f->link);
    return false;
}

long tn__file_ring_do(struct tn_hub *h, const struct tn__file_call *call,
                      tn_time deadline)
{
    struct ring *ring = ring_of(h);
    struct flight f = {.g = h->current};
    long r;

    if (!ring || !ring->can[call->code] || !submit(ring, call, &f))
        return TN__FILE_NO_RING;
    reap(ring);
    if (adjust_watch(ring) < 0)
        block(ring);
    if (f.is_done) {
        tn__hub_tick(h);
        return f.result;
    }
    r = tn__hub_park(h, &f.is_done, deadline, call->what, call->fd);
    if (r < 0) {
        cancel(ring, &f);
        tn__hub_park_firmly(h, &f.is_done, call->what);
        if (f.result == -ECANCELED || f.result == -EINTR)
            return r;
    }
    return f.result;
}

#else

bool tn__file_has_ring(struct tn_hub *h)
{
    (void)h;
    return false;
}

long tn__file_ring_do(struct tn_hub *h, const struct tn__file_call *call,
                      tn_time deadline)
{
    (void)h;
    (void)call;
    (void)deadline;
    return TN__FILE_NO_RING;
}

#endif
