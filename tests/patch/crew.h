/* SPDX-License-Identifier: MIT */
/* crew.h - many greenlets of one thread that do the same by a blocking client
 * library, and how many of them were at it at once. */
#ifndef TN_TESTS_PATCH_CREW_H
#define TN_TESTS_PATCH_CREW_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tendril/tendril.h>
#include <unistd.h>

/* What one does: opens what it needs, calls crew_go() and does what is to be
 * measured; 1 if all was well. */
typedef int (*crew_fn)(int number);

static struct {
    crew_fn fn;
    int n, n_good;
    int n_ready;       /* have come to crew_go() */
    int n_now, n_most; /* are at it, and were at once */
    tn_time begin;
} crew;

static inline int crew_main(void *arg)
{
    crew.n_good += crew.fn((int)(intptr_t)arg) == 1;
    crew.n_now--;
    return 0;
}

static inline int number_of(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

/* Wait until all have come so far. */
static inline void crew_go(void)
{
    crew.n_ready++;
    while (crew.n_ready < crew.n)
        if (tn_sleep(tn_after_ms(1)) < 0)
            exit(1);
    if (!crew.begin)
        crew.begin = tn_now();
    if (++crew.n_now > crew.n_most)
        crew.n_most = crew.n_now;
}

/* Have `n` of them do it, and print what came of it. */
static inline void crew_run(const char *what, int n, crew_fn fn)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    tn_greenlet **all = calloc((size_t)n, sizeof(tn_greenlet *));

    if (!tn_patch_version()) /* so that the library is linked */
        exit(1);
    memset(&crew, 0, sizeof crew);
    crew.fn = fn;
    crew.n = n;
    options.stack_bytes = 512 * 1024;
    for (int i = 0; i < n; i++)
        if (!all || tn_spawn_with(&options, crew_main, (void *)(intptr_t)i,
                                  &all[i]) < 0)
            exit(1);
    for (int i = 0; i < n; i++)
        if (tn_join(all[i], NULL, tn_after_s(50)) < 0) {
            printf("%s: one does not end\n", what);
            exit(1);
        }
    free(all);
    printf("%s: %d of %d good, %d at once, %.3f s\n", what, crew.n_good, n,
           crew.n_most, (double)(tn_now() - crew.begin) / 1e9);
    fflush(stdout);
}

#endif /* TN_TESTS_PATCH_CREW_H */
