/* SPDX-License-Identifier: MIT */
/* loop/loop.h - the seam between the hub and what waits in the kernel.
 *
 * The seam is completion-shaped: an operation is submitted and either has its
 * result at once or is completed later, from poll(). Waiting for readiness is
 * an operation too (TN__OP_POLL). The readiness back ends (epoll, ev, sim)
 * share fdtab.c, which tries the call, parks the operation and completes it
 * when the descriptor becomes ready; they add arming, polling and waking.
 *
 * A loop belongs to one thread. Only wake() may be called from others. */
#ifndef TN_LOOP_LOOP_H
#define TN_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <tendril/base.h>

#include "base/list.h"

struct tn__loop;
struct sockaddr;
struct iovec;
struct msghdr;
struct mmsghdr;

/* submit() has parked the operation; complete() will be called. */
#define TN__PENDING (-4095L)

enum tn__op_code {
    TN__OP_RECV,    /* buf, len, flags */
    TN__OP_SEND,    /* buf, len, flags */
    TN__OP_RECVFROM, /* buf, len, flags, addr, addr_len */
    TN__OP_SENDTO,  /* buf, len, flags, addr, addr_n */
    TN__OP_RECVMSG, /* msg, flags */
    TN__OP_SENDMSG, /* msg, flags */
    TN__OP_RECVMMSG, /* msgs, len, flags */
    TN__OP_SENDMMSG, /* msgs, len, flags */
    TN__OP_SENDFILE, /* flags: descriptor of the file; at, len */
    TN__OP_READ,    /* buf, len */
    TN__OP_WRITE,   /* buf, len */
    TN__OP_READV,   /* iov, len */
    TN__OP_WRITEV,  /* iov, len */
    TN__OP_ACCEPT,  /* addr, addr_len, flags (of accept4) */
    TN__OP_CONNECT, /* after connect() gave -EINPROGRESS: await the verdict */
    TN__OP_POLL,    /* flags: poll(2) events; the result is revents */
    TN__OP_CLOSE    /* parks until tn__fd_closing(), for one who waits for
                     * something that the kernel does not tell */
};

enum {
    TN__OP_NOWAIT = 1, /* never park: -EAGAIN; always makes the system call */
    TN__OP_NOTRY = 2,  /* of a TN__OP_POLL: poll() has just said no; park */
    TN__OP_WAKE = 4    /* parked by tn__loop_park_unless(): on an event it is
                        * not tried, but completed with -EAGAIN */
};

struct tn__op {
    struct tn__list link; /* on a descriptor's list while parked */
    uint8_t code;         /* enum tn__op_code */
    uint8_t mode;         /* TN__OP_NOWAIT, TN__OP_NOTRY */
    uint8_t is_done;      /* written by the loop before complete() */
    uint8_t is_parked;    /* the loop holds it */
    int fd;
    int flags;
    unsigned addr_n;
    union {
        void *buf;
        const struct iovec *iov;
        struct msghdr *msg;
        struct mmsghdr *msgs;
        off_t *at; /* where in the file; NULL: at its own offset */
    };
    size_t len;
    struct sockaddr *addr;
    unsigned *addr_len;
    long result;          /* valid once is_done */
    void *owner;          /* the hub's: the greenlet that waits */
    uint8_t *any_done;    /* the hub's: of several, one is done; or NULL */
};

/* Bits of tn__fd.flags. */
enum {
    TN__FD_TRACKED = 1,    /* every close of it passes through tn__fd_closing():
                            * registration and what was learnt persist */
    TN__FD_NONBLOCK = 2,   /* O_NONBLOCK is ours: plain calls do not block */
    TN__FD_REGISTERED = 4, /* in the back end's set */
    TN__FD_STREAM = 8,     /* a stream socket: a short read means drained */
    TN__FD_HUP = 16,       /* RDHUP, HUP or ERR was reported */
    TN__FD_MARKS = 32      /* a read may stop where more follows, at a mark:
                            * out-of-band data was seen, or it is a unix
                            * socket; no short-read rule */
};

