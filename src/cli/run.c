/* SPDX-License-Identifier: MIT */
/* cli/run.c - `tendril run`: check the program, set the environment, exec.
 *
 * It execs in place, so that process number, parent, terminal and exit status
 * are the program's own. What cannot be run is said before anything starts. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

struct options {
    bool has_stats;
    long stats_s; /* 0: at the end only */
};

/* The value of --stats=SECONDS; -1: not a number of seconds. */
static long seconds(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);

    return *text && !*end && n > 0 && n <= 1000000 ? n : -1;
}

/* Options up to the program's name; its index, or -1 with a message. */
static int read_options(int argc, char **argv, struct options *o)
{
    int i = 1;

    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (strcmp(argv[i], "--stats") == 0) {
            o->has_stats = true;
            o->stats_s = 0;
        } else if (strncmp(argv[i], "--stats=", 8) == 0) {
            o->has_stats = true;
            o->stats_s = seconds(argv[i] + 8);
            if (o->stats_s < 0) {
                tn__cli_fail(0, "--stats wants a whole number of seconds, "
                                "not `%s`", argv[i] + 8);
                return -1;
            }
        } else {
            tn__cli_fail(0, "run has no option `%s`", argv[i]);
            return -1;
        }
    }
    if (i == argc) {
        tn__cli_fail(0, "run what? "
                        "tendril run [--stats[=SECONDS]] [--] PROGRAM ...");
        return -1;
    }
    return i;
}

static int check_machine(char engine[PATH_MAX])
{
#ifndef __x86_64__
    return tn__cli_fail(EXIT_REFUSED,
                        "`tendril run` needs an x86-64 CPU: the thread "
                        "pointer is set in a way that only it has");
#endif
    if (!tn__cli_has_dispatch())
        return tn__cli_fail(EXIT_REFUSED,
                            "this kernel has no Syscall User Dispatch (Linux "
                            "5.11), or a sandbox forbids it");
    if (!tn__cli_has_fsgsbase())
        return tn__cli_fail(EXIT_REFUSED,
                            "this machine does not let programs set the FS "
                            "base (FSGSBASE, Linux 5.9)");
    if (!tn__cli_engine(engine))
        return tn__cli_fail(EXIT_USAGE,
                            "libtendril-run.so is missing: not beside this "
                            "command, nor where it is installed");
    if (strpbrk(engine, " :"))
        return tn__cli_fail(EXIT_USAGE,
                            "%s: LD_PRELOAD can name no path with a space or "
                            "a colon", engine);
    return 0;
}

/* Is `path` an entry of this LD_PRELOAD? */
static bool has_entry(const char *preload, const char *path)
{
    size_t bytes = strlen(path);

    for (preload += strspn(preload, " :"); *preload;
         preload += strspn(preload, " :")) {
        size_t n = strcspn(preload, " :");

        if (n == bytes && memcmp(preload, path, n) == 0)
            return true;
        preload += n;
    }
    return false;
}

static int set_preload(const char *engine)
{
    const char *before = getenv("LD_PRELOAD");
    char *value = NULL;
    int r;

    if (!before || !*before)
        return setenv("LD_PRELOAD", engine, 1);
    if (has_entry(before, engine))
        return 0; /* from a `tendril run` around us */
    if (asprintf(&value, "%s:%s", engine, before) < 0)
        return -1;
    r = setenv("LD_PRELOAD", value, 1);
    free(value);
    return r;
}

static int set_environment(const struct options *o, const char *engine)
{
    char stats[64];

    if (set_preload(engine) < 0 || setenv("TENDRIL_RUN", "1", 1) < 0)
        return -1;
    if (!o->has_stats)
        return unsetenv("TENDRIL_RUN_STATS");
    snprintf(stats, sizeof stats, "%d:%ld", (int)getpid(), o->stats_s);
    return setenv("TENDRIL_RUN_STATS", stats, 1);
}

/* As execvp() does: what the kernel does not know is a shell's. */
static void start(const char *path, int argc, char **argv)
{
    const char **args;

    execv(path, argv);
    if (errno != ENOEXEC)
        return;
    args = calloc((size_t)argc + 2, sizeof *args);
    if (!args)
        return;
    args[0] = TN_CLI_SHELL;
    args[1] = path;
    memcpy(args + 2, argv + 1, (size_t)argc * sizeof *args); /* and NULL */
    execv(args[0], (char **)args);
    free(args);
}

int tn__cli_run(int argc, char **argv)
{
    char path[PATH_MAX], engine[PATH_MAX];
    struct options options = {false, 0};
    int first = read_options(argc, argv, &options);
    int r;

    if (first < 0)
        return EXIT_USAGE;
    r = tn__cli_find(argv[first], path);
    if (r == 0)
        r = tn__cli_check(path);
    if (r == 0)
        r = check_machine(engine);
    if (r != 0)
        return r;
    if (set_environment(&options, engine) < 0)
        return tn__cli_fail(EXIT_USAGE, "%s", strerror(errno));
    start(path, argc - first, argv + first);
    return tn__cli_fail(EXIT_REFUSED, "%s: %s", path, strerror(errno));
}
