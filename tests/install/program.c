/* SPDX-License-Identifier: MIT */
/* program.c - a stranger's program: a greenlet that sleeps and is joined. */

#include <stdio.h>
#include <tendril/tendril.h>

static int answer(void *arg)
{
    (void)arg;
    if (tn_sleep(tn_after_ms(1)) != 0)
        return -1;
    return 42;
}

int main(void)
{
    tn_greenlet *g;
    int result;

    if (tn_spawn(answer, NULL, &g) != 0)
        return 1;
    if (tn_join(g, &result, TN_FOREVER) != 0)
        return 2;
    printf("tendril %s: %d\n", tn_version(), result);
    return 0;
}
