/* SPDX-License-Identifier: MIT */
/* ticker.c - a repeating timer of the loop, and no greenlet: the
 * callback is called three times and stops its timer. */
#include <stdio.h>
#include <tendril/tendril.h>

static void tick(tn_watch *timer, int events, void *arg)
{
    int *n = arg;

    (void)events;
    printf("tick %d\n", ++*n);
    if (*n == 3)
        tn_watch_stop(timer);
}

int main(void)
{
    tn_watch *timer;
    int n = 0;

    if (tn_watch_timer_new(10000000, 10000000, tick, &n, &timer) < 0)
        return 1;
    /* An active timer keeps tn_hub_join() waiting. */
    if (tn_watch_start(timer) < 0 || tn_hub_join(TN_FOREVER) < 0)
        return 1;
    printf("stopped: %d\n", !tn_watch_is_active(timer));
    tn_watch_free(timer);
    return 0;
}
