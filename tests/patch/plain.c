/* SPDX-License-Identifier: MIT */
/* plain - a program on tendril that knows nothing of libtendril-patch: says
 * whether other greenlets run while one sleeps by libc. */
#include <stdio.h>
#include <tendril/tendril.h>
#include <time.h>

static int tick(void *arg)
{
    int *n = arg;

    while (*n >= 0 && tn_sleep(tn_after_ms(1)) == 0)
        if (*n >= 0)
            ++*n;
    return 0;
}

int main(void)
{
    tn_greenlet *g;
    int n = 0, n_before;

    if (tn_spawn(tick, &n, &g) < 0 || tn_sleep(tn_after_ms(3)) < 0)
        return 1;
    n_before = n;
    nanosleep(&(struct timespec){0, 30000000}, NULL);
    puts(n > n_before ? "others ran" : "others stood");
    n = -1;
    return tn_join(g, NULL, TN_FOREVER) < 0;
}
