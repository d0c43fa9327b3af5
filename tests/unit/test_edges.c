/* SPDX-License-Identifier: MIT */
/* tests/unit/test_edges.c - what holds of all objects alike: a call that is
 * tried in a loop lets others run when the tick is over, what is asked of NULL
 * has an answer, and an object can be freed after its hub. */
#include <netdb.h>
#include <sys/socket.h>
#include <tendril/tendril.h>

#include "support/green.h"

/* ---- calls that are tried in a loop ---- */

enum { TRIES_MAX = 100000 };

static bool is_over;

static int end_the_loop(void *arg)
{
    (void)arg;
    is_over = true;
    return 0;
}

static int sleep_until_killed(void *arg)
{
    (void)arg;
    return tn_sleep(TN_FOREVER);
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static long job(void *arg)
{
    (void)arg;
    return 0;
}

static int refuse(void *arg)
{
    (void)arg;
    return -EIO;
}

/* Call `again` until another greenlet has run, which must be soon. */
static void assert_lets_others_run(void (*again)(void *arg), void *arg)
{
    int n = 0;

    is_over = false;
    assert_result(tn_spawn(end_the_loop, NULL, NULL), 0);
    while (!is_over && n++ < TRIES_MAX)
        again(arg);
    assert_true(is_over);
}

static void try_join(void *g)
{
    assert_result(tn_join(g, NULL, TN_NOWAIT), -EAGAIN);
}

static void try_joinall(void *g)
{
    tn_greenlet *one = g;

    assert_result(tn_joinall(&one, 1, 0, 0, TN_NOWAIT), -EAGAIN);
}

static void kill_the_dead(void *g)
{
    tn_greenlet *one = g;

    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(tn_killall(&one, 1, TN_FOREVER), 0);
}

static void kill_nobody(void *group)
{
    assert_result(tn_group_kill(group, TN_FOREVER), 0);
}

static void spawn_and_kill(void *arg)
{
    tn_greenlet *g = spawn(do_nothing, arg);

    assert_result(tn_kill(g, TN_FOREVER), 0);
    tn_unref(g);
}

static void try_hub_join(void *arg)
{
    (void)arg;
    assert_result(tn_hub_join(TN_NOWAIT), -EAGAIN);
}

static void try_offload(void *arg)
{
    assert_result(tn_offload(job, arg, TN_NOWAIT), -EAGAIN);
}

static void map_nothing(void *group)
{
    assert_result(tn_group_map(group, do_nothing, NULL, 0, TN_FOREVER), 0);
}

static void come_to_a_broken_barrier(void *barrier)
{
    assert_result(tn_barrier_wait(barrier, TN_FOREVER), -EPIPE);
}

static void fail_once(void *once)
{
    assert_result(tn_once_run(once, refuse, NULL, TN_FOREVER), -EIO);
}

static void try_splice(void *pipes)
{
    int *fds = pipes;

    assert_result(tn_splice(fds[0], NULL, fds[3], NULL, 1, 0, TN_NOWAIT),
                  -EAGAIN);
}

static void dial_nobody(void *list)
{
    assert_result(tn_dial_addrs(list, TN_FOREVER), -EAFNOSUPPORT);
}

static void calls_on_descriptors_too(void)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    struct addrinfo info[2] = {
        {.ai_family = AF_MAX, .ai_addr = &none, .ai_addrlen = sizeof none}};
    int pipes[4];

    info[1] = info[0];
    info[0].ai_next = &info[1];
    open_pipe(pipes);
    open_pipe(pipes + 2);
    assert_lets_others_run(try_splice, pipes);
    assert_lets_others_run(dial_nobody, info);
    close_both(pipes);
    close_both(pipes + 2);
}

