/* SPDX-License-Identifier: MIT */
/* tests/unit/test_faults.c - the n-th allocation and the n-th system call fail,
 * for every n, through each constructor and a server's life: an error comes
 * back, nothing leaks, nothing is left half-made (see support/faults.h). */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "support/faults.h"

/* Without these a hub is as good: the report of an overflow is left out, an
 * empty stack keeps its memory, a guard is made in another way. */
#define HUB_DOES_WITHOUT "mmap sigaltstack process_madvise pidfd_open madvise"

/* ---- the hub ---- */

static int hub_lives(void)
{
    tn_hub *hub;
    int r = tn_hub_get(&hub);

    if (r == 0)
        r = tn_yield();
    if (r < 0)
        return r;
    return tn_hub_destroy();
}

static void a_hub(void)
{
    faults_each(hub_lives, HUB_DOES_WITHOUT);
}

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static int hub_with_greenlet_lives(void)
{
    tn_greenlet *g;
    int r = tn_spawn(end_at_once, NULL, &g), result;

    if (r == 0) {
        r = tn_join(g, &result, TN_FOREVER);
        if (r < 0)
            tn_unref(g);
    }
    result = tn_hub_destroy();
    return r < 0 ? r : result;
}

static void a_hub_and_its_first_greenlet(void)
{
    faults_each(hub_with_greenlet_lives, HUB_DOES_WITHOUT);
}

/* ---- greenlets: more than the cache has ---- */

enum { N = 40 };

static int sleep_a_little(void *arg)
{
    (void)arg;
    return tn_sleep(tn_after_ms(1));
}

static int join_all(tn_greenlet **g, int n, int r)
{
    tn_shield shield;

    tn_shield_begin(&shield, TN_FOREVER);
    for (int i = 0; i < n; i++) {
        int result = 0, joined = tn_kill(g[i], TN_FOREVER);

        if (joined == 0)
            joined = tn_join(g[i], &result, TN_FOREVER);
        else
            tn_unref(g[i]);
        if (r == 0)
            r = joined;
    }
    tn_shield_end(&shield);
    return r;
}

static int many_are_spawned(void)
{
    tn_greenlet *g[N];
    int n = 0, r = 0;

    while (n < N && r == 0) {
        r = tn_spawn(sleep_a_little, NULL, &g[n]);
        n += r == 0;
    }
    if (r == 0)
        r = tn_sleep(tn_after_ms(2));
    return join_all(g, n, r);
}

static void spawning_many(void)
{
    faults_each(many_are_spawned, HUB_DOES_WITHOUT);
}

static int large_ones_are_spawned(void)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    tn_greenlet *g[N];
    int n = 0, r = 0;

    options.name = "large";
    options.stack_bytes = 1 << 20;
    while (n < N && r == 0) {
        r = tn_spawn_with(&options, sleep_a_little, NULL, &g[n]);
        n += r == 0;
    }
    if (r == 0)
        r = tn_sleep(tn_after_ms(2));
    return join_all(g, n, r);
}

static void spawning_many_with_large_stacks(void)
{
    faults_each(large_ones_are_spawned, HUB_DOES_WITHOUT);
}

/* ---- descriptors ---- */

static int close_pair(const int fds[2], int r)
{
    assert_result(tn_close(fds[0]), 0);
    assert_result(tn_close(fds[1]), 0);
    return r;
}

static int exchange_a_byte(const int fds[2])
{
    char byte;
    long r = tn_write(fds[1], "x", 1, TN_FOREVER);

    if (r == 1)
        r = tn_read(fds[0], &byte, 1, TN_FOREVER);
    return r < 0 ? (int)r : 0;
}

static int pipe_lives(void)
{
    int fds[2], r = tn_pipe(fds);

    return r < 0 ? r : close_pair(fds, exchange_a_byte(fds));
}

static void a_pipe(void)
{
    faults_each(pipe_lives, "");
}

static int socketpair_lives(void)
{
    int fds[2], r = tn_socketpair(AF_UNIX, SOCK_STREAM, 0, fds);

    return r < 0 ? r : close_pair(fds, exchange_a_byte(fds));
}

static void a_socketpair(void)
{
    faults_each(socketpair_lives, "");
}

static int listener_lives(void)
{
    int fd = tn_listen("127.0.0.1:0", 16);

    return fd < 0 ? fd : tn_close(fd);
}

