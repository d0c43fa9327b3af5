/* SPDX-License-Identifier: MIT */
/* tests/support/waits.c - see waits.h. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include "support/waits.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/waits_net.h"
#include "support/waits_pass.h"
#include "support/waits_process.h"
#include "support/waits_sync.h"
#include "net/file.h"

static char byte;

static void swap_ends(struct wait *w)
{
    int fd = w->fds[0];

    w->fds[0] = w->fds[1];
    w->fds[1] = fd;
}

/* ---- input ---- */

static void open_recv(struct wait *w)
{
    open_pair(w->fds);
}

static void open_recv_foreign(struct wait *w)
{
    open_foreign_pair(w->fds);
}

static void open_read(struct wait *w)
{
    open_pipe(w->fds);
}

static void open_read_foreign(struct wait *w)
{
    open_foreign_pipe(w->fds);
}

static void write_one(struct wait *w)
{
    assert_result(write(w->fds[1], "x", 1), 1);
}

static long call_recv(struct wait *w, tn_time deadline)
{
    return tn_recv(w->fds[0], &byte, 1, 0, deadline);
}

static long call_read(struct wait *w, tn_time deadline)
{
    return tn_read(w->fds[0], &byte, 1, deadline);
}

/* ---- output ---- */

static void open_send(struct wait *w)
{
    open_pair(w->fds);
    fill(w->fds[0]);
}

static void open_send_foreign(struct wait *w)
{
    open_foreign_pair(w->fds);
    fill(w->fds[0]);
}

static void open_write(struct wait *w)
{
    open_pipe(w->fds);
    swap_ends(w);
    fill(w->fds[0]);
}

static void open_write_foreign(struct wait *w)
{
    open_foreign_pipe(w->fds);
    swap_ends(w);
    fill(w->fds[0]);
}

static void drain_peer(struct wait *w)
{
    drain(w->fds[1]);
}

static long call_send(struct wait *w, tn_time deadline)
{
    return tn_send(w->fds[0], "x", 1, 0, deadline);
}

static long call_send_all(struct wait *w, tn_time deadline)
{
    return tn_send_all(w->fds[0], "x", 1, 0, NULL, deadline);
}

static long call_write(struct wait *w, tn_time deadline)
{
    return tn_write(w->fds[0], "x", 1, deadline);
}

static long call_write_all(struct wait *w, tn_time deadline)
{
    return tn_write_all(w->fds[0], "x", 1, NULL, deadline);
}

/* ---- buffered streams ---- */

static void close_stream(struct wait *w)
{
    (void)tn_stream_close(w->object, TN_NOWAIT);
}

static void open_stream(struct wait *w)
{
    struct tn_stream_options options = TN_STREAM_OPTIONS;
    tn_stream *s;

    options.flags = TN_STREAM_KEEP;
    assert_result(tn_stream_open(w->fds[0], &options, &s), 0);
    w->object = s;
    w->free = close_stream;
}

static void open_stream_read(struct wait *w)
{
    open_pair(w->fds);
    open_stream(w);
}

static void open_stream_flush(struct wait *w)
{
    open_send(w);
    open_stream(w);
    assert_result(tn_stream_write(w->object, "x", 1, NULL, TN_FOREVER), 0);
}

static long call_stream_read(struct wait *w, tn_time deadline)
{
    return tn_stream_read(w->object, &byte, 1, deadline);
}

static long call_stream_peek(struct wait *w, tn_time deadline)
{
    const void *data;

    return tn_stream_peek(w->object, 1, &data, deadline);
}

static long call_stream_flush(struct wait *w, tn_time deadline)
{
    return tn_stream_flush(w->object, deadline);
}

/* ---- accept and connect ---- */

static void open_accept(struct wait *w)
{
    struct sockaddr_in addr;

    w->fds[0] = open_listener(&addr);
}

static int raw_connect(const struct sockaddr *addr, socklen_t len)
{
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    if (connect(fd, addr, len) < 0)
        assert_result(errno, EINPROGRESS);
    return fd;
}

static void connect_to_it(struct wait *w)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;

    assert_result(getsockname(w->fds[0], (struct sockaddr *)&addr, &len), 0);
    w->fds[1] = raw_connect((struct sockaddr *)&addr, len);
}

static long call_accept(struct wait *w, tn_time deadline)
{
    int fd = tn_accept(w->fds[0], NULL, NULL, deadline);

    return fd < 0 ? fd : tn_close(fd);
}

