/* SPDX-License-Identifier: MIT */
/* tests/support/waits_sync.c - see waits_sync.h. */
#include "support/waits_sync.h"

#include <stdlib.h>

#include "sync/mutex.h"

/* ---- an event, alone and among others ---- */

static void free_event(struct wait *w)
{
    tn_event_free(w->object);
}

void open_plain_event(struct wait *w)
{
    tn_event *e;

    assert_result(tn_event_new(&e), 0);
    w->object = e;
    w->free = free_event;
}

void set_plain_event(struct wait *w)
{
    assert_result(tn_event_set(w->object), 0);
}

long call_event_wait(struct wait *w, tn_time deadline)
{
    return tn_event_wait(w->object, deadline);
}

/* It is ready by its second, which is also its third. */
long call_wait_any(struct wait *w, tn_time deadline)
{
    tn_waitable *e = tn_event_waitable(w->object);
    tn_waitable *ws[] = {tn_greenlet_waitable(tn_self()), e, e};
    size_t index;
    int r = tn_wait_any(ws, 3, &index, deadline);

    if (r == 0)
        assert_int_equal(index, 1);
    return r;
}

long call_wait_all(struct wait *w, tn_time deadline)
{
    tn_waitable *e = tn_event_waitable(w->object);
    tn_waitable *ws[] = {e, tn_greenlet_waitable(tn_self()), e};

    return tn_wait_all(ws, 3, 2, NULL, deadline);
}

/* ---- an iterator ---- */

struct watched {
    tn_event *e;
    tn_waits *waits;
};

static void free_watched(struct wait *w)
{
    struct watched *watched = w->object;

    tn_waits_end(watched->waits);
    tn_event_free(watched->e);
    free(watched);
}

void open_waits(struct wait *w)
{
    struct watched *watched = malloc(sizeof *watched);
    tn_waitable *ws[1];

    assert_non_null(watched);
    assert_result(tn_event_new(&watched->e), 0);
    ws[0] = tn_event_waitable(watched->e);
    assert_result(tn_waits_begin(ws, 1, &watched->waits), 0);
    w->object = watched;
    w->free = free_watched;
}

void set_watched_event(struct wait *w)
{
    struct watched *watched = w->object;

    assert_result(tn_event_set(watched->e), 0);
}

long call_waits_next(struct wait *w, tn_time deadline)
{
    struct watched *watched = w->object;

    return tn_waits_next(watched->waits, NULL, deadline);
}

/* ---- a result ---- */

static void free_result(struct wait *w)
{
    tn_result_free(w->object);
}

void open_result(struct wait *w)
{
    tn_result *r;

    assert_result(tn_result_new(&r), 0);
    w->object = r;
    w->free = free_result;
}

void set_result(struct wait *w)
{
    assert_result(tn_result_set(w->object, w), 0);
}

long call_result_get(struct wait *w, tn_time deadline)
{
    void *value = NULL;
    int r = tn_result_get(w->object, &value, deadline);

    assert_ptr_equal(value, r == 0 ? w : NULL);
    return r;
}

/* ---- locks ---- */

static void free_semaphore(struct wait *w)
{
    tn_semaphore_free(w->object);
}

void open_semaphore(struct wait *w)
{
    tn_semaphore *s;

    assert_result(tn_semaphore_new(0, 1, &s), 0);
    w->object = s;
    w->free = free_semaphore;
}

void release_semaphore(struct wait *w)
{
    assert_result(tn_semaphore_release(w->object), 0);
}

long call_acquire(struct wait *w, tn_time deadline)
{
    return tn_semaphore_acquire(w->object, deadline);
}

static void free_mutex(struct wait *w)
{
    tn_mutex_free(w->object);
}

void open_mutex(struct wait *w)
{
    tn_mutex *m;

    assert_result(tn_mutex_new(0, &m), 0);
    assert_result(tn_mutex_lock(m, TN_NOWAIT), 0);
    w->object = m;
    w->free = free_mutex;
}

/* From wherever: what its owner would do. */
void pass_mutex_on(struct wait *w)
{
    tn__mutex_pass_on(w->object);
}

long call_mutex_lock(struct wait *w, tn_time deadline)
{
    int r = tn_mutex_lock(w->object, deadline);

    if (r == 0)
        assert_result(tn_mutex_unlock(w->object), 0);
    return r;
}

static void free_rwlock(struct wait *w)
{
    tn_rwlock_free(w->object);
}

void open_rwlock(struct wait *w)
{
    tn_rwlock *l;

    assert_result(tn_rwlock_new(&l), 0);
    assert_result(tn_rwlock_rdlock(l, TN_NOWAIT), 0);
    w->object = l;
    w->free = free_rwlock;
}

void unlock_rwlock(struct wait *w)
{
    assert_result(tn_rwlock_unlock(w->object), 0);
}

long call_wrlock(struct wait *w, tn_time deadline)
{
    int r = tn_rwlock_wrlock(w->object, deadline);

    if (r == 0)
        assert_result(tn_rwlock_unlock(w->object), 0);
    return r;
}