static void a_call_that_is_tried_in_a_loop_lets_others_run(void)
{
    tn_greenlet *waiting = spawn(sleep_until_killed, NULL);
    tn_greenlet *dead = spawn(do_nothing, NULL);
    tn_once once = TN_ONCE_INIT;
    tn_barrier *barrier;
    tn_group *group;

    settle();
    assert_result(tn_group_new(&group), 0);
    assert_result(tn_barrier_new(2, &barrier), 0);
    assert_result(tn_barrier_abort(barrier), 0);
    assert_lets_others_run(try_join, waiting);
    assert_lets_others_run(try_joinall, waiting);
    assert_lets_others_run(kill_the_dead, dead);
    assert_lets_others_run(kill_nobody, group);
    assert_lets_others_run(spawn_and_kill, NULL);
    assert_lets_others_run(try_hub_join, NULL);
    assert_lets_others_run(try_offload, NULL);
    assert_lets_others_run(map_nothing, group);
    assert_lets_others_run(come_to_a_broken_barrier, barrier);
    assert_lets_others_run(fail_once, &once);
    tn_barrier_free(barrier);
    tn_group_free(group);
    tn_unref(dead);
    tn_kill(waiting, TN_FOREVER);
    tn_unref(waiting);
    settle(); /* the turns of those that were killed before they ran pass */
}

/* Who walks a list of greenlets and kills them counts on it. */
static void a_kill_that_is_only_posted_never_switches(void)
{
    tn_greenlet *g = spawn(sleep_until_killed, NULL);

    settle();
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    is_over = false;
    assert_result(tn_spawn(end_the_loop, NULL, NULL), 0);
    for (int i = 0; i < TRIES_MAX; i++)
        assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    assert_false(is_over);
    assert_result(join(g), -ECANCELED);
    settle();
    assert_true(is_over);
}

/* ---- NULL ---- */

static void what_is_asked_of_null_has_an_answer(void)
{
    char name[8] = "x";

    assert_result((long)tn_queue_count(NULL), 0);
    assert_result((long)tn_queue_unfinished(NULL), 0);
    assert_result((long)tn_queue_capacity(NULL), 0);
    assert_result(tn_queue_is_empty(NULL), 1);
    assert_result(tn_queue_is_full(NULL), 0);
    assert_result(tn_queue_is_closed(NULL), 0);
    assert_result((long)tn_channel_count(NULL), 0);
    assert_result((long)tn_channel_capacity(NULL), 0);
    assert_result(tn_channel_is_closed(NULL), 0);
    assert_result(tn_channel_balance(NULL), 0);
    assert_result((long)tn_group_count(NULL), 0);
    assert_result((long)tn_pool_free_count(NULL), 0);
    assert_result(tn_hubs_count(NULL), 0);
    assert_null(tn_hubs_at(NULL, 0));
    assert_result(tn_shared_event_is_set(NULL), 0);
    assert_result((long)tn_shared_channel_count(NULL), 0);
    assert_null(tn_shared_event_ref(NULL));
    assert_null(tn_shared_channel_ref(NULL));
    assert_null(tn_hub_ref(NULL));
    assert_null(tn_ref(NULL));
    assert_result(tn_greenlet_state(NULL), TN_GREENLET_DONE);
    assert_result(tn_greenlet_is_done(NULL), 0);
    assert_result(tn_greenlet_result(NULL), -EINVAL);
    assert_result((long)tn_greenlet_id(NULL), 0);
    assert_result((long)tn_greenlet_spawner(NULL), 0);
    assert_result((long)tn_greenlet_name(NULL, name, sizeof name), 0);
    assert_string_equal(name, "");
}

static void what_is_done_to_null_does_nothing(void)
{
    tn_hubs_stop(NULL);
    tn_shared_event_set(NULL);
    tn_shared_event_clear(NULL);
    tn_shared_channel_close(NULL);
}

/* ---- after the hub ---- */

static void objects_can_be_freed_after_their_hub(void)
{
    tn_channel *ch;
    tn_queue *q;
    tn_event *e;
    tn_group *group;

    assert_result(tn_channel_new(8, 2, &ch), 0);
    assert_result(tn_queue_new(NULL, &q), 0);
    assert_result(tn_event_new(&e), 0);
    assert_result(tn_group_new(&group), 0);
    assert_result(tn_queue_put(q, NULL, TN_FOREVER), 0);
    assert_result(tn_hub_destroy(), 0);
    tn_channel_free(ch);
    tn_queue_free(q);
    tn_event_free(e);
    tn_group_free(group);
}

TEST_MAIN(TEST(a_call_that_is_tried_in_a_loop_lets_others_run),
          TEST(calls_on_descriptors_too),
          TEST(a_kill_that_is_only_posted_never_switches),
          TEST(what_is_asked_of_null_has_an_answer),
          TEST(what_is_done_to_null_does_nothing),
          TEST_BARE(objects_can_be_freed_after_their_hub))
