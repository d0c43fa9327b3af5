/* SPDX-License-Identifier: MIT */
/* tests/unit/test_thread.c - hubs of several threads, and posts between them
 * (S6, S13, S42, S49). */
#include <pthread.h>
#include <string.h>

#include "support/green.h"
#include "support/virtual.h"

enum { N_THREADS = 4, N_POSTS = 2000 };

/* ---- posts ---- */

struct poster {
    pthread_t thread;
    tn_hub *hub;
    int next; /* the number that must come next; written on the hub */
    bool is_in_order;
    int *n_left;
};

struct posted {
    struct poster *by;
    int number;
};

static void take(void *arg)
{
    struct posted *p = arg;

    if (p->number != p->by->next++)
        p->by->is_in_order = false;
    --*p->by->n_left;
}

static void *post_many(void *arg)
{
    struct poster *me = arg;
    static struct posted all[N_THREADS][N_POSTS];
    static int n_threads;
    struct posted *mine =
        all[__atomic_fetch_add(&n_threads, 1, __ATOMIC_RELAXED)];

    for (int i = 0; i < N_POSTS; i++) {
        mine[i] = (struct posted){me, i};
        if (tn_hub_post(me->hub, take, &mine[i]) != 0)
            me->is_in_order = false;
    }
    tn_hub_unref(me->hub);
    return NULL;
}

/* S42 */
static void posts_of_four_threads_arrive_in_order_of_each(void)
{
    struct poster posters[N_THREADS];
    int n_left = N_THREADS * N_POSTS;
    tn_hub *hub;

    assert_result(tn_hub_get(&hub), 0);
    for (int i = 0; i < N_THREADS; i++) {
        posters[i] = (struct poster){
            .hub = tn_hub_ref(hub), .is_in_order = true, .n_left = &n_left};
        assert_result(
            pthread_create(&posters[i].thread, NULL, post_many, &posters[i]),
            0);
    }
    while (n_left > 0)
        assert_result(tn_sleep(tn_after_us(100)), 0);
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(posters[i].thread, NULL);
        assert_true(posters[i].is_in_order);
        assert_int_equal(posters[i].next, N_POSTS);
    }
}

static int is_called;

static void wake_main(void *arg)
{
    is_called = 1;
    assert_result(tn_kill(arg, TN_NOWAIT), -EAGAIN);
}

struct one_post {
    tn_hub *hub;
    tn_greenlet *g;
};

static void *post_one(void *arg)
{
    struct one_post *p = arg;

    if (tn_hub_post(p->hub, wake_main, p->g) != 0)
        return arg;
    tn_hub_unref(p->hub);
    return NULL;
}

static int sleep_forever(void *arg)
{
    (void)arg;
    return tn_sleep(TN_FOREVER);
}

/* S42: the hub sleeps with nothing else that could wake it. */
static void a_post_wakes_a_hub_that_sleeps(void)
{
    for (int i = 0; i < 50; i++) {
        struct one_post p;
        pthread_t thread;
        void *failed;

        assert_result(tn_hub_get(&p.hub), 0);
        tn_hub_ref(p.hub);
        p.g = spawn(sleep_forever, NULL);
        settle();
        assert_result(pthread_create(&thread, NULL, post_one, &p), 0);
        assert_result(join(p.g), -ECANCELED);
        pthread_join(thread, &failed);
        assert_null(failed);
    }
}

static void count_down(void *arg)
{
    int *n = arg;
    tn_hub *hub;

    if (--*n == 0)
        return;
    assert_result(tn_hub_get(&hub), 0);
    assert_result(tn_hub_post(hub, count_down, n), 0);
}

