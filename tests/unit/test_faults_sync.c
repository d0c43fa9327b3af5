/* SPDX-License-Identifier: MIT */
/* tests/unit/test_faults_sync.c - the n-th allocation and the n-th system call
 * fail, for every n, in what greenlets of one hub wait on: events, results,
 * locks, waits for several things, scopes of time (see support/faults.h).
 * Queues and channels are in test_nomemory.c. */
#include "support/faults.h"

/* Without these a greenlet is as good. */
#define GREENLET_DOES_WITHOUT "mmap process_madvise madvise"

/* ---- two greenlets: one waits in `fn`, the other gives it what it wants ----
 */

/* Kill g and give it back; `r`, or what it returned if that is 0. */
static int end(tn_greenlet *g, int r)
{
    tn_shield shield;
    int result = 0, joined;

    tn_shield_begin(&shield, TN_FOREVER);
    if (r < 0)
        tn_kill(g, TN_NOWAIT);
    joined = tn_join(g, &result, TN_FOREVER);
    if (joined < 0)
        tn_unref(g);
    tn_shield_end(&shield);
    if (r == 0)
        r = joined < 0 ? joined : result;
    return r;
}

static int start(tn_greenlet_fn fn, void *arg, tn_greenlet **ret_g)
{
    int r = tn_spawn(fn, arg, ret_g);

    if (r < 0)
        return r;
    r = tn_yield(); /* it waits */
    return r < 0 ? end(*ret_g, r) : 0;
}

/* ---- events ---- */

static int wait_for_event(void *arg)
{
    return tn_event_wait(arg, tn_after_s(5));
}

static int event_wakes(tn_event *e)
{
    tn_greenlet *g;
    int r = start(wait_for_event, e, &g);

    if (r < 0)
        return r;
    r = tn_event_set(e);
    return end(g, r);
}

static int event_lives(void)
{
    tn_event *e;
    int r = tn_event_new(&e);

    if (r < 0)
        return r;
    r = event_wakes(e);
    tn_event_free(e);
    return r;
}

static void an_event(void)
{
    faults_each(event_lives, GREENLET_DOES_WITHOUT);
}

/* ---- results ---- */

static int give_seven(void *arg)
{
    (void)arg;
    return tn_yield() < 0 ? -ECANCELED : 7;
}

static int result_follows(tn_result *result)
{
    void *value;
    tn_greenlet *g;
    int r = tn_spawn(give_seven, NULL, &g);

    if (r < 0)
        return r;
    r = tn_result_follow(result, g);
    if (r == 0)
        r = tn_result_get(result, &value, tn_after_s(5));
    if (r == 0)
        assert_ptr_equal(value, (void *)7);
    r = end(g, r);
    return r < 0 ? r : 0;
}

static int result_lives(void)
{
    tn_result *result;
    int r = tn_result_new(&result);

    if (r < 0)
        return r;
    r = result_follows(result);
    tn_result_free(result);
    return r;
}

static void a_result(void)
{
    faults_each(result_lives, GREENLET_DOES_WITHOUT);
}

/* ---- locks ---- */

static int acquire(void *arg)
{
    return tn_semaphore_acquire(arg, tn_after_s(5));
}

static int semaphore_lives(void)
{
    tn_semaphore *s;
    tn_greenlet *g;
    int r = tn_semaphore_new(0, 1, &s);

    if (r < 0)
        return r;
    r = start(acquire, s, &g);
    if (r == 0)
        r = end(g, tn_semaphore_release(s));
    tn_semaphore_free(s);
    return r;
}

static void a_semaphore(void)
{
    faults_each(semaphore_lives, GREENLET_DOES_WITHOUT);
}

struct guarded {
    tn_mutex *mutex;
    tn_cond *cond;
};

static int wait_for_signal(void *arg)
{
    struct guarded *guarded = arg;
    int r = tn_mutex_lock(guarded->mutex, tn_after_s(5));

    if (r < 0)
        return r;
    r = tn_cond_wait(guarded->cond, tn_after_s(5));
    assert_result(tn_mutex_unlock(guarded->mutex), 0);
    return r;
}

static int signal_is_given(struct guarded *guarded)
{
    tn_greenlet *g;
    int r = start(wait_for_signal, guarded, &g);

    if (r < 0)
        return r;
    r = tn_mutex_lock(guarded->mutex, tn_after_s(5));
    if (r == 0) {
        r = tn_cond_signal(guarded->cond);
        assert_result(tn_mutex_unlock(guarded->mutex), 0);
    }
    return end(g, r);
}

static int mutex_and_condition_live(void)
{
    struct guarded guarded;
    int r = tn_mutex_new(TN_MUTEX_RECURSIVE, &guarded.mutex);

    if (r < 0)
        return r;
    r = tn_cond_new(guarded.mutex, &guarded.cond);
    if (r == 0) {
        r = signal_is_given(&guarded);
        assert_int_equal(tn_mutex_is_locked(guarded.mutex), 0);
        tn_cond_free(guarded.cond);
    }
    tn_mutex_free(guarded.mutex);
    return r;
}