static void a_listener(void)
{
    faults_each(listener_lives, "");
}

/* ---- a connection whose ends wait for each other ---- */

struct ends {
    int listener;
    char addr[32];
    int r; /* of the one that accepts */
};

static int accept_and_echo(void *arg)
{
    struct ends *e = arg;
    char byte;
    long r;
    int fd = tn_accept(e->listener, NULL, NULL, TN_FOREVER);

    assert_result(tn_close(e->listener), 0); /* or the other waits in it */
    if (fd < 0)
        return e->r = fd;
    r = tn_recv(fd, &byte, 1, 0, TN_FOREVER);
    if (r == 1)
        r = tn_send(fd, &byte, 1, 0, TN_FOREVER);
    assert_result(tn_close(fd), 0);
    return e->r = r < 0 ? (int)r : 0;
}

/* What one end could not do, the other may see as an end of stream. */
static int dial_and_talk(struct ends *e)
{
    char byte;
    long r;
    int fd = tn_dial(e->addr, TN_FOREVER);

    if (fd < 0)
        return fd;
    r = tn_send(fd, "x", 1, 0, TN_FOREVER);
    if (r == 1)
        r = tn_recv(fd, &byte, 1, 0, TN_FOREVER);
    assert_result(tn_close(fd), 0);
    return r < 0 ? (int)r : r == 0 ? -EPIPE : 0;
}

static int listen_somewhere(struct ends *e)
{
    struct sockaddr_in addr;

    faults_pause();
    e->listener = open_listener(&addr);
    snprintf(e->addr, sizeof e->addr, "127.0.0.1:%d", ntohs(addr.sin_port));
    faults_resume();
    return 0;
}

static int connection_lives(void)
{
    struct ends e = {.r = 0};
    tn_greenlet *g;
    int r;

    listen_somewhere(&e);
    r = tn_spawn(accept_and_echo, &e, &g);
    if (r == 0) {
        tn_yield(); /* it accepts */
        r = dial_and_talk(&e);
        r = join_all(&g, 1, r);
    } else {
        assert_result(tn_close(e.listener), 0);
    }
    return r < 0 ? r : e.r;
}

static void a_connection(void)
{
    faults_each(connection_lives, HUB_DOES_WITHOUT " setsockopt");
}

/* ---- a server's whole life ---- */

static void echo_a_byte(int fd, const struct sockaddr *peer, void *arg)
{
    char byte;

    (void)peer;
    (void)arg;
    if (tn_recv(fd, &byte, 1, 0, TN_FOREVER) == 1)
        (void)!tn_send(fd, &byte, 1, 0, TN_FOREVER);
}

static int serve_one(tn_stream_server *s)
{
    struct ends e = {.r = 0};
    int r = tn_stream_server_start(s), stopped;

    if (r < 0)
        return r;
    snprintf(e.addr, sizeof e.addr, "127.0.0.1:%d", tn_stream_server_port(s));
    r = dial_and_talk(&e);
    stopped = tn_stream_server_stop(s, TN_NOWAIT);
    return r < 0 ? r : stopped;
}

static int server_lives(void)
{
    struct tn_stream_server_options options = TN_STREAM_SERVER_OPTIONS;
    tn_stream_server *s;
    int r;

    options.delay_ns_min = 1000000;
    options.delay_ns_max = 1000000;
    r = tn_stream_server_new("127.0.0.1:0", echo_a_byte, NULL, &options, &s);
    if (r < 0)
        return r;
    r = serve_one(s);
    tn_stream_server_free(s);
    return r;
}

/* It survives whatever befalls accept(2) and the wait for it, and tries again.
 */
static void a_server_and_a_client(void)
{
    faults_each(server_lives,
                strcmp(tn_hub_loop_name(), "ev") == 0
                    ? HUB_DOES_WITHOUT " accept4 setsockopt malloc"
                    : HUB_DOES_WITHOUT " accept4 setsockopt epoll_ctl");
}

TEST_MAIN(TEST_BARE(a_hub), TEST_BARE(a_hub_and_its_first_greenlet),
          TEST(spawning_many), TEST(spawning_many_with_large_stacks),
          TEST(a_pipe), TEST(a_socketpair), TEST(a_listener),
          TEST(a_connection), TEST(a_server_and_a_client))
