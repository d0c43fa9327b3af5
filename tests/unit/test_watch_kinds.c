/* SPDX-License-Identifier: MIT */
/* tests/unit/test_watch_kinds.c - watchers of children, paths and forks (S45,
 * S46). */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/green.h"

#define MS 1000000

struct calls {
    int n;
    int events; /* of the last one */
};

static void called(tn_watch *w, int events, void *arg)
{
    struct calls *c = arg;

    c->n++;
    c->events = events;
    (void)w;
}

static void start(tn_watch *w)
{
    assert_result(tn_watch_start(w), 0);
    assert_result(tn_watch_is_active(w), 1);
}

static void end(tn_watch *w)
{
    assert_result(tn_watch_free(w), 0);
}

/* ---- children ---- */

static pid_t fork_one(int is_late)
{
    int fds[2];
    char byte;
    pid_t pid;

    assert_result(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[1]);
        if (is_late && read(fds[0], &byte, 1) < 0)
            _exit(1);
        _exit(5);
    }
    close(fds[0]);
    if (!is_late) {
        close(fds[1]);
        return pid;
    }
    assert_int_equal(dup2(fds[1], 200), 200);
    close(fds[1]);
    return pid;
}

static void a_child_is_watched_to_its_end(void)
{
    for (int is_late = 0; is_late < 2; is_late++) {
        struct calls c = {0};
        pid_t pid = fork_one(is_late);
        int status;
        tn_watch *w;

        assert_result(tn_watch_child_new(pid, called, &c, &w), 0);
        start(w);
        assert_result(tn_watch_child_status(w, &status), -EAGAIN);
        if (is_late)
            assert_result(close(200), 0);
        assert_result(tn_hub_join(TN_FOREVER), 0);
        assert_int_equal(c.n, 1);
        assert_result(tn_watch_child_status(w, &status), 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 5);
        assert_result(waitpid(pid, &status, 0), -1); /* no zombie */
        assert_result(tn_watch_start(w), -ECHILD);
        end(w);
    }
}

static void a_child_watcher_takes_no_other_child(void)
{
    struct calls c = {0};
    pid_t other = fork_one(0), pid = fork_one(0);
    int status;
    tn_watch *w;

    assert_result(tn_watch_child_new(pid, called, &c, &w), 0);
    start(w);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(waitpid(other, &status, 0), other);
    assert_int_equal(WEXITSTATUS(status), 5);
    end(w);
}

/* ---- stat ---- */

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

    assert_true(fd >= 0);
    assert_result(write(fd, text, strlen(text)), (long)strlen(text));
    close(fd);
}

static void until(const int *n, int at_least)
{
    while (*n < at_least)
        assert_result(tn_sleep(tn_after_us(100)), 0);
}

static void a_path_is_watched_for_writes_and_unlink(void)
{
    for (int way = 0; way < 2; way++) {
        char dir[] = "/tmp/tendril-stat-XXXXXX", path[64];
        struct calls c = {0};
        tn_watch *w;

        assert_non_null(mkdtemp(dir));
        snprintf(path, sizeof path, "%s/file", dir);
        /* By inotify, and by looking; the folder of the second is not there. */
        if (way)
            rmdir(dir);
        assert_result(tn_watch_stat_new(path, way ? MS : 0, called, &c, &w), 0);
        start(w);
        assert_null(tn_watch_stat_now(w));
        if (way)
            assert_result(mkdir(dir, 0700), 0);
        put(path, "one");
        until(&c.n, 1);
        while (tn_watch_stat_now(w)->st_size != 3)
            assert_result(tn_sleep(tn_after_us(100)), 0);
        c.n = 0;
        put(path, "two");
        until(&c.n, 1);
        assert_int_equal(tn_watch_stat_now(w)->st_size, 6);
        assert_non_null(tn_watch_stat_before(w));
        assert_int_equal(tn_watch_stat_before(w)->st_size, 3);
        c.n = 0;
        assert_result(unlink(path), 0);
        until(&c.n, 1);
        while (tn_watch_stat_now(w))
            assert_result(tn_sleep(tn_after_us(100)), 0);
        assert_non_null(tn_watch_stat_before(w));
        end(w);
        assert_result(rmdir(dir), 0);
    }
}

static void a_path_in_no_folder_is_refused(void)
{
    tn_watch *w;

    assert_result(
        tn_watch_stat_new("/tmp/tendril-no-such/file", 0, called, NULL, &w), 0);
    assert_result(tn_watch_start(w), -ENOENT);
    end(w);
}

/* ---- fork ---- */

static struct calls at_fork;
static tn_watch *fork_watch, *other_watch;

static void use_in_child(void)
{
    assert_int_equal(at_fork.n, 0);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    assert_int_equal(at_fork.n, 1);
    assert_result(tn_watch_is_active(fork_watch), 1);
    assert_result(tn_watch_is_active(other_watch), 0);
    assert_result(tn_watch_start(other_watch), -EXDEV);
    end(other_watch);
    end(fork_watch);
    assert_result(tn_hub_destroy(), 0);
}

static void a_fork_watcher_runs_in_the_child_only(void)
{
    struct calls c = {0};

    assert_result(tn_watch_fork_new(called, &at_fork, &fork_watch), 0);
    start(fork_watch);
    assert_result(tn_watch_timer_new(0, MS, called, &c, &other_watch), 0);
    start(other_watch);
    run_in_child(use_in_child);
    assert_result(tn_sleep(tn_after_ms(3)), 0);
    assert_int_equal(at_fork.n, 0);
    assert_true(c.n > 0);
    end(other_watch);
    end(fork_watch);
}

TEST_MAIN(TEST(a_child_is_watched_to_its_end),
          TEST(a_child_watcher_takes_no_other_child),
          TEST(a_path_is_watched_for_writes_and_unlink),
          TEST(a_path_in_no_folder_is_refused),
          TEST(a_fork_watcher_runs_in_the_child_only))
