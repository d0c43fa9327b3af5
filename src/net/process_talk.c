/* SPDX-License-Identifier: MIT */
/* net/process_talk.c - talking with a child over its pipes, and running one to
 * its end.
 *
 * One greenlet polls the pipes and moves what can be moved; no other is needed,
 * and whatever ends a call leaves its state in the caller's struct, from which
 * the next call goes on. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <tendril/timeout.h>

#include "base/sys.h"
#include "net/process.h"

enum { ROOM_FIRST = 4096, CHUNK_MAX = 65536, IN = 0, OUT = 1, ERR = 2 };

/* ---- output ---- */

/* One of the two outputs of an io. */
struct sink {
    char **data;
    size_t *n;
    size_t *room; /* of *data, the 0 included */
};

static struct sink sink_of(struct tn_process_io *io, int which)
{
    if (which == OUT)
        return (struct sink){&io->out, &io->out_bytes, &io->tn__done[OUT]};
    return (struct sink){&io->err, &io->err_bytes, &io->tn__done[ERR]};
}

/* Room for at least one more byte and the 0. */
static int grow(struct sink *s)
{
    size_t room = *s->room ? *s->room * 2 : ROOM_FIRST;
    char *data;

    if (*s->room >= *s->n + 2)
        return 0;
    data = realloc(*s->data, room);
    if (!data)
        return -ENOMEM;
    data[*s->n] = '\0';
    *s->data = data;
    *s->room = room;
    return 0;
}

/* There is no room for more: whether there is more. */
static int judge_full(struct tn_process *p, int which)
{
    struct pollfd fd = {p->pipes[which], POLLIN, 0};

    if (tn__sys_poll_now(&fd, 1) <= 0)
        return 1;
    if (fd.revents & POLLIN)
        return -EMSGSIZE;
    tn_process_close(p, which);
    return 0;
}

/* Read once. 0; 1 when there was nothing to be read; or an error. */
static int read_some(struct tn_process *p, struct tn_process_io *io, int which)
{
    struct sink s = sink_of(io, which);
    size_t room;
    long n;
    int r = grow(&s);

    if (r < 0)
        return r;
    room = *s.room - *s.n - 1;
    if (io->bytes_max && room > io->bytes_max - *s.n)
        room = io->bytes_max - *s.n;
    if (room == 0)
        return judge_full(p, which);
    n = tn__sys_read(p->pipes[which], *s.data + *s.n, room);
    if (n == -EAGAIN || n == -EINTR)
        return 1;
    if (n < 0)
        return (int)n;
    if (n == 0) {
        tn_process_close(p, which);
        return 0;
    }
    *s.n += (size_t)n;
    (*s.data)[*s.n] = '\0';
    return 0;
}

/* ---- input ---- */

/* write() without SIGPIPE, which is sent to the thread that writes. */
static long write_quietly(int fd, const void *data, size_t n)
{
    const struct timespec no_time = {0, 0};
    sigset_t pipe_set, pending, old;
    long r;

    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
    r = tn__sys_write(fd, data, n);
    if (r == -EPIPE && !sigismember(&pending, SIGPIPE))
        sigtimedwait(&pipe_set, NULL, &no_time);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r;
}

static int write_some(struct tn_process *p, struct tn_process_io *io)
{
    size_t left = io->in_bytes - io->tn__done[IN];
    long n =
        write_quietly(p->pipes[IN], (const char *)io->in + io->tn__done[IN],
                      left < CHUNK_MAX ? left : CHUNK_MAX);

    if (n == -EAGAIN || n == -EINTR)
        return 0;
    if (n == -EPIPE) /* it reads no more: that is its business */
        io->tn__done[IN] = io->in_bytes;
    else if (n < 0)
        return (int)n;
    else
        io->tn__done[IN] += (size_t)n;
    return 0;
}

/* ---- both ---- */

