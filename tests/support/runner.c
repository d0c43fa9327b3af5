/* SPDX-License-Identifier: MIT */
/* tests/support/runner.c - runs each test in a child process and reports TAP.
 *
 * After a test no greenlet but main is alive, no timer is armed, no operation
 * is parked, every stack but the hub's is in the cache (so no reference was
 * forgotten), and as many descriptors are open as before. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include "support/test.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <tendril/tendril.h>
#include <unistd.h>

enum { SECONDS = 20, REASON_MAX = 200, EXIT_SKIP = 77 };

static int reason_fd = -1; /* in the child: where a skip's reason goes */

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
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, to, sizeof to - 1);

        if (len < 0)
            continue; /* "." and ".." */
        n++;
        to[len] = '\0';
        if (is_told)
            fprintf(stderr, "open: %s -> %s\n", entry->d_name, to);
    }
    closedir(dir);
    return n;
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

static _Noreturn void run_here(const struct test *t)
{
    const struct rlimit no_core = {0, 0};
    int n_open;

    setpgid(0, 0);
    setrlimit(RLIMIT_CORE, &no_core);
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    signal(SIGPIPE, SIG_DFL);
    alarm((unsigned)((t->seconds ? t->seconds : SECONDS) * TEST_SLOWNESS));
    if (!(t->flags & TEST_ALONE))
        tn_self();
    n_open = count_descriptors(false);
    t->fn();
    if (!(t->flags & TEST_ALONE))
        check_hub();
    if (count_descriptors(false) != n_open) {
        count_descriptors(true);
        fail_msg("%d descriptors were open before", n_open);
    }
    assert_result(tn_hub_destroy(), 0);
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

int test_main(const struct test *tests, size_t n, int argc, char **argv)
{
    int number = 0;
    bool is_good = true;

    for (size_t i = 0; i < n; i++)
        if (is_chosen(&tests[i], argc, argv) && !run(++number, &tests[i]))
            is_good = false;
    printf("1..%d\n", number);
    return is_good ? 0 : 1;
}
