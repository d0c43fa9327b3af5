/* SPDX-License-Identifier: MIT */
/* offload.c - a long computation on another thread; a greenlet goes on. */
#include <stdio.h>
#include <tendril/tendril.h>

struct sum {
    long n;
    long total;
};

/* On a thread of the pool: it may block, and compute as long as it likes. */
static long add_up(void *arg)
{
    struct sum *sum = arg;
    long i;

    for (i = 1; i <= sum->n; i++)
        sum->total += i;
    return 0;
}

static int talk(void *arg)
{
    (void)arg;
    puts("meanwhile");
    return 0;
}

int main(void)
{
    struct sum sum = {10000000, 0};

    if (tn_spawn(talk, NULL, NULL) < 0)
        return 1;
    /* Only main waits here, and `sum` is safe: what has begun is awaited. */
    if (tn_offload(add_up, &sum, TN_FOREVER) < 0)
        return 1;
    printf("the sum is %ld\n", sum.total);
    return 0;
}
