/* SPDX-License-Identifier: MIT */
/* base/config.c - the settings of the process.
 *
 * The table declares each setting once. A setting has the value that the
 * program gave it, else that of the environment, else its default; all three
 * are texts that go through the same parser. The environment is read again
 * whenever a hub is made, so a program may still set it up before it uses
 * tendril, and a child process that was forked may too.
 *
 * A bad value is never passed over: no hub is made with one. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "base/config.h"
#include "base/own.h"
#include "base/sized.h"

enum type { CHOICE, SWITCH, NUMBER, BYTES, TIME, TEXT };

static const char *const type_names[] = {"choice", "switch", "number",
                                         "bytes",  "time",   "text"};

struct setting {
    const char *name;
    const char *env;
    enum type type;
    const char *fallback; /* the default */
    int64_t min, max;     /* NUMBER, BYTES, TIME; of a TEXT: its length */
    const char *choices;  /* CHOICE: words with a blank between them */
    const char *help;
};

#ifdef TN_HAVE_LIBEV
# define LOOPS "epoll sim ev"
#else
# define LOOPS "epoll sim"
#endif
#ifdef TN_HAVE_CARES
# define RESOLVERS "auto ares libc"
#else
# define RESOLVERS "auto libc"
#endif
#define S ((int64_t)1000000000)

static const struct setting table[] = {
    [TN__CONFIG_LOOP] = {"loop", "TENDRIL_LOOP", CHOICE, "epoll", 0, 0, LOOPS,
                         "The back end of the event loop."},
    [TN__CONFIG_GUARD] = {"guard", "TENDRIL_GUARD", CHOICE, "madvise", 0, 0,
                          "madvise mprotect none",
                          "How guard pages of stacks are made; madvise falls "
                          "back to mprotect."},
    [TN__CONFIG_OVERFLOW_REPORT] = {"overflow_report",
                                    "TENDRIL_OVERFLOW_REPORT", SWITCH, "on", 0,
                                    0, NULL,
                                    "Name the greenlet whose stack overflows."},
    [TN__CONFIG_STACK_BYTES] = {"stack_bytes", "TENDRIL_STACK_BYTES", BYTES,
                                "64K", 16384, (int64_t)1 << 30, NULL,
                                "Address space of a greenlet's stack, rounded "
                                "up to a power of two."},
    [TN__CONFIG_TICK] = {"tick", "TENDRIL_TICK", TIME, "5ms", 1000, 10 * S,
                         NULL,
                         "The longest that greenlets which never wait keep "
                         "the loop from being polled."},
    [TN__CONFIG_SIM_SEED] = {"sim_seed", "TENDRIL_SIM_SEED", NUMBER, "0", 0,
                             INT64_MAX, NULL,
                             "Seed of the simulated loop's scheduler; 0: first "
                             "in, first out."},
    [TN__CONFIG_OFFLOAD_THREADS] = {"offload_threads",
                                    "TENDRIL_OFFLOAD_THREADS", NUMBER, "10", 0,
                                    1024, NULL,
                                    "The most threads of the process's offload "
                                    "pool."},
    [TN__CONFIG_OFFLOAD_IDLE] = {"offload_idle", "TENDRIL_OFFLOAD_IDLE", TIME,
                                 "5s", 1000000, 3600 * S, NULL,
                                 "How long a thread of an offload pool waits "
                                 "for work before it ends."},
    [TN__CONFIG_DNS] = {"dns", "TENDRIL_DNS", CHOICE, "auto", 0, 0, RESOLVERS,
                        "Who resolves names: c-ares on the loop, or libc on a "
                        "thread; auto asks nsswitch.conf."},
    [TN__CONFIG_DNS_SERVERS] = {"dns_servers", "TENDRIL_DNS_SERVERS", TEXT, "",
                                0, TN_SETTING_TEXT_MAX - 1, NULL,
                                "Servers for c-ares, with commas between; "
                                "none: those of resolv.conf."},
    [TN__CONFIG_DNS_TIMEOUT] = {"dns_timeout", "TENDRIL_DNS_TIMEOUT", TIME, "0",
                                0, 60 * S, NULL,
                                "How long c-ares waits for a server at first; "
                                "0: as resolv.conf says."},
    [TN__CONFIG_DNS_TRIES] = {"dns_tries", "TENDRIL_DNS_TRIES", NUMBER, "0", 0,
                              10, NULL,
                              "How often c-ares asks each server; 0: as "
                              "resolv.conf says."},
    [TN__CONFIG_DNS_CACHE] = {"dns_cache", "TENDRIL_DNS_CACHE", NUMBER, "256",
                              0, 65536, NULL,
                              "Answers that a hub keeps until their time is "
                              "over."},
    [TN__CONFIG_FILES] = {"files", "TENDRIL_FILES", CHOICE, "uring", 0, 0,
                          "uring pool",
                          "How files are read and written; uring falls back to "
                          "the offload pool."},
};

