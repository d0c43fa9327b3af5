/* SPDX-License-Identifier: MIT */
/* tests/unit/test_process.c - starting child processes and talking with them
 * (S132..S136). */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hub/watch_pid.h"
#include "support/green.h"

#define SHELL(text)                                                            \
 (char *[])                                                                    \
 {                                                                             \
  (char *)"sh", (char *)"-c", (char *)(text), NULL                             \
 }

static const struct tn_process_options piped = {
    .size = sizeof(struct tn_process_options),
    .in = TN_PROCESS_PIPE,
    .out = TN_PROCESS_PIPE,
    .err = TN_PROCESS_PIPE};

static tn_process *begin(const char *text,
                         const struct tn_process_options *options)
{
    tn_process *p;

    assert_result(tn_process_spawn(SHELL(text), options, &p), 0);
    assert_true(tn_process_pid(p) > 0);
    return p;
}

static void end(tn_process *p)
{
    assert_result(tn_process_free(p), 0);
}

/* Run it with these options, and see that it says this. */
static void says(const char *text, const struct tn_process_options *options,
                 const char *words)
{
    struct tn_process_io io = TN_PROCESS_IO;

    assert_result(tn_run(SHELL(text), options, &io, TN_FOREVER), 0);
    assert_string_equal(io.out ? io.out : "", words);
    tn_process_io_free(&io);
}

static int count_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    int n = -2; /* "." and ".." */

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* No child is left, not even a zombie; nor a thread that waits for one. */
static void no_child_is_left(void)
{
    /* How many threads of its own TSan has differs. */
    while (!TEST_TSAN && count_threads() > 1)
        assert_result(tn_sleep(tn_after_us(100)), 0);
    for (;;) {
        siginfo_t info;

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
            break;
        assert_result(tn_sleep(tn_after_us(100)), 0);
    }
    assert_int_equal(errno, ECHILD);
}

/* ---- its end ---- */

