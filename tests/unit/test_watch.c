/* SPDX-License-Identifier: MIT */
/* tests/unit/test_watch.c - watchers: callbacks of the loop (S34, S41,
 * S43, S44). */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "support/green.h"

#define MS 1000000

struct calls {
    int n;
    int events;  /* of the last one */
    int stop_at; /* it stops itself at this call; 0: never */
    const char *word;
};

static void called(tn_watch *w, int events, void *arg)
{
    struct calls *c = arg;

    c->n++;
    c->events = events;
    if (c->word)
        note(c->word);
    if (c->n == c->stop_at)
        assert_result(tn_watch_stop(w), 0);
}

static void start(tn_watch *w)
{
    assert_result(tn_watch_start(w), 0);
    assert_result(tn_watch_is_active(w), 1);
}

static void end(tn_watch *w)
{
    assert_result(tn_watch_free(w), 0);
}

/* ---- timers ---- */

static void a_timer_is_called_once(void)
{
    struct calls c = {0};
    tn_time begin = tn_now();
    tn_watch *w;

    assert_result(tn_watch_timer_new(2 * MS, 0, called, &c, &w), 0);
    assert_result(tn_watch_is_active(w), 0);
    start(w);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(c.n, 1);
    assert_true(tn_now() - begin >= 2 * MS);
    assert_result(tn_watch_is_active(w), 0);
    start(w); /* and once more */
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(c.n, 2);
    end(w);
}

static void a_timer_repeats_until_it_is_stopped(void)
{
    struct calls c = {.stop_at = 3};
    tn_time begin = tn_now();
    tn_watch *w;

    assert_result(tn_watch_timer_new(MS, 2 * MS, called, &c, &w), 0);
    start(w);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(c.n, 3);
    assert_true(tn_now() - begin >= 5 * MS);
    end(w);
}

static void a_timer_begun_again_repeats_from_now(void)
{
    struct calls c = {.stop_at = 1};
    tn_time begin = tn_now();
    tn_watch *w;

    assert_result(
        tn_watch_timer_new(3600 * (int64_t)1000 * MS, 2 * MS, called, &c, &w),
        0);
    start(w);
    assert_result(tn_watch_timer_again(w), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_true(tn_now() - begin >= 2 * MS);
    assert_true(tn_now() - begin < 3600 * (int64_t)1000 * MS);
    assert_result(tn_watch_timer_set(w, MS, 0), 0);
    start(w);
    assert_result(tn_watch_timer_again(w), 0); /* it does not repeat */
    assert_result(tn_watch_is_active(w), 0);
    end(w);
}

static void timers_are_called_in_the_order_of_their_times(void)
{
    struct calls a = {.word = "a"}, b = {.word = "b"}, c = {.word = "c"};
    tn_watch *w[3];

    assert_result(tn_watch_timer_new(3 * MS, 0, called, &a, &w[0]), 0);
    assert_result(tn_watch_timer_new(1 * MS, 0, called, &b, &w[1]), 0);
    assert_result(tn_watch_timer_new(-5, 0, called, &c, &w[2]), 0);
    for (int i = 0; i < 3; i++)
        start(w[i]);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "c b a");
    for (int i = 0; i < 3; i++)
        end(w[i]);
}

static void a_timer_keeps_its_order_of_size_beside_a_descriptor(void)
{
    struct calls c = {.stop_at = 50}, none = {0};
    tn_time begin = tn_now();
    tn_watch *io, *timer;
    int fds[2];

    open_pair(fds);
    assert_result(tn_watch_io_new(fds[0], POLLIN, called, &none, &io), 0);
    assert_result(tn_watch_set_ref(io, 0), 0);
    start(io);
    assert_result(tn_watch_timer_new(MS, MS, called, &c, &timer), 0);
    start(timer);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(c.n, 50);
    assert_true(tn_now() - begin >= 50 * MS);
    assert_int_equal(none.n, 0);
    end(io);
    end(timer);
    close_both(fds);
}

/* ---- what is due ---- */

static void a_callback_that_was_stopped_is_not_called(void)
{
    struct calls c = {0};
    tn_watch *w;

    assert_result(tn_watch_async_new(called, &c, &w), 0);
    assert_result(tn_watch_feed(w, 7), 0);
    assert_result(tn_watch_is_due(w), 1);
    assert_result(tn_watch_stop(w), 0);
    assert_result(tn_watch_is_due(w), 0);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    assert_int_equal(c.n, 0);
    assert_result(tn_watch_feed(w, 3), 0);
    assert_result(tn_watch_feed(w, 4), 0);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    assert_result(tn_watch_is_due(w), 0);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.events, 7);
    end(w);
}