/* A listener whose queue is full: the next connection is not answered. */
static void open_connect(struct wait *w)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;

    w->fds[1] = tn_listen("127.0.0.1:0", 0);
    assert_true(w->fds[1] >= 0);
    assert_result(getsockname(w->fds[1], (struct sockaddr *)&addr, &len), 0);
    w->fds[2] = raw_connect((struct sockaddr *)&addr, len);
    w->fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_result(tn_fd_adopt(w->fds[0]), 0);
}

static long call_connect(struct wait *w, tn_time deadline)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;

    assert_result(getsockname(w->fds[1], (struct sockaddr *)&addr, &len), 0);
    return tn_connect(w->fds[0], (struct sockaddr *)&addr, len, deadline);
}

/* Ends the attempt: a result too. */
static void disconnect(struct wait *w)
{
    struct sockaddr addr = {.sa_family = AF_UNSPEC};

    connect(w->fds[0], &addr, sizeof addr);
}

/* ---- poll ---- */

static long call_poll(struct wait *w, tn_time deadline)
{
    struct pollfd fds[3] = {
        {-1, POLLIN, 0}, {w->fds[1], POLLIN, 0}, {w->fds[0], POLLIN, 0}};
    int r = tn_poll(fds, 3, deadline);

    if (r > 0) {
        assert_int_equal(fds[0].revents, 0);
        assert_int_equal(fds[1].revents, 0);
        assert_int_not_equal(fds[2].revents, 0);
        return fds[2].revents;
    }
    return r;
}

/* ---- the end of a greenlet ---- */

static int never_runs(void *arg)
{
    (void)arg;
    fail_msg("it ran");
    return 0;
}

static void open_join(struct wait *w)
{
    assert_result(tn_greenlet_new(NULL, never_runs, NULL, &w->other), 0);
}

static void end_other(struct wait *w)
{
    assert_result(tn_kill(w->other, TN_NOWAIT), 0);
}

static long call_join(struct wait *w, tn_time deadline)
{
    int r = tn_join(w->other, NULL, deadline);

    if (r == 0)
        w->other = NULL;
    return r;
}

static long call_joinall(struct wait *w, tn_time deadline)
{
    return tn_joinall(&w->other, 1, 0, 0, deadline);
}

/* ---- groups ---- */

static void free_pool(struct wait *w)
{
    tn_group_free(w->object);
}

/* A pool of one, whose member is `other`. */
static void open_group(struct wait *w)
{
    tn_pool *pool;

    open_join(w);
    assert_result(tn_pool_new(1, &pool), 0);
    assert_result(tn_group_add(pool, w->other, TN_NOWAIT), 0);
    w->object = pool;
    w->free = free_pool;
}

static long call_group_join(struct wait *w, tn_time deadline)
{
    return tn_group_join(w->object, 0, deadline);
}

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static long call_group_spawn(struct wait *w, tn_time deadline)
{
    return tn_group_spawn(w->object, end_at_once, NULL, NULL, deadline);
}

static long call_group_add(struct wait *w, tn_time deadline)
{
    tn_greenlet *g;
    int r;

    assert_result(tn_greenlet_new(NULL, end_at_once, NULL, &g), 0);
    r = tn_group_add(w->object, g, deadline);
    tn_unref(g);
    return r;
}

static long call_wait_available(struct wait *w, tn_time deadline)
{
    return tn_pool_wait_available(w->object, deadline);
}

/* ---- offload ---- */

static long keep_busy(void *arg)
{
    while (sem_wait(arg) < 0)
        ;
    return 0;
}

static int offload_busy(void *arg)
{
    struct wait *w = arg;
    long r = tn_offload_pool_run(w->pool, keep_busy, &w->may_work, TN_FOREVER);

    return (int)r;
}

static void open_offload(struct wait *w)
{
    assert_result(tn_offload_pool_new(1, &w->pool), 0);
    sem_init(&w->may_work, 0, 0);
    w->other = spawn(offload_busy, w);
    settle();
}

static uint64_t jobs_done(struct wait *w)
{
    struct tn_offload_stats stats = {.size = sizeof stats};

    assert_result(tn_offload_pool_stats(w->pool, &stats), 0);
    return stats.done;
}

static void work_it_off(struct wait *w)
{
    sem_post(&w->may_work);
    while (jobs_done(w) < 2)
        sched_yield();
}

static long give_seven(void *arg)
{
    (void)arg;
    return 7;
}

static long call_offload(struct wait *w, tn_time deadline)
{
    return tn_offload_pool_run(w->pool, give_seven, NULL, deadline);
}

static long call_detached(struct wait *w, tn_time deadline)
{
    long result = 0;
    int r = tn_offload_pool_detached(w->pool, give_seven, NULL, NULL, &result,
                                     deadline);

    return r < 0 ? r : result;
}

static void close_offload(struct wait *w)
{
    sem_post(&w->may_work);
    join(w->other);
    w->other = NULL;
    tn_offload_pool_free(w->pool);
}

