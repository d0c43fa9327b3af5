/* SPDX-License-Identifier: MIT */
/* server/common.h - what stream and datagram servers share: the life of a
 * server. See common.c for how it works.
 *
 * A server embeds a struct tn__server as its first field and says in its ops
 * what it does with what comes. */
#ifndef TN_SERVER_COMMON_H
#define TN_SERVER_COMMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <tendril/group.h>
#include <tendril/timeout.h>

#include "base/list.h"
#include "hub/hub.h"
#include "hub/waitable.h"

struct tn__server;
struct tn__handler;

struct tn__server_ops {
    const char *name; /* static: of its greenlet */
    int type;         /* SOCK_STREAM or SOCK_DGRAM */
    const char *text_pause; /* static: what the error hook is told, */
    const char *text_end;   /* when it pauses and when an error ends it */
    /* Wait for what comes, and give it to handlers: one connection, or a batch.
     * 0 or a negative errno; -ECANCELED when it is to pause or end. */
    int (*step)(struct tn__server *s);
    /* The greenlet of `handler` has ended, or never ran: give back what belongs
     * to it, and itself. Does not wait. */
    void (*ended)(struct tn__handler *handler);
    /* Give back what the server holds for a later step. It is being stopped. */
    void (*drop)(struct tn__server *s);
};

/* Where a server's socket comes from. */
struct tn__server_place {
    char *addr;       /* owned; NULL: the socket was given */
    int given;        /* that, until the server starts; -1: none */
    int backlog;
    int flags;        /* TN_SERVER_REUSEPORT */
    dev_t path_dev;   /* of a unix socket: what was made at its path, */
    ino_t path_ino;   /* to be removed when it is closed; 0: none */
};

struct tn__server {
    struct tn_waitable waitable; /* ready while it does not run */
    const struct tn__server_ops *ops;
    struct tn__server_place place;
    int fd;                  /* its socket; -1: none */
    unsigned life;           /* how often it was started */
    tn_greenlet *runner;     /* takes what comes; owned reference or NULL */
    int result;              /* of the last runner: why it ended by itself */
    bool is_serving;         /* it was started, and not stopped since; no error
                              * has ended it */
    bool is_stopping;        /* the runner must leave */
    bool is_paused;
    bool ends_by_closing;    /* a stop closes the socket first */
    uint8_t is_resumed;      /* wakes a runner that pauses */
    tn_timeout pause;        /* the cancel around the runner's waits */
    bool may_cancel;         /* the runner is within it */
    uint32_t n_stops;        /* calls of stop that are in progress */
    int steps_max;           /* in one go, before others run */
    int64_t delay_ns_min;
    int64_t delay_ns_max;
    int64_t delay_ns;        /* the next pause after a failure */
    uint64_t n_failed;       /* failures, passing ones included */
    struct tn__list handlers;
    size_t n_handlers;
    size_t handlers_max;     /* 0: no bound */
    size_t stack_bytes;      /* of handlers; 0: the default */
    tn_pool *pool;           /* the user's, or NULL */
    uint8_t has_room;        /* wakes a runner that waits for room */
    struct tn_greenlet *waits_room;
    struct tn__list stoppers; /* those who wait for handlers to end */
};

/* Something that a greenlet of its own handles; part of what it gets. */
struct tn__handler {
    struct tn__list link;  /* on tn__server.handlers */
    tn_link end;           /* linked to the end of `g` */
    struct tn__server *server;
    struct tn_greenlet *g; /* not owned */
};

/* ---- common.c ---- */

/* Set `s` (zeroed) up, the fields from `steps_max` on that are options being
 * set. Takes place->given on 0; keeps a copy of the address. */
int tn__server_init(struct tn__server *s, const struct tn__server_ops *ops,
                    const struct tn__server_place *place);

/* End a server that tn_X_server_free() has stopped, or that never started. */
void tn__server_fini(struct tn__server *s);

/* What the public calls of their names do. */
int tn__server_start(struct tn__server *s);
int tn__server_pause(struct tn__server *s, bool is_paused);
int tn__server_stop(struct tn__server *s, tn_time drain);
void tn__server_halt(struct tn__server *s); /* stop, as free() does */

static inline bool tn__server_is_ours(const struct tn__server *s)
{
    return s->waitable.hub == tn__hub_peek();
}

/* The runner's waits between these can be canceled, by a pause or a stop. They
 * are around its steps; one that calls a handler is outside meanwhile. */
void tn__server_begin_waits(struct tn__server *s);
void tn__server_end_waits(struct tn__server *s);

/* It is no longer time to take what comes: a step returns -ECANCELED. */
static inline bool tn__server_must_rest(const struct tn__server *s)
{
    return s->is_paused || s->is_stopping;
}

/* ---- handlers.c ---- */

/* Wait, as the runner, until there may be one more. */
int tn__server_await_room(struct tn__server *s);

/* How many more there may be now; at least 1 after the above. */
size_t tn__server_room(const struct tn__server *s);

/* Have fn(handler) run, waiting for room in the pool. On an error the caller
 * still owns `handler`; on 0 ops->ended() gets it. */
int tn__server_spawn(struct tn__server *s, struct tn__handler *handler,
                     tn_greenlet_fn fn);

/* Wait until `deadline` for all handlers to end, the caller excepted. */
int tn__server_await_idle(struct tn__server *s, tn_time deadline);

/* Wait until no stop is in progress. */
void tn__server_await_stops(struct tn__server *s);

/* Kill all, the caller excepted. Does not wait. */
void tn__server_kill(struct tn__server *s);

/* Tell those in tn__server_await_idle() to look. */
void tn__server_tell_stoppers(struct tn__server *s);

/* ---- until.c ---- */

int tn__server_serve_until(struct tn__server *s, const int *signos, size_t n,
                           int64_t drain_ns);
int tn__server_serve(struct tn__server *s);

/* ---- bind.c ---- */

/* Look whether a socket that was given is what a server of `type` can use: 0,
 * -EBADF, -ENOTSOCK, -EINVAL. */
int tn__server_judge(int fd, int type);

/* Make the server's socket, or take what was given. A descriptor, tendril's, or
 * a negative errno. */
int tn__server_open(struct tn__server_place *place, int type);

/* Close it, and remove what it made in the file system. */
void tn__server_close(struct tn__server_place *place, int fd);

/* The port of a socket; 0 when it has none. */
int tn__server_port(int fd);

#endif /* TN_SERVER_COMMON_H */
