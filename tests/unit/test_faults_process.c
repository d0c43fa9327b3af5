/* SPDX-License-Identifier: MIT */
/* tests/unit/test_faults_process.c - the n-th allocation and the n-th system
 * call fail, for every n, in child processes, signals and watchers (see
 * support/faults.h). */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hub/watch_pid.h"
#include "support/faults.h"

#define SHELL(text)                                                            \
 (char *[])                                                                    \
 {                                                                             \
  (char *)"sh", (char *)"-c", (char *)(text), NULL                             \
 }

/* Threads and descriptors that stand in for a pidfd; stacks. */
#define CHILD_DOES_WITHOUT "pidfd_open mmap madvise process_madvise"

/* A thread that waited for one may still be about to end. */
static int no_child_is_left(int r)
{
    siginfo_t info;

    if (tn__pid_is_old_kernel)
        faults_await_threads();
    assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), -1);
    return r;
}

/* ---- processes ---- */

/* An error of a wait changes nothing: it can be awaited still. */
static int bury(tn_process *p, int r)
{
    faults_pause();
    assert_result(tn_process_wait(p, NULL, TN_FOREVER), 0);
    faults_resume();
    assert_result(tn_process_free(p), 0);
    return no_child_is_left(r);
}

static int process_ends(void)
{
    tn_process *p;
    int status, r = tn_process_spawn(SHELL("exit 7"), NULL, &p), waited;

    if (r < 0)
        return no_child_is_left(r);
    waited = tn_process_wait(p, &status, TN_FOREVER);
    if (waited == 0)
        assert_int_equal(WEXITSTATUS(status), 7);
    return bury(p, waited);
}

static void a_process(void)
{
    faults_each(process_ends, CHILD_DOES_WITHOUT);
}

static void a_process_that_a_thread_waits_for(void)
{
    tn__pid_is_old_kernel = true;
    faults_each(process_ends, CHILD_DOES_WITHOUT);
}

static int process_is_awaited_with_others(void)
{
    tn_waitable *w;
    tn_process *p;
    size_t index;
    int r = tn_process_spawn(SHELL("exit 7"), NULL, &p);

    if (r < 0)
        return no_child_is_left(r);
    w = tn_process_waitable(p);
    r = w ? tn_wait_any(&w, 1, &index, TN_FOREVER) : -ENOMEM;
    return bury(p, r);
}

static void the_end_of_a_process_as_a_waitable(void)
{
    faults_each(process_is_awaited_with_others, CHILD_DOES_WITHOUT);
}

static int process_talks(void)
{
    static const char in[] = "to and fro";
    struct tn_process_io io = TN_PROCESS_IO;
    int r;

    io.in = in;
    io.in_bytes = sizeof in;
    r = tn_run(SHELL("cat; cat /dev/null >&2; exit 3"), NULL, &io, TN_FOREVER);
    if (r == 0) {
        assert_int_equal(io.out_bytes, sizeof in);
        assert_memory_equal(io.out, in, sizeof in);
        assert_int_equal(WEXITSTATUS(io.status), 3);
    }
    tn_process_io_free(&io);
    return no_child_is_left(r);
}

static void a_talk_with_a_process(void)
{
    faults_each(process_talks, CHILD_DOES_WITHOUT);
}

static int process_has_it_all(void)
{
    struct tn_process_options options = TN_PROCESS_OPTIONS;
    int keep[1] = {9}, r, waited;
    tn_process *p;

    options.in = TN_PROCESS_NULL;
    options.out = TN_PROCESS_PIPE;
    options.err = TN_PROCESS_AS_OUTPUT;
    options.cwd = "/";
    options.flags = TN_PROCESS_GROUP | TN_PROCESS_DIE_WITH_US;
    options.keep = keep;
    options.n_keep = 1;
    r = tn_process_spawn(SHELL("exec sleep 100"), &options, &p);
    if (r < 0)
        return no_child_is_left(r);
    assert_result(tn_process_kill_group(p, SIGTERM), 0);
    waited = tn_process_wait(p, NULL, TN_FOREVER);
    return bury(p, waited);
}

