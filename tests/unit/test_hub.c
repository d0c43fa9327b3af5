/* SPDX-License-Identifier: MIT */
/* tests/unit/test_hub.c - how a hub ends, with what was posted to it; a thread
 * that cannot have one; and a loop whose descriptors others have closed. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support/green.h"

static void post(tn_post_fn fn, void *arg)
{
    tn_hub *hub;

    assert_result(tn_hub_get(&hub), 0);
    assert_result(tn_hub_post(hub, fn, arg), 0);
}

/* ---- the end ---- */

static void wait_in_a_post(void *arg)
{
    int *r = arg;
    tn_greenlet *hub = tn_self();

    assert_result(tn_sleep(TN_FOREVER), -EDEADLK);
    assert_result(tn_yield(), -EDEADLK);
    assert_result(tn_hub_join(TN_NOWAIT), -EINVAL);
    assert_ptr_equal(tn_self(), hub);
    *r = 1;
}

static void posts_left_at_destroy_are_called_as_on_the_hub(void)
{
    int r = 0;

    post(wait_in_a_post, &r);
    assert_result(tn_hub_destroy(), 0);
    assert_int_equal(r, 1);
}

static void *leave_a_post(void *arg)
{
    post(wait_in_a_post, arg);
    return NULL;
}

static void posts_left_at_the_end_of_a_thread_are_called_as_on_the_hub(void)
{
    pthread_t thread;
    int r = 0;

    assert_result(pthread_create(&thread, NULL, leave_a_post, &r), 0);
    assert_result(pthread_join(thread, NULL), 0);
    assert_int_equal(r, 1);
}

