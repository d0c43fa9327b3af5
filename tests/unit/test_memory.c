/* SPDX-License-Identifier: MIT */
/* tests/unit/test_memory.c - memory of stacks: a million guarded ones, memory
 * given back, the cap of mprotect guards, and what happens without memory. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/green.h"
#include "support/virtual.h"

#ifndef MADV_GUARD_INSTALL
# define MADV_GUARD_INSTALL 102
#endif

/* A figure of /proc, in KiB; 0 when there is none. */
static long proc_kib(const char *path, const char *key)
{
    FILE *file = fopen(path, "r");
    char line[256];
    long value = 0;

    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtol(line + strlen(key), NULL, 10);
    fclose(file);
    return value;
}

static long used_kib(void)
{
    return proc_kib("/proc/self/status", "VmRSS:") +
           proc_kib("/proc/self/status", "VmPTE:");
}

static bool has_guards(void)
{
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int r = madvise(page, 4096, MADV_GUARD_INSTALL);

    munmap(page, 4096);
    return r == 0;
}

/* ---- a million ---- */

enum { MILLION = 1000000, LIMIT_KIB = 5 << 20 };

static uint8_t is_open;
static int n_passed;
static tn_greenlet *parked[MILLION];

static int park_here(void *arg)
{
    struct tn_hub *h = tn__hub_peek();

    (void)arg;
    assert_result(tn__hub_park(h, &is_open, TN_FOREVER, "the gate", -1), 0);
    n_passed++;
    return 0;
}

static void a_million_guarded_greenlets_park_and_finish_within_5_gib(void)
{
    long before = used_kib(), used;

    if (TEST_SANITIZED)
        test_skip("a sanitizer multiplies the memory");
    if (!has_guards())
        test_skip("the kernel has no MADV_GUARD_INSTALL (Linux 6.13)");
    if (proc_kib("/proc/meminfo", "MemAvailable:") < LIMIT_KIB + (1 << 20))
        test_skip("less than 6 GiB of memory are free");
    for (int i = 0; i < MILLION; i++)
        parked[i] = spawn(park_here, NULL);
    settle();
    assert_result(tn_greenlet_state(parked[MILLION - 1]), TN_GREENLET_WAITING);
    used = used_kib() - before;
    printf("# a million parked: %ld KiB, %ld B each\n", used,
           used * 1024 / MILLION);
    assert_true(used < LIMIT_KIB);
    is_open = 1;
    for (int i = 0; i < MILLION; i++)
        tn__hub_wake(parked[i]);
    for (int i = 0; i < MILLION; i++)
        assert_result(join(parked[i]), 0);
    assert_int_equal(n_passed, MILLION);
}

/* ---- giving back ---- */

enum { N_DEEP = 200, DEEP_BYTES = 40000 };

static __attribute__((noinline)) int go_deep(void *arg)
{
    char room[DEEP_BYTES], *volatile at = room; /* one object, in memory */

    for (size_t i = 0; i < sizeof room; i += 1024)
        at[i] = 1;
    return arg ? room[0] : 0;
}

static int go_deep_and_sleep(void *arg)
{
    assert_result(go_deep(arg), 1);
    return tn_sleep(tn_after_s(100));
}

static void memory_of_deep_calls_is_given_back_while_parked(void)
{
    static tn_greenlet *g[N_DEEP];
    long base, deep, later;

    if (TEST_SANITIZED)
        test_skip("a sanitizer multiplies the memory");
    need_virtual_time();
    base = used_kib();
    for (int i = 0; i < N_DEEP; i++)
        g[i] = spawn(go_deep_and_sleep, g);
    settle();
    deep = used_kib() - base;
    if (deep < (long)N_DEEP * DEEP_BYTES / 1024 * 3 / 4)
        fail_msg("only %ld KiB when deep", deep);
    for (int i = 0; i < 10; i++)
        assert_result(tn_sleep(tn_after_s(2)), 0);
    later = used_kib() - base;
    if (later > deep / 3)
        fail_msg("%ld KiB when deep, %ld later", deep, later);
    for (int i = 0; i < N_DEEP; i++)
        assert_result(join(g[i]), 0);
}

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

enum { N_MANY = 20000 };

static void memory_of_many_that_ended_is_given_back(void)
{
    long base = used_kib(), many, later;

    if (TEST_SANITIZED)
        test_skip("a sanitizer multiplies the memory");
    need_virtual_time();
    for (int i = 0; i < N_MANY; i++)
        spawn_detached(end_at_once, NULL);
    many = used_kib() - base;
    assert_result(tn_hub_join(TN_FOREVER), 0);
    for (int i = 0; i < 40; i++)
        assert_result(tn_sleep(tn_after_s(2)), 0);
    later = used_kib() - base;
    assert_true(many > N_MANY * 4);
    if (later > many / 3)
        fail_msg("%ld KiB for many, %ld later", many, later);
    for (int i = 0; i < N_MANY; i++) /* and they can be used again */
        spawn_detached(end_at_once, NULL);
    assert_result(tn_hub_join(TN_FOREVER), 0);
}