/* What kind of thing a tracked descriptor is. */
enum tn__fd_kind {
    TN__KIND_UNKNOWN,
    TN__KIND_SOCKET,
    TN__KIND_NOWAIT, /* RWF_NOWAIT works: pipes and others */
    TN__KIND_POLL,   /* pollable, no RWF_NOWAIT: ask poll(), then call */
    TN__KIND_FILE    /* never waits in the sense of poll() */
};

/* What the loop knows of a descriptor. While a bit of `ready` is set, nobody
 * is parked in that direction. */
struct tn__fd {
    struct tn__list in;   /* parked operations that read, in order */
    struct tn__list out;  /* that write */
    struct tn__list poll; /* TN__OP_POLL */
    uint32_t generation;  /* raised by each close */
    uint8_t ready;        /* POLLIN | POLLOUT: worth trying */
    uint8_t flags;        /* TN__FD_* */
    uint8_t kind;         /* enum tn__fd_kind */
    uint8_t armed;        /* for ev: POLLIN | POLLOUT asked for */
#ifdef TN_ENGINE
    uint32_t turns;       /* raised by each event, and whenever else those who
                           * wait should look again; atomic, for those who try
                           * calls while others are in the loop */
    uint32_t drained_at;  /* atomic: at this turn it was drained of input */
#else
    void *backend;        /* the back end's own */
#endif
};

enum { TN__FD_CHUNK = 1024, TN__FD_CHUNKS = 65536 };

struct tn__loop_ops {
    const char *name;
    bool is_level; /* arm() must be called for each wait, also when tracked */
    int (*open)(struct tn__loop *l);
    void (*close)(struct tn__loop *l);
    /* See to it that `fd`'s events are reported; `events` are those waited for
     * (POLLIN, POLLOUT, POLLPRI). 0 or a negative errno (-EPERM: this kind of
     * file is always ready). */
    int (*arm)(struct tn__loop *l, int fd, struct tn__fd *f, int events);
    /* Nobody waits on an untracked descriptor any more, or it is closing. */
    void (*disarm)(struct tn__loop *l, int fd, struct tn__fd *f);
    /* Report events by tn__fdtab_event(), waiting until `until` for the first
     * (TN_NOWAIT: not at all). 0, or -EINTR when a signal ended it. */
    int (*poll)(struct tn__loop *l, tn_time until);
    /* End a poll() that runs or the next one. From any thread. */
    void (*wake)(struct tn__loop *l);
    tn_time (*now)(struct tn__loop *l);
};

struct tn__loop {
    const struct tn__loop_ops *ops;
    void (*complete)(struct tn__op *op); /* the hub's: is_done was just set */
    void *owner;                         /* the hub */
    struct tn__fd **chunks;              /* owned mapping: table of tables */
    uint32_t chunks_end;                 /* none at or behind this index: what
                                          * is there need not be touched */
    uint32_t n_parked;                   /* operations parked */
    uint32_t n_armed;                    /* descriptors registered */
    uint64_t n_stale;                    /* events of descriptors gone */
    int ep;                              /* epoll: its descriptor; -1 */
    int wake_fd;                         /* eventfd; -1 */
    int wake_pending;                    /* atomic: wake() wrote already */
    uint64_t seed;                       /* sim: of the scheduler */
    tn_time sim_now;                     /* sim: the virtual clock */
    void *backend;                       /* ev: its struct ev_loop */
    const struct tn__op *serving;        /* that is being tried for its owner,
                                          * who waits; or NULL */
#ifdef TN_ENGINE
    bool is_shared; /* other kernel threads go on while one polls */
#endif
};

extern const struct tn__loop_ops tn__loop_epoll;
#ifdef TN_ENGINE
/* In a forked child: a set of its own, after tn__loop_forget(). 0 or a negative
 * errno. */
int tn__loop_epoll_in_child(struct tn__loop *l);
#else
extern const struct tn__loop_ops tn__loop_sim;
# ifdef TN_HAVE_LIBEV
extern const struct tn__loop_ops tn__loop_ev;
# endif
#endif