static int move(struct tn_process *p, struct tn_process_io *io,
                const struct tn__op *ops)
{
    int r = 0;

    if (ops[IN].fd >= 0 && ops[IN].is_done && p->pipes[IN] >= 0)
        r = write_some(p, io);
    for (int i = OUT; i <= ERR && r >= 0; i++)
        if (ops[i].fd >= 0 && ops[i].is_done && p->pipes[i] >= 0)
            r = read_some(p, io, i);
    return r < 0 ? r : 0;
}

/* Move what can be moved, waiting for it. 1: all pipes are closed. */
static int turn(struct tn_process *p, struct tn_process_io *io,
                tn_time deadline)
{
    struct tn__op ops[3];
    long r;

    if (p->pipes[IN] >= 0 && io->tn__done[IN] >= io->in_bytes)
        tn_process_close(p, IN);
    if (p->pipes[IN] < 0 && p->pipes[OUT] < 0 && p->pipes[ERR] < 0)
        return 1;
    for (int i = IN; i <= ERR; i++)
        ops[i] = (struct tn__op){.code = TN__OP_POLL,
                                 .fd = p->pipes[i],
                                 .flags = i == IN ? POLLOUT : POLLIN};
    r = tn__hub_poll(p->hub, ops, 3, deadline, "tn_process_communicate");
    if (p->is_freed)
        return r < 0 ? (int)r : -EBADF;
    if (r == 0)
        return deadline == TN_NOWAIT ? -EAGAIN : -ETIME;
    return r < 0 ? (int)r : move(p, io, ops);
}

int tn_process_communicate(tn_process *p, struct tn_process_io *io,
                           tn_time deadline)
{
    int r = tn__process_check(p);

    if (r == 0 && (!io || io->size < sizeof *io || (io->in_bytes && !io->in)))
        r = -EINVAL;
    if (r < 0)
        return r;
    tn__process_hold(p);
    do
        r = turn(p, io, deadline);
    while (r == 0);
    if (r == 1)
        r = tn_process_wait(p, &io->status, deadline);
    tn__process_let_go(p);
    return r;
}

void tn_process_io_free(struct tn_process_io *io)
{
    if (!io)
        return;
    free(io->out);
    free(io->err);
    io->out = io->err = NULL;
    io->out_bytes = io->err_bytes = 0;
    io->tn__done[IN] = io->tn__done[OUT] = io->tn__done[ERR] = 0;
}

/* ---- running one to its end ---- */

/* What has come until now; of a grandchild that never stops, no more than
 * there was. */
static void drain(struct tn_process *p, struct tn_process_io *io)
{
    for (int i = OUT; i <= ERR; i++)
        for (int k = 0; k < 64 && p->pipes[i] >= 0; k++)
            if (read_some(p, io, i) != 0)
                break;
}

/* SIGKILL ends every process that is not stuck in the kernel: a shield without
 * a bound, as the kernel's own. */
static void put_an_end(struct tn_process *p, struct tn_process_io *io)
{
    tn_shield shield;

    if (p->is_leader)
        tn_process_kill_group(p, SIGKILL);
    tn_process_kill(p, SIGKILL);
    tn_shield_begin(&shield, TN_FOREVER);
    if (tn_process_wait(p, NULL, TN_FOREVER) < 0)
        tn__process_block(p); /* there is no memory for a wait */
    if (p->result == 0 && io)
        io->status = p->status;
    tn_shield_end(&shield);
    if (io)
        drain(p, io);
}

int tn_run(char *const argv[], const struct tn_process_options *options,
           struct tn_process_io *io, tn_time deadline)
{
    struct tn_process_options own = TN_PROCESS_OPTIONS;
    tn_process *p;
    int r = tn_check();

    if (io && io->size < sizeof *io)
        return -EINVAL;
    if (!options && io) {
        own.in = io->in ? TN_PROCESS_PIPE : TN_PROCESS_NULL;
        own.out = own.err = TN_PROCESS_PIPE;
        options = &own;
    }
    if (r == 0)
        r = tn_process_spawn(argv, options, &p);
    if (r < 0)
        return r;
    r = io ? tn_process_communicate(p, io, deadline)
           : tn_process_wait(p, NULL, deadline);
    if (r < 0 && r != -ECHILD)
        put_an_end(p, io);
    tn_process_free(p);
    return r;
}
