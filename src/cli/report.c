/* SPDX-License-Identifier: MIT */
/* cli/report.c - what the checks of `tendril run` say: of a run only why it is
 * refused, with --explain each thing that was looked at. */
#include <stdarg.h>
#include <stdio.h>

#include "cli/cli.h"

static bool is_explaining;

void tn__cli_explain(void)
{
    is_explaining = true;
}

bool tn__cli_is_explaining(void)
{
    return is_explaining;
}

static void line(const char *name, const char *format, va_list list)
{
    printf("  %-18s ", name);
    vprintf(format, list);
    putchar('\n');
}

void tn__cli_head(const char *text)
{
    if (is_explaining)
        puts(text);
}

void tn__cli_note(const char *name, const char *format, ...)
{
    va_list list;

    if (!is_explaining)
        return;
    va_start(list, format);
    line(name, format, list);
    va_end(list);
}

int tn__cli_refuse(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    if (is_explaining) {
        line("REFUSED", format, list);
    } else {
        fputs("tendril: ", stderr);
        vfprintf(stderr, format, list);
        fputc('\n', stderr);
    }
    va_end(list);
    return EXIT_REFUSED;
}