_Static_assert(sizeof table / sizeof table[0] == TN__CONFIG_COUNT,
               "every setting has its entry");

/* What the table's entry now has. Guarded by `lock`. */
struct state {
    char text[TN_SETTING_TEXT_MAX];
    int64_t number;
    const char *origin;
    bool is_bad; /* `text` is of the environment and not allowed */
};

static struct state states[TN__CONFIG_COUNT];
static bool is_loaded;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread char error_text[2 * TN_SETTING_TEXT_MAX + 128];

static const char from_default[] = "default", from_env[] = "environment",
                  from_program[] = "program";

/* ---- texts and values ---- */

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit byte_units[] = {
    {"", 1},          {"k", 1024},      {"m", 1 << 20},  {"g", 1 << 30},
    {"kb", 1024},     {"mb", 1 << 20},  {"gb", 1 << 30}, {"kib", 1024},
    {"mib", 1 << 20}, {"gib", 1 << 30}, {NULL, 0},
};
static const struct unit time_units[] = {
    {"ns", 1}, {"us", 1000},  {"ms", 1000000}, {"s", S},
    {"", S},   {"m", 60 * S}, {NULL, 0},
};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static bool parse_quantity(const char *text, const struct unit *units,
                           int64_t *ret)
{
    char *end;
    long long n;

    if (text[0] != '-' && (text[0] < '0' || text[0] > '9'))
        return false;
    errno = 0;
    n = strtoll(text, &end, 0);
    if (errno)
        return false;
    for (; units->name; units++)
        if (strcasecmp(end, units->name) == 0)
            return !__builtin_mul_overflow((int64_t)n, units->factor, ret);
    return false;
}

static bool parse_choice(const char *text, const char *choices, int64_t *ret)
{
    size_t len = strlen(text);

    for (int64_t i = 0; *choices; i++) {
        size_t n = strcspn(choices, " ");

        if (n == len && strncmp(text, choices, n) == 0) {
            *ret = i;
            return true;
        }
        choices += n;
        choices += strspn(choices, " ");
    }
    return false;
}

static bool parse_switch(const char *text, int64_t *ret)
{
    static const char *const words[] = {"0",     "1",    "off", "on",
                                        "false", "true", "no",  "yes"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *ret = (int64_t)(i & 1);
            return true;
        }
    }
    return false;
}

static bool parse(const struct setting *s, const char *text, int64_t *ret)
{
    const struct unit *units = s->type == BYTES  ? byte_units
                               : s->type == TIME ? time_units
                                                 : no_units;

    if (strlen(text) >= TN_SETTING_TEXT_MAX)
        return false;
    if (s->type == CHOICE)
        return parse_choice(text, s->choices, ret);
    if (s->type == SWITCH)
        return parse_switch(text, ret);
    if (s->type == TEXT)
        *ret = (int64_t)strlen(text);
    else if (!parse_quantity(text, units, ret))
        return false;
    return *ret >= s->min && *ret <= s->max;
}

/* `n` in the largest unit that it is a multiple of. */
static void format(const struct setting *s, int64_t n, char *buf, size_t size)
{
    static const struct unit bytes[] = {
        {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1024}, {"", 1}, {NULL, 0}};
    static const struct unit times[] = {
        {"s", S}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}, {NULL, 0}};
    const struct unit *u = s->type == BYTES  ? bytes
                           : s->type == TIME ? times
                                             : no_units;

    while (n % u->factor != 0 && u[1].name)
        u++;
    snprintf(buf, size, "%" PRId64 "%s", n / u->factor, u->name);
}

/* What a value may be. */
static void describe(const struct setting *s, char *buf, size_t size)
{
    char min[32], max[32];

    format(s, s->min, min, sizeof min);
    format(s, s->max, max, sizeof max);
    if (s->type == CHOICE)
        snprintf(buf, size, "%s", s->choices);
    else if (s->type == SWITCH)
        snprintf(buf, size, "on off");
    else if (s->type == TEXT)
        snprintf(buf, size, "a text of %s to %s bytes", min, max);
    else if (s->max == INT64_MAX)
        snprintf(buf, size, "%s or more", min);
    else
        snprintf(buf, size, "%s to %s", min, max);
}

/* ---- loading ---- */

static void refuse(const struct setting *s, const char *name, const char *value)
{
    char allowed[TN_SETTING_TEXT_MAX];

    describe(s, allowed, sizeof allowed);
    snprintf(error_text, sizeof error_text, "%s is \"%.*s\"; allowed: %s", name,
             TN_SETTING_TEXT_MAX, value, allowed);
}