struct partner {
    tn_watch *w;
    int is_freed;
};

static void free_the_other(tn_watch *w, int events, void *arg)
{
    struct partner *p = arg;

    (void)w;
    (void)events;
    if (p->is_freed)
        return;
    p->is_freed = 1;
    end(p->w);
    p->w = NULL;
}

static void free_itself(tn_watch *w, int events, void *arg)
{
    (void)events;
    ++*(int *)arg;
    end(w);
}

static void a_callback_may_free_others_that_are_due_and_itself(void)
{
    struct partner p = {NULL, 0};
    struct calls c = {0};
    tn_watch *w, *self;
    int n = 0;

    assert_result(tn_watch_async_new(free_the_other, &p, &w), 0);
    assert_result(tn_watch_async_new(called, &c, &p.w), 0);
    assert_result(tn_watch_async_new(free_itself, &n, &self), 0);
    assert_result(tn_watch_feed(w, 0), 0);
    assert_result(tn_watch_feed(p.w, 0), 0);
    assert_result(tn_watch_feed(self, 0), 0);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    assert_int_equal(p.is_freed, 1);
    assert_int_equal(c.n, 0);
    assert_int_equal(n, 1);
    end(w);
    assert_result(tn_watch_timer_new(0, 1, free_itself, &n, &self), 0);
    start(self);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(n, 2);
}

static void feed_itself(tn_watch *w, int events, void *arg)
{
    (void)events;
    ++*(int *)arg;
    assert_result(tn_watch_feed(w, 0), 0);
}

static void callbacks_that_feed_each_other_let_the_loop_turn(void)
{
    struct calls c = {0};
    tn_watch *w, *io;
    int n = 0, fds[2];

    open_pair(fds);
    assert_result(tn_watch_async_new(feed_itself, &n, &w), 0);
    assert_result(tn_watch_feed(w, 0), 0);
    assert_result(tn_watch_io_new(fds[0], POLLIN, called, &c, &io), 0);
    start(io);
    assert_result(write(fds[1], "x", 1), 1);
    while (c.n == 0)
        assert_result(tn_sleep(tn_after_us(10)), 0);
    assert_true(n > 0);
    end(w);
    end(io);
    close_both(fds);
}

static void wait_in_it(tn_watch *w, int events, void *arg)
{
    (void)w;
    (void)events;
    assert_result(tn_sleep(TN_FOREVER), -EDEADLK);
    assert_result(tn_yield(), -EDEADLK);
    *(int *)arg = 1;
}

static void a_callback_may_not_wait(void)
{
    tn_watch *w;
    int r = 0;

    assert_result(tn_watch_timer_new(0, 0, wait_in_it, &r, &w), 0);
    start(w);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(r, 1);
    end(w);
}

/* ---- descriptors ---- */

static void read_one(tn_watch *w, int events, void *arg)
{
    char byte;
    int *fds = arg;

    (void)w;
    assert_int_equal(events & POLLIN, POLLIN);
    assert_result(read(fds[0], &byte, 1), 1);
    note(byte == 'a' ? "a" : "b");
}

static void a_descriptor_is_watched_for_as_long_as_it_is_ready(void)
{
    size_t n_before;
    tn_watch *w;
    int fds[2];

    for (int way = 0; way < 2; way++) {
        if (way)
            open_foreign_pipe(fds);
        else
            open_pair(fds);
        assert_result(tn_watch_io_new(fds[0], POLLIN, read_one, fds, &w), 0);
        start(w);
        assert_result(tn_sleep(tn_after_ms(1)), 0);
        assert_string_equal(notes(), way ? "a b a b" : "");
        n_before = way ? 8 : 0;
        assert_result(write(fds[1], "ab", 2), 2);
        while (strlen(notes()) < n_before + 3)
            assert_result(tn_sleep(tn_after_us(10)), 0);
        assert_result(write(fds[1], "ab", 2), 2);
        while (strlen(notes()) < n_before + 7)
            assert_result(tn_sleep(tn_after_us(10)), 0);
        end(w);
        close_both(fds);
    }
    assert_string_equal(notes(), "a b a b a b a b");
}