/* Open with the given back end. `complete` and `owner` must be set. */
int tn__loop_open(struct tn__loop *l, const struct tn__loop_ops *ops);
void tn__loop_close(struct tn__loop *l);

/* Forget all descriptors and whoever is parked on them, without a word to
 * anybody: in a forked child. */
void tn__loop_forget(struct tn__loop *l);

/* Do the operation: its result (0 or more, or a negative errno), or TN__PENDING
 * when it was parked. Without TN__OP_NOWAIT it never returns -EAGAIN. */
long tn__loop_submit(struct tn__loop *l, struct tn__op *op);

#ifdef TN_ENGINE
/* Park an operation that has just been tried, with -EAGAIN, since `turns` of
 * its tracked descriptor was `seen`. -EAGAIN: it has changed, try again. */
long tn__loop_park_unless(struct tn__loop *l, struct tn__op *op,
                          uint32_t seen);
#endif

/* Take a parked operation back. Nothing happens to one that is done. */
void tn__loop_cancel(struct tn__loop *l, struct tn__op *op);

/* ---- fdtab.c: shared by the readiness back ends ---- */

/* The entry of `fd`, made if there is none; NULL without memory, or for a
 * number below 0. */
struct tn__fd *tn__fdtab_get(struct tn__loop *l, int fd);

/* The entry, or NULL if `fd` was never waited on. */
struct tn__fd *tn__fdtab_peek(struct tn__loop *l, int fd);

/* The events that those parked on `f` wait for. */
int tn__fdtab_wanted(const struct tn__fd *f);

/* `events` (POLLIN OUT PRI ERR HUP RDHUP) happened on `fd`: completes parked
 * operations in order for as long as they succeed. */
void tn__fdtab_event(struct tn__loop *l, int fd, struct tn__fd *f, int events);

/* `fd` is tendril's from now on (TN__FD_TRACKED, TN__FD_NONBLOCK). */
int tn__fd_track(struct tn__loop *l, int fd, int flags, enum tn__fd_kind kind);

/* `fd` has just been made by the kernel: what is known of the number, if it was
 * closed without tn__fd_closing(), is forgotten. */
void tn__fd_made(struct tn__loop *l, int fd);

/* `fd` is about to be closed or replaced: parked operations complete with
 * -EBADF, the entry forgets everything, its generation rises. Call before the
 * close itself. */
void tn__fd_closing(struct tn__loop *l, int fd);

/* shutdown() has just ended directions of `fd` (POLLIN, POLLOUT): those parked
 * try again, for the kernel does not always tell. */
void tn__fd_shut(struct tn__loop *l, int fd, int events);

/* Visit each entry that has parked operations or is registered. */
void tn__fdtab_each(struct tn__loop *l,
                    void (*fn)(struct tn__loop *l, int fd, struct tn__fd *f));

/* wake() by l->wake_fd, and what poll() does when it sees the event. */
void tn__loop_wake_by_eventfd(struct tn__loop *l);
void tn__loop_read_eventfd(struct tn__loop *l);

/* op.c: what kind of file it is; UNKNOWN when it is not open. */
enum tn__fd_kind tn__fd_kind_of(int fd);

/* Fill in the kind of a tracked descriptor, and TN__FD_STREAM. */
void tn__fd_learn(int fd, struct tn__fd *f);

/* op.c: a call has done a part, and poll() for `events` tells `revents`. Is the
 * connection over, with nothing left to be read? If by an error, only one
 * attempt is told of it, and that is the next call's. */
bool tn__fd_has_ended(int fd, int events, int revents);

/* op.c: a read or write of no bytes: whatever the descriptor's state, it is
 * done at once (but for an empty datagram, which may find no room). */
bool tn__op_is_nothing(const struct tn__op *op);

/* op.c: make the system call of `op` once. -EAGAIN when it would wait. */
long tn__op_try(struct tn__op *op, struct tn__fd *f);

#endif /* TN_LOOP_LOOP_H */
