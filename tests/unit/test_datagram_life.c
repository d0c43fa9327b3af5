/* SPDX-License-Identifier: MIT */
/* tests/unit/test_datagram_life.c - the datagram server: pausing, stopping with
 * handlers in greenlets and inline, serving until a signal. */
#include <pthread.h>
#include <signal.h>

#include "support/datagrams.h"

/* ---- pausing and stopping ---- */

static void during_a_pause_datagrams_wait(void)
{
    tn_datagram_server *s = start(answer, NULL, NULL);
    int fd = dial(s);

    assert_result(tn_datagram_server_pause(s), 0);
    say(fd, "one");
    hears_nothing(fd);
    assert_result(tn_datagram_server_resume(s), 0);
    hear(fd, "one");
    assert_result(tn_datagram_server_pause(s), 0);
    say(fd, "two");
    hears_nothing(fd);
    assert_result(tn_datagram_server_resume(s), 0);
    hear(fd, "two");
    assert_result(tn_close(fd), 0);
    finish(s);
}

static int stop_it(void *arg)
{
    return tn_datagram_server_stop(arg, TN_FOREVER);
}

static void handlers_can_send_while_it_is_being_stopped(void)
{
    tn_datagram_server *s;
    tn_greenlet *g;
    tn_event *e;
    int fd;

    assert_result(tn_event_new(&e), 0);
    s = start(answer_later, e, NULL);
    fd = dial(s);
    say(fd, "hello");
    hears_nothing(fd);
    g = spawn(stop_it, s);
    settle();
    say(fd, "too late");
    hears_nothing(fd);
    assert_int_equal(count(s).received, 1);
    assert_result(tn_event_set(e), 0);
    hear(fd, "hello");
    assert_result(join(g), 0);
    assert_result(
        tn_datagram_server_send(s, &(struct tn_datagram){0}, TN_FOREVER),
        -EBADF);
    assert_result(tn_close(fd), 0);
    tn_datagram_server_free(s);
    tn_event_free(e);
}

static void stop_kills_what_is_left_and_it_can_start_again(void)
{
    tn_datagram_server *s;
    tn_event *e;
    int fd;

    assert_result(tn_event_new(&e), 0);
    s = start(answer_later, e, NULL);
    fd = dial(s);
    say(fd, "hello");
    hears_nothing(fd);
    assert_result(tn_datagram_server_stop(s, tn_after_ms(1)), 0);
    assert_string_equal(notes(), "killed");
    assert_result(tn_close(fd), 0);
    assert_result(tn_event_set(e), 0);
    assert_result(tn_datagram_server_start(s), 0);
    assert_result(be_a_client(s), 0);
    finish(s);
    tn_event_free(e);
}

/* ---- inline ---- */

static tn_datagram_server *start_inline(tn_datagram_fn fn, void *arg)
{
    struct tn_datagram_server_options options = TN_DATAGRAM_SERVER_OPTIONS;

    options.flags = TN_SERVER_INLINE;
    return start(fn, arg, &options);
}

static void inline_one_is_handled_after_the_other(void)
{
    tn_datagram_server *s;
    tn_event *e;
    int fd;

    assert_result(tn_event_new(&e), 0);
    s = start_inline(answer_later, e);
    fd = dial(s);
    say(fd, "one");
    say(fd, "two");
    hears_nothing(fd);
    assert_result(tn_datagram_server_pause(s), 0); /* the handler goes on */
    assert_result(tn_event_set(e), 0);
    hear(fd, "one");
    hears_nothing(fd);
    assert_result(tn_datagram_server_resume(s), 0);
    hear(fd, "two");
    assert_int_equal(count_alive(), 2);
    assert_result(tn_close(fd), 0);
    finish(s);
    tn_event_free(e);
}

static void a_stop_lets_an_inline_handler_finish_until_the_drain(void)
{
    tn_datagram_server *s;
    tn_greenlet *g;
    tn_event *e;
    int fd;

    assert_result(tn_event_new(&e), 0);
    s = start_inline(answer_later, e);
    fd = dial(s);
    say(fd, "one");
    hears_nothing(fd);
    g = spawn(stop_it, s);
    settle();
    assert_result(tn_event_set(e), 0);
    hear(fd, "one");
    assert_result(join(g), 0);
    assert_string_equal(notes(), "");
    assert_result(tn_close(fd), 0);
    assert_result(tn_event_clear(e), 0);
    assert_result(tn_datagram_server_start(s), 0);
    fd = dial(s);
    say(fd, "two");
    hears_nothing(fd);
    assert_result(tn_datagram_server_stop(s, tn_after_ms(1)), 0);
    assert_string_equal(notes(), "killed");
    assert_result(tn_close(fd), 0);
    tn_datagram_server_free(s);
    tn_event_free(e);
}