static void several_watch_one_descriptor_and_greenlets_too(void)
{
    struct calls in = {.stop_at = 1}, out = {.stop_at = 1};
    tn_watch *a, *b;
    int fds[2];

    open_pair(fds);
    assert_result(tn_watch_io_new(fds[0], POLLIN, called, &in, &a), 0);
    assert_result(tn_watch_io_new(fds[0], POLLIN | POLLOUT, called, &out, &b),
                  0);
    start(a);
    start(b);
    while (!out.n)
        assert_result(tn_sleep(tn_after_us(10)), 0);
    assert_int_equal(out.events, POLLOUT);
    assert_int_equal(in.n, 0);
    assert_result(write(fds[1], "x", 1), 1);
    while (!in.n)
        assert_result(tn_sleep(tn_after_us(10)), 0);
    assert_int_equal(in.events, POLLIN);
    end(a);
    end(b);
    close_both(fds);
}

static void a_close_is_told_once(void)
{
    struct calls c = {0};
    tn_watch *w;
    int fds[2];

    open_pair(fds);
    assert_result(tn_watch_io_new(fds[0], POLLIN, called, &c, &w), 0);
    start(w);
    assert_result(tn_sleep(tn_after_us(1)), 0);
    close_both(fds);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.events, POLLNVAL);
    assert_result(tn_watch_is_active(w), 0);
    assert_result(tn_watch_start(w), -EBADF);
    end(w);
}

/* ---- what is refused ---- */

static void an_active_one_cannot_be_changed(void)
{
    struct calls c = {0};
    tn_watch *io, *timer;
    int fds[2];

    open_pair(fds);
    assert_result(tn_watch_io_new(fds[0], POLLIN, called, &c, &io), 0);
    assert_result(tn_watch_timer_new(MS, 0, called, &c, &timer), 0);
    assert_result(tn_watch_io_set(io, fds[1], POLLOUT), 0);
    start(io);
    start(io); /* harmless */
    start(timer);
    assert_result(tn_watch_io_set(io, fds[0], POLLIN), -EBUSY);
    assert_result(tn_watch_timer_set(timer, 0, 0), -EBUSY);
    assert_result(tn_watch_stop(io), 0);
    assert_result(tn_watch_stop(timer), 0);
    assert_result(tn_watch_io_set(io, fds[0], POLLIN), 0);
    assert_result(tn_watch_timer_set(timer, 0, 0), 0);
    assert_result(tn_watch_io_set(timer, fds[0], POLLIN), -EINVAL);
    assert_result(tn_watch_timer_set(io, 0, 0), -EINVAL);
    assert_result(tn_watch_timer_again(io), -EINVAL);
    assert_result(tn_watch_timer_set(timer, 0, -1), -EINVAL);
    assert_result(tn_watch_io_set(io, -1, POLLIN), -EBADF);
    end(io);
    end(timer);
    assert_int_equal(c.n, 0);
    close_both(fds);
}

static void bad_arguments_are_refused(void)
{
    tn_watch *w;
    int status;

    assert_result(tn_watch_io_new(-1, POLLIN, called, NULL, &w), -EBADF);
    assert_result(tn_watch_io_new(0, 0, called, NULL, &w), -EINVAL);
    assert_result(tn_watch_io_new(0, 0x4000, called, NULL, &w), -EINVAL);
    assert_result(tn_watch_io_new(0, POLLIN, NULL, NULL, &w), -EINVAL);
    assert_result(tn_watch_io_new(0, POLLIN, called, NULL, NULL), -EINVAL);
    assert_result(tn_watch_timer_new(0, -1, called, NULL, &w), -EINVAL);
    assert_result(tn_watch_signal_new(0, called, NULL, &w), -EINVAL);
    assert_result(tn_watch_signal_new(-3, called, NULL, &w), -EINVAL);
    assert_result(tn_watch_signal_new(1000, called, NULL, &w), -EINVAL);
    assert_result(tn_watch_signal_new(SIGKILL, called, NULL, &w), -EINVAL);
    assert_result(tn_watch_signal_new(SIGSEGV, called, NULL, &w), -EINVAL);
    assert_result(tn_watch_child_new(0, called, NULL, &w), -EINVAL);
    assert_result(tn_watch_child_new(-1, called, NULL, &w), -EINVAL);
    assert_result(tn_watch_stat_new("", 0, called, NULL, &w), -EINVAL);
    assert_result(tn_watch_stat_new(NULL, 0, called, NULL, &w), -EINVAL);
    assert_result(tn_watch_stat_new("/tmp", -1, called, NULL, &w), -EINVAL);
    assert_result(tn_watch_async_new(NULL, NULL, &w), -EINVAL);
    assert_result(tn_watch_idle_new(called, NULL, NULL), -EINVAL);
    assert_result(tn_watch_start(NULL), -EINVAL);
    assert_result(tn_watch_stop(NULL), -EINVAL);
    assert_result(tn_watch_feed(NULL, 0), -EINVAL);
    assert_result(tn_watch_free(NULL), 0);
    assert_result(tn_watch_is_active(NULL), 0);
    assert_result(tn_watch_io_new(999, POLLIN, called, NULL, &w), 0);
    assert_result(tn_watch_start(w), -EBADF);
    assert_result(tn_watch_async_send(w), -EINVAL);
    assert_result(tn_watch_child_status(w, &status), -EINVAL);
    assert_null(tn_watch_stat_now(w));
    end(w);
}

