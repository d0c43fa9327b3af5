/* SPDX-License-Identifier: MIT */
/* tests/support/runner.c - runs each test in a child process and reports TAP.
 *
 * After a test no greenlet but main is alive, no timer is armed, no operation
 * is parked, every stack but the hub's is in the cache (so no reference was
 * forgotten), and as many descriptors are open as before.
 *
 * With TENDRIL_TEST_SEEDS=N in the environment, and the simulated loop, a test
 * is run N times in its child, with a new hub for each of the seeds 1 to N of
 * the scheduler. The seed that is at work lies in memory shared with the
 * parent, which names it when the child fails. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include "support/test.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <tendril/tendril.h>
#include <time.h>
#include <unistd.h>
#ifdef __has_include
# if __has_include(<valgrind/valgrind.h>)
#  include <valgrind/valgrind.h>
# endif
#endif
#ifndef RUNNING_ON_VALGRIND
# define RUNNING_ON_VALGRIND 0
#endif

#include "support/green.h"

enum { SECONDS = 20, REASON_MAX = 200, EXIT_SKIP = 77, CLOSE_TRIES = 2000 };

static int reason_fd = -1;  /* in the child: where a skip's reason goes */
static const char *program; /* argv[0] */
static long n_seeds;        /* TENDRIL_TEST_SEEDS, or 0 */
static long *seed_now;      /* shared with the child: which one it is at */

/* ---- in the child ---- */

_Noreturn void test_skip(const char *reason)
{
    if (write(reason_fd, reason, strlen(reason)) < 0)
        abort();
    _exit(EXIT_SKIP);
}

void test_only_on(const char *loop, const char *reason)
{
    if (strcmp(tn_hub_loop_name(), loop) != 0)
        test_skip(reason);
}

void test_not_on(const char *loop, const char *reason)
{
    if (strcmp(tn_hub_loop_name(), loop) == 0)
        test_skip(reason);
}

bool test_is_seeded(void)
{
    char seed[TN_SETTING_TEXT_MAX];

    return strcmp(tn_hub_loop_name(), "sim") == 0 &&
           tn_config_get("sim_seed", seed, sizeof seed) >= 0 &&
           strtoll(seed, NULL, 0) != 0;
}

void test_not_seeded(const char *reason)
{
    if (test_is_seeded())
        test_skip(reason);
}

void test_not_under_tsan(void)
{
    if (TEST_TSAN)
        test_skip("TSan cannot follow");
}

bool test_is_on_valgrind(void)
{
    return RUNNING_ON_VALGRIND;
}

void test_result(long is, long should_be, const char *text, const char *file,
                 int line)
{
    if (is == should_be)
        return;
    fprintf(stderr, "%s:%d: %s gave %ld%s%s, not %ld%s%s\n", file, line, text,
            is, is < 0 ? " " : "", is < 0 ? strerrorname_np((int)-is) : "",
            should_be, should_be < 0 ? " " : "",
            should_be < 0 ? strerrorname_np((int)-should_be) : "");
    abort();
}

static int count_descriptors(bool is_told)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    int n = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char to[256];
        ssize_t len;

        if (entry->d_name[0] == '.')
            continue;
        n++;
        if (!is_told)
            continue;
        len = readlinkat(dirfd(dir), entry->d_name, to, sizeof to - 1);
        to[len > 0 ? len : 0] = '\0';
        fprintf(stderr, "open: %s -> %s\n", entry->d_name, to);
    }
    closedir(dir);
    return n;
}

/* Whether so many are open; those that a thread of the library's is about to
 * close are waited for. */
static bool has_descriptors(int n)
{
    const struct timespec pause = {0, 1000000};

    int is = count_descriptors(false);

    for (int i = 0; i < CLOSE_TRIES && is > n; i++) {
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        is = count_descriptors(false);
    }
    return is == n;
}

static void check_hub(void)
{
    struct tn_hub_stats stats = {.size = sizeof stats};

    assert_result(tn_hub_stats(&stats), 0);
    if (stats.alive != 1)
        fail_msg("%d greenlets are still alive", (int)stats.alive - 1);
    if (stats.timers != 0)
        fail_msg("%d timers are still armed", (int)stats.timers);
    if (stats.waits != 0)
        fail_msg("%d operations are still parked", (int)stats.waits);
    if (stats.stacks_free != stats.stacks_mapped - 1)
        fail_msg("%d references to ended greenlets were not given back",
                 (int)(stats.stacks_mapped - 1 - stats.stacks_free));
}

static void start_alarm(const struct test *t)
{
    alarm((unsigned)((t->seconds ? t->seconds : SECONDS) * TEST_SLOWNESS *
                     (RUNNING_ON_VALGRIND ? 20 : 1)));
}

