/* SPDX-License-Identifier: MIT */
/* tests/unit/test_hook.c - the error hook (S35, S37), and the seeded scheduler
 * of the simulated loop. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/green.h"
#include "support/virtual.h"

static int fail_io(void *arg)
{
    (void)arg;
    return -EIO;
}

static int n_heard;

static void spawn_more_failures(tn_greenlet *g, int error, const char *text,
                                void *arg)
{
    (void)arg;
    assert_non_null(g);
    assert_non_null(text);
    assert_result(error, -EIO);
    /* It fails itself: waits, which it may not on the hub. */
    assert_result(tn_sleep(TN_FOREVER), -EDEADLK);
    if (++n_heard < 10)
        spawn_detached(fail_io, NULL);
}

/* S37 */
static void a_hook_that_fails_and_causes_errors_does_no_harm(void)
{
    n_heard = 0;
    assert_result(tn_hub_set_error_hook(spawn_more_failures, NULL), 0);
    spawn_detached(fail_io, NULL);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(n_heard, 10);
}

static int sleep_forever(void *arg)
{
    (void)arg;
    return tn_sleep(TN_FOREVER);
}

static void kill_and_spawn(tn_greenlet *g, int error, const char *text,
                           void *arg)
{
    tn_greenlet **victim = arg;

    (void)text;
    assert_result(error, -EIO);
    assert_result(tn_kill(g, TN_FOREVER), 0); /* it has ended */
    if (victim[n_heard]) {
        assert_result(tn_kill(victim[n_heard], TN_FOREVER), -EDEADLK);
        spawn_detached(fail_io, NULL);
    }
    assert_result(tn_hub_destroy(), -EBUSY);
    n_heard++;
}

/* S37 */
static void a_hook_that_kills_and_spawns_does_no_harm(void)
{
    tn_greenlet *victim[4] = {NULL};

    n_heard = 0;
    for (int i = 0; i < 3; i++)
        victim[i] = spawn(sleep_forever, NULL);
    settle();
    assert_result(tn_hub_set_error_hook(kill_and_spawn, victim), 0);
    spawn_detached(fail_io, NULL);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(n_heard, 4);
    for (int i = 0; i < 3; i++)
        assert_result(join(victim[i]), -ECANCELED);
    assert_result(tn_sleep(tn_after_ms(1)), 0); /* the hub goes on */
}

static void recurse(tn_greenlet *g, int error, const char *text, void *arg)
{
    n_heard++;
    tn__hub_error(tn__hub_peek(), g, error, text);
    (void)arg;
}

/* S37 */
static void an_error_inside_the_hook_does_not_call_it_again(void)
{
    n_heard = 0;
    assert_result(tn_hub_set_error_hook(recurse, NULL), 0);
    spawn_detached(fail_io, NULL);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(n_heard, 1);
}

static void count(tn_greenlet *g, int error, const char *text, void *arg)
{
    (void)g;
    (void)error;
    (void)text;
    ++*(int *)arg;
}

static int sleep_a_little(void *arg)
{
    (void)arg;
    return tn_sleep(tn_after_ms(1));
}

/* S35 */
static void a_failure_leaves_other_sleepers_alone(void)
{
    tn_greenlet *g = spawn(sleep_a_little, NULL);
    int n = 0;

    assert_result(tn_hub_set_error_hook(count, &n), 0);
    spawn_detached(fail_io, NULL);
    assert_result(join(g), 0);
    assert_int_equal(n, 1);
    assert_result(tn_hub_set_error_hook(NULL, NULL), 0);
    spawn_detached(fail_io, NULL);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(n, 1);
}

static void a_kill_is_no_failure(void)
{
    tn_greenlet *g = spawn(sleep_a_little, NULL);
    int n = 0;

    assert_result(tn_hub_set_error_hook(count, &n), 0);
    settle();
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    tn_unref(g);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(n, 0);
}

/* ---- the seeded scheduler ---- */

enum { N = 6, ROUNDS = 4 };

static int note_rounds(void *arg)
{
    char word[8];

    for (int i = 0; i < ROUNDS; i++) {
        snprintf(word, sizeof word, "%d", (int)(intptr_t)arg);
        note(word);
        assert_result(tn_yield(), 0);
    }
    return 0;
}

static void schedule(const char *seed, char *text, size_t size)
{
    size_t from = strlen(notes());
    tn_greenlet *g[N];

    setenv("TENDRIL_SIM_SEED", seed, 1);
    assert_result(tn_hub_destroy(), 0);
    for (intptr_t i = 0; i < N; i++)
        g[i] = spawn(note_rounds, (void *)i);
    for (int i = 0; i < N; i++)
        assert_result(join(g[i]), 0);
    snprintf(text, size, "%s", notes() + from + (from > 0));
}

static void a_seed_is_a_schedule_that_can_be_replayed(void)
{
    char a[200], b[200], again[200], fifo[200];

    test_not_seeded("it chooses the seeds");
    need_virtual_time();
    schedule("0", fifo, sizeof fifo);
    assert_memory_equal(fifo, "0 1 2 3 4 5 0 1 2", 17);
    schedule("1234", a, sizeof a);
    schedule("99", b, sizeof b);
    schedule("1234", again, sizeof again);
    assert_string_equal(a, again);
    assert_string_not_equal(a, b);
    assert_string_not_equal(a, fifo);
}

struct relay {
    int fds[2];
    int n;
};

static int pass_on(void *arg)
{
    struct relay *r = arg;
    char byte;

    for (int i = 0; i < 20; i++) {
        assert_result(tn_recv(r->fds[0], &byte, 1, 0, tn_after_s(1)), 1);
        r->n++;
        assert_result(tn_sleep(tn_after_us(7)), 0);
        assert_result(tn_send(r->fds[0], &byte, 1, 0, TN_FOREVER), 1);
    }
    return 0;
}

static void a_program_is_right_under_every_schedule(void)
{
    test_not_seeded("it chooses the seeds");
    need_virtual_time();
    for (int seed = 0; seed < 50; seed++) {
        struct relay a = {.n = 0}, b = {.n = 0};
        tn_greenlet *g[4];
        char text[16];

        snprintf(text, sizeof text, "%d", seed);
        setenv("TENDRIL_SIM_SEED", text, 1);
        assert_result(tn_hub_destroy(), 0);
        open_pair(a.fds);
        b.fds[0] = a.fds[1];
        assert_result(tn_send(a.fds[1], "xy", 2, 0, TN_FOREVER), 2);
        g[0] = spawn(pass_on, &a);
        g[1] = spawn(pass_on, &b);
        g[2] = spawn(sleep_a_little, NULL);
        g[3] = spawn(sleep_a_little, NULL);
        assert_result(tn_kill(g[3], TN_NOWAIT), 0);
        assert_result(join(g[3]), -ECANCELED);
        for (int i = 0; i < 3; i++)
            assert_result(join(g[i]), 0);
        assert_int_equal(a.n + b.n, 40);
        close_both(a.fds);
        settle();
    }
}

TEST_MAIN(TEST(a_hook_that_fails_and_causes_errors_does_no_harm),
          TEST(a_hook_that_kills_and_spawns_does_no_harm),
          TEST(an_error_inside_the_hook_does_not_call_it_again),
          TEST(a_failure_leaves_other_sleepers_alone),
          TEST(a_kill_is_no_failure),
          TEST(a_seed_is_a_schedule_that_can_be_replayed),
          TEST(a_program_is_right_under_every_schedule))
