/* SPDX-License-Identifier: MIT */
/* first.c - two greenlets that take turns. */
#include <stdio.h>
#include <tendril/tendril.h>

static int count(void *arg)
{
    const char *name = arg;

    for (int i = 1; i <= 2; i++) {
        int r;

        printf("%s %d\n", name, i);
        r = tn_yield(); /* let the others run */
        if (r < 0)
            return r;
    }
    return 2;
}

int main(void)
{
    static char a_name[] = "a", b_name[] = "b";
    tn_greenlet *a, *b;
    int from_a, from_b;

    if (tn_spawn(count, a_name, &a) < 0 || tn_spawn(count, b_name, &b) < 0)
        return 1;
    printf("main waits\n");
    if (tn_join(a, &from_a, TN_FOREVER) < 0 ||
        tn_join(b, &from_b, TN_FOREVER) < 0)
        return 1;
    printf("%d lines\n", from_a + from_b);
    return 0;
}