static void *use_it(void *arg)
{
    assert_result(tn_watch_start(arg), -EXDEV);
    assert_result(tn_watch_stop(arg), -EXDEV);
    assert_result(tn_watch_feed(arg, 0), -EXDEV);
    assert_result(tn_watch_free(arg), -EXDEV);
    assert_result(tn_watch_set_ref(arg, 0), -EXDEV);
    return NULL;
}

static void run_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;

    assert_result(pthread_create(&thread, NULL, fn, arg), 0);
    assert_result(pthread_join(thread, NULL), 0);
}

static void another_thread_may_not_touch_it(void)
{
    struct calls c = {0};
    tn_watch *w;

    assert_result(tn_watch_timer_new(MS, 0, called, &c, &w), 0);
    run_thread(use_it, w);
    end(w);
}

/* ---- async ---- */

static void *send_it(void *arg)
{
    assert_result(tn_watch_async_send(arg), 0);
    return NULL;
}

static void an_async_is_sent_from_another_thread_also_before_its_start(void)
{
    struct calls c = {.stop_at = 1};
    tn_watch *w;

    assert_result(tn_watch_async_new(called, &c, &w), 0);
    run_thread(send_it, w);
    run_thread(send_it, w);
    assert_result(tn_sleep(tn_after_us(1)), 0);
    assert_int_equal(c.n, 0);
    start(w);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(c.n, 1);
    end(w);
}

