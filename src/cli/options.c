/* SPDX-License-Identifier: MIT */
/* cli/options.c - the options of `tendril run`.
 *
 * An option with a value becomes the variable by which the engine reads it
 * (run/settings.c), in the engine's terms. One that is not given leaves what
 * the environment says, which the engine checks. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { VALUE_MAX = 64, HUBS_MAX = 64, STATS_MAX_S = 1000000 };

#define QUANTUM_MIN_NS INT64_C(50000)
#define QUANTUM_MAX_NS INT64_C(10000000000)

/* An option with a value. */
struct option {
    const char *name;
    const char *env;
    /* Write the engine's form; false: not allowed. */
    bool (*read)(const char *text, char ret[VALUE_MAX]);
    const char *wants;
    const char *unset; /* what counts when it is not set */
    const char *unit;
};

/* A whole number, and what follows it. -1: none, or too large. */
static int64_t number(const char *text, const char **ret_rest)
{
    char *end;
    int64_t n;

    if (*text < '0' || *text > '9')
        return -1;
    errno = 0;
    n = strtoll(text, &end, 10);
    *ret_rest = end;
    return errno ? -1 : n;
}

static bool read_quantum(const char *text, char ret[VALUE_MAX])
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
    const char *unit = "";
    int64_t n = number(text, &unit);

    if (n == 0 && !*unit)
        return snprintf(ret, VALUE_MAX, "0") > 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(unit, units[i].name) != 0)
            continue;
        if (n < 0 || n > QUANTUM_MAX_NS / units[i].ns)
            return false;
        n *= units[i].ns;
        snprintf(ret, VALUE_MAX, "%lld", (long long)n);
        return n == 0 || n >= QUANTUM_MIN_NS;
    }
    return false;
}

static bool read_hubs(const char *text, char ret[VALUE_MAX])
{
    const char *rest = "";
    int64_t n = number(text, &rest);

    snprintf(ret, VALUE_MAX, "%lld", (long long)n);
    return n >= 1 && n <= HUBS_MAX && !*rest;
}

static bool read_ways(const char *text, char ret[VALUE_MAX])
{
    static const char *const ways[] = {"trap", "patch", "symbols"};
    bool is_there[3] = {false, false, false};

    for (;;) {
        size_t n = strcspn(text, ","), i = 0;

        while (i < 3 &&
               (strlen(ways[i]) != n || strncmp(text, ways[i], n) != 0))
            i++;
        if (i == 3)
            return false;
        is_there[i] = true;
        if (!text[n])
            break;
        text += n + 1;
    }
    snprintf(ret, VALUE_MAX, "trap%s%s", is_there[1] ? ",patch" : "",
             is_there[2] ? ",symbols" : "");
    return is_there[0];
}

static bool read_children(const char *text, char ret[VALUE_MAX])
{
    snprintf(ret, VALUE_MAX, "%s", text);
    return strcmp(text, "follow") == 0 || strcmp(text, "native") == 0;
}

static const struct option options[] = {
    {"--quantum", "TENDRIL_RUN_QUANTUM", read_quantum,
     "0 or a time with its unit from 50us to 10s, such as 5ms", "5000000",
     " ns"},
    {"--hubs", "TENDRIL_RUN_HUBS", read_hubs, "a number from 1 to 64", "1", ""},
    {"--ways", "TENDRIL_RUN_WAYS", read_ways,
     "trap, alone or with patch and symbols, as in trap,patch,symbols",
     "trap,patch,symbols", ""},
    {"--children", "TENDRIL_RUN_CHILDREN", read_children, "follow or native",
     "follow", ""},
};

/* --stats or --stats=SECONDS. */
static int read_stats(const char *text, struct tn__cli_run_options *o)
{
    const char *rest = "";
    int64_t n;

    o->has_stats = true;
    o->stats_s = 0;
    if (!*text)
        return 0;
    n = number(text + 1, &rest);
    if (n < 1 || n > STATS_MAX_S || *rest)
        return tn__cli_fail(EXIT_USAGE,
                            "--stats wants a whole number of "
                            "seconds, not `%s`",
                            text + 1);
    o->stats_s = (long)n;
    return 0;
}

/* 0; -ENOENT: no option with a value is called so. Moves on over a value that
 * is a word of its own. */
static int read_valued(char **argv, int *at)
{
    const char *word = argv[*at];
    char form[VALUE_MAX];

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        const struct option *o = &options[i];
        size_t n = strlen(o->name);
        const char *value;

        if (strncmp(word, o->name, n) != 0 || (word[n] && word[n] != '='))
            continue;
        value = word[n] ? word + n + 1 : argv[++*at];
        if (!value)
            return tn__cli_fail(EXIT_USAGE, "%s wants %s", o->name, o->wants);
        if (strlen(value) >= VALUE_MAX || !o->read(value, form))
            return tn__cli_fail(EXIT_USAGE, "%s wants %s, not `%s`", o->name,
                                o->wants, value);
        if (setenv(o->env, form, 1) < 0)
            return tn__cli_fail(EXIT_USAGE, "%s", strerror(errno));
        return 0;
    }
    return -ENOENT;
}

static int read_one(char **argv, int *at, struct tn__cli_run_options *o)
{
    const char *word = argv[*at];
    int r;

    if (strcmp(word, "--stats") == 0 || strncmp(word, "--stats=", 8) == 0)
        return read_stats(word + strlen("--stats"), o);
    if (strcmp(word, "--fallback") == 0) {
        o->has_fallback = true;
        return 0;
    }
    if (strcmp(word, "--no-ps") == 0) {
        if (setenv("TENDRIL_RUN_PS", "0", 1) < 0)
            return tn__cli_fail(EXIT_USAGE, "%s", strerror(errno));
        return 0;
    }
    if (strcmp(word, "--explain") == 0) {
        o->is_explain = true;
        tn__cli_explain();
        return 0;
    }
    r = read_valued(argv, at);
    if (r == -ENOENT)
        return tn__cli_fail(EXIT_USAGE, "run has no option `%s`", word);
    return r;
}

int tn__cli_run_options(int argc, char **argv, struct tn__cli_run_options *o)
{
    const char *fallback = getenv("TENDRIL_RUN_FALLBACK");
    int i = 1;

    *o = (struct tn__cli_run_options){0};
    o->has_fallback = fallback && strcmp(fallback, "1") == 0;
    for (; i < argc && argv[i][0] == '-'; i++) {
        int r;

        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        r = read_one(argv, &i, o);
        if (r != 0)
            return r;
    }
    o->first = i;
    if (i >= argc)
        return tn__cli_fail(EXIT_USAGE,
                            "run what? "
                            "tendril run [OPTIONS] [--] PROGRAM ...");
    return 0;
}

void tn__cli_explain_settings(const struct tn__cli_run_options *o)
{
    tn__cli_head("settings");
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        const char *value = getenv(options[i].env);

        tn__cli_note(options[i].name + 2, "%s%s%s",
                     value ? value : options[i].unset, options[i].unit,
                     value ? "" : " (default)");
    }
    tn__cli_note("fallback", o->has_fallback ? "to real threads" : "no");
}