static void the_status_of_a_child_is_told_each_time(void)
{
    tn_process *p = begin("exit 7", NULL);
    int status = 0;

    assert_result(tn_process_wait(p, &status, TN_FOREVER), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_result(tn_process_wait(p, NULL, TN_NOWAIT), 0);
    status = 0;
    assert_result(tn_process_wait(p, &status, TN_FOREVER), 0);
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_result(tn_process_kill(p, SIGTERM), -ESRCH);
    end(p);
    no_child_is_left();
}

static int wait_for(void *arg)
{
    int status;
    int r = tn_process_wait(arg, &status, TN_FOREVER);

    return r < 0 ? r : WTERMSIG(status);
}

static void several_wait_for_one_that_is_killed(void)
{
    tn_process *p = begin("exec sleep 1000", NULL);
    tn_greenlet *g[3];

    for (int i = 0; i < 3; i++)
        g[i] = spawn(wait_for, p);
    settle();
    assert_result(tn_process_wait(p, NULL, TN_NOWAIT), -EAGAIN);
    assert_result(tn_process_wait(p, NULL, tn_after_us(10)), -ETIME);
    assert_result(tn_process_kill(p, 1000), -EINVAL);
    assert_result(tn_process_kill(p, SIGKILL), 0);
    for (int i = 0; i < 3; i++)
        assert_result(join(g[i]), SIGKILL);
    end(p);
    no_child_is_left();
}

static void freeing_one_that_runs_leaves_no_zombie(void)
{
    int fds[2], status;
    char byte;
    tn_process *p;
    tn_greenlet *g;
    pid_t other;

    open_foreign_pipe(fds);
    other = fork();
    if (other == 0)
        _exit(9);
    p = begin("read x; exit 0", &piped);
    g = spawn(wait_for, p);
    settle();
    end(p); /* closes its input: it ends */
    assert_result(join(g), -EBADF);
    assert_result(waitpid(other, &status, 0), other); /* was not taken */
    assert_int_equal(WEXITSTATUS(status), 9);
    close(fds[1]);
    assert_result(tn_read(fds[0], &byte, 1, TN_FOREVER), 0);
    close(fds[0]);
    no_child_is_left();
}

static void a_status_taken_by_somebody_else_is_echild(void)
{
    tn_process *p = begin("exit 3", NULL);
    int status;

    assert_result(waitpid(tn_process_pid(p), &status, 0), tn_process_pid(p));
    assert_result(tn_process_wait(p, &status, TN_FOREVER), -ECHILD);
    assert_result(tn_process_wait(p, &status, TN_FOREVER), -ECHILD);
    end(p);
}

static void without_pidfds_it_is_the_same(void)
{
    tn__pid_is_old_kernel = true;
    the_status_of_a_child_is_told_each_time();
    several_wait_for_one_that_is_killed();
    freeing_one_that_runs_leaves_no_zombie();
}

static void count_end(tn_waitable *w, void *arg)
{
    (void)w;
    ++*(int *)arg;
}

static void its_end_is_waited_for_together_with_others(void)
{
    tn_process *p[2];
    tn_waitable *w[2];
    tn_link link;
    size_t which;
    int n = 0;

    for (int i = 0; i < 2; i++) {
        p[i] = begin("exec sleep 1000", NULL);
        w[i] = tn_process_waitable(p[i]);
        assert_non_null(w[i]);
        assert_result(tn_waitable_is_ready(w[i]), 0);
    }
    assert_result(tn_waitable_link(w[1], &link, count_end, &n), 0);
    assert_result(tn_wait_any(w, 2, &which, TN_NOWAIT), -EAGAIN);
    assert_result(tn_process_kill(p[1], SIGKILL), 0);
    assert_result(tn_wait_any(w, 2, &which, TN_FOREVER), 0);
    assert_int_equal(which, 1);
    assert_result(tn_process_wait(p[1], NULL, TN_NOWAIT), 0);
    assert_result(tn_yield(), 0);
    while (n == 0)
        assert_result(tn_sleep(tn_after_us(10)), 0);
    assert_int_equal(n, 1);
    assert_result(tn_waitable_is_ready(tn_process_waitable(p[1])), 1);
    assert_result(tn_process_kill(p[0], SIGKILL), 0);
    end(p[0]); /* while the loop watches it */
    end(p[1]);
    assert_null(tn_process_waitable(NULL));
    no_child_is_left();
}

/* ---- starting ---- */

static void a_missing_program_is_enoent_each_time(void)
{
    char *const argv[] = {(char *)"tendril-no-such-program", NULL};
    struct tn_process_options options = piped;
    tn_process *p;

    for (int i = 0; i < 7; i++)
        assert_result(tn_process_spawn(argv, &options, &p), -ENOENT);
    options.cwd = "/tmp/tendril-no-such-folder";
    assert_result(tn_process_spawn(SHELL("exit"), &options, &p), -ENOENT);
    options.cwd = NULL;
    assert_result(
        tn_process_spawn((char *[]){(char *)"/tmp", NULL}, &options, &p),
        -EACCES);
    no_child_is_left();
}

static void bad_options_are_refused(void)
{
    struct tn_process_options options = TN_PROCESS_OPTIONS;
    tn_process *p;
    int bad = 999;

    assert_result(tn_process_spawn(NULL, NULL, &p), -EINVAL);
    assert_result(tn_process_spawn((char *[]){NULL}, NULL, &p), -EINVAL);
    assert_result(tn_process_spawn(SHELL("exit"), NULL, NULL), -EINVAL);
    options.flags = 1024;
    assert_result(tn_process_spawn(SHELL("exit"), &options, &p), -EINVAL);
    options.flags = 0;
    options.out = TN_PROCESS_AS_OUTPUT;
    assert_result(tn_process_spawn(SHELL("exit"), &options, &p), -EINVAL);
    options.out = 999;
    options.in = TN_PROCESS_PIPE;
    assert_result(tn_process_spawn(SHELL("exit"), &options, &p), -EBADF);
    options = piped;
    options.keep = &bad;
    options.n_keep = 1;
    assert_result(tn_process_spawn(SHELL("exit"), &options, &p), -EBADF);
    assert_result(tn_process_free(NULL), 0);
    assert_result(tn_process_wait(NULL, NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_process_fd(NULL, 0), -EBADF);
    p = begin("exit", NULL);
    assert_result(tn_process_fd(p, 0), -EBADF);
    assert_result(tn_process_fd(p, 3), -EBADF);
    assert_result(tn_process_close(p, 1), -EBADF);
    assert_result(tn_process_kill_group(p, SIGTERM), -EINVAL);
    assert_result(tn_process_wait(p, NULL, TN_FOREVER), 0);
    end(p);
}

static void environment_folder_and_streams_are_set(void)
{
    char *const env[] = {(char *)"WORD=green", NULL};
    struct tn_process_options options = piped;

    options.in = TN_PROCESS_NULL;
    options.env = env;
    options.cwd = "/";
    says("echo $WORD; pwd; cat", &options, "green\n/\n");
    options.err = TN_PROCESS_AS_OUTPUT;
    says("echo one; echo two >&2", &options, "one\ntwo\n");
    options.err = TN_PROCESS_NULL;
    says("echo one; echo two >&2", &options, "one\n");
}

static void a_descriptor_is_given_and_two_are_swapped(void)
{
    struct tn_process_options options = TN_PROCESS_OPTIONS;
    char buf[16] = "";
    tn_process *p;
    int fds[2], out = dup(1), err = dup(2), pair[2];

    open_foreign_pipe(fds);
    open_foreign_pipe(pair);
    assert_int_equal(dup2(fds[1], 1), 1);
    assert_int_equal(dup2(pair[1], 2), 2);
    options.out = 2;
    options.err = 1;
    p = begin("echo out; echo err >&2", &options);
    dup2(out, 1);
    dup2(err, 2);
    assert_result(tn_read(pair[0], buf, sizeof buf, TN_FOREVER), 4);
    assert_memory_equal(buf, "out\n", 4);
    assert_result(tn_read(fds[0], buf, sizeof buf, TN_FOREVER), 4);
    assert_memory_equal(buf, "err\n", 4);
    assert_result(tn_process_wait(p, NULL, TN_FOREVER), 0);
    end(p);
    close_both(fds);
    close_both(pair);
    close(out);
    close(err);
}

static void only_what_is_kept_stays_open(void)
{
    static const char look[] = "for i in 3 50 51 52 53 60; do "
                               "[ -e /proc/$$/fd/$i ] && echo $i; done; exit 0";
    struct tn_process_options options = piped;
    const int keep[] = {53, 51};

    for (int i = 50; i < 54; i++)
        assert_int_equal(dup2(0, i), i);
    assert_int_equal(fcntl(51, F_SETFD, FD_CLOEXEC), 0);
    assert_int_equal(fcntl(52, F_SETFD, FD_CLOEXEC), 0);
    says(look, &options, "");
    options.keep = keep;
    options.n_keep = 2;
    says(look, &options, "51\n53\n");
    options.flags = TN_PROCESS_KEEP_ALL;
    says(look, &options, "50\n51\n53\n");
    for (int i = 50; i < 54; i++)
        close(i);
}

/* O_NONBLOCK is 04000 of the flags, the rest of them is not looked at. */
/* O_NONBLOCK is 04000 of the flags, which are octal. */
static const char is_blocking[] = "case $(grep flags /proc/self/fdinfo/0) in "
                                  "*[4567]??? ) echo no;; *) echo yes;; esac";

static void a_nonblocking_input_blocks_for_the_child(void)
{
    struct tn_process_options options = piped;
    int fds[2];

    open_pipe(fds); /* tendril's: they have O_NONBLOCK */
    options.in = fds[0];
    says(is_blocking, &options, "yes\n");
    assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK); /* ours still has it */
    assert_int_equal(dup2(fds[0], 0), 0);
    options.in = TN_PROCESS_INHERIT;
    says(is_blocking, &options, "yes\n");
    close_both(fds);
    open_pair(fds); /* a socket can only lose it */
    options.in = fds[0];
    says(is_blocking, &options, "yes\n");
    assert_result(tn_read(fds[0], &options, 1, tn_after_us(10)), -ETIME);
    close_both(fds);
    says(is_blocking, NULL, "yes\n");
}

static void ignore(int signo)
{
    (void)signo;
}

static void signals_are_as_for_a_new_program(void)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, ignore);
    sigfillset(&set);
    assert_result(sigprocmask(SIG_SETMASK, &set, NULL), 0);
    says("cat /proc/self/status | grep -E 'Sig(Blk|Ign|Cgt)' | tr -d '0\\n\\t'",
         NULL, "SigBlk:SigIgn:SigCgt:");
}

