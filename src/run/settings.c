/* SPDX-License-Identifier: MIT */
/* run/settings.c - what `tendril run` tells the engine, by the environment, so
 * that programs started by exec have it too.
 *
 * One table. A variable that is not set counts as one with the default's text.
 * A bad value is refused: the process ends, before anything of it has run, with
 * one line that names the variable, its value and what is allowed. */
#include "run/run.h"

enum { STATUS_USAGE = 125 }; /* as the command has it */

#define SECOND INT64_C(1000000000)

struct setting {
    const char *name;
    const char *unset; /* the text that counts when it is not set */
    bool (*read)(const char *text);
    const char *allowed;
};

/* Read a number and move on; -1: there is none, or it is too large. */
static int64_t number(const char **text)
{
    int64_t n = 0;

    if (**text < '0' || **text > '9')
        return -1;
    while (**text >= '0' && **text <= '9') {
        if (n > INT64_MAX / 100)
            return -1;
        n = n * 10 + *(*text)++ - '0';
    }
    return n;
}

static bool whole(const char *text, int64_t least, int64_t most, int64_t *ret)
{
    int64_t n = number(&text);

    if (*text || n < least || n > most)
        return false;
    *ret = n;
    return true;
}

/* Whether `text` begins with `word`, up to a comma or its end; moves on. */
static bool takes(const char **text, const char *word)
{
    const char *s = *text;

    while (*word && *s == *word) {
        s++;
        word++;
    }
    if (*word || (*s && *s != ','))
        return false;
    *text = s + (*s == ',' && s[1]);
    return true;
}

static bool read_on(const char *text)
{
    int64_t n;

    if (!whole(text, 0, 1, &n))
        return false;
    tn__run.is_wanted = n == 1;
    return true;
}

static bool read_first(const char *text)
{
    int64_t n;

    if (!whole(text, 0, INT32_MAX, &n))
        return false;
    tn__run.is_first = n == tn__run.pid;
    return true;
}

static bool read_quantum(const char *text)
{
    return whole(text, 0, TN__RUN_QUANTUM_MAX, &tn__run.quantum_ns) &&
           (tn__run.quantum_ns == 0 ||
            tn__run.quantum_ns >= TN__RUN_QUANTUM_MIN);
}

static bool read_hubs(const char *text)
{
    int64_t n;

    if (!whole(text, 1, TN__RUN_HUBS_MAX, &n))
        return false;
    tn__run.n_hubs = (int)n;
    return true;
}

static bool read_ways(const char *text)
{
    bool is_trap = false;

    tn__run.ways = 0;
    while (*text) {
        if (takes(&text, "trap"))
            is_trap = true;
        else if (takes(&text, "patch"))
            tn__run.ways |= TN__RUN_WAY_PATCH;
        else if (takes(&text, "symbols"))
            tn__run.ways |= TN__RUN_WAY_SYMBOLS;
        else
            return false;
    }
    return is_trap;
}

static bool read_children(const char *text)
{
    if (takes(&text, "follow"))
        tn__run.children = TN__RUN_FOLLOW;
    else if (takes(&text, "native"))
        tn__run.children = TN__RUN_NATIVE;
    return !*text;
}

static bool read_fallback(const char *text)
{
    int64_t n;

    if (!whole(text, 0, 1, &n))
        return false;
    tn__run.has_fallback = n == 1;
    return true;
}

/* PID:SECONDS; or 0: none. */
static bool read_stats(const char *text)
{
    int64_t pid = number(&text), s = 0;

    tn__run.stats_ns = -1;
    if (pid > 0 && *text == ':') {
        text++;
        s = number(&text);
    }
    if (pid < 0 || *text || s < 0 || s > TN__RUN_STATS_MAX_S)
        return false;
    if (pid > 0 && pid == tn__run.pid)
        tn__run.stats_ns = s * SECOND;
    return true;
}

static bool read_ps(const char *text)
{
    int64_t n;

    if (!whole(text, 0, 1, &n))
        return false;
    tn__run.has_ps = n == 1;
    return true;
}

static bool read_runtime(const char *text)
{
    tn__run.runtime = text;
    return true;
}

static const struct setting settings[] = {
    {"TENDRIL_RUN", "1", read_on, "0 (off) or 1"},
    {"TENDRIL_RUN_PID", "0", read_first, "a process number"},
    {"TENDRIL_RUN_QUANTUM", "5000000", read_quantum,
     "nanoseconds: 0 (off) or 50000 to 10000000000"},
    {"TENDRIL_RUN_HUBS", "1", read_hubs, "1 to 64"},
    {"TENDRIL_RUN_WAYS", "trap,patch,symbols", read_ways,
     "trap, alone or with patch and symbols, with commas between"},
    {"TENDRIL_RUN_CHILDREN", "follow", read_children, "follow or native"},
    {"TENDRIL_RUN_FALLBACK", "0", read_fallback, "0 or 1"},
    {"TENDRIL_RUN_STATS", "0", read_stats, "PID:SECONDS"},
    {"TENDRIL_RUN_PS", "1", read_ps, "0 (no socket) or 1"},
    {"XDG_RUNTIME_DIR", "", read_runtime, "a path"},
};

/* The value of a variable, or NULL. */
static const char *look_up(char **env, const char *name)
{
    for (; env && *env; env++) {
        size_t i = 0;

        while (name[i] && (*env)[i] == name[i])
            i++;
        if (!name[i] && (*env)[i] == '=')
            return *env + i + 1;
    }
    return NULL;
}

void tn__run_say(const char *text)
{
    size_t n = 0;

    while (text[n])
        n++;
    tn__raw3(SYS_write, 2, (long)text, (long)n);
}

static void refuse(const struct setting *s, const char *value)
{
    tn__run_say("tendril: ");
    tn__run_say(s->name);
    tn__run_say("=");
    tn__run_say(value);
    tn__run_say(" is refused; allowed: ");
    tn__run_say(s->allowed);
    tn__run_say("\n");
    tn__raw1(SYS_exit_group, STATUS_USAGE);
}

void tn__run_settings_read(char **env)
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        const char *value = look_up(env, settings[i].name);

        if (!settings[i].read(value ? value : settings[i].unset))
            refuse(&settings[i], value ? value : settings[i].unset);
        if (!tn__run.is_wanted)
            return; /* it is off: the others do not matter */
    }
}
