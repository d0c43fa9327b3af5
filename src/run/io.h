/* SPDX-License-Identifier: MIT */
/* run/io.h - what the two files of reads and writes share: io.c, and message.c
 * for those of sockets. */
#ifndef TN_RUN_IO_H
#define TN_RUN_IO_H

#include "run/run.h"

struct iovec;

/* What the program is told when a wait of the hub ended without a result. A
 * timerfd gives ECANCELED too, when its clock has been set. */
static inline long tn__io_plain(long r)
{
    if (r == -ECANCELED)
        return tn__run_self()->g.alert & TN__ALERT_KILL ? -EINTR : r;
    return r == -ETIME ? -EAGAIN : r;
}

/* The entry of a descriptor on which a call has to wait here; NULL: let the
 * kernel do the call. */
static inline struct tn__run_fd *tn__io_blocking(long fd)
{
    struct tn__run_fd *f = tn__run_fd_get((int)fd);

    if (!f || f->is_file || tn__run_fd_is_nonblock((int)fd, f))
        return NULL;
    return f;
}

static inline long tn__io_in(struct tn__run_call *c, struct tn__op *op,
                             const struct tn__run_fd *f, const char *what)
{
    tn_time deadline = tn__run_fd_deadline(c, f, TN__RUN_IN);

    return tn__io_plain(tn__run_io(c, op, deadline, what));
}

/* A send that connects, too (TCP_FASTOPEN), has only begun to: await that, and
 * make it again. */
long tn__io_connected(struct tn__run_call *c, struct tn__op *op,
                      tn_time deadline, const char *what);

static inline long tn__io_out(struct tn__run_call *c, struct tn__op *op,
                              const struct tn__run_fd *f, const char *what)
{
    tn_time deadline = tn__run_fd_deadline(c, f, TN__RUN_OUT);
    long r = tn__io_plain(tn__run_io(c, op, deadline, what));

    return TN_LIKELY(r != -EINPROGRESS)
               ? r
               : tn__io_connected(c, op, deadline, what);
}

/* A process that is not in the foreground gets SIGTTIN when it reads from its
 * terminal, not when there is a line, and may get SIGTTOU when it writes: a
 * read or write of nothing raises it. 0, or what the call is to give. */
long tn__io_ask_terminal(const struct tn__run_call *c, long nr);
/* The kernel makes the call as it stands, and knows when it is done. */
long tn__io_whole(struct tn__run_call *c, const struct tn__run_fd *f,
                  int direction);
/* One more attempt of a call of which a part is done: so it raises no signal,
 * and leaves an error for the next call. For sockets the operation has to be
 * one with a buffer; a write becomes a send. */
long tn__io_again(struct tn__run_call *c, struct tn__op *op,
                  const struct tn__run_fd *f, int direction, const char *what);
/* Go on with an operation that has a buffer, until all is written. `done` is
 * what was written already, or an error. */
long tn__io_write_rest(struct tn__run_call *c, struct tn__op *op,
                       const struct tn__run_fd *f, long done,
                       const char *what);
/* The rest of a vector of which `done` bytes are written, piece by piece. */
long tn__io_write_pieces(struct tn__run_call *c, struct tn__op *op,
                         const struct tn__run_fd *f, const struct iovec *iov,
                         size_t n, long done);

static inline long tn__io_write(struct tn__run_call *c, struct tn__op *op,
                                const struct tn__run_fd *f, const char *what)
{
    long r = tn__io_out(c, op, f, what);

    return TN_LIKELY(r == (long)op->len)
               ? r
               : tn__io_write_rest(c, op, f, r, what);
}

#endif /* TN_RUN_IO_H */