static void groups_and_sessions_are_begun(void)
{
    struct tn_process_options options = TN_PROCESS_OPTIONS;
    tn_process *p;
    int status;

    options.flags = TN_PROCESS_GROUP;
    p = begin("sleep 1000 & wait", &options);
    assert_int_equal(getpgid(tn_process_pid(p)), tn_process_pid(p));
    assert_result(tn_process_kill_group(p, SIGTERM), 0);
    assert_result(tn_process_wait(p, &status, TN_FOREVER), 0);
    assert_int_equal(WTERMSIG(status), SIGTERM);
    end(p);
    options.flags = TN_PROCESS_SESSION | TN_PROCESS_DIE_WITH_US;
    p = begin("exec sleep 1000", &options);
    assert_int_equal(getsid(tn_process_pid(p)), tn_process_pid(p));
    assert_result(tn_process_kill(p, SIGTERM), 0);
    assert_result(tn_process_wait(p, NULL, TN_FOREVER), 0);
    end(p);
}

static void *start_one_that_dies_with_us(void *arg)
{
    struct tn_process_options options = TN_PROCESS_OPTIONS;
    tn_process *p;

    options.flags = TN_PROCESS_DIE_WITH_US;
    p = begin("exec sleep 1000", &options);
    *(pid_t *)arg = tn_process_pid(p);
    end(p);
    return NULL;
}

