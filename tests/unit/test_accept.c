/* SPDX-License-Identifier: MIT */
/* tests/unit/test_accept.c - how the stream server accepts: pausing, pools,
 * failures, listeners that are given or shared. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/service.h"
#include "support/virtual.h"

static tn_stream_server *start(void)
{
    struct tn_stream_server_options options = quick_options();

    return start_service(echo, NULL, &options);
}

static void send_five(int fd)
{
    assert_result(tn_send_all(fd, "hello", 5, 0, NULL, TN_FOREVER), 0);
}

static void is_not_served(int fd)
{
    char buf[8];

    let_loop_look();
    assert_result(tn_recv(fd, buf, sizeof buf, 0, TN_NOWAIT), -EAGAIN);
}

static void is_served(int fd)
{
    char buf[8];

    assert_result(tn_recv(fd, buf, sizeof buf, 0, TN_FOREVER), 5);
}

/* ---- pausing ---- */

static void connections_wait_during_a_pause_and_are_served_after(void)
{
    tn_stream_server *s = start();
    int before = dial_service(s), during;

    exchange(before);
    assert_result(tn_stream_server_pause(s), 0);
    assert_result(tn_stream_server_pause(s), 0);
    during = dial_service(s);
    send_five(during);
    is_not_served(during);
    exchange(before); /* goes on */
    assert_result(tn_stream_server_resume(s), 0);
    is_served(during);
    assert_result(tn_close(before), 0);
    assert_result(tn_close(during), 0);
    finish_service(s);
}

static void a_pause_may_come_before_its_first_turn_and_be_over_at_once(void)
{
    tn_stream_server *s = start();
    int fd = dial_service(s);

    assert_result(tn_stream_server_pause(s), 0);
    send_five(fd);
    is_not_served(fd);
    assert_result(tn_stream_server_resume(s), 0);
    is_served(fd);
    assert_result(tn_stream_server_pause(s), 0);
    assert_result(tn_stream_server_resume(s), 0);
    exchange(fd);
    assert_result(tn_close(fd), 0);
    fd = dial_service(s);
    exchange(fd);
    assert_result(tn_close(fd), 0);
    finish_service(s);
}

static void pause_in_a_post(void *arg)
{
    assert_result(tn_stream_server_pause(arg), 0);
}

static void the_hub_may_pause_it_and_a_start_is_unpaused(void)
{
    tn_stream_server *s = start();
    tn_hub *hub;
    int fd;

    assert_result(tn_hub_get(&hub), 0);
    settle();
    assert_result(tn_hub_post(hub, pause_in_a_post, s), 0);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    fd = dial_service(s);
    is_not_served(fd);
    assert_result(tn_stream_server_stop(s, TN_FOREVER), 0); /* while paused */
    assert_turned_away(fd);
    assert_result(tn_stream_server_resume(s), 0); /* does not run */
    assert_result(tn_stream_server_start(s), 0);
    fd = dial_service(s);
    exchange(fd);
    assert_result(tn_close(fd), 0);
    finish_service(s);
}

static void after_a_stop_connections_are_refused(void)
{
    tn_stream_server *s = start();
    char text[32];

    snprintf(text, sizeof text, "127.0.0.1:%d", tn_stream_server_port(s));
    assert_result(tn_stream_server_stop(s, TN_FOREVER), 0);
    assert_result(tn_dial(text, TN_FOREVER), -ECONNREFUSED);
    tn_stream_server_free(s);
    settle();
}

/* ---- pools ---- */

static tn_stream_server *start_in(tn_pool *pool)
{
    struct tn_stream_server_options options = quick_options();

    options.pool = pool;
    return start_service(echo, NULL, &options);
}

static void it_accepts_no_more_than_its_pool_has_room_for(void)
{
    tn_stream_server *s;
    tn_pool *pool;
    int fds[2];

    assert_result(tn_pool_new(1, &pool), 0);
    s = start_in(pool);
    fds[0] = dial_service(s);
    exchange(fds[0]);
    assert_result(tn_group_count(pool), 1);
    fds[1] = dial_service(s);
    send_five(fds[1]);
    is_not_served(fds[1]);
    assert_int_equal(count_service(s).accepted, 1);
    assert_result(tn_close(fds[0]), 0);
    is_served(fds[1]); /* by itself */
    assert_result(tn_close(fds[1]), 0);
    finish_service(s);
    tn_group_free(pool);
}