/* ---- shared between threads ---- */

static void open_event(struct wait *w)
{
    assert_result(tn_shared_event_new(&w->event), 0);
}

static void set_event(struct wait *w)
{
    tn_shared_event_set(w->event);
}

static long call_event(struct wait *w, tn_time deadline)
{
    return tn_shared_event_wait(w->event, deadline);
}

static void open_channel(struct wait *w)
{
    assert_result(tn_shared_channel_new(1, &w->channel), 0);
}

static void send_item(struct wait *w)
{
    assert_result(tn_shared_channel_send(w->channel, &byte, TN_NOWAIT), 0);
}

static long call_channel_recv(struct wait *w, tn_time deadline)
{
    void *item = NULL;
    int r = tn_shared_channel_recv(w->channel, &item, deadline);

    assert_ptr_equal(item, r < 0 ? NULL : &byte);
    return r;
}

static void open_full_channel(struct wait *w)
{
    open_channel(w);
    send_item(w);
}

static void recv_item(struct wait *w)
{
    void *item;

    assert_result(tn_shared_channel_recv(w->channel, &item, TN_NOWAIT), 0);
}

static long call_channel_send(struct wait *w, tn_time deadline)
{
    return tn_shared_channel_send(w->channel, &byte, deadline);
}

/* ---- by io_uring, which also reads from pipes ---- */

static bool has_uring(void)
{
    return strcmp(tn_file_backend(), "uring") == 0;
}

static long call_by_ring(struct wait *w, tn_time deadline)
{
    struct tn__file_call call = {.code = TN__FILE_READ, .fd = w->fds[0],
                                 .buf = &byte, .len = 1,
                                 .what = "call_by_ring"};

    return tn__file_do(&call, deadline);
}

/* ---- time ---- */

static void open_nothing(struct wait *w)
{
    (void)w;
}

static long call_sleep(struct wait *w, tn_time deadline)
{
    (void)w;
    return tn_sleep(deadline);
}