static void a_mutex_and_a_condition(void)
{
    faults_each(mutex_and_condition_live, GREENLET_DOES_WITHOUT);
}

static int read_locked(void *arg)
{
    int r = tn_rwlock_rdlock(arg, tn_after_s(5));

    if (r == 0)
        assert_result(tn_rwlock_unlock(arg), 0);
    return r;
}

static int rwlock_passes_on(tn_rwlock *lock)
{
    tn_greenlet *g;
    int r = tn_rwlock_wrlock(lock, tn_after_s(5)), started;

    if (r < 0)
        return r;
    started = start(read_locked, lock, &g);
    r = tn_rwlock_unlock(lock);
    return started < 0 ? started : end(g, r);
}

static int rwlock_lives(void)
{
    tn_rwlock *lock;
    int r = tn_rwlock_new(&lock);

    if (r < 0)
        return r;
    r = rwlock_passes_on(lock);
    tn_rwlock_free(lock);
    return r;
}

static void a_readers_writer_lock(void)
{
    faults_each(rwlock_lives, GREENLET_DOES_WITHOUT);
}

static int come_to_barrier(void *arg)
{
    int r = tn_barrier_wait(arg, tn_after_s(5));

    return r < 0 ? r : 0;
}

static int barrier_lives(void)
{
    tn_barrier *barrier;
    tn_greenlet *g;
    int r = tn_barrier_new(2, &barrier);

    if (r < 0)
        return r;
    r = start(come_to_barrier, barrier, &g);
    if (r == 0)
        r = end(g, come_to_barrier(barrier));
    tn_barrier_free(barrier);
    return r;
}

static void a_barrier(void)
{
    faults_each(barrier_lives, GREENLET_DOES_WITHOUT);
}

static int open_a_pipe(void *arg)
{
    (void)arg;
    return tn_pipe(arg);
}

/* What failed the first time is done by the next who comes. */
static int once_is_done(void)
{
    tn_once once = TN_ONCE_INIT;
    int fds[2], r = tn_once_run(&once, open_a_pipe, fds, TN_FOREVER);

    assert_int_equal(tn_once_is_done(&once), r == 0);
    if (r == 0)
        close_both(fds);
    return r;
}

static void something_done_once(void)
{
    faults_each(once_is_done, "");
}

/* ---- waits for several things ---- */

enum { N = 40 }; /* more than are kept on the stack */

static int make_events(tn_event **events, tn_waitable **ws)
{
    int n = 0;

    faults_pause();
    for (; n < N; n++) {
        assert_result(tn_event_new(&events[n]), 0);
        ws[n] = tn_event_waitable(events[n]);
    }
    faults_resume();
    return n;
}

static int set_last(void *arg)
{
    tn_event **events = arg;

    tn_event_set(events[N - 1]);
    return 0;
}

static int wait_for_many(tn_waitable **ws)
{
    size_t index, order[N];
    long n;
    int r = tn_wait_any(ws, N, &index, tn_after_s(5));

    if (r < 0)
        return r;
    assert_int_equal(index, N - 1);
    n = tn_wait_all(ws, N, 1, order, tn_after_s(5));
    return n < 0 ? (int)n : 0;
}

static int iterate(tn_waitable **ws)
{
    tn_waits *waits;
    size_t index;
    int r = tn_waits_begin(ws, N, &waits);

    if (r < 0)
        return r;
    r = tn_waits_next(waits, &index, tn_after_s(5));
    tn_waits_end(waits);
    return r < 0 ? r : 0;
}

static int many_are_awaited(void)
{
    tn_event *events[N];
    tn_waitable *ws[N];
    tn_greenlet *g;
    int n = make_events(events, ws), r = tn_spawn(set_last, events, &g);

    if (r == 0) {
        r = wait_for_many(ws);
        if (r == 0)
            r = iterate(ws);
        r = end(g, r);
    }
    while (n--)
        tn_event_free(events[n]);
    return r;
}

static void waits_for_many_things(void)
{
    faults_each(many_are_awaited, GREENLET_DOES_WITHOUT);
}

/* ---- timers: more than there is room for ---- */

enum { TIMERS = 300 };

static int scopes_are_begun(int depth)
{
    tn_timeout scope;
    int r;

    tn_timeout_begin(&scope, tn_after_s(100 + depth));
    r = depth == TIMERS ? tn_sleep(tn_after_us(10))
                        : scopes_are_begun(depth + 1);
    tn_timeout_end(&scope);
    return r;
}

static int scopes_nest(void)
{
    return scopes_are_begun(0);
}

static void many_scopes_of_time(void)
{
    faults_each(scopes_nest, "");
}

TEST_MAIN(TEST(an_event), TEST(a_result), TEST(a_semaphore),
          TEST(a_mutex_and_a_condition), TEST(a_readers_writer_lock),
          TEST(a_barrier), TEST(something_done_once),
          TEST(waits_for_many_things), TEST(many_scopes_of_time))
