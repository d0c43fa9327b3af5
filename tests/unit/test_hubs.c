/* SPDX-License-Identifier: MIT */
/* tests/unit/test_hubs.c - greenlets for other hubs, and threads that have a
 * hub each. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/green.h"

enum { N = 4 };

static tn_hubs *start(int n, tn_hubs_fn fn, void *arg)
{
    tn_hubs *hubs;

    assert_result(tn_hubs_start(n, fn, arg, &hubs), 0);
    return hubs;
}

static int finish(tn_hubs *hubs)
{
    int result = 1;

    assert_result(tn_hubs_join(hubs, &result, TN_FOREVER), 0);
    return result;
}

static int note_thread(int index, void *arg)
{
    assert_result(tn_sleep(tn_after_us(10)), 0);
    ((pthread_t *)arg)[index] = pthread_self();
    return 0;
}

static void each_runs_on_a_thread_of_its_own(void)
{
    pthread_t threads[N];
    tn_hubs *hubs = start(N, note_thread, threads);

    assert_int_equal(tn_hubs_count(hubs), N);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < i; j++)
            assert_true(tn_hubs_at(hubs, i) != tn_hubs_at(hubs, j));
    assert_null(tn_hubs_at(hubs, -1));
    assert_null(tn_hubs_at(hubs, N));
    assert_result(finish(hubs), 0);
    for (int i = 0; i < N; i++) {
        assert_false(pthread_equal(threads[i], pthread_self()));
        for (int j = 0; j < i; j++)
            assert_false(pthread_equal(threads[i], threads[j]));
    }
}

static int fail_some(int index, void *arg)
{
    (void)arg;
    return index < 2 ? 0 : -index;
}

static void the_first_that_failed_gives_the_result(void)
{
    assert_result(finish(start(N, fail_some, NULL)), -2);
}

static int wait_long(int index, void *arg)
{
    int r = tn_sleep(TN_FOREVER);

    (void)index;
    __atomic_add_fetch((int *)arg, 1, __ATOMIC_RELAXED);
    return r;
}

static void stop_kills_and_join_has_a_deadline(void)
{
    int n = 0;
    tn_hubs *hubs = start(N, wait_long, &n);

    assert_result(tn_hubs_join(hubs, NULL, TN_NOWAIT), -EAGAIN);
    assert_result(tn_hubs_join(hubs, NULL, tn_after_us(10)), -ETIME);
    tn_hubs_stop(hubs);
    tn_hubs_stop(hubs);
    assert_result(finish(hubs), 0);
    assert_int_equal(n, N);
}

static void as_many_as_cpus_when_none_are_asked_for(void)
{
    cpu_set_t set;
    tn_hubs *hubs = start(0, NULL, NULL);

    assert_result(sched_getaffinity(0, sizeof set, &set), 0);
    assert_int_equal(tn_hubs_count(hubs), CPU_COUNT(&set));
    tn_hubs_stop(hubs);
    assert_result(finish(hubs), 0);
}

static int order[3 * N], n_order;
static pthread_t ran_on[3 * N];

static int put_down(void *arg)
{
    int n = (int)(intptr_t)arg;

    order[n_order] = n;
    ran_on[n_order++] = pthread_self();
    return 0;
}

static void what_is_spawned_on_a_hub_runs_there_in_order(void)
{
    tn_hubs *hubs = start(1, NULL, NULL);

    test_not_seeded("it is about the order");
    n_order = 0;
    for (intptr_t i = 0; i < 3 * N; i++)
        assert_result(
            tn_spawn_on(tn_hubs_at(hubs, 0), NULL, put_down, (void *)i), 0);
    tn_hubs_stop(hubs);
    assert_result(finish(hubs), 0);
    assert_int_equal(n_order, 3 * N);
    for (int i = 0; i < 3 * N; i++) {
        assert_int_equal(order[i], i);
        assert_false(pthread_equal(ran_on[i], pthread_self()));
    }
}

static char name_there[40];

static int tell_name(void *arg)
{
    (void)arg;
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    tn_greenlet_name(tn_self(), name_there, sizeof name_there);
    return 0;
}

static void options_are_copied_and_a_stop_lets_the_spawned_end(void)
{
    tn_hubs *hubs = start(1, NULL, NULL);
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    char name[] = "guest";

    options.name = name;
    options.stack_bytes = 128 * 1024;
    assert_result(tn_spawn_on(tn_hubs_at(hubs, 0), &options, tell_name, NULL),
                  0);
    memset(name, 'x', sizeof name - 1);
    tn_hubs_stop(hubs);
    assert_result(finish(hubs), 0);
    assert_string_equal(name_there, "guest");
}

static int note_it(void *arg)
{
    note(arg);
    return 0;
}

static void a_hub_may_spawn_on_itself(void)
{
    tn_hub *hub;

    test_not_seeded("it is about the order");
    assert_result(tn_hub_get(&hub), 0);
    assert_result(tn_spawn_on(hub, NULL, note_it, (char[]){"a"}), 0);
    assert_result(tn_spawn_on(hub, NULL, note_it, (char[]){"b"}), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "a b");
}

static void a_hub_whose_thread_has_ended_takes_nothing(void)
{
    tn_hubs *hubs = start(1, NULL, NULL);
    tn_hub *hub = tn_hub_ref(tn_hubs_at(hubs, 0));

    tn_hubs_stop(hubs);
    assert_result(finish(hubs), 0);
    assert_result(tn_spawn_on(hub, NULL, note_it, (char[]){"never"}), -ESRCH);
    tn_hub_unref(hub);
}

static void what_is_wrong_is_refused(void)
{
    struct tn_greenlet_options bad = TN_GREENLET_OPTIONS;
    tn_hub *hub;
    tn_hubs *hubs;

    assert_result(tn_hub_get(&hub), 0);
    bad.stack_bytes = SIZE_MAX;
    assert_result(tn_spawn_on(hub, &bad, note_it, NULL), -EINVAL);
    bad.size = 0;
    assert_result(tn_spawn_on(hub, &bad, note_it, NULL), -EINVAL);
    assert_result(tn_spawn_on(hub, NULL, NULL, NULL), -EINVAL);
    assert_result(tn_spawn_on(NULL, NULL, note_it, NULL), -EINVAL);
    assert_result(tn_hubs_start(-1, NULL, NULL, &hubs), -EINVAL);
    assert_result(tn_hubs_start(1, NULL, NULL, NULL), -EINVAL);
    assert_result(tn_hubs_join(NULL, NULL, TN_FOREVER), -EINVAL);
}

/* A hub that cannot be made: none is left behind. */
static void a_start_that_fails_leaves_nothing(void)
{
    char before[32];
    tn_hubs *hubs = NULL;

    snprintf(before, sizeof before, "%s", tn_hub_loop_name());
    assert_result(setenv("TENDRIL_LOOP", "none", 1), 0);
    assert_result(tn_hubs_start(N, note_thread, NULL, &hubs), -EINVAL);
    assert_null(hubs);
    assert_result(setenv("TENDRIL_LOOP", before, 1), 0);
}

