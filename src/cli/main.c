/* SPDX-License-Identifier: MIT */
/* cli/main.c - the `tendril` command: chooses the subcommand. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const char usage[] =
    "usage: tendril run [OPTIONS] [--] PROGRAM [ARGS...]\n"
    "       tendril ps [PID]\n"
    "       tendril stacks PID [TID]\n"
    "       tendril info\n"
    "       tendril --help | --version\n"
    "\n"
    "  run     run a threaded program with green threads, as it is\n"
    "  ps      what the green threads of such a program wait on\n"
    "  stacks  where they are\n"
    "  info    say what this machine offers\n"
    "\n"
    "See tendril(1) and tendril-run(1).\n";

int tn__cli_fail(int code, const char *format, ...)
{
    va_list list;

    fputs("tendril: ", stderr);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    return code;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "run") == 0)
        return tn__cli_run(argc - 1, argv + 1);
    if (strcmp(what, "ps") == 0)
        return tn__cli_ps(argc - 1, argv + 1);
    if (strcmp(what, "stacks") == 0)
        return tn__cli_stacks(argc - 1, argv + 1);
    if (strcmp(what, "info") == 0)
        return tn__cli_info(argc - 1, argv + 1);
    if (strcmp(what, "--help") == 0 || strcmp(what, "help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (strcmp(what, "--version") == 0) {
        puts("tendril " TN_VERSION);
        return 0;
    }
    if (what[0])
        tn__cli_fail(0, "there is no `%s`", what);
    fputs(usage, stderr);
    return EXIT_USAGE;
}