static void a_process_with_all_options(void)
{
    int fds[2];

    open_pipe(fds);
    assert_int_equal(dup2(fds[0], 9), 9);
    faults_each(process_has_it_all, CHILD_DOES_WITHOUT);
    close(9);
    close_both(fds);
}

static int fork_end_and_wait(void)
{
    int status;
    pid_t pid = tn_fork(0), r;

    if (pid < 0)
        return no_child_is_left(pid);
    if (pid == 0)
        _exit(tn_yield() < 0 ? 1 : 0);
    r = tn_waitpid(pid, &status, 0, TN_FOREVER);
    if (r < 0)
        assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return no_child_is_left(r < 0 ? r : 0);
}

static void a_fork(void)
{
    faults_each(fork_end_and_wait,
                CHILD_DOES_WITHOUT " sigaltstack mprotect signalfd");
}

/* ---- signals ---- */

static int n_handled;

static int handle(int signo, void *arg)
{
    (void)signo;
    (void)arg;
    n_handled++;
    return 0;
}

static int signal_comes(void)
{
    tn_signal *s;
    int r = tn_signal_new(SIGUSR1, handle, NULL, &s);

    if (r < 0)
        return r;
    n_handled = 0;
    assert_int_equal(raise(SIGUSR1), 0);
    for (int i = 0; i < 100 && !n_handled && r == 0; i++)
        r = tn_sleep(tn_after_us(100));
    assert_result(tn_signal_free(s), 0);
    return r < 0 ? r : n_handled ? 0 : -ESRCH;
}

static void a_signal(void)
{
    faults_each(signal_comes, "mmap madvise process_madvise");
}

static int signal_is_awaited(void)
{
    static const int signos[] = {SIGUSR1};
    struct tn_signal_info info;
    int r;

    assert_int_equal(raise(SIGUSR1), 0);
    r = tn_signal_wait(signos, 1, &info, TN_FOREVER);
    if (r < 0) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        assert_int_equal(sigtimedwait(&set, NULL, &(struct timespec){0, 0}),
                         SIGUSR1);
        return r;
    }
    assert_int_equal(info.signo, SIGUSR1);
    return 0;
}

static void a_wait_for_a_signal(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    faults_each(signal_is_awaited, "");
}

static int interrupt_is_set_up(void)
{
    int r = tn_interrupt_on(SIGUSR2);

    if (r < 0)
        return r;
    assert_result(tn_interrupt_off(), 0);
    return 0;
}

static void an_interrupt(void)
{
    faults_each(interrupt_is_set_up, "");
}

/* ---- watchers ---- */

static int n_called;

static void call(tn_watch *w, int events, void *arg)
{
    (void)w;
    (void)events;
    (void)arg;
    n_called++;
}

/* Start it and, once `cause` has done its part, see it called. */
static int watch_lives(tn_watch *w, void (*cause)(tn_watch *w))
{
    int r = tn_watch_start(w);

    n_called = 0;
    if (r == 0 && cause)
        cause(w);
    for (int i = 0; i < 50 && r == 0 && !n_called; i++)
        r = tn_sleep(tn_after_us(100));
    assert_result(tn_watch_free(w), 0);
    return r < 0 ? r : n_called ? 0 : -ESRCH;
}

static int timer_lives(void)
{
    tn_watch *w;
    int r = tn_watch_timer_new(1000, 1000, call, NULL, &w);

    return r < 0 ? r : watch_lives(w, NULL);
}

static int fds[2];

static int io_lives(void)
{
    tn_watch *w;
    int r = tn_watch_io_new(fds[1], POLLOUT, call, NULL, &w);

    return r < 0 ? r : watch_lives(w, NULL);
}

static void raise_it(tn_watch *w)
{
    (void)w;
    assert_int_equal(raise(SIGUSR1), 0);
}