/* ---- guards by mprotect ---- */

static void the_cap_of_mprotect_guards_is_reported_and_not_a_crash(void)
{
    static struct heard heard;
    tn_greenlet *g, *probe;
    long cap = proc_kib("/proc/sys/vm/max_map_count", "");
    int r = 0, n = 0;

    if (TEST_SANITIZED)
        test_skip("a sanitizer needs mappings of its own");
    if (cap == 0 || cap > 300000)
        test_skip("vm.max_map_count is too large to be reached");
    setenv("TENDRIL_GUARD", "mprotect", 1);
    hear_errors(&heard);
    while (n < cap) {
        r = tn_spawn(end_at_once, NULL, &g);
        if (r < 0)
            break;
        parked[n++] = g;
    }
    assert_result(r, -ENOMEM);
    assert_int_equal(heard.n, 1);
    assert_result(heard.error, -ENOMEM);
    assert_non_null(strstr(heard.text, "vm.max_map_count"));
    assert_true(n > 1000);
    assert_result(tn_spawn(end_at_once, NULL, &probe), -ENOMEM);
    assert_int_equal(heard.n, 1); /* told once */
    for (int i = 0; i < n; i++)
        assert_result(join(parked[i]), 0);
    assert_result(join(spawn(end_at_once, NULL)), 0); /* from the cache */
    assert_result(tn_hub_destroy(), 0);
}

static void without_guards_all_works(void)
{
    setenv("TENDRIL_GUARD", "none", 1);
    for (int i = 0; i < 1000; i++)
        assert_result(join(spawn(end_at_once, NULL)), 0);
    assert_result(tn_hub_destroy(), 0);
}

/* ---- without memory ---- */

static int sleep_forever(void *arg)
{
    (void)arg;
    return tn_sleep(TN_FOREVER);
}

/* Address space is left for so much more. */
static void limit_space(size_t more)
{
    struct rlimit limit;
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld", &pages), 1);
    fclose(file);
    limit.rlim_cur = limit.rlim_max = (size_t)pages * 4096 + more;
    assert_result(setrlimit(RLIMIT_AS, &limit), 0);
}

/* Each growth of each table fails in its turn, and what is there works on. */
static void without_address_space_calls_fail_and_change_nothing(void)
{
    int n = 0, r, fds[2];
    tn_greenlet *g;
    char byte;

    if (TEST_SANITIZED)
        test_skip("a sanitizer needs all address space");
    open_pair(fds);
    limit_space((size_t)8 << 20);
    while (n < MILLION && (r = tn_spawn(sleep_forever, NULL, &g)) == 0)
        parked[n++] = g;
    assert_result(r, -ENOMEM);
    assert_result(tn_spawn(sleep_forever, NULL, &g), -ENOMEM);
    settle();
    /* Descriptors far up need a table of their own. */
    assert_result(dup2(fds[0], 19000), 19000);
    r = (int)tn_recv(19000, &byte, 1, 0, tn_after_us(10));
    assert_true(r == -ETIME || r == -ENOMEM);
    assert_result(tn_close(19000), 0);
    for (int i = 0; i < n; i++)
        assert_result(tn_kill(parked[i], TN_NOWAIT), -EAGAIN);
    for (int i = 0; i < n; i++)
        assert_result(join(parked[i]), -ECANCELED);
    assert_result(join(spawn(end_at_once, NULL)), 0);
    close_both(fds);
}

/* At each amount of address space the hub is made, or is not. */
static void a_hub_that_cannot_be_made_says_so(void)
{
    tn_hub *hub;
    int r;

    if (TEST_SANITIZED)
        test_skip("a sanitizer needs all address space");
    limit_space(0);
    r = tn_hub_get(&hub);
    assert_result(r, -ENOMEM);
    assert_result(tn_hub_get(&hub), -ENOMEM);
    assert_result(tn_yield(), -ENOMEM);
    assert_result(tn_sleep(tn_after_us(1)), -ENOMEM);
}

static void an_unknown_back_end_is_einval(void)
{
    tn_hub *hub;

    setenv("TENDRIL_LOOP", "no such loop", 1);
    assert_result(tn_hub_get(&hub), -EINVAL);
    assert_result(tn_yield(), -EINVAL);
    assert_string_equal(tn_hub_loop_name(), "none");
}

TEST_MAIN(TEST_LONG(a_million_guarded_greenlets_park_and_finish_within_5_gib, 0,
                    120),
          TEST(memory_of_deep_calls_is_given_back_while_parked),
          TEST(memory_of_many_that_ended_is_given_back),
          TEST_BARE(the_cap_of_mprotect_guards_is_reported_and_not_a_crash),
          TEST_BARE(without_guards_all_works),
          TEST(without_address_space_calls_fail_and_change_nothing),
          TEST_BARE(a_hub_that_cannot_be_made_says_so),
          TEST_BARE(an_unknown_back_end_is_einval))