static int wait_for_kill(void *arg)
{
    int r = tn_sleep(TN_FOREVER);

    (void)arg;
    note("member killed");
    return r;
}

/* Somebody else takes the last place while the acceptor waits: the connection
 * that comes then is held, through a pause too. */
static void a_connection_is_held_until_the_pool_has_room(void)
{
    tn_stream_server *s;
    tn_greenlet *other;
    tn_pool *pool;
    int fd;

    assert_result(tn_pool_new(1, &pool), 0);
    s = start_in(pool);
    settle();
    assert_result(tn_group_spawn(pool, wait_for_kill, NULL, &other, TN_NOWAIT),
                  0);
    fd = dial_service(s);
    send_five(fd);
    is_not_served(fd);
    assert_int_equal(count_service(s).accepted, 1);
    assert_result(tn_stream_server_pause(s), 0);
    settle();
    assert_result(tn_kill(other, TN_FOREVER), 0);
    tn_unref(other);
    is_not_served(fd);
    assert_result(tn_stream_server_resume(s), 0);
    is_served(fd);
    assert_result(tn_close(fd), 0);
    finish_service(s);
    tn_group_free(pool);
}

static void a_connection_that_is_held_at_the_stop_is_closed(void)
{
    tn_stream_server *s;
    tn_greenlet *other;
    tn_pool *pool;
    int fd;

    assert_result(tn_pool_new(1, &pool), 0);
    s = start_in(pool);
    settle();
    assert_result(tn_group_spawn(pool, wait_for_kill, NULL, &other, TN_NOWAIT),
                  0);
    fd = dial_service(s);
    is_not_served(fd);
    assert_result(tn_stream_server_pause(s), 0);
    assert_result(tn_stream_server_stop(s, TN_FOREVER), 0);
    assert_turned_away(fd);
    assert_int_equal(count_service(s).refused, 1);
    assert_string_equal(notes(), "");
    assert_result(tn_kill(other, TN_FOREVER), 0);
    tn_unref(other);
    tn_stream_server_free(s);
    tn_group_free(pool);
}

static void stop_kills_its_own_of_the_pool_and_no_others(void)
{
    tn_stream_server *s;
    tn_greenlet *other;
    tn_pool *pool;
    int fd;

    assert_result(tn_pool_new(5, &pool), 0);
    assert_result(tn_group_spawn(pool, wait_for_kill, NULL, &other, TN_NOWAIT),
                  0);
    s = start_in(pool);
    fd = dial_service(s);
    exchange(fd);
    assert_result(tn_stream_server_stop(s, tn_after_ms(1)), 0);
    assert_string_equal(notes(), "killed");
    assert_result(tn_group_count(pool), 1);
    assert_turned_away(fd);
    assert_result(tn_kill(other, TN_FOREVER), 0);
    tn_unref(other);
    tn_stream_server_free(s);
    tn_group_free(pool);
}

static int kill_the_new(void *arg)
{
    while (tn_group_count(arg) == 0)
        assert_result(tn_yield(), 0);
    return tn_group_kill(arg, TN_NOWAIT);
}

/* In the order of turns, the killer's comes before the handler's first. */
static void a_handler_that_is_killed_before_it_runs_leaves_nothing(void)
{
    tn_stream_server *s;
    tn_pool *pool;
    tn_greenlet *g;
    int fd;

    need_virtual_time();
    assert_result(tn_pool_new(5, &pool), 0);
    s = start_in(pool);
    settle();
    g = spawn(kill_the_new, pool);
    fd = dial_service(s);
    join(g);
    assert_turned_away(fd);
    assert_result(tn_stream_server_clients(s), 0);
    finish_service(s);
    tn_group_free(pool);
}

static void return_at_once(int fd, const struct sockaddr *peer, void *arg)
{
    (void)fd;
    (void)peer;
    (void)arg;
}

