/* SPDX-License-Identifier: MIT */
/* crew.c - greenlets that wait for each other: an event starts them, a
 * semaphore lets two of them in, a mutex and a condition pass a parcel on, a
 * barrier keeps three together, and a result comes back. */
#include <stdio.h>
#include <tendril/tendril.h>

static tn_event *start;
static tn_semaphore *seats;
static tn_mutex *mutex;
static tn_cond *arrived;
static tn_barrier *gate;
static tn_result *answer;
static int parcels;

/* Waits for the start, then for one of the seats. */
static int visit(void *arg)
{
    int r = tn_event_wait(start, TN_FOREVER);

    (void)arg;
    if (r == 0)
        r = tn_semaphore_acquire(seats, tn_after_ms(500));
    if (r == 0) {
        r = tn_sleep(tn_after_ms(1));
        tn_semaphore_release(seats);
    }
    return r;
}

/* Takes a parcel when there is one. */
static int take_parcel(void *arg)
{
    int r = tn_mutex_lock(mutex, TN_FOREVER);

    (void)arg;
    if (r < 0)
        return r;
    while (r == 0 && parcels == 0)
        r = tn_cond_wait(arrived, TN_FOREVER);
    if (r == 0)
        parcels--;
    tn_mutex_unlock(mutex);
    return r;
}

static int bring_parcel(void *arg)
{
    int r = tn_mutex_lock(mutex, TN_FOREVER);

    (void)arg;
    if (r < 0)
        return r;
    parcels++;
    tn_cond_signal(arrived);
    return tn_mutex_unlock(mutex);
}

/* Goes on when all three are here, and the last one gives the answer. */
static int meet(void *arg)
{
    int place = tn_barrier_wait(gate, TN_FOREVER);

    if (place == 2)
        tn_result_set(answer, arg);
    return place < 0 ? place : 0;
}

static int set_up(void)
{
    return tn_event_new(&start) == 0 && tn_semaphore_new(2, 2, &seats) == 0 &&
           tn_mutex_new(0, &mutex) == 0 && tn_cond_new(mutex, &arrived) == 0 &&
           tn_barrier_new(3, &gate) == 0 && tn_result_new(&answer) == 0;
}

static void clear_up(void)
{
    tn_result_free(answer);
    tn_barrier_free(gate);
    tn_cond_free(arrived);
    tn_mutex_free(mutex);
    tn_semaphore_free(seats);
    tn_event_free(start);
}

int main(void)
{
    const tn_greenlet_fn fns[8] = {visit, visit, visit,       meet,
                                   meet,  meet,  take_parcel, bring_parcel};
    static int forty_two = 42;
    tn_group *crew;
    void *value;

    if (!set_up() || tn_group_new(&crew) < 0)
        return 1;
    for (int i = 0; i < 8; i++)
        if (tn_group_spawn(crew, fns[i], &forty_two, NULL, TN_FOREVER) < 0)
            return 1;
    tn_event_set(start);
    if (tn_group_join(crew, TN_JOIN_RAISE, TN_FOREVER) < 0 ||
        tn_result_get(answer, &value, TN_NOWAIT) < 0)
        return 1;
    printf("answer: %d, parcels: %d\n", *(int *)value, parcels);
    tn_group_free(crew);
    clear_up();
    return 0;
}
