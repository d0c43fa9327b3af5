/* SPDX-License-Identifier: MIT */
/* tests/support/faults.c - see faults.h. This file holds the loop over the
 * faults and what is compared; fault_calls.c has the functions that fail. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include "support/faults.h"

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "hub/hub.h"
#include "support/fault_calls.h"

enum { RUNS_MAX = 20000, TRIES = 3 };

struct scene {
    fault_scenario run;
    const char *may_survive;
    const char *what; /* of the fault that is tried, for messages */
};

/* What must be the same afterwards. */
struct census {
    int fds;
    long blocks;
    long mapped; /* 0 if there is a hub: it keeps stacks */
    struct tn_hub_stats hub;
};

/* Without those of a scenario: TSan has some, from the first that is made. */
static size_t n_threads;

static size_t count_threads(void)
{
    struct stat tasks;

    assert_int_equal(stat("/proc/self/task", &tasks), 0);
    return tasks.st_nlink - 2;
}

static void *end(void *arg)
{
    return arg;
}

static void learn_threads(void)
{
    const struct timespec ten_ms = {0, 10000000};
    pthread_t t;

    if (n_threads > 0)
        return;
    n_threads = 1;
    if (TEST_TSAN) {
        assert_int_equal(pthread_create(&t, NULL, end, NULL), 0);
        pthread_join(t, NULL);
        nanosleep(&ten_ms, NULL); /* until it has left the count too */
        n_threads = count_threads();
    }
}

static int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = -3; /* ".", ".." and that of dir */

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static struct census take_census(void)
{
    struct census c = {.hub = {.size = sizeof c.hub}};

    if (tn__hub_peek()) {
        settle();
        assert_result(tn_hub_stats(&c.hub), 0);
    } else {
        c.mapped = fault_state.mapped;
    }
    c.fds = count_fds();
    c.blocks = fault_state.blocks;
    return c;
}

/* ---- what to say ---- */

static const char *name_of_site(const void *site, char *buf, size_t size)
{
    Dl_info info;

    if (!dladdr(site, &info)) {
        snprintf(buf, size, "%p", site);
        return buf;
    }
    snprintf(buf, size, "%s+0x%lx%s%s", info.dli_fname,
             (unsigned long)((const char *)site - (char *)info.dli_fbase),
             info.dli_sname ? " near " : "",
             info.dli_sname ? info.dli_sname : "");
    return buf;
}

static void tell(const struct scene *s, const char *verdict, int r)
{
    const struct fault_state *f = &fault_state;
    char site[300];

    fprintf(stderr, "# %s %ld: %s() gave %s, called at %s: %s (%d %s)\n",
            s->what, f->number, f->name ? f->name : "nothing",
            strerrorname_np(f->error), name_of_site(f->site, site, sizeof site),
            verdict, r, r < 0 ? strerrorname_np(-r) : "");
}

static void tell_of_blocks(void)
{
    char site[300];

    for (int i = 0; i < fault_state.n_sites; i++)
        fprintf(stderr, "# not freed: %zu bytes allocated at %s\n",
                fault_state.sites[i].bytes,
                name_of_site(fault_state.sites[i].at, site, sizeof site));
}

/* ---- one fault ---- */

static bool is_named(const char *words, const char *name)
{
    size_t len = strlen(name);
    const char *at = words;

    while ((at = strstr(at, name)) != NULL) {
        if ((at == words || at[-1] == ' ') && (!at[len] || at[len] == ' '))
            return true;
        at += len;
    }
    return false;
}

/* The library of the call, if its name, such as "libssl", is one of those. */
static bool is_in_named(const char *words, const void *site)
{
    const char *file;
    char name[40];
    Dl_info info;

    if (!dladdr(site, &info))
        return false;
    file = strrchr(info.dli_fname, '/');
    file = file ? file + 1 : info.dli_fname;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(file, "."), file);
    if (strncmp(name, "ld-", 3) == 0)
        return is_named(words, "ld"); /* ld.so, for a new thread */
    return strncmp(name, "lib", 3) == 0 && is_named(words, name);
}

/* Which of the counts has grown, or NULL. */
static const char *find_growth(const struct census *a, const struct census *b)
{
    if (b->fds != a->fds)
        return "another number of descriptors is open";
    if (b->hub.alive != a->hub.alive)
        return "another number of greenlets is alive";
    if (b->hub.timers != a->hub.timers)
        return "another number of timers is armed";
    if (b->hub.waits != a->hub.waits)
        return "another number of operations is parked";
    if (b->hub.stacks_mapped - b->hub.stacks_free !=
        a->hub.stacks_mapped - a->hub.stacks_free)
        return "another number of stacks is in use";
    if (b->blocks > a->blocks)
        return "more blocks are allocated";
    if (a->mapped && b->mapped > a->mapped)
        return "more bytes are mapped";
    return NULL;
}

static int run_with(const struct scene *s, long target)
{
    int r;

    fault_arm(target);
    r = s->run();
    fault_disarm();
    return r;
}

static void judge(const struct scene *s, int r)
{
    const struct fault_state *f = &fault_state;

    if (getenv("FAULTS_TRACE"))
        tell(s, "it returned", r);
    if (r < 0 || f->error == EINTR || fault_is_libev(f->site) ||
        is_named(s->may_survive, f->name) ||
        is_in_named(s->may_survive, f->site))
        return;
    tell(s, "it returned", r);
    fail_msg("the failure was not returned");
}

/* The fault at `target`. False if the scenario ended before it. */
static bool try_one(const struct scene *s, long target)
{
    const char *growth;
    int tries = 0, r;

    do {
        struct census before = take_census(), after;

        fault_state.n_sites = 0;
        r = run_with(s, target);
        if (!fault_state.name) {
            assert_result(r, 0);
            return false;
        }
        judge(s, r);
        after = take_census();
        growth = find_growth(&before, &after);
    } while (growth && ++tries < TRIES);
    if (growth) {
        tell(s, growth, r);
        tell_of_blocks();
        fail_msg("it left something behind");
    }
    r = s->run();
    if (r != 0) {
        tell(s, "the next run returned", r);
        fail_msg("it cannot be tried again");
    }
    return true;
}

static void try_each(const struct scene *s, int stride)
{
    for (long target = 1; target < RUNS_MAX; target += stride) {
        fault_state.variant = 0;
        do {
            if (!try_one(s, target))
                return;
        } while (++fault_state.variant < fault_state.n_variants);
    }
    fail_msg("%d faults and no end", RUNS_MAX);
}

void faults_each(fault_scenario scenario, const char *may_survive)
{
    faults_some(scenario, may_survive, 1);
}

void faults_some(fault_scenario scenario, const char *may_survive, int stride)
{
    struct scene s = {scenario, may_survive, "allocation"};

    if (getenv("FAULTS_ALL"))
        stride = 1;
    learn_threads();
    assert_result(scenario(), 0);
    assert_result(scenario(), 0);
    if (!TEST_SANITIZED) {
        fault_state.kind = FAULT_ALLOCATION;
        try_each(&s, stride);
        s.what = "allocation and all later ones, from";
        fault_state.is_lasting = true;
        try_each(&s, stride);
        fault_state.is_lasting = false;
    }
    s.what = "system call";
    fault_state.kind = FAULT_CALL;
    try_each(&s, 1);
}

bool faults_have_struck(void)
{
    return fault_state.target && fault_state.name;
}

void faults_pause(void)
{
    fault_state.is_paused = true;
}

void faults_resume(void)
{
    fault_state.is_paused = false;
}

void faults_await_threads(void)
{
    while (count_threads() > n_threads)
        sched_yield();
}
