/* SPDX-License-Identifier: MIT */
/* run/environ.c - with --children=native, what brought us here goes out of the
 * environment before the program sees it: whatever way it starts others, with
 * the environment it has or with a copy, they have none of ours.
 *
 * When the process that was started itself calls exec, though, it is no child:
 * a script that ends in `exec program` is what is to run green. There the
 * variables are put back, into a copy of what the program gives to exec. */
#include "run/run.h"

enum { KEPT_MAX = 32, PATH_BYTES = 4096 };

static const char engine_name[] = "libtendril-run.so";
static const char preload[] = "LD_PRELOAD=";

static char *kept[KEPT_MAX]; /* variables, where the kernel has put them */
static int n_kept;
static char engine[PATH_BYTES]; /* its path, as it was in LD_PRELOAD */

/* The rest of `text` behind `start`, or NULL. */
static const char *behind(const char *text, const char *start)
{
    while (*start && *text == *start)
        text++, start++;
    return *start ? NULL : text;
}

static bool is_separator(char c)
{
    return c == ' ' || c == ':';
}

/* Is it the path of an engine, from `path` to `end`? */
static bool is_engine(const char *path, const char *end)
{
    const char *name = end;
    size_t n = 0;

    while (name > path && name[-1] != '/')
        name--;
    while (name + n < end && name[n] == engine_name[n])
        n++;
    return name + n == end && !engine_name[n];
}

/* Take the engine out of a list of libraries. Returns whether any are left. */
static bool drop_engine(char *list)
{
    char *to = list, *from = list;

    while (*from) {
        char *end = from;

        while (*end && !is_separator(*end))
            end++;
        if (!is_engine(from, end)) {
            if (to != list)
                *to++ = ':';
            while (from < end)
                *to++ = *from++;
        } else if (end - from < PATH_BYTES) {
            for (size_t i = 0; from + i < end; i++)
                engine[i] = from[i];
            engine[end - from] = '\0';
        }
        for (from = end; is_separator(*from);)
            from++;
    }
    *to = '\0';
    return to != list;
}

static bool is_to_stay(char *variable)
{
    const char *value = behind(variable, "TENDRIL_RUN");

    if (value && (*value == '=' || *value == '_')) {
        if (n_kept < KEPT_MAX)
            kept[n_kept++] = variable;
        return false;
    }
    value = behind(variable, preload);
    return !value || drop_engine(variable + sizeof preload - 1);
}

void tn__run_environ_clean(char **env)
{
    char **to = env;

    for (; *env; env++)
        if (is_to_stay(*env))
            *to++ = *env;
    *to = NULL;
}

/* ---- exec ---- */

/* One of the program's; NULL: the end. 0 or -EFAULT. */
static long read_entry(const char *const *env, size_t i, const char **ret)
{
    *ret = NULL;
    return env ? tn__run_copy(ret, env + i, sizeof *ret) : 0;
}

static long count(const char *const *env)
{
    const char *entry;
    long n = 0, r;

    while ((r = read_entry(env, (size_t)n, &entry)) == 0 && entry)
        n++;
    return r < 0 ? r : n;
}

/* "LD_PRELOAD=" with the engine and what the program has there. */
static long write_preload(char *to, const char *before)
{
    size_t n = 0;
    long r;

    for (size_t i = 0; preload[i]; i++)
        to[n++] = preload[i];
    for (size_t i = 0; engine[i]; i++)
        to[n++] = engine[i];
    if (!before)
        return 0;
    to[n++] = ':';
    r = tn__run_copy_text(to + n, before, PATH_BYTES);
    return r < 0 || r == PATH_BYTES ? -E2BIG : 0;
}

/* Fill `to` (which has room for all of them) from `env`. */
static long merge(const char **to, char *text, const char *const *env)
{
    const char *entry, *others = NULL;
    size_t n = 0;
    long r;

    for (size_t i = 0; (r = read_entry(env, i, &entry)) == 0 && entry; i++) {
        char start[sizeof preload];

        if (tn__run_copy_text(start, entry, sizeof start) >= 0 &&
            behind(start, preload))
            others = entry + sizeof preload - 1;
        else
            to[n++] = entry;
    }
    if (r == 0)
        r = write_preload(text, others);
    to[n++] = text;
    for (int i = 0; i < n_kept; i++)
        to[n++] = kept[i];
    return r;
}

bool tn__run_environ_has_gone(void)
{
    return n_kept > 0 && engine[0] && tn__run.is_first;
}

long tn__run_environ_restore(const char *const *env,
                             struct tn__run_environ *ret)
{
    enum { TEXT = PATH_BYTES * 2L + sizeof preload + 2 };
    long n = count(env), r;
    size_t entries;

    if (n < 0)
        return n;
    entries = (size_t)(n + n_kept + 2) * sizeof ret->env[0];
    ret->bytes = entries + TEXT;
    ret->env = tn__sys_map(ret->bytes);
    if (!ret->env)
        return -ENOMEM;
    r = merge(ret->env, (char *)ret->env + entries, env);
    if (r < 0)
        tn__run_environ_free(ret);
    return r;
}

void tn__run_environ_free(struct tn__run_environ *e)
{
    if (e->env)
        tn__sys_unmap(e->env, e->bytes);
    e->env = NULL;
}