static int signal_lives(void)
{
    tn_watch *w;
    int r = tn_watch_signal_new(SIGUSR1, call, NULL, &w);

    return r < 0 ? r : watch_lives(w, raise_it);
}

static void send_it(tn_watch *w)
{
    assert_result(tn_watch_async_send(w), 0);
}

static int async_lives(void)
{
    tn_watch *w;
    int r = tn_watch_async_new(call, NULL, &w);

    return r < 0 ? r : watch_lives(w, send_it);
}

static int turns_live(void)
{
    static int (*const makers[])(tn_watch_fn, void *, tn_watch **) = {
        tn_watch_idle_new, tn_watch_prepare_new, tn_watch_check_new};
    tn_watch *w;
    int r = 0;

    for (int i = 0; i < 3 && r == 0; i++) {
        r = makers[i](call, NULL, &w);
        if (r == 0)
            r = watch_lives(w, NULL);
    }
    if (r == 0)
        r = tn_watch_fork_new(call, NULL, &w);
    if (r == 0) {
        r = tn_watch_start(w);
        assert_result(tn_watch_free(w), 0);
    }
    return r;
}

static void watchers_of_the_loop(void)
{
    open_pair(fds);
    faults_each(timer_lives, "");
    faults_each(io_lives, "epoll_ctl");
    faults_each(signal_lives, "");
    faults_each(async_lives, "");
    faults_each(turns_live, "");
    close_both(fds);
}

static char path[64];

static void touch(tn_watch *w)
{
    FILE *f;

    (void)w;
    faults_pause();
    f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    faults_resume();
}

static int64_t interval_ns;

static int stat_lives(void)
{
    tn_watch *w;
    int r = tn_watch_stat_new(path, interval_ns, call, NULL, &w);

    if (r == 0)
        r = watch_lives(w, touch);
    unlink(path);
    return r;
}

static int stat_begins(void)
{
    tn_watch *w;
    int r;

    touch(NULL);
    r = tn_watch_stat_new(path, 0, call, NULL, &w);
    if (r == 0) {
        r = tn_watch_start(w);
        assert_result(tn_watch_free(w), 0);
    }
    unlink(path);
    return r;
}

static void a_watcher_of_a_path(void)
{
    snprintf(path, sizeof path, "/tmp/tendril-faults-%d", (int)getpid());
    faults_each(stat_begins, "read");
    faults_each(stat_lives, "inotify_add_watch read epoll_ctl");
    interval_ns = 1000000;
    faults_each(stat_lives,
                "inotify_init1 inotify_add_watch read epoll_ctl malloc");
}

static int child_lives(void)
{
    tn_watch *w;
    pid_t pid;
    int r, status;

    faults_pause();
    pid = fork();
    if (pid == 0)
        _exit(3);
    faults_resume();
    r = tn_watch_child_new(pid, call, NULL, &w);
    if (r == 0) {
        r = tn_watch_start(w);
        n_called = 0;
        while (r == 0 && !n_called)
            r = tn_sleep(tn_after_us(100));
        if (n_called)
            r = tn_watch_child_status(w, &status);
        if (n_called && r == 0)
            pid = 0;
        assert_result(tn_watch_free(w), 0);
    }
    if (pid)
        assert_int_equal(waitpid(pid, &status, 0), pid);
    return no_child_is_left(r);
}

static void a_watcher_of_a_child(void)
{
    faults_each(child_lives, CHILD_DOES_WITHOUT);
}

TEST_MAIN(TEST_LONG(a_process, 0, 60),
          TEST_LONG(a_process_that_a_thread_waits_for, 0, 60),
          TEST_LONG(the_end_of_a_process_as_a_waitable, 0, 60),
          TEST_LONG(a_talk_with_a_process, 0, 60),
          TEST_LONG(a_process_with_all_options, 0, 60),
          TEST_LONG(a_fork, 0, 60), TEST(a_signal), TEST(a_wait_for_a_signal),
          TEST(an_interrupt), TEST(watchers_of_the_loop),
          TEST(a_watcher_of_a_path), TEST(a_watcher_of_a_child))