static void one_dies_with_the_thread_that_started_it(void)
{
    pthread_t thread;
    pid_t pid;

    assert_result(
        pthread_create(&thread, NULL, start_one_that_dies_with_us, &pid), 0);
    assert_result(pthread_join(thread, NULL), 0);
    no_child_is_left();
    assert_int_equal(kill(pid, 0), -1);
}

/* ---- threads ---- */

static void *run_one(void *arg)
{
    says("echo thread", NULL, "thread\n");
    assert_result(tn_process_wait(arg, NULL, TN_FOREVER), -EXDEV);
    assert_result(tn_process_free(arg), -EXDEV);
    assert_result(tn_process_kill(arg, SIGKILL), -EXDEV);
    return NULL;
}

static void every_threads_hub_can_start_them(void)
{
    tn_process *p = begin("exit 0", NULL);
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        assert_result(pthread_create(&threads[i], NULL, run_one, p), 0);
    assert_result(tn_process_wait(p, NULL, TN_FOREVER), 0);
    for (int i = 0; i < 2; i++)
        assert_result(pthread_join(threads[i], NULL), 0);
    end(p);
}

/* ---- talking ---- */

enum { BULK = 1000000 };

static void input_and_output_larger_than_a_pipe_pass(void)
{
    struct tn_process_io io = TN_PROCESS_IO;
    char *bulk = malloc(BULK);

    assert_non_null(bulk);
    memset(bulk, 'x', BULK);
    io.in = bulk;
    io.in_bytes = BULK;
    assert_result(tn_run(SHELL("tee /dev/stderr"), NULL, &io, TN_FOREVER), 0);
    assert_int_equal(io.status, 0);
    assert_int_equal(io.out_bytes, BULK);
    assert_int_equal(io.err_bytes, BULK);
    assert_memory_equal(io.out, bulk, BULK);
    assert_memory_equal(io.err, bulk, BULK);
    tn_process_io_free(&io);
    free(bulk);
}

static void input_that_is_not_read_ends_quietly(void)
{
    struct tn_process_io io = TN_PROCESS_IO;
    char *bulk = calloc(1, BULK);

    io.in = bulk;
    io.in_bytes = BULK;
    assert_result(
        tn_run(SHELL("exec 0<&-; echo done; exit 4"), NULL, &io, TN_FOREVER),
        0);
    assert_string_equal(io.out, "done\n");
    assert_int_equal(WEXITSTATUS(io.status), 4);
    tn_process_io_free(&io);
    free(bulk);
}