/* S49: the runner counts descriptors and, in sanitizer builds, memory. */
static void hubs_after_each_other_leak_nothing(void)
{
    pthread_t threads[N];

    for (int i = 0; i < 10; i++)
        assert_result(finish(start(N, note_thread, threads)), 0);
}

/* A token goes round through all of them. */
struct ring {
    tn_shared_channel *links[N];
};

static int pass_on(int index, void *arg)
{
    struct ring *ring = arg;
    void *token;

    for (int i = 0; i < 100; i++) {
        assert_result(
            tn_shared_channel_recv(ring->links[index], &token, TN_FOREVER), 0);
        assert_result(tn_shared_channel_send(ring->links[(index + 1) % N],
                                             (char *)token + 1, TN_FOREVER),
                      0);
    }
    return 0;
}

static void hubs_talk_by_channels(void)
{
    struct ring ring;
    tn_hubs *hubs;
    void *token;

    for (int i = 0; i < N; i++)
        assert_result(tn_shared_channel_new(1, &ring.links[i]), 0);
    assert_result(tn_shared_channel_send(ring.links[0], NULL, TN_FOREVER), 0);
    hubs = start(N, pass_on, &ring);
    assert_result(finish(hubs), 0);
    assert_result(tn_shared_channel_recv(ring.links[0], &token, TN_NOWAIT), 0);
    assert_ptr_equal(token, (void *)(N * 100));
    for (int i = 0; i < N; i++)
        tn_shared_channel_unref(ring.links[i]);
}

TEST_MAIN(TEST(each_runs_on_a_thread_of_its_own),
          TEST(the_first_that_failed_gives_the_result),
          TEST(stop_kills_and_join_has_a_deadline),
          TEST(as_many_as_cpus_when_none_are_asked_for),
          TEST(what_is_spawned_on_a_hub_runs_there_in_order),
          TEST(options_are_copied_and_a_stop_lets_the_spawned_end),
          TEST(a_hub_may_spawn_on_itself),
          TEST(a_hub_whose_thread_has_ended_takes_nothing),
          TEST(what_is_wrong_is_refused),
          TEST(a_start_that_fails_leaves_nothing),
          TEST(hubs_after_each_other_leak_nothing), TEST(hubs_talk_by_channels))