static void check_descriptors(int n)
{
    if (has_descriptors(n))
        return;
    count_descriptors(true);
    fail_msg("%d descriptors were open before", n);
}

/* From a new hub to its end. */
static void run_once(const struct test *t)
{
    int n_open;

    start_alarm(t);
    notes_clear();
    if (!(t->flags & TEST_ALONE))
        tn_self();
    n_open = count_descriptors(false);
    t->fn();
    if (!(t->flags & TEST_ALONE)) {
        check_hub();
        /* What it has opened for itself goes with it: its ring for files. */
        assert_result(tn_hub_destroy(), 0);
        tn_self();
    }
    check_descriptors(n_open);
    assert_result(tn_hub_destroy(), 0);
}

static void start_hub_of_seed(long seed)
{
    char text[24];

    snprintf(text, sizeof text, "%ld", seed);
    setenv("TENDRIL_SIM_SEED", text, 1);
    tn_self();
}

/* The hub beside which the descriptors of one seed are counted is that of the
 * next. */
static void run_seeds(const struct test *t)
{
    int n_open;

    if (t->flags & TEST_ALONE)
        test_skip("it makes its own hubs");
    start_hub_of_seed(1);
    n_open = count_descriptors(false);
    for (*seed_now = 1; *seed_now <= n_seeds; ++*seed_now) {
        start_alarm(t);
        notes_clear();
        t->fn();
        check_hub();
        assert_result(tn_hub_destroy(), 0);
        start_hub_of_seed(*seed_now + 1);
        check_descriptors(n_open);
    }
    assert_result(tn_hub_destroy(), 0);
}

static _Noreturn void run_here(const struct test *t)
{
    const struct rlimit no_core = {0, 0};

    setpgid(0, 0);
    setrlimit(RLIMIT_CORE, &no_core);
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    signal(SIGPIPE, SIG_DFL);
    if (n_seeds)
        run_seeds(t);
    else
        run_once(t);
    exit(0);
}

/* ---- in the parent ---- */

static void report(int number, const struct test *t, int status,
                   const char *reason)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP) {
        printf("ok %d - %s # SKIP %s\n", number, t->name, reason);
        return;
    }
    if (status == 0) {
        printf("ok %d - %s\n", number, t->name);
        return;
    }
    printf("not ok %d - %s\n", number, t->name);
    if (*seed_now)
        printf("# seed %ld; again: TENDRIL_LOOP=sim TENDRIL_SIM_SEED=%ld %s "
               "%s\n",
               *seed_now, *seed_now, program, t->name);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        printf("# over its time limit\n");
    else if (WIFSIGNALED(status))
        printf("# ended by signal %d\n", WTERMSIG(status));
    else
        printf("# ended with status %d\n", WEXITSTATUS(status));
}

static bool run(int number, const struct test *t)
{
    char reason[REASON_MAX] = "";
    int pipe_fds[2], status = 0;
    ssize_t n;
    pid_t pid;

    fflush(stdout);
    *seed_now = 0;
    if (pipe(pipe_fds) < 0)
        abort();
    pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0) {
        close(pipe_fds[0]);
        reason_fd = pipe_fds[1];
        run_here(t);
    }
    close(pipe_fds[1]);
    waitpid(pid, &status, 0);
    kill(-pid, SIGKILL); /* what it may have started */
    n = read(pipe_fds[0], reason, sizeof reason - 1);
    reason[n > 0 ? n : 0] = '\0';
    close(pipe_fds[0]);
    report(number, t, status, reason);
    return status == 0 ||
           (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP);
}

static bool is_chosen(const struct test *t, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strstr(t->name, argv[i]))
            return true;
    return argc < 2;
}

/* How many seeds are asked for; a sanitizer has a tenth of them. */
static long read_seeds(void)
{
    const char *text = getenv("TENDRIL_TEST_SEEDS");
    const char *loop = getenv("TENDRIL_LOOP");
    long n = text ? strtol(text, NULL, 10) : 0;

    if (n <= 0 || !loop || strcmp(loop, "sim") != 0)
        return 0;
    return n > TEST_SLOWNESS ? n / TEST_SLOWNESS : 1;
}

int test_main(const struct test *tests, size_t n, int argc, char **argv)
{
    int number = 0;
    bool is_good = true;

    program = argv[0];
    n_seeds = read_seeds();
    seed_now = mmap(NULL, sizeof *seed_now, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (seed_now == MAP_FAILED)
        abort();
    for (size_t i = 0; i < n; i++)
        if (is_chosen(&tests[i], argc, argv) && !run(++number, &tests[i]))
            is_good = false;
    printf("1..%d\n", number);
    return is_good ? 0 : 1;
}