static void stop_from_inside(tn_datagram_server *s, const struct tn_datagram *d,
                             void *arg)
{
    answer(s, d, NULL);
    assert_result(tn_datagram_server_stop(s, TN_FOREVER), 0);
    assert_result(tn_datagram_server_send(s, d, TN_FOREVER), -EBADF);
    tn_event_set(arg);
}

static void a_handler_may_stop_it(void)
{
    tn_datagram_server *s;
    tn_event *e;

    assert_result(tn_event_new(&e), 0);
    for (int i = 0; i < 2; i++) {
        int fd;

        s = i ? start_inline(stop_from_inside, e)
              : start(stop_from_inside, e, NULL);
        fd = dial(s);
        say(fd, "x");
        hear(fd, "x");
        assert_result(tn_event_wait(e, TN_FOREVER), 0);
        assert_result(tn_close(fd), 0);
        finish(s);
        assert_result(tn_event_clear(e), 0);
    }
    tn_event_free(e);
}

/* ---- serving ---- */

static int serve_until(void *arg)
{
    return tn_datagram_server_serve_until(arg, NULL, 0, 1000000000);
}

static int serve_until_long(void *arg)
{
    return tn_datagram_server_serve_until(arg, NULL, 0, 3600000000000);
}

static void a_signal_ends_serving(void)
{
    tn_datagram_server *s;
    tn_waitable *w;
    tn_greenlet *g;

    assert_result(tn_datagram_server_new("127.0.0.1:0", answer, NULL, NULL, &s),
                  0);
    w = tn_datagram_server_waitable(s);
    g = spawn(serve_until, s);
    settle();
    assert_false(tn_waitable_is_ready(w));
    assert_result(be_a_client(s), 0);
    assert_result(raise(SIGINT), 0);
    assert_result(tn_wait_any(&w, 1, NULL, TN_FOREVER), 0);
    assert_result(join(g), SIGINT);
    tn_datagram_server_free(s);
}

/* Else the drain of an hour would hold it up. */
static void a_second_signal_kills_an_inline_handler(void)
{
    struct tn_datagram_server_options options = TN_DATAGRAM_SERVER_OPTIONS;
    tn_datagram_server *s;
    tn_greenlet *g;
    tn_event *e;
    int fd;

    options.flags = TN_SERVER_INLINE;
    assert_result(tn_event_new(&e), 0);
    assert_result(
        tn_datagram_server_new("127.0.0.1:0", answer_later, e, &options, &s),
        0);
    g = spawn(serve_until_long, s);
    settle();
    fd = dial(s);
    say(fd, "one");
    hears_nothing(fd);
    assert_result(raise(SIGTERM), 0);
    hears_nothing(fd);
    assert_string_equal(notes(), "");
    assert_result(raise(SIGTERM), 0);
    assert_result(join(g), SIGTERM);
    assert_string_equal(notes(), "killed");
    assert_result(tn_close(fd), 0);
    tn_datagram_server_free(s);
    tn_event_free(e);
}

static void *be_a_stranger(void *arg)
{
    tn_datagram_server *s = arg;
    struct tn_datagram d = {.data = "x", .len = 1};

    assert_result(tn_datagram_server_start(s), -EXDEV);
    assert_result(tn_datagram_server_pause(s), -EXDEV);
    assert_result(tn_datagram_server_resume(s), -EXDEV);
    assert_result(tn_datagram_server_stop(s, TN_NOWAIT), -EXDEV);
    assert_result(tn_datagram_server_send(s, &d, TN_NOWAIT), -EXDEV);
    return NULL;
}

static void calls_from_another_thread_are_refused(void)
{
    tn_datagram_server *s = start(answer, NULL, NULL);
    pthread_t thread;

    assert_result(pthread_create(&thread, NULL, be_a_stranger, s), 0);
    assert_result(pthread_join(thread, NULL), 0);
    finish(s);
}

TEST_MAIN(TEST(during_a_pause_datagrams_wait),
          TEST(handlers_can_send_while_it_is_being_stopped),
          TEST(stop_kills_what_is_left_and_it_can_start_again),
          TEST(inline_one_is_handled_after_the_other),
          TEST(a_stop_lets_an_inline_handler_finish_until_the_drain),
          TEST(a_handler_may_stop_it), TEST(a_signal_ends_serving),
          TEST(a_second_signal_kills_an_inline_handler),
          TEST(calls_from_another_thread_are_refused))
