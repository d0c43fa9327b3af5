/* SPDX-License-Identifier: MIT */
/* scope.c - greenlets that do not outlive a block, and a pool of them. */
#include <errno.h>
#include <stdio.h>
#include <tendril/tendril.h>

static int ask_slow_server(void *arg)
{
    int r = tn_sleep(tn_after_s(60));

    printf("%s: %s\n", (char *)arg, r == -ECANCELED ? "canceled" : "done");
    return r;
}

static int ask_broken_server(void *arg)
{
    int r = tn_sleep(tn_after_ms(10));

    printf("%s: failed\n", (char *)arg);
    return r < 0 ? r : -ECONNRESET;
}

/* Both answers or an error: the first failure ends what is left. */
static int ask_both(char *one, char *other)
{
    tn_scope scope;
    int r;

    tn_scope_begin(&scope);
    r = tn_scope_spawn(&scope, ask_slow_server, one, NULL);
    if (r == 0)
        r = tn_scope_spawn(&scope, ask_broken_server, other, NULL);
    if (r < 0)
        tn_scope_cancel(&scope, r);
    return tn_scope_end(&scope, tn_after_s(30));
}

static int square(void *arg)
{
    int n = *(int *)arg;

    if (tn_sleep(tn_after_ms(10 - n)) < 0)
        return -ECANCELED;
    return n * n;
}

/* Five calls, two at a time. */
static int square_all(void)
{
    int numbers[] = {1, 2, 3, 4, 5}, r;
    tn_item items[5];
    tn_pool *pool;

    r = tn_pool_new(2, &pool);
    if (r < 0)
        return r;
    for (int i = 0; i < 5; i++)
        items[i].arg = &numbers[i];
    r = tn_group_map(pool, square, items, 5, TN_FOREVER);
    for (int i = 0; r == 0 && i < 5; i++)
        printf("%d squared is %d\n", numbers[i], items[i].result);
    tn_group_free(pool);
    return r;
}

int main(void)
{
    char one[] = "one", other[] = "other";

    printf("reset: %d\n", ask_both(one, other) == -ECONNRESET);
    return square_all() < 0;
}