static void a_connection_is_closed_when_its_handler_returns(void)
{
    tn_stream_server *s = start_service(return_at_once, NULL, NULL);

    assert_turned_away(dial_service(s));
    finish_service(s);
}

/* ---- accepting ---- */

enum { N_QUEUED = 7, MOST = 2 };

static int watch_growth(void *arg)
{
    size_t before = 0;

    while (before < N_QUEUED) {
        size_t n = tn_stream_server_clients(arg);

        assert_true(n - before <= MOST);
        before = n;
        assert_result(tn_yield(), 0);
    }
    return 0;
}

static void it_accepts_so_many_before_others_run(void)
{
    struct tn_stream_server_options options = quick_options();
    tn_stream_server *s;
    tn_greenlet *g;
    int fds[N_QUEUED];

    test_not_seeded("the watcher runs between any two of its turns");
    options.accept_max = MOST;
    s = start_service(echo, NULL, &options);
    assert_result(tn_stream_server_pause(s), 0);
    for (int i = 0; i < N_QUEUED; i++)
        fds[i] = dial_service(s);
    settle();
    g = spawn(watch_growth, s);
    assert_result(tn_stream_server_resume(s), 0);
    assert_result(join(g), 0);
    for (int i = 0; i < N_QUEUED; i++)
        assert_result(tn_close(fds[i]), 0);
    finish_service(s);
}

/* 1 ms, 2, 4, 4, ...: at 1 3 7 11 15 ms it tries again. */
static void pauses_double_up_to_the_longest_and_begin_anew(void)
{
    static struct heard heard;
    static const int tries_at[] = {0, 1, 3, 7, 11, 15};
    tn_stream_server *s;
    int fd;

    need_virtual_time();
    limit_descriptors(1024);
    hear_errors(&heard);
    s = start();
    settle();
    for (int round = 0; round < 2; round++) {
        tn_time begin;

        limit_descriptors(first_free() + 1);
        fd = dial_service(s);
        heard.n = 0;
        while (heard.n == 0)
            assert_result(tn_yield(), 0);
        begin = tn_now();
        for (int i = 1; i < 6; i++) {
            tn_time at = begin + tries_at[i] * (tn_time)1000000;

            assert_result(tn_sleep(at - 10000), 0);
            assert_int_equal(heard.n, i);
            assert_result(tn_sleep(at + 10000), 0);
            assert_int_equal(heard.n, i + 1);
        }
        limit_descriptors(1024);
        exchange(fd);
        assert_result(tn_close(fd), 0);
        assert_int_equal(count_service(s).failed, 6 * (round + 1));
    }
    finish_service(s);
}

/* ---- listeners ---- */

static void a_listener_that_is_given_is_served_and_closed(void)
{
    struct tn_stream_server_options options = quick_options();
    struct sockaddr_in addr;
    tn_stream_server *s;
    int fd;

    options.listener = open_listener(&addr);
    assert_result(tn_stream_server_new(NULL, echo, NULL, &options, &s), 0);
    assert_result(tn_stream_server_start(s), 0);
    assert_result(tn_stream_server_fd(s), options.listener);
    assert_result(tn_stream_server_port(s), ntohs(addr.sin_port));
    fd = dial_service(s);
    exchange(fd);
    assert_result(tn_close(fd), 0);
    assert_result(tn_stream_server_stop(s, TN_FOREVER), 0);
    assert_true(fcntl(options.listener, F_GETFD) < 0);
    assert_result(tn_stream_server_start(s), -EBADF);
    tn_stream_server_free(s);
    options.listener = open_listener(&addr);
    assert_result(tn_stream_server_new(NULL, echo, NULL, &options, &s), 0);
    tn_stream_server_free(s); /* never started */
    assert_true(fcntl(options.listener, F_GETFD) < 0);
}

static int try_listener(int fd, int backlog, const char *addr)
{
    struct tn_stream_server_options options = quick_options();
    tn_stream_server *s;

    options.listener = fd;
    options.backlog = backlog;
    return tn_stream_server_new(addr, echo, NULL, &options, &s);
}

