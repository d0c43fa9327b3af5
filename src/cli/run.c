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

static int set_environment(const struct tn__cli_run_options *o,
                           const char *engine)
{
    char text[64];

    if (set_preload(engine) < 0 || setenv("TENDRIL_RUN", "1", 1) < 0)
        return -1;
    snprintf(text, sizeof text, "%d", (int)getpid());
    if (setenv("TENDRIL_RUN_PID", text, 1) < 0)
        return -1;
    if (o->has_fallback && setenv("TENDRIL_RUN_FALLBACK", "1", 1) < 0)
        return -1;
    if (!o->has_stats)
        return unsetenv("TENDRIL_RUN_STATS");
    snprintf(text, sizeof text, "%d:%ld", (int)getpid(), o->stats_s);
    return setenv("TENDRIL_RUN_STATS", text, 1);
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

/* What was refused with `code` starts with real threads after all, if that is
 * wanted. */
static int fall_back(const struct tn__cli_run_options *o, int code,
                     const char *path, int argc, char **argv)
{
    if (code != EXIT_REFUSED || !o->has_fallback)
        return code;
    fputs("tendril: it runs with real threads (--fallback)\n", stderr);
    if (setenv("TENDRIL_RUN", "0", 1) < 0)
        return tn__cli_fail(EXIT_USAGE, "%s", strerror(errno));
    start(path, argc - o->first, argv + o->first);
    return tn__cli_fail(EXIT_REFUSED, "%s: %s", path, strerror(errno));
}

/* Everything that is checked. While explaining each part is, whatever the one
 * before has found. */
static int check(const char *path, char **args, char engine[PATH_MAX])
{
    int r, more;

    tn__cli_head("program");
    r = tn__cli_check(path, args);
    if (r != 0 && !tn__cli_is_explaining())
        return r;
    tn__cli_head("machine");
    more = tn__cli_check_machine();
    if (more != 0 && !tn__cli_is_explaining())
        return more;
    r = r ? r : more;
    more = tn__cli_check_engine(engine);
    return r ? r : more;
}

/* The end of --explain. */
static int conclude(const struct tn__cli_run_options *o, int r)
{
    tn__cli_explain_settings(o);
    if (r == 0)
        puts("It would run with green threads.");
    else if (r == EXIT_REFUSED && o->has_fallback)
        puts("It would run with real threads (--fallback).");
    else
        puts("It would not start.");
    return r == EXIT_REFUSED && o->has_fallback ? 0 : r;
}

int tn__cli_run(int argc, char **argv)
{
    char path[PATH_MAX], engine[PATH_MAX];
    struct tn__cli_run_options options;
    int r = tn__cli_run_options(argc, argv, &options);

    if (r == 0)
        r = tn__cli_find(argv[options.first], path);
    if (r != 0)
        return r;
    r = check(path, argv + options.first + 1, engine);
    if (options.is_explain)
        return conclude(&options, r);
    if (r != 0)
        return fall_back(&options, r, path, argc, argv);
    if (set_environment(&options, engine) < 0)
        return tn__cli_fail(EXIT_USAGE, "%s", strerror(errno));
    start(path, argc - options.first, argv + options.first);
    return tn__cli_fail(EXIT_REFUSED, "%s: %s", path, strerror(errno));
}