static void a_timeout_keeps_what_has_come_and_the_next_call_goes_on(void)
{
    struct tn_process_options options = piped;
    struct tn_process_io io = TN_PROCESS_IO;
    const int kept = 9;
    tn_process *p;
    int fds[2];

    test_not_on("sim", "the child has no virtual clock");
    open_foreign_pipe(fds);
    assert_int_equal(dup2(fds[0], kept), kept);
    options.keep = &kept;
    options.n_keep = 1;
    io.in = "four";
    io.in_bytes = 4;
    p = begin("echo one; echo two >&2; read x <&9; echo $x; cat", &options);
    while (io.out_bytes < 4 || io.err_bytes < 4)
        assert_result(tn_process_communicate(p, &io, tn_after_ms(2)), -ETIME);
    assert_string_equal(io.out, "one\n");
    assert_string_equal(io.err, "two\n");
    assert_result(tn_process_communicate(p, &io, TN_NOWAIT), -EAGAIN);
    assert_result(write(fds[1], "three\n", 6), 6);
    assert_result(tn_process_communicate(p, &io, TN_FOREVER), 0);
    assert_string_equal(io.out, "one\nthree\nfour");
    assert_string_equal(io.err, "two\n");
    assert_int_equal(io.status, 0);
    tn_process_io_free(&io);
    end(p);
    close(kept);
    close_both(fds);
}

static void too_much_output_is_emsgsize(void)
{
    struct tn_process_io io = TN_PROCESS_IO;

    io.bytes_max = 1000;
    assert_result(tn_run(SHELL("yes"), NULL, &io, TN_FOREVER), -EMSGSIZE);
    assert_int_equal(io.out_bytes, 1000);
    tn_process_io_free(&io);
    io.bytes_max = 3;
    assert_result(tn_run(SHELL("echo abc"), NULL, &io, TN_FOREVER), -EMSGSIZE);
    tn_process_io_free(&io);
    io.bytes_max = 4;
    assert_result(tn_run(SHELL("echo abc"), NULL, &io, TN_FOREVER), 0);
    tn_process_io_free(&io);
    no_child_is_left();
}

static void a_run_that_takes_too_long_is_killed(void)
{
    struct tn_process_io io = TN_PROCESS_IO;
    struct tn_process_options options = piped;

    options.flags = TN_PROCESS_GROUP;
    assert_result(
        tn_run(SHELL("echo BDFL; sleep 1000"), &options, &io, tn_after_ms(50)),
        -ETIME);
    assert_true(WIFSIGNALED(io.status));
    if (strcmp(tn_hub_loop_name(), "sim") != 0)
        assert_string_equal(io.out ? io.out : "", "BDFL\n");
    tn_process_io_free(&io);
    assert_result(tn_run(SHELL("exec sleep 1000"), NULL, NULL, TN_NOWAIT),
                  -EAGAIN);
    no_child_is_left();
}

static void a_grandchild_that_holds_the_pipe_is_not_waited_for(void)
{
    struct tn_process_io io = TN_PROCESS_IO;

    assert_result(
        tn_run(SHELL("sleep 1000 & echo $!; wait"), NULL, &io, tn_after_ms(50)),
        -ETIME);
    if (io.out && strtol(io.out, NULL, 10) > 1)
        kill((pid_t)strtol(io.out, NULL, 10), SIGKILL);
    tn_process_io_free(&io);
    no_child_is_left();
}

static int run_long(void *arg)
{
    return tn_run(SHELL("exec sleep 1000"), NULL, arg, TN_FOREVER);
}

static void killing_the_caller_of_a_run_kills_the_child(void)
{
    struct tn_process_io io = TN_PROCESS_IO;
    tn_greenlet *g = spawn(run_long, &io);

    settle();
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(join(g), -ECANCELED);
    assert_true(WIFSIGNALED(io.status));
    assert_int_equal(WTERMSIG(io.status), SIGKILL);
    tn_process_io_free(&io);
    no_child_is_left();
}

static void its_pipes_are_descriptors_like_others(void)
{
    tn_process *p = begin("cat", &piped);
    char buf[8];

    assert_result(tn_write(tn_process_fd(p, 0), "hello", 5, TN_FOREVER), 5);
    assert_result(tn_read(tn_process_fd(p, 1), buf, 8, TN_FOREVER), 5);
    assert_result(tn_read(tn_process_fd(p, 1), buf, 8, TN_NOWAIT), -EAGAIN);
    assert_result(tn_process_close(p, 0), 0);
    assert_result(tn_process_fd(p, 0), -EBADF);
    assert_result(tn_read(tn_process_fd(p, 1), buf, 8, TN_FOREVER), 0);
    assert_result(tn_process_wait(p, NULL, TN_FOREVER), 0);
    end(p);
}