static void an_async_wakes_a_hub_that_sleeps(void)
{
    struct calls c = {.stop_at = 1};
    pthread_t thread;
    tn_watch *w;

    assert_result(tn_watch_async_new(called, &c, &w), 0);
    start(w);
    assert_result(pthread_create(&thread, NULL, send_it, w), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(c.n, 1);
    assert_result(pthread_join(thread, NULL), 0);
    end(w);
}

static void *leave_one(void *arg)
{
    struct calls c = {0};
    tn_watch **w = arg;

    assert_result(tn_watch_async_new(called, &c, w), 0);
    start(*w);
    return NULL;
}

static void one_whose_hub_has_ended_can_only_be_freed(void)
{
    tn_watch *w;

    run_thread(leave_one, &w);
    assert_result(tn_watch_is_active(w), 0);
    assert_result(tn_watch_async_send(w), -ESRCH);
    assert_result(tn_watch_start(w), -EXDEV);
    assert_result(tn_watch_stop(w), -EXDEV);
    end(w);
}

/* ---- the turn ---- */

static void idle_runs_only_when_nothing_else_does(void)
{
    struct calls idle = {0}, timer = {.stop_at = 3};
    tn_watch *i, *t;

    assert_result(tn_watch_idle_new(called, &idle, &i), 0);
    start(i);
    for (int k = 0; k < 2000; k++)
        assert_result(tn_yield(), 0); /* somebody can always run */
    assert_int_equal(idle.n, 0);
    assert_result(tn_watch_timer_new(0, MS, called, &timer, &t), 0);
    start(t);
    assert_result(tn_watch_set_ref(i, 0), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_true(idle.n > 0);
    assert_int_equal(timer.n, 3);
    end(i);
    end(t);
}

static void prepare_and_check_stand_around_the_poll(void)
{
    struct calls a = {.stop_at = 2, .word = "prepare"};
    struct calls b = {.stop_at = 2, .word = "check"};
    struct calls c = {.stop_at = 2, .word = "timer"};
    tn_watch *w[3];

    assert_result(tn_watch_prepare_new(called, &a, &w[0]), 0);
    assert_result(tn_watch_check_new(called, &b, &w[1]), 0);
    assert_result(tn_watch_timer_new(0, 1, called, &c, &w[2]), 0);
    for (int i = 2; i >= 0; i--)
        start(w[i]);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "prepare check timer prepare check timer");
    for (int i = 0; i < 3; i++)
        end(w[i]);
}

static tn_event *event;

static int await_and_note(void *arg)
{
    assert_result(tn_event_wait(event, TN_FOREVER), 0);
    note(arg);
    return 0;
}

static int await_and_bring_another(void *arg)
{
    static char three[] = "3";

    await_and_note(arg);
    spawn_detached(await_and_note, three);
    return 0;
}

/* S57: one that comes while others are being woken runs after them, and before
 * the loop turns. */
static void those_an_event_wakes_run_before_the_next_check(void)
{
    static char one[] = "1", two[] = "2";
    struct calls c = {.stop_at = 1, .word = "check"};
    tn_watch *w;

    test_not_on("sim", "its scheduler may have a seed");
    assert_result(tn_event_new(&event), 0);
    spawn_detached(await_and_bring_another, one);
    spawn_detached(await_and_note, two);
    settle();
    assert_result(tn_watch_check_new(called, &c, &w), 0);
    start(w);
    assert_result(tn_event_set(event), 0);
    assert_result(tn_sleep(tn_after_us(10)), 0);
    assert_string_equal(notes(), "1 2 3 check");
    end(w);
    tn_event_free(event);
}

/* ---- joining the hub ---- */

static void hub_join_waits_for_those_that_count(void)
{
    struct calls c = {0};
    tn_watch *w;

    assert_result(tn_watch_timer_new(3600000000000, 0, called, &c, &w), 0);
    assert_result(tn_watch_set_ref(w, 0), 0);
    start(w);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(c.n, 0);
    assert_result(tn_watch_set_ref(w, 1), 0);
    assert_result(tn_hub_join(TN_NOWAIT), -EAGAIN);
    assert_result(tn_hub_join(tn_after_us(10)), -ETIME);
    assert_result(tn_hub_destroy(), -EBUSY);
    end(w);

    assert_result(tn_watch_timer_new(2 * MS, 0, called, &c, &w), 0);
    start(w);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(c.n, 1);
    end(w);
}

static void hub_join_with_one_that_nothing_can_call_is_edeadlk(void)
{
    struct calls c = {0};
    tn_watch *w;

    assert_result(tn_watch_check_new(called, &c, &w), 0);
    start(w);
    assert_result(tn_hub_join(TN_FOREVER), -EDEADLK);
    end(w);
    assert_result(tn_hub_join(TN_FOREVER), 0);
}

static void destroying_the_hub_stops_those_that_do_not_count(void)
{
    struct calls c = {0};
    tn_watch *io, *timer;
    int fds[2];

    open_foreign_pipe(fds);
    assert_result(tn_watch_io_new(fds[0], POLLIN, called, &c, &io), 0);
    assert_result(tn_watch_timer_new(0, 1, called, &c, &timer), 0);
    assert_result(tn_watch_set_ref(io, 0), 0);
    assert_result(tn_watch_set_ref(timer, 0), 0);
    start(io);
    start(timer);
    assert_result(tn_watch_feed(io, 0), 0);
    assert_result(tn_hub_destroy(), 0);
    assert_result(tn_watch_is_active(io), 0);
    end(io);
    end(timer);
    assert_int_equal(c.n, 0);
    close_both(fds);
    tn_self();
}

TEST_MAIN(TEST(a_timer_is_called_once),
          TEST(a_timer_repeats_until_it_is_stopped),
          TEST(a_timer_begun_again_repeats_from_now),
          TEST(timers_are_called_in_the_order_of_their_times),
          TEST(a_timer_keeps_its_order_of_size_beside_a_descriptor),
          TEST(a_callback_that_was_stopped_is_not_called),
          TEST(a_callback_may_free_others_that_are_due_and_itself),
          TEST(callbacks_that_feed_each_other_let_the_loop_turn),
          TEST(a_callback_may_not_wait),
          TEST(a_descriptor_is_watched_for_as_long_as_it_is_ready),
          TEST(several_watch_one_descriptor_and_greenlets_too),
          TEST(a_close_is_told_once), TEST(an_active_one_cannot_be_changed),
          TEST(bad_arguments_are_refused),
          TEST(another_thread_may_not_touch_it),
          TEST(an_async_is_sent_from_another_thread_also_before_its_start),
          TEST(an_async_wakes_a_hub_that_sleeps),
          TEST(one_whose_hub_has_ended_can_only_be_freed),
          TEST(idle_runs_only_when_nothing_else_does),
          TEST(prepare_and_check_stand_around_the_poll),
          TEST(those_an_event_wakes_run_before_the_next_check),
          TEST(hub_join_waits_for_those_that_count),
          TEST(hub_join_with_one_that_nothing_can_call_is_edeadlk),
          TEST(destroying_the_hub_stops_those_that_do_not_count))
