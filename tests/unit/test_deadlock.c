/* SPDX-License-Identifier: MIT */
/* tests/unit/test_deadlock.c - when nothing can wake anybody, and waiting for
 * everybody (S33, S34). */
#include <pthread.h>

#include "support/green.h"
#include "support/virtual.h"

static int sleep_forever(void *arg)
{
    (void)arg;
    return tn_sleep(TN_FOREVER);
}

static struct heard heard;

/* S33 */
static void main_that_nothing_can_wake_gets_edeadlk(void)
{
    tn_greenlet *g = spawn(sleep_forever, NULL), *passive;
    int result;

    hear_errors(&heard);
    assert_result(tn_greenlet_set_name(g, "sleeper"), 0);
    assert_result(tn_greenlet_new(NULL, sleep_forever, NULL, &passive), 0);
    for (int i = 1; i <= 3; i++) {
        assert_result(tn_sleep(TN_FOREVER), -EDEADLK);
        assert_int_equal(heard.n, i);
        assert_result(heard.error, -EDEADLK);
    }
    assert_string_equal(heard.text, "nothing can wake any greenlet of this hub:"
                                    "\n  main: waits in tn_sleep"
                                    "\n  sleeper: waits in tn_sleep");
    assert_result(tn_join(g, &result, TN_FOREVER), -EDEADLK);
    assert_result(tn_hub_join(TN_FOREVER), -EDEADLK);
    assert_result(tn_sleep(tn_after_ms(1)), 0); /* the hub is usable */
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(join(g), -ECANCELED);
    tn_unref(passive);
}

static void a_descriptor_keeps_main_from_edeadlk(void)
{
    tn_timeout t;
    int fds[2];
    char byte;

    open_pair(fds);
    tn_timeout_begin(&t, tn_after_ms(1));
    assert_result(tn_recv(fds[0], &byte, 1, 0, TN_FOREVER), -ETIME);
    tn_timeout_end(&t);
    close_both(fds);
}

static void *drop_it(void *arg)
{
    tn_hub_unref(arg);
    return NULL;
}

/* While another thread holds a handle it could post. */
static void the_last_handle_given_back_wakes_main_with_edeadlk(void)
{
    test_not_seeded("needs a thread, hundreds of times");
    for (int i = 0; i < 300; i++) {
        pthread_t thread;
        tn_hub *hub;

        assert_result(tn_hub_get(&hub), 0);
        assert_result(pthread_create(&thread, NULL, drop_it, tn_hub_ref(hub)),
                      0);
        assert_result(tn_sleep(TN_FOREVER), -EDEADLK);
        pthread_join(thread, NULL);
    }
}

/* S34 */
static void hub_join_waits_for_all_and_can_give_up(void)
{
    tn_greenlet *g = spawn(sleep_forever, NULL);
    tn_timeout t;

    assert_result(tn_hub_join(TN_NOWAIT), -EAGAIN);
    assert_result(tn_hub_join(tn_after_ms(1)), -ETIME);
    tn_timeout_begin(&t, tn_after_ms(1));
    assert_result(tn_hub_join(TN_FOREVER), -ETIME);
    assert_int_equal(t.fired, 1);
    tn_timeout_end(&t);
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    for (int i = 0; i < 3; i++)
        assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(tn_hub_join(TN_NOWAIT), 0);
    assert_result(join(g), -ECANCELED);
}

static int join_the_hub(void *arg)
{
    (void)arg;
    return tn_hub_join(TN_FOREVER);
}

static void only_main_joins_the_hub(void)
{
    assert_result(join(spawn(join_the_hub, NULL)), -EINVAL);
}

TEST_MAIN(TEST(main_that_nothing_can_wake_gets_edeadlk),
          TEST(a_descriptor_keeps_main_from_edeadlk),
          TEST(the_last_handle_given_back_wakes_main_with_edeadlk),
          TEST(hub_join_waits_for_all_and_can_give_up),
          TEST(only_main_joins_the_hub))
