/* SPDX-License-Identifier: MIT */
/* awaits.c - waiting for several things: for the first, or for each as it
 * comes. */
#include <stdio.h>
#include <tendril/tendril.h>

static int nap(void *arg)
{
    return tn_sleep(tn_after_ms(*(int *)arg));
}

/* The first of two to be ready, at most so long. */
static int first_of(tn_waitable *a, tn_waitable *b)
{
    tn_waitable *both[2] = {a, b};
    size_t index;
    int r = tn_wait_any(both, 2, &index, tn_after_ms(500));

    return r < 0 ? r : (int)index;
}

/* Look at each as it ends, and give the references back. Returns how many ended
 * well. */
static int await_all(tn_greenlet **g, size_t n)
{
    tn_waitable *ends[8];
    tn_waits *waits;
    size_t i;
    int r, n_ended = 0;

    for (i = 0; i < n; i++)
        ends[i] = tn_greenlet_waitable(g[i]);
    r = tn_waits_begin(ends, n, &waits);
    if (r < 0)
        return r;
    while ((r = tn_waits_next(waits, &i, TN_FOREVER)) > 0)
        n_ended += tn_greenlet_result(g[i]) == 0;
    tn_waits_end(waits);
    for (i = 0; i < n; i++)
        tn_unref(g[i]);
    return r < 0 ? r : n_ended;
}

int main(void)
{
    static int ms[3] = {30, 10, 20};
    tn_greenlet *g[3];
    tn_event *never;
    int i;

    if (tn_event_new(&never) < 0)
        return 1;
    for (i = 0; i < 3; i++)
        if (tn_spawn(nap, &ms[i], &g[i]) < 0)
            return 1;
    printf("first: %d\n",
           first_of(tn_event_waitable(never), tn_greenlet_waitable(g[1])));
    printf("ended well: %d\n", await_all(g, 3));
    tn_event_free(never);
    return 0;
}
