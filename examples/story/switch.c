/* SPDX-License-Identifier: MIT */
/* 6: switch.c - what a greenlet is: a function that can be left in the middle
 * and entered there again. No loop and no scheduler: these two hand the thread
 * to each other by name, with a value. */
#include <stdio.h>
#include <tendril/tendril.h>

static tn_greenlet *ping, *pong;

static int play(void *arg)
{
    tn_greenlet *other;
    void *got = NULL;

    for (int i = 1; i <= 3; i++) {
        printf("%s %d%s%s\n", (const char *)arg, i, got ? " after " : "",
               got ? (const char *)got : "");
        other = tn_self() == ping ? pong : ping;
        if (tn_switch(other, arg, &got) < 0)
            return 1;
    }
    return 0;
}

int main(void)
{
    static char names[2][8] = {"ping", "pong"};

    if (tn_greenlet_new(NULL, play, names[0], &ping) < 0 ||
        tn_greenlet_new(NULL, play, names[1], &pong) < 0)
        return 1;
    /* Who ends goes to its parent. */
    if (tn_greenlet_set_parent(ping, tn_self()) < 0 ||
        tn_greenlet_set_parent(pong, tn_self()) < 0 ||
        tn_switch(ping, NULL, NULL) < 0)
        return 1;
    printf("back in main\n");
    tn_unref(ping);
    tn_unref(pong);
    return 0;
}
