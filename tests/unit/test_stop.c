/* SPDX-License-Identifier: MIT */
/* tests/unit/test_stop.c - how a stream server ends, in each state that its
 * accepting greenlet may be in: when stop has returned that one has ended, so
 * the server can be freed, and no connection is handled any more. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/service.h"
#include "support/virtual.h"

static void echo_and_note(int fd, const struct sockaddr *peer, void *arg)
{
    note("handled");
    echo(fd, peer, arg);
}

static tn_stream_server *start(void)
{
    struct tn_stream_server_options options = quick_options();

    return start_service(echo_and_note, NULL, &options);
}

/* Nothing of it is left, and nothing of it comes to life again. */
static void stop_and_free(tn_stream_server *s)
{
    int n_before = (int)strlen(notes());

    assert_result(tn_stream_server_stop(s, TN_NOWAIT), 0);
    assert_result(count_alive(), 1);
    assert_result(tn_stream_server_clients(s), 0);
    assert_result(tn_stream_server_port(s), 0);
    tn_stream_server_free(s);
    assert_result(tn_sleep(tn_after_ms(10)), 0);
    if (strstr(notes() + n_before, "handled"))
        fail_msg("a connection was handled after the stop");
}

/* The server's end of it was closed. */
static void is_turned_away(int fd)
{
    char byte;
    long r = tn_recv(fd, &byte, 1, 0, TN_FOREVER);

    assert_true(r == 0 || r == -ECONNRESET);
    assert_result(tn_close(fd), 0);
}

static void an_acceptor_that_waits_for_a_connection(void)
{
    tn_stream_server *s = start();

    settle();
    assert_result(count_alive(), 2);
    stop_and_free(s);
}

static void an_acceptor_that_has_not_begun(void)
{
    stop_and_free(start());
}

struct stopper {
    tn_stream_server *s;
    int fd; /* waits on it, then stops the server */
};

static int wait_and_stop(void *arg)
{
    struct stopper *me = arg;
    char byte;

    assert_result(tn_recv(me->fd, &byte, 1, 0, TN_FOREVER), 1);
    assert_result(tn_stream_server_stop(me->s, TN_NOWAIT), 0);
    assert_result(count_alive(), 2); /* main and this one */
    tn_stream_server_free(me->s);
    return 0;
}

/* The simulated loop serves descriptors in ascending order: the stopper becomes
 * runnable first, and by its turn the acceptor's call has its connection. */