static void note_end(tn_greenlet *g, void *arg)
{
    (void)arg;
    assert_result(tn_join(g, NULL, TN_FOREVER), -EDEADLK);
    note("linked");
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void links_due_at_destroy_are_called(void)
{
    tn_greenlet *g = spawn(do_nothing, NULL);
    tn_link link;

    settle();
    assert_result(tn_greenlet_link(g, &link, note_end, NULL), 0);
    tn_unref(g);
    assert_result(tn_hub_destroy(), 0);
    assert_string_equal(notes(), "linked");
}

static void destroy_is_refused_while_a_scope_is_open(void)
{
    tn_timeout t;
    int r = 0;

    post(wait_in_a_post, &r);
    tn_timeout_begin(&t, tn_after_s(10));
    assert_result(tn_hub_destroy(), -EBUSY);
    assert_int_equal(r, 0); /* nothing was done */
    tn_timeout_end(&t);
    assert_result(tn_hub_destroy(), 0);
    assert_int_equal(r, 1);
}

static void spawn_in_a_post(void *arg)
{
    *(tn_greenlet **)arg = spawn(do_nothing, NULL);
}

static void destroy_is_refused_when_a_post_has_spawned(void)
{
    tn_greenlet *g = NULL;

    post(spawn_in_a_post, &g);
    assert_result(tn_hub_destroy(), -EBUSY);
    assert_result(join(g), 0);
    assert_result(tn_hub_destroy(), 0);
}

static void post_in_a_post(void *arg)
{
    post(spawn_in_a_post, arg);
}

static void destroy_is_refused_when_the_post_of_a_post_has_spawned(void)
{
    tn_greenlet *g = NULL;

    post(post_in_a_post, &g);
    assert_result(tn_hub_destroy(), -EBUSY);
    assert_result(join(g), 0);
    assert_result(tn_hub_destroy(), 0);
}

static void destroy_in_a_post(void *arg)
{
    assert_result(tn_hub_destroy(), -EBUSY);
    ++*(int *)arg;
}

static void destroy_in_a_post_is_refused(void)
{
    int n = 0;

    post(destroy_in_a_post, &n);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(n, 1);
    post(destroy_in_a_post, &n); /* called by a destroy */
    assert_result(tn_hub_destroy(), 0);
    assert_int_equal(n, 2);
}

/* ---- what it has counted ---- */

/* As an older program and a newer one know the struct. */
static void statistics_are_cut_to_what_the_caller_knows(void)
{
    struct {
        struct tn_hub_stats known;
        uint64_t later[2];
    } s;
    struct tn_hub_stats *stats = &s.known;

    memset(&s, 0xee, sizeof s);
    stats->size = offsetof(struct tn_hub_stats, polls);
    assert_result(tn_hub_stats(stats), 0);
    assert_int_equal(stats->size, offsetof(struct tn_hub_stats, polls));
    assert_int_equal(stats->spawned, 0);
    assert_int_equal(stats->polls, 0xeeeeeeeeeeeeeeee);
    stats->size = sizeof s;
    assert_result(tn_hub_stats(stats), 0);
    assert_int_equal(stats->alive, 1);
    assert_int_equal(s.later[1], 0);
    stats->size = sizeof(size_t) - 1;
    assert_result(tn_hub_stats(stats), -EINVAL);
    assert_result(tn_hub_stats(NULL), -EINVAL);
}

static void stacks_are_counted(void)
{
    struct tn_hub_stats stats = {.size = sizeof stats}, after = stats;
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    tn_greenlet *g;

    assert_result(tn_hub_stats(&stats), 0);
    options.stack_bytes = 1 << 20;
    assert_result(tn_spawn_with(&options, do_nothing, NULL, &g), 0);
    assert_result(tn_hub_stats(&after), 0);
    assert_int_equal(after.stack_bytes - stats.stack_bytes, 1 << 20);
    assert_int_equal(after.stacks_mapped - stats.stacks_mapped, 1);
    assert_int_equal(after.stacks_cold, 0);
    assert_result(join(g), 0);
}

/* ---- none ---- */

static void without_a_hub_calls_say_why_and_scopes_are_empty(void)
{
    tn_stream_server *server;
    tn_timeout outer, inner;
    tn_shield shield;
    int fds[2];

    setenv("TENDRIL_LOOP", "bogus", 1);
    assert_null(tn_self());
    tn_timeout_begin(&outer, TN_NOWAIT);
    tn_timeout_begin(&inner, tn_after_s(1));
    tn_shield_begin(&shield, TN_FOREVER);
    assert_result(tn_sleep(tn_after_ms(1)), -EINVAL);
    assert_result(tn_yield(), -EINVAL);
    assert_result(tn_pipe(fds), -EINVAL);
    assert_result(tn_spawn(do_nothing, NULL, NULL), -EINVAL);
    assert_result(tn_stream_server_new(":0", NULL, NULL, NULL, &server),
                  -EINVAL);
    assert_result(tn_check(), 0);
    tn_timeout_reset(&inner, TN_NOWAIT);
    tn_shield_end(&shield);
    tn_timeout_end(&inner);
    tn_timeout_end(&outer);
    assert_int_equal(outer.fired, 0);
    assert_result(tn_hub_destroy(), 0);
}

static void a_scope_begun_without_a_hub_ends_with_one(void)
{
    tn_timeout t;
    const char *loop = getenv("TENDRIL_LOOP");

    loop = strdup(loop ? loop : "");
    setenv("TENDRIL_LOOP", "bogus", 1);
    tn_timeout_begin(&t, TN_NOWAIT);
    setenv("TENDRIL_LOOP", loop, 1);
    free((char *)loop);
    assert_result(tn_sleep(tn_after_ms(1)), 0); /* it bounds nothing */
    tn_timeout_end(&t);
    assert_result(tn_yield(), 0);
    assert_result(tn_hub_destroy(), 0);
}

/* ---- descriptors closed under it ---- */

enum { FROM = 3, TO = 50 };

static void only_on_epoll(void)
{
    const char *loop = getenv("TENDRIL_LOOP");

    if (loop && loop[0] && strcmp(loop, "epoll") != 0)
        test_skip("ev's descriptors are libev's own, and sim's only its "
                  "wake-up's: neither can be made anew");
}

static void close_all(void)
{
    tn_self();
    for (int fd = FROM; fd <= TO; fd++)
        close(fd);
}

static int write_later(void *arg)
{
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    return (int)tn_send(*(int *)arg, "x", 1, 0, TN_FOREVER);
}

static void use_new_descriptors(void)
{
    tn_greenlet *g;
    char byte;
    int fds[2];

    open_pair(fds);
    g = spawn(write_later, &fds[1]);
    assert_result(tn_recv(fds[0], &byte, 1, 0, TN_FOREVER), 1);
    assert_result(join(g), 1);
    close_both(fds);
}

static void close_and_sleep(void)
{
    close_all();
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    use_new_descriptors();
}

static void close_and_wait_at_once(void)
{
    close_all();
    use_new_descriptors();
    assert_result(tn_sleep(tn_after_ms(1)), 0);
}

static int sleep_forever(void *arg)
{
    (void)arg;
    return tn_sleep(TN_FOREVER);
}

static void end_it(void *arg)
{
    assert_result(tn_kill(arg, TN_NOWAIT), -EAGAIN);
}

struct outside {
    tn_hub *hub;
    tn_greenlet *g;
};

static void *post_from_outside(void *arg)
{
    const struct timespec until_it_sleeps = {0, 2000000}; /* or not: no harm */
    struct outside *me = arg;
    int r;

    clock_nanosleep(CLOCK_MONOTONIC, 0, &until_it_sleeps, NULL);
    r = tn_hub_post(me->hub, end_it, me->g);
    tn_hub_unref(me->hub);
    return r == 0 ? NULL : arg;
}

static void close_and_be_woken(void)
{
    struct outside me;
    pthread_t thread;
    void *failed;

    close_all();
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    assert_result(tn_hub_get(&me.hub), 0);
    tn_hub_ref(me.hub);
    me.g = spawn(sleep_forever, NULL);
    settle();
    assert_result(pthread_create(&thread, NULL, post_from_outside, &me), 0);
    assert_result(join(me.g), -ECANCELED);
    assert_result(pthread_join(thread, &failed), 0);
    assert_null(failed);
}

static void close_and_take_the_numbers(void)
{
    int fds[8];

    close_all();
    for (int i = 0; i < 8; i++)
        fds[i] = open("/dev/null", O_RDWR);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    use_new_descriptors();
    for (int i = 0; i < 8; i++)
        assert_result(close(fds[i]), 0); /* the hub did not */
    assert_result(tn_sleep(tn_after_ms(1)), 0);
}

/* S48 */
static void a_loop_whose_descriptors_were_closed_sleeps_on(void)
{
    only_on_epoll();
    run_in_child(close_and_sleep);
}

static void a_loop_whose_descriptors_were_closed_takes_new_ones(void)
{
    only_on_epoll();
    run_in_child(close_and_wait_at_once);
}

static void a_loop_whose_descriptors_were_closed_can_be_woken(void)
{
    only_on_epoll();
    run_in_child(close_and_be_woken);
}

static void a_loop_leaves_alone_who_has_its_numbers_now(void)
{
    only_on_epoll();
    run_in_child(close_and_take_the_numbers);
}

TEST_MAIN(TEST(statistics_are_cut_to_what_the_caller_knows),
          TEST(stacks_are_counted),

    TEST(posts_left_at_destroy_are_called_as_on_the_hub),
    TEST(posts_left_at_the_end_of_a_thread_are_called_as_on_the_hub),
    TEST(links_due_at_destroy_are_called),
    TEST(destroy_is_refused_while_a_scope_is_open),
    TEST(destroy_is_refused_when_a_post_has_spawned),
    TEST(destroy_is_refused_when_the_post_of_a_post_has_spawned),
    TEST(destroy_in_a_post_is_refused),
    TEST_BARE(without_a_hub_calls_say_why_and_scopes_are_empty),
    TEST_BARE(a_scope_begun_without_a_hub_ends_with_one),
    TEST_BARE(a_loop_whose_descriptors_were_closed_sleeps_on),
    TEST_BARE(a_loop_whose_descriptors_were_closed_takes_new_ones),
    TEST_BARE(a_loop_whose_descriptors_were_closed_can_be_woken),
    TEST_BARE(a_loop_leaves_alone_who_has_its_numbers_now))
