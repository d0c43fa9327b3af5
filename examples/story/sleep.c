/* SPDX-License-Identifier: MIT */
/* 8: sleep.c - how a hub makes sleep(). This hub of 20 lines is a greenlet that
 * knows who wants to be woken when, naps until the first of them is due, and
 * switches to it. my_sleep() notes the time and switches to the hub. tendril's
 * own is this, with a heap for the list and epoll for the nap. */
#include <stdio.h>
#include <tendril/tendril.h>
#include <time.h>

enum { SLEEPERS = 3 };

static struct sleeper {
    tn_greenlet *g; /* NULL: a free entry */
    tn_time until;
} sleepers[SLEEPERS];
static tn_greenlet *hub;

static struct sleeper *first_of_all(void)
{
    struct sleeper *first = NULL;

    for (int i = 0; i < SLEEPERS; i++)
        if (sleepers[i].g && (!first || sleepers[i].until < first->until))
            first = &sleepers[i];
    return first;
}

static int run_hub(void *arg)
{
    struct sleeper *s;

    while ((s = first_of_all())) {
        tn_greenlet *g = s->g;
        struct timespec at = {s->until / 1000000000, s->until % 1000000000};

        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
        s->g = NULL;
        if (tn_switch(g, NULL, NULL) < 0)
            return 1;
    }
    (void)arg;
    return 0;
}

static void my_sleep(int ms)
{
    struct sleeper *s = sleepers;

    while (s->g)
        s++;
    *s = (struct sleeper){tn_self(), tn_after_ms(ms)};
    if (tn_switch(hub, NULL, NULL) < 0)
        printf("the hub is gone\n");
}

static int nap(void *arg)
{
    const char *name = arg;

    for (int i = 0; i < 2; i++) {
        my_sleep(name[0] == 'A' ? 20 : name[0] == 'B' ? 50 : 110);
        printf("%s\n", name);
    }
    return 0;
}

int main(void)
{
    static const char *const names[SLEEPERS] = {"A", "B", "C"};

    if (tn_greenlet_new(NULL, run_hub, NULL, &hub) < 0 ||
        tn_greenlet_set_parent(hub, tn_self()) < 0)
        return 1;
    for (int i = 0; i < SLEEPERS; i++)
        if (tn_greenlet_new(NULL, nap, (void *)names[i], &sleepers[i].g) < 0)
            return 1;
    return tn_switch(hub, NULL, NULL) < 0; /* all are due: they begin */
}