static void a_post_may_post(void)
{
    int n = 5;
    tn_hub *hub;

    assert_result(tn_hub_get(&hub), 0);
    assert_result(tn_hub_post(hub, count_down, &n), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(n, 0);
}

static void wait_in_a_post(void *arg)
{
    *(int *)arg = tn_sleep(TN_FOREVER);
}

/* S38 */
static void a_post_may_not_wait(void)
{
    tn_hub *hub;
    int r = 0;

    assert_result(tn_hub_get(&hub), 0);
    assert_result(tn_hub_post(hub, wait_in_a_post, &r), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(r, -EDEADLK);
    assert_result(tn_hub_post(hub, NULL, NULL), -EINVAL);
    assert_result(tn_hub_post(NULL, wait_in_a_post, NULL), -EINVAL);
}

/* ---- hubs of threads ---- */

static void *live_a_little(void *arg)
{
    int fds[2];
    char byte;
    tn_greenlet *g = spawn(sleep_forever, NULL);

    (void)arg;
    open_pair(fds);
    assert_result(tn_recv(fds[0], &byte, 1, 0, tn_after_us(10)), -ETIME);
    close_both(fds);
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(join(g), -ECANCELED);
    return NULL;
}

/* S49: the runner counts descriptors and, in sanitizer builds, memory. */
static void hubs_in_ten_threads_after_each_other_leak_nothing(void)
{
    for (int i = 0; i < 10; i++) {
        pthread_t thread;

        assert_result(pthread_create(&thread, NULL, live_a_little, NULL), 0);
        assert_result(pthread_join(thread, NULL), 0);
    }
}

static int wait_on(void *arg)
{
    char byte;

    return (int)tn_read(*(int *)arg, &byte, 1, TN_FOREVER);
}

static void *leave_waiters_behind(void *arg)
{
    spawn_detached(sleep_forever, NULL);
    spawn_detached(wait_on, arg);
    settle();
    return NULL;
}

/* S13 */
static void a_thread_may_end_with_greenlets_that_wait(void)
{
    pthread_t thread;
    int fds[2];

    open_foreign_pipe(fds);
    for (int i = 0; i < 5; i++) {
        assert_result(
            pthread_create(&thread, NULL, leave_waiters_behind, &fds[0]), 0);
        assert_result(pthread_join(thread, NULL), 0);
    }
    close_both(fds);
}

static int end_thread(void *arg)
{
    pthread_exit(arg);
}

static void *end_in_a_greenlet(void *arg)
{
    spawn_detached(end_thread, arg);
    tn_sleep(TN_FOREVER);
    return NULL;
}

/* S13 */
static void a_thread_may_end_in_a_greenlet(void)
{
    static char token[1];
    pthread_t thread;
    void *result;

    if (TEST_SANITIZED)
        test_skip("the sanitizers take the stack of a thread from its start");
    assert_result(pthread_create(&thread, NULL, end_in_a_greenlet, token), 0);
    assert_result(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, token);
}

static void *keep_a_handle(void *arg)
{
    tn_hub *hub;

    tn_self();
    assert_result(tn_hub_get(&hub), 0);
    *(tn_hub **)arg = tn_hub_ref(hub);
    return NULL;
}

static void a_handle_outlives_its_thread(void)
{
    pthread_t thread;
    tn_hub *hub;
    int r;

    assert_result(pthread_create(&thread, NULL, keep_a_handle, &hub), 0);
    assert_result(pthread_join(thread, NULL), 0);
    assert_result(tn_hub_post(hub, wait_in_a_post, &r), -ESRCH);
    assert_result(tn_hub_post(hub, wait_in_a_post, &r), -ESRCH);
    tn_hub_unref(hub);
}

static void *meddle(void *arg)
{
    tn_greenlet **g = arg;
    tn_link link = {0};

    tn_self();
    assert_result(tn_join(g[0], NULL, TN_FOREVER), -EXDEV);
    assert_result(tn_kill(g[0], TN_FOREVER), -EXDEV);
    assert_result(tn_start(g[1]), -EXDEV);
    assert_result(tn_switch(g[1], NULL, NULL), -EXDEV);
    assert_result(tn_throw(g[1], -EIO, NULL), -EXDEV);
    assert_result(tn_greenlet_set_parent(g[1], tn_self()), -EXDEV);
    assert_result(tn_greenlet_link(g[0], &link, NULL, NULL), -EINVAL);
    return NULL;
}

/* S6 */
static void greenlets_of_another_thread_are_refused(void)
{
    tn_greenlet *g[2] = {spawn(sleep_forever, NULL), NULL};
    pthread_t thread;

    assert_result(tn_greenlet_new(NULL, sleep_forever, NULL, &g[1]), 0);
    settle();
    assert_result(pthread_create(&thread, NULL, meddle, g), 0);
    assert_result(pthread_join(thread, NULL), 0);
    assert_result(tn_greenlet_state(g[0]), TN_GREENLET_WAITING);
    assert_result(tn_greenlet_state(g[1]), TN_GREENLET_NEW);
    assert_result(tn_kill(g[0], TN_FOREVER), 0);
    tn_unref(g[0]);
    tn_unref(g[1]);
}

static void a_hub_can_be_destroyed_and_made_again(void)
{
    struct tn_hub_stats stats = {.size = sizeof stats};
    tn_greenlet *g;

    assert_result(tn_hub_destroy(), 0);
    g = spawn(sleep_forever, NULL);
    assert_result(tn_hub_destroy(), -EBUSY);
    assert_result(tn_kill(g, TN_FOREVER), 0);
    tn_unref(g);
    assert_result(tn_hub_destroy(), 0);
    assert_result(tn_hub_destroy(), 0);
    assert_result(tn_hub_stats(&stats), 0);
    assert_true(stats.alive == 1);
}

TEST_MAIN(TEST(posts_of_four_threads_arrive_in_order_of_each),
          TEST(a_post_wakes_a_hub_that_sleeps), TEST(a_post_may_post),
          TEST(a_post_may_not_wait),
          TEST(hubs_in_ten_threads_after_each_other_leak_nothing),
          TEST(a_thread_may_end_with_greenlets_that_wait),
          TEST(a_thread_may_end_in_a_greenlet),
          TEST(a_handle_outlives_its_thread),
          TEST(greenlets_of_another_thread_are_refused),
          TEST(a_hub_can_be_destroyed_and_made_again))