static void start_with_nothing_open(void)
{
    struct tn_process_options options = TN_PROCESS_OPTIONS;
    struct tn_process_io io = TN_PROCESS_IO;

    for (int fd = 0; fd < 3; fd++)
        close(fd);
    assert_result(tn_run(SHELL("echo hello; exit 3"), NULL, NULL, TN_FOREVER),
                  0);
    options.out = TN_PROCESS_PIPE;
    assert_result(tn_run(SHELL("for f in 0 2; do"
                               " [ -e /proc/self/fd/$f ] && echo $f; done;"
                               " echo done"),
                         &options, &io, TN_FOREVER),
                  0);
    assert_string_equal(io.out, "done\n");
    tn_process_io_free(&io);
}

static void what_is_closed_here_is_closed_there(void)
{
    run_in_child(start_with_nothing_open);
}

static void output_of_just_the_limit_is_not_too_much(void)
{
    struct tn_process_io io = TN_PROCESS_IO;

    io.bytes_max = 5;
    assert_result(
        tn_run(SHELL("printf hello; printf 12345 >&2"), NULL, &io, TN_FOREVER),
        0);
    assert_string_equal(io.out, "hello");
    assert_string_equal(io.err, "12345");
    tn_process_io_free(&io);
}

static pid_t forked[40];

/* As a program does that knows nothing of us. */
static void *fork_much(void *arg)
{
    const struct timespec pause_time = {0, 500000};

    for (int i = 0; i < 40; i++) {
        forked[i] = fork();
        while (forked[i] == 0)
            pause();
        nanosleep(&pause_time, NULL);
    }
    return arg;
}

static void who_is_forked_meanwhile_does_not_hold_up_a_start(void)
{
    enum { BYTES = 120000 }; /* exec is long in looking there */
    char *path = malloc(BYTES), *before = strdup(getenv("PATH"));
    pthread_t thread;
    tn_process *p;

    for (int i = 0; i < BYTES; i++)
        path[i] = "/no:"[i % 4];
    memcpy(path + BYTES - 16, "/bin:/usr/bin\0\0", 16);
    setenv("PATH", path, 1);
    assert_int_equal(pthread_create(&thread, NULL, fork_much, NULL), 0);
    p = begin("exit 0", NULL);
    assert_result(tn_process_wait(p, NULL, TN_FOREVER), 0);
    end(p);
    setenv("PATH", before, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (int i = 0; i < 40; i++) {
        kill(forked[i], SIGKILL);
        assert_int_equal(waitpid(forked[i], NULL, 0), forked[i]);
    }
    free(path);
    free(before);
}

TEST_MAIN(TEST(the_status_of_a_child_is_told_each_time),
          TEST(several_wait_for_one_that_is_killed),
          TEST(freeing_one_that_runs_leaves_no_zombie),
          TEST(a_status_taken_by_somebody_else_is_echild),
          TEST(without_pidfds_it_is_the_same),
          TEST(its_end_is_waited_for_together_with_others),
          TEST(a_missing_program_is_enoent_each_time),
          TEST(bad_options_are_refused),
          TEST(environment_folder_and_streams_are_set),
          TEST(a_descriptor_is_given_and_two_are_swapped),
          TEST(only_what_is_kept_stays_open),
          TEST(a_nonblocking_input_blocks_for_the_child),
          TEST(signals_are_as_for_a_new_program),
          TEST(groups_and_sessions_are_begun),
          TEST(one_dies_with_the_thread_that_started_it),
          TEST(every_threads_hub_can_start_them),
          TEST(input_and_output_larger_than_a_pipe_pass),
          TEST(input_that_is_not_read_ends_quietly),
          TEST(a_timeout_keeps_what_has_come_and_the_next_call_goes_on),
          TEST(too_much_output_is_emsgsize),
          TEST(a_run_that_takes_too_long_is_killed),
          TEST(a_grandchild_that_holds_the_pipe_is_not_waited_for),
          TEST(killing_the_caller_of_a_run_kills_the_child),
          TEST(its_pipes_are_descriptors_like_others),
          TEST(what_is_closed_here_is_closed_there),
          TEST(output_of_just_the_limit_is_not_too_much),
          TEST(who_is_forked_meanwhile_does_not_hold_up_a_start))
