/* SPDX-License-Identifier: MIT */
/* tests/run/programs/told.h - what signal handlers tell, printed later. */
#ifndef TN_TESTS_RUN_TOLD_H
#define TN_TESTS_RUN_TOLD_H

#include "support.h"

static char told[4096];
static size_t n_told;
static inline void tell(const char *text)
{
    for (; *text && n_told < sizeof told - 1; text++)
        told[n_told++] = *text;
    told[n_told] = '\0';
}

static inline void tell_number(long n)
{
    char digits[24];
    int at = sizeof digits - 1;

    digits[at] = '\0';
    if (n < 0)
        tell("-");
    for (n = n < 0 ? -n : n; at > 0; n /= 10) {
        digits[--at] = (char)('0' + n % 10);
        if (n < 10)
            break;
    }
    tell(digits + at);
}

static inline void show(const char *what)
{
    printf("%s:%s\n", what, told);
    n_told = 0;
    told[0] = '\0';
}

#endif /* TN_TESTS_RUN_TOLD_H */