const struct wait_kind wait_kinds[] = {
    {"recv", open_recv, call_recv, write_one, 1, -EBADF, true},
    {"recv, foreign", open_recv_foreign, call_recv, write_one, 1, -EBADF, true},
    {"read", open_read, call_read, write_one, 1, -EBADF, true},
    {"read, foreign", open_read_foreign, call_read, write_one, 1, -EBADF, true},
    {"read of a socket", open_recv_foreign, call_read, write_one, 1, -EBADF,
     true},
    {"send", open_send, call_send, drain_peer, 1, -EBADF, true},
    {"send, foreign", open_send_foreign, call_send, drain_peer, 1, -EBADF,
     true},
    {"send_all", open_send, call_send_all, drain_peer, 0, -EBADF, true},
    {"write", open_write, call_write, drain_peer, 1, -EBADF, true},
    {"write, foreign", open_write_foreign, call_write, drain_peer, 1, -EBADF,
     true},
    {"write_all", open_write, call_write_all, drain_peer, 0, -EBADF, true},
    {.name = "stream_read", .open = open_stream_read, .call = call_stream_read,
     .satisfy = write_one, .good = 1, .closed = -EBADF, .is_descriptor = true,
     .allocates = true},
    {.name = "stream_peek", .open = open_stream_read, .call = call_stream_peek,
     .satisfy = write_one, .good = 1, .closed = -EBADF, .is_descriptor = true,
     .allocates = true},
    {"stream_flush", open_stream_flush, call_stream_flush, drain_peer, 0,
     -EBADF, true},
    {"recvfrom", open_datagrams, call_recvfrom, write_one,
     1, -EBADF, true},
    {"recvmsg", open_datagrams, call_recvmsg, write_one,
     1, -EBADF, true},
    {"recvmmsg", open_datagrams, call_recvmmsg, write_one,
     1, -EBADF, true},
    {"recv_fds", open_recv, call_recv_fds, write_one,
     1, -EBADF, true},
    {"readv", open_read, call_readv, write_one,
     1, -EBADF, true},
    {"readv, foreign", open_read_foreign, call_readv, write_one,
     1, -EBADF, true},
    {"select_fds", open_recv, call_select_fds, write_one,
     1, -EBADF, true},
    {"sendto", open_full_datagrams, call_sendto, drain_peer,
     1, -EBADF, true},
    {"sendmsg", open_full_pair, call_sendmsg, drain_peer,
     1, -EBADF, true},
    {"sendmmsg", open_full_datagrams, call_sendmmsg, drain_peer,
     1, -EBADF, true},
    {"writev", open_write, call_writev, drain_peer,
     1, -EBADF, true},
    {"sendfile", open_full_pair_and_file, call_sendfile, drain_peer,
     1, -EBADF, true},
    {"splice", open_pair_and_pipe, call_splice, write_one,
     1, -EBADF, true},
    {"accept", open_accept, call_accept, connect_to_it, 0, -EBADF, true},
    {"connect", open_connect, call_connect, disconnect, -ECONNRESET, -EBADF,
     true},
    {"poll", open_recv, call_poll, write_one, POLLIN, POLLNVAL, true},
    {"poll, foreign", open_recv_foreign, call_poll, write_one, POLLIN, POLLNVAL,
     true},
    {"join", open_join, call_join, end_other, 0, 0, false},
    {.name = "joinall", .open = open_join, .call = call_joinall,
     .satisfy = end_other, .good = 1},
    {.name = "group join", .open = open_group, .call = call_group_join,
     .satisfy = end_other},
    {.name = "group spawn", .open = open_group, .call = call_group_spawn,
     .satisfy = end_other, .allocates = true},
    {.name = "group add", .open = open_group, .call = call_group_add,
     .satisfy = end_other, .allocates = true},
    {.name = "wait for room", .open = open_group, .call = call_wait_available,
     .satisfy = end_other},
    {.name = "offload", .open = open_offload, .call = call_offload,
     .satisfy = work_it_off, .good = 7, .is_never_at_once = true},
    {.name = "offload, detached", .open = open_offload, .call = call_detached,
     .satisfy = work_it_off, .good = 7, .allocates = true,
     .is_never_at_once = true},
    {.name = "shared event", .open = open_event, .call = call_event,
     .satisfy = set_event},
    {.name = "shared channel, receive", .open = open_channel,
     .call = call_channel_recv, .satisfy = send_item},
    {.name = "shared channel, send", .open = open_full_channel,
     .call = call_channel_send, .satisfy = recv_item},
    {.name = "channel send", .open = open_channel_full,
     .call = call_send_here, .satisfy = receive_one},
    {.name = "channel recv", .open = open_channel_empty,
     .call = call_recv_here, .satisfy = send_one},
    {.name = "rendezvous send", .open = open_rendezvous,
     .call = call_send_here, .satisfy = close_channel, .good = -EPIPE},
    {.name = "rendezvous recv", .open = open_rendezvous,
     .call = call_recv_here, .satisfy = close_channel, .good = -EPIPE},
    {.name = "select", .open = open_two_channels, .call = call_select,
     .satisfy = send_one, .good = 1},
    {.name = "queue put", .open = open_full_queue, .call = call_put,
     .satisfy = get_one},
    {.name = "queue get", .open = open_queue, .call = call_get,
     .satisfy = put_one},
    {.name = "queue peek", .open = open_queue, .call = call_peek,
     .satisfy = put_one},
    {.name = "queue join", .open = open_full_queue, .call = call_queue_join,
     .satisfy = task_done},
    {"event", open_plain_event, call_event_wait, set_plain_event, 0, 0, false},
    {"result", open_result, call_result_get, set_result, 0, 0, false},
    {"semaphore", open_semaphore, call_acquire, release_semaphore, 0, 0, false},
    {"mutex", open_mutex, call_mutex_lock, pass_mutex_on, 0, 0, false},
    {"rwlock", open_rwlock, call_wrlock, unlock_rwlock, 0, 0, false},
    {"wait any", open_plain_event, call_wait_any, set_plain_event, 0, 0, false},
    {"wait all", open_plain_event, call_wait_all, set_plain_event, 2, 0, false},
    {"waits next", open_waits, call_waits_next, set_watched_event, 1, 0, false},
    {.name = "file, by io_uring", .open = open_read_foreign,
     .call = call_by_ring, .satisfy = write_one, .good = 1, .allocates = true,
     .is_here = has_uring, .is_never_at_once = true},
    {"process", open_process, call_process_wait, kill_process, 0, 0, true},
    {"waitpid", open_child, call_waitpid, kill_child, 1, 0, true},
    {"signal", open_signal, call_signal_wait, send_signal, 1, 0, true},
    {"sleep", open_nothing, call_sleep, NULL, 0, 0, false},
};

const size_t n_wait_kinds = sizeof wait_kinds / sizeof wait_kinds[0];

void wait_end(struct wait *w)
{
    for (int i = 0; i < 4; i++)
        if (w->fds[i] >= 0)
            assert_result(tn_close(w->fds[i]), 0);
    tn_shared_event_unref(w->event);
    tn_shared_channel_unref(w->channel);
    if (w->pool)
        close_offload(w);
    if (w->other)
        tn_unref(w->other);
    if (w->free)
        w->free(w);
}
