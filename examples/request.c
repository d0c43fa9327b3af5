/* SPDX-License-Identifier: MIT */
/* request.c - who a greenlet works for: a value of its own, one shared by all
 * that it spawned, and a context that they inherit. */
#include <stdio.h>
#include <stdlib.h>
#include <tendril/tendril.h>

static tn_local scratch, trace;

static void free_scratch(void *value)
{
    printf("free %s\n", (char *)value);
    free(value);
}

/* Deep inside, where nobody passed a request down. */
static int look_up(void *arg)
{
    const char *what = arg;
    char *note = malloc(32);

    if (!note || tn_local_set(scratch, note) < 0)
        return -1;
    snprintf(note, 32, "scratch of %s", what);
    tn_yield();
    printf("%s for %s, traced by %s\n", what, (char *)tn_context(),
           (char *)tn_tree_get(trace));
    return 0;
}

static int serve(void *arg)
{
    tn_greenlet *g[2];
    char id[32], user[] = "user", page[] = "page";

    snprintf(id, sizeof id, "trace %s", (char *)arg);
    if (tn_tree_set(trace, id) < 0 || tn_set_context(arg) < 0)
        return -1;
    if (tn_spawn(look_up, user, &g[0]) < 0 ||
        tn_spawn(look_up, page, &g[1]) < 0)
        return -1;
    if (tn_join(g[0], NULL, TN_FOREVER) < 0)
        return -1;
    return tn_join(g[1], NULL, TN_FOREVER);
}

int main(void)
{
    char request[] = "request-1";
    tn_greenlet *g;

    if (tn_local_new(free_scratch, &scratch) < 0 ||
        tn_local_new(NULL, &trace) < 0)
        return 1;
    if (tn_spawn(serve, request, &g) < 0)
        return 1;
    return tn_join(g, NULL, TN_FOREVER) < 0;
}
