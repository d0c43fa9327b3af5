/* SPDX-License-Identifier: MIT */
/* tests/run/programs/helpers.h - how many kernel threads make calls in place of
 * green ones. */
#ifndef TN_TESTS_RUN_HELPERS_H
#define TN_TESTS_RUN_HELPERS_H

#include <dirent.h>

#include "support.h"

/* Kernel threads with a name that only the engine's helpers have. */
static inline int n_helpers(void)
{
    DIR *dir = opendir("/proc/self/task");
    const struct dirent *e;
    int n = 0;

    CHECK(dir != NULL);
    while ((e = readdir(dir))) {
        char path[300], name[32] = "";
        FILE *f;

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", e->d_name);
        f = fopen(path, "r");
        if (f && fgets(name, sizeof name, f))
            n += strcmp(name, "tendril-helper\n") == 0;
        if (f)
            fclose(f);
    }
    closedir(dir);
    return n;
}

#endif /* TN_TESTS_RUN_HELPERS_H */