static void an_acceptor_that_has_just_accepted(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    struct stopper me;
    tn_greenlet *g;
    int fds[2], fd;

    need_virtual_time();
    test_not_seeded("the stopper runs before the acceptor");
    open_pair(fds);
    me.fd = fds[0];
    me.s = start();
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    addr.sin_port = htons((uint16_t)tn_stream_server_port(me.s));
    g = spawn(wait_and_stop, &me);
    settle();
    fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_result(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_result(write(fds[1], "x", 1), 1);
    assert_result(join(g), 0);
    settle();
    assert_string_equal(notes(), "");
    is_turned_away(fd);
    close_both(fds);
}

static void an_acceptor_that_pauses_for_want_of_descriptors(void)
{
    static struct heard heard;
    tn_stream_server *s;
    int fd;

    limit_descriptors(1024);
    hear_errors(&heard);
    s = start();
    settle();
    limit_descriptors(first_free() + 1); /* one for the client's end */
    fd = dial_service(s);
    while (heard.n < 1)
        assert_result(tn_yield(), 0);
    assert_result(heard.error, -EMFILE);
    limit_descriptors(1024);
    stop_and_free(s);
    is_turned_away(fd);
    assert_int_equal(heard.n, 1);
}

static void an_acceptor_that_waits_for_room(void)
{
    struct tn_stream_server_options options = quick_options();
    tn_stream_server *s;
    int fds[2];

    options.clients_max = 1;
    s = start_service(echo_and_note, NULL, &options);
    fds[0] = dial_service(s);
    exchange(fds[0]);
    fds[1] = dial_service(s);
    settle();
    assert_result(count_alive(), 3);
    stop_and_free(s);
    assert_string_equal(notes(), "handled killed");
    is_turned_away(fds[0]);
    is_turned_away(fds[1]);
}

/* ---- stopped by its own ---- */

struct inside {
    tn_stream_server *s;
    int n_alive;
    int n;    /* handlers that have stopped it */
    int r[2]; /* what the stop of each returned */
};

static void stop_from_inside(int fd, const struct sockaddr *peer, void *arg)
{
    struct inside *me = arg;
    int i = me->n++;

    me->r[i] = tn_stream_server_stop(me->s, tn_after_ms(1));
    me->n_alive = count_alive();
    echo(fd, peer, NULL);
}

/* The handler runs first when its acceptor yields after accept_max. */
static void an_acceptor_that_yields_to_a_handler_that_stops_the_server(void)
{
    struct tn_stream_server_options options = quick_options();
    struct inside me = {.s = NULL};
    int fd;

    options.accept_max = 1;
    me.s = start_service(stop_from_inside, &me, &options);
    fd = dial_service(me.s);
    exchange(fd); /* it does not wait for itself, and goes on */
    assert_result(me.r[0], 0);
    assert_int_equal(me.n_alive, 2); /* main and the handler */
    assert_result(tn_stream_server_clients(me.s), 1);
    stop_and_free(me.s);
    assert_string_equal(notes(), "killed");
    is_turned_away(fd);
}

/* It is in that wait before its only handler runs. */
static void an_acceptor_that_waits_for_room_when_its_handler_stops(void)
{
    struct tn_stream_server_options options = quick_options();
    struct inside me = {.s = NULL};
    int fd;

    options.clients_max = 1;
    me.s = start_service(stop_from_inside, &me, &options);
    fd = dial_service(me.s);
    exchange(fd);
    assert_int_equal(me.n_alive, 2); /* main and the handler */
    assert_result(tn_close(fd), 0);
    while (tn_stream_server_clients(me.s) > 0)
        assert_result(tn_yield(), 0);
    stop_and_free(me.s);
}

static void free_in_a_post(void *arg)
{
    tn_stream_server_free(arg);
}

static void free_on_the_hub(void)
{
    tn_hub *hub;

    assert_result(tn_hub_get(&hub), 0);
    assert_result(tn_hub_post(hub, free_in_a_post, start()), 0);
    settle();
    assert_result(tn_sleep(tn_after_ms(1)), 0);
}

/* It could not wait for the acceptor, which would use freed memory. */
static void free_on_the_hub_ends_the_process(void)
{
    const struct rlimit no_core = {0, 0};
    int status;
    pid_t pid;

    setrlimit(RLIMIT_CORE, &no_core);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        free_on_the_hub();
        _exit(0);
    }
    assert_result(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* The first to give up waiting kills the other, whose stop then ends by that
 * and kills the first. */
static void two_handlers_can_stop_it_at_once(void)
{
    struct tn_stream_server_options options = quick_options();
    struct inside me = {.s = NULL};
    int fds[2];

    me.s = start_service(stop_from_inside, &me, &options);
    fds[0] = dial_service(me.s);
    fds[1] = dial_service(me.s);
    while (me.n < 2)
        assert_result(tn_yield(), 0);
    is_turned_away(fds[0]);
    is_turned_away(fds[1]);
    if (test_is_seeded() && me.r[0] < 0) { /* the second gave up first */
        assert_result(me.r[0], -ECANCELED);
        assert_result(me.r[1], 0);
    } else {
        assert_result(me.r[0], 0);
        assert_result(me.r[1], -ECANCELED);
    }
    stop_and_free(me.s);
}

static int stop_now(void *arg)
{
    int r = tn_stream_server_stop(arg, TN_NOWAIT);

    assert_result(tn_stream_server_port(arg), 0);
    return r;
}

static void two_stops_at_once_both_see_it_gone(void)
{
    tn_stream_server *s = start();
    int fd = dial_service(s);
    tn_greenlet *a, *b;

    exchange(fd);
    a = spawn(stop_now, s);
    b = spawn(stop_now, s);
    assert_result(join(a), 0);
    assert_result(join(b), 0);
    stop_and_free(s);
    is_turned_away(fd);
}

static int stop_until_killed(void *arg)
{
    int r = tn_stream_server_stop(arg, TN_FOREVER);

    note("stopped");
    return r;
}

static void be_stubborn(int fd, const struct sockaddr *peer, void *arg)
{
    tn_shield shield;

    (void)fd;
    (void)peer;
    (void)arg;
    tn_shield_begin(&shield, TN_FOREVER);
    assert_result(tn_sleep(tn_after_ms(2)), 0);
    tn_shield_end(&shield);
    note("finished");
}

/* Its handlers then have a kill, and perhaps not ended; free awaits them. */
static void a_stop_that_is_killed_still_ends_the_acceptor(void)
{
    struct tn_stream_server_options options = quick_options();
    tn_stream_server *s = start_service(be_stubborn, NULL, &options);
    int fd = dial_service(s);
    tn_greenlet *g;

    while (tn_stream_server_clients(s) == 0)
        assert_result(tn_yield(), 0);
    settle();
    g = spawn(stop_until_killed, s);
    settle();
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    assert_result(join(g), -ECANCELED);
    assert_result(tn_stream_server_port(s), 0);
    assert_result(tn_stream_server_clients(s), 1);
    assert_int_equal(count_alive(), 2); /* main and the handler */
    tn_stream_server_free(s);
    assert_string_equal(notes(), "stopped finished");
    is_turned_away(fd);
}

static void wait_for_nothing(int fd, const struct sockaddr *peer, void *arg)
{
    (void)fd;
    (void)peer;
    if (tn_event_wait(arg, TN_FOREVER) == -ECANCELED)
        note("killed");
}

/* The drain has no end, and nothing can end the handler. */
static void a_stop_in_a_deadlock_kills_and_awaits_the_handlers(void)
{
    tn_stream_server *s;
    tn_event *e;
    int fd;

    assert_result(tn_event_new(&e), 0);
    s = start_service(wait_for_nothing, e, NULL);
    fd = dial_service(s);
    while (tn_stream_server_clients(s) == 0)
        assert_result(tn_yield(), 0);
    settle();
    assert_result(tn_stream_server_stop(s, TN_FOREVER), 0);
    assert_string_equal(notes(), "killed");
    assert_result(tn_stream_server_clients(s), 0);
    is_turned_away(fd);
    tn_stream_server_free(s);
    tn_event_free(e);
}

static void stop_in_a_hook(tn_greenlet *g, int error, const char *text,
                           void *arg)
{
    (void)text;
    assert_ptr_equal(g, tn_self()); /* the acceptor */
    assert_result(error, -EMFILE);
    assert_result(tn_stream_server_stop(arg, TN_NOWAIT), 0);
    note("stopped");
}

static void the_error_hook_may_stop_it(void)
{
    tn_stream_server *s;
    int fd;

    limit_descriptors(1024);
    s = start();
    assert_result(tn_hub_set_error_hook(stop_in_a_hook, s), 0);
    settle();
    limit_descriptors(first_free() + 1);
    fd = dial_service(s);
    while (!notes()[0])
        assert_result(tn_yield(), 0);
    limit_descriptors(1024);
    stop_and_free(s);
    assert_string_equal(notes(), "stopped");
    is_turned_away(fd);
}

TEST_MAIN(TEST(an_acceptor_that_waits_for_a_connection),
          TEST(an_acceptor_that_has_not_begun),
          TEST(an_acceptor_that_has_just_accepted),
          TEST(an_acceptor_that_pauses_for_want_of_descriptors),
          TEST(an_acceptor_that_waits_for_room),
          TEST(an_acceptor_that_yields_to_a_handler_that_stops_the_server),
          TEST(an_acceptor_that_waits_for_room_when_its_handler_stops),
          TEST(free_on_the_hub_ends_the_process),
          TEST(two_handlers_can_stop_it_at_once),
          TEST(two_stops_at_once_both_see_it_gone),
          TEST(a_stop_that_is_killed_still_ends_the_acceptor),
          TEST(a_stop_in_a_deadlock_kills_and_awaits_the_handlers),
          TEST(the_error_hook_may_stop_it))