static void put(struct state *state, const char *text, int64_t number,
                const char *origin)
{
    snprintf(state->text, sizeof state->text, "%s", text);
    state->origin = origin;
    state->is_bad = false;
    __atomic_store_n(&state->number, number, __ATOMIC_RELAXED);
}

/* From the environment or by default. 0 or -EINVAL. */
static int load_one(const struct setting *s, struct state *state)
{
    const char *text = getenv(s->env);
    int64_t fallback = 0, number = 0;
    bool is_good = parse(s, s->fallback, &fallback);

    TN_ASSERT(is_good);
    if (!text || (!text[0] && s->type != TEXT)) {
        put(state, s->fallback, fallback, from_default);
        return 0;
    }
    if (parse(s, text, &number)) {
        put(state, text, number, from_env);
        return 0;
    }
    put(state, text, fallback, from_env);
    state->is_bad = true;
    refuse(s, s->env, text);
    return -EINVAL;
}

/* With the lock held. */
static int load_all(void)
{
    int r = 0;

    for (int i = TN__CONFIG_COUNT - 1; i >= 0; i--)
        if (states[i].origin != from_program &&
            load_one(&table[i], &states[i]) < 0)
            r = -EINVAL;
    __atomic_store_n(&is_loaded, true, __ATOMIC_RELEASE);
    return r;
}

static void before_fork(void)
{
    TN_OWN(pthread_mutex_lock(&lock));
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

static void watch_forks(void)
{
    int r = pthread_atfork(before_fork, after_fork, after_fork);

    TN_ASSERT(r == 0);
}

int tn__config_load(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int r;

    pthread_once(&once, watch_forks);
    TN_OWN(pthread_mutex_lock(&lock));
    r = load_all();
    pthread_mutex_unlock(&lock);
    return r;
}

static void load_once(void)
{
    if (!__atomic_load_n(&is_loaded, __ATOMIC_ACQUIRE))
        (void)tn__config_load();
}

int64_t tn__config_number(enum tn__config_id id)
{
    load_once();
    return __atomic_load_n(&states[id].number, __ATOMIC_RELAXED);
}

size_t tn__config_text(enum tn__config_id id, char *buf, size_t size)
{
    size_t len;

    load_once();
    TN_OWN(pthread_mutex_lock(&lock));
    len = strlen(states[id].text);
    snprintf(buf, size, "%s", states[id].text);
    pthread_mutex_unlock(&lock);
    return len;
}

/* ---- for users ---- */

int tn_config_at(size_t index, struct tn_setting *ret_setting)
{
    struct tn_setting full = {.size = sizeof full};
    const struct setting *s;
    int r;

    if (index >= TN__CONFIG_COUNT)
        return ret_setting ? -ENOENT : -EINVAL;
    s = &table[index];
    load_once();
    full.name = s->name;
    full.env = s->env;
    full.type = type_names[s->type];
    full.fallback = s->fallback;
    full.help = s->help;
    describe(s, full.allowed, sizeof full.allowed);
    TN_OWN(pthread_mutex_lock(&lock));
    full.origin = states[index].origin;
    memcpy(full.value, states[index].text, sizeof full.value);
    r = states[index].is_bad ? -EINVAL : 0;
    if (r < 0)
        refuse(s, s->env, states[index].text);
    pthread_mutex_unlock(&lock);
    return tn__sized_write(ret_setting, &full, sizeof full) < 0 ? -EINVAL : r;
}

/* The index of a setting, or -ENOENT, told. */
static int find(const char *name)
{
    for (int i = 0; i < TN__CONFIG_COUNT; i++)
        if (strcmp(table[i].name, name) == 0)
            return i;
    snprintf(error_text, sizeof error_text,
             "there is no setting \"%.*s\"; `tendril info` lists them",
             TN_SETTING_TEXT_MAX, name);
    return -ENOENT;
}

int tn_config_set(const char *name, const char *value)
{
    int64_t number = 0;
    int i, r = 0;

    if (!name)
        return -EINVAL;
    i = find(name);
    if (i < 0)
        return i;
    if (value && !parse(&table[i], value, &number)) {
        refuse(&table[i], name, value);
        return -EINVAL;
    }
    load_once();
    TN_OWN(pthread_mutex_lock(&lock));
    if (value)
        put(&states[i], value, number, from_program);
    else
        r = load_one(&table[i], &states[i]);
    pthread_mutex_unlock(&lock);
    return r;
}

int tn_config_get(const char *name, char *buf, size_t size)
{
    struct tn_setting setting = {.size = sizeof setting};
    int i = name ? find(name) : -EINVAL, r;

    if (i < 0)
        return i;
    r = tn_config_at((size_t)i, &setting);
    if (r < 0)
        return r;
    if (buf && size)
        snprintf(buf, size, "%s", setting.value);
    return (int)strlen(setting.value);
}

const char *tn_config_error(void)
{
    return error_text;
}