static void a_listener_of_no_use_is_refused_and_stays_the_callers(void)
{
    struct sockaddr_in addr;
    int listener = open_listener(&addr), pair[2], ends[2];
    int udp = socket(AF_INET, SOCK_DGRAM, 0);

    open_pair(pair);
    open_pipe(ends);
    assert_result(try_listener(listener, 5, NULL), -EINVAL);
    assert_result(try_listener(listener, 0, "127.0.0.1:0"), -EINVAL);
    assert_result(try_listener(pair[0], 0, NULL), -EINVAL);
    assert_result(try_listener(udp, 0, NULL), -EINVAL);
    assert_result(try_listener(ends[0], 0, NULL), -ENOTSOCK);
    assert_result(try_listener(999, 0, NULL), -EBADF);
    assert_result(try_listener(-1, 0, NULL), -EINVAL);
    assert_result(try_listener(0, 0, NULL), -EINVAL);
    assert_result(tn_close(listener), 0);
    assert_result(tn_close(udp), 0);
    close_both(pair);
    close_both(ends);
}

static void servers_may_share_a_port(void)
{
    struct tn_stream_server_options options = quick_options();
    tn_stream_server *s, *second;
    char text[32];
    int fds[20];

    options.flags = TN_SERVER_REUSEPORT;
    s = start_service(echo, NULL, &options);
    snprintf(text, sizeof text, "127.0.0.1:%d", tn_stream_server_port(s));
    assert_result(tn_stream_server_new(text, echo, NULL, &options, &second), 0);
    assert_result(tn_stream_server_start(second), 0);
    for (int i = 0; i < 20; i++) {
        fds[i] = dial_service(s);
        exchange(fds[i]);
    }
    assert_int_equal(count_service(s).active + count_service(second).active,
                     20);
    for (int i = 0; i < 20; i++)
        assert_result(tn_close(fds[i]), 0);
    finish_service(second);
    finish_service(s);
    options.flags = 128;
    assert_result(tn_stream_server_new(text, echo, NULL, &options, &s),
                  -EINVAL);
}

static void a_unix_socket_is_removed_so_that_it_can_start_again(void)
{
    char dir[] = "/tmp/tn-serve-XXXXXX", path[64], text[80];
    tn_stream_server *s;
    int fd;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/socket", dir);
    snprintf(text, sizeof text, "unix:%s", path);
    assert_result(tn_stream_server_new(text, echo, NULL, NULL, &s), 0);
    for (int i = 0; i < 2; i++) {
        assert_result(tn_stream_server_start(s), 0);
        fd = tn_dial(text, TN_FOREVER);
        exchange(fd);
        assert_result(tn_close(fd), 0);
        assert_result(tn_stream_server_stop(s, TN_FOREVER), 0);
        assert_true(access(path, F_OK) < 0);
    }
    /* What a successor has put there stays. */
    assert_result(tn_stream_server_start(s), 0);
    assert_result(unlink(path), 0);
    fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_result(tn_stream_server_stop(s, TN_FOREVER), 0);
    assert_result(unlink(path), 0);
    tn_stream_server_free(s);
    settle();
    assert_result(rmdir(dir), 0);
}

TEST_MAIN(TEST(connections_wait_during_a_pause_and_are_served_after),
          TEST(a_pause_may_come_before_its_first_turn_and_be_over_at_once),
          TEST(the_hub_may_pause_it_and_a_start_is_unpaused),
          TEST(after_a_stop_connections_are_refused),
          TEST(it_accepts_no_more_than_its_pool_has_room_for),
          TEST(a_connection_is_held_until_the_pool_has_room),
          TEST(a_connection_that_is_held_at_the_stop_is_closed),
          TEST(stop_kills_its_own_of_the_pool_and_no_others),
          TEST(a_handler_that_is_killed_before_it_runs_leaves_nothing),
          TEST(a_connection_is_closed_when_its_handler_returns),
          TEST(it_accepts_so_many_before_others_run),
          TEST(pauses_double_up_to_the_longest_and_begin_anew),
          TEST(a_listener_that_is_given_is_served_and_closed),
          TEST(a_listener_of_no_use_is_refused_and_stays_the_callers),
          TEST(servers_may_share_a_port),
          TEST(a_unix_socket_is_removed_so_that_it_can_start_again))
