/* SPDX-License-Identifier: MIT */
/* tests/unit/test_file.c - calls on files (S129 as far as it is about C). Run
 * twice on each loop: by io_uring, and by the offload pool. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/file.h"
#include "support/green.h"

static const char template[] = "/tmp/tendril-file-XXXXXX";
static char dir[sizeof template]; /* "" : not made */
static char paths[8][64];

/* A path in a directory of this test's own. */
static const char *path_of(const char *name)
{
    static int n;
    char *path = paths[n++ % 8];

    if (!dir[0]) {
        memcpy(dir, template, sizeof dir);
        assert_non_null(mkdtemp(dir));
    }
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void remove_dir(void)
{
    assert_result(tn_file_rmdir(dir, TN_FOREVER), 0);
    dir[0] = '\0';
}

static void need(const char *backend)
{
    if (strcmp(tn_file_backend(), backend) != 0)
        test_skip("done the other way here");
}

static int open_new(const char *path)
{
    int fd = tn_file_open(path, O_RDWR | O_CREAT | O_EXCL, 0640, TN_FOREVER);

    assert_true(fd >= 0);
    return fd;
}

static void remove_file(int fd, const char *path)
{
    assert_result(tn_file_close(fd), 0);
    assert_result(tn_file_unlink(path, TN_FOREVER), 0);
}

/* ---- reading and writing ---- */

static void the_way_is_what_was_set(void)
{
    const char *set = getenv("TENDRIL_FILES");

    if (set && strcmp(set, "pool") == 0)
        assert_string_equal(tn_file_backend(), "pool");
    else if (strcmp(tn_file_backend(), "uring") != 0)
        test_skip("no io_uring here");
}

static void what_is_written_is_read_back(void)
{
    const char *path = path_of("a");
    int fd = open_new(path);
    char buf[32];

    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_result(tn_file_pwrite(fd, "hello", 5, 3, TN_FOREVER), 5);
    assert_result(tn_file_pread(fd, buf, 5, 3, TN_FOREVER), 5);
    assert_memory_equal(buf, "hello", 5);
    assert_result(tn_file_pread(fd, buf, sizeof buf, 0, TN_FOREVER), 8);
    assert_memory_equal(buf, "\0\0\0hello", 8);
    assert_result(tn_file_pread(fd, buf, sizeof buf, 8, TN_FOREVER), 0);
    assert_result(tn_file_pread(fd, buf, sizeof buf, 800, TN_FOREVER), 0);
    assert_result(tn_file_pread(fd, buf, 0, 0, TN_FOREVER), 0);
    assert_result(tn_file_pwrite(fd, buf, 0, 0, TN_FOREVER), 0);
    assert_result(lseek(fd, 0, SEEK_CUR), 0);
    remove_file(fd, path);
    remove_dir();
}

enum { BIG = 1 << 20 };

static void what_is_not_in_the_page_cache_is_read_all_the_same(void)
{
    const char *path = path_of("big");
    int fd = open_new(path);
    unsigned char *out = malloc(BIG), *in = malloc(BIG + 1);

    for (int i = 0; i < BIG; i++)
        out[i] = (unsigned char)(i * 7 + i / 4096);
    assert_result(tn_file_pwrite(fd, out, BIG, 0, TN_FOREVER), BIG);
    assert_result(tn_file_fsync(fd, TN_FOREVER), 0);
    for (int from = 0; from <= BIG / 2; from += BIG / 2) {
        /* All of it is out, or one half. */
        assert_result(posix_fadvise(fd, from, 0, POSIX_FADV_DONTNEED), 0);
        memset(in, 0, BIG);
        assert_result(tn_file_pread(fd, in, BIG + 1, 0, TN_FOREVER), BIG);
        assert_memory_equal(in, out, BIG);
    }
    free(in);
    free(out);
    remove_file(fd, path);
    remove_dir();
}

static void without_waiting_only_what_goes_at_once(void)
{
    const char *path = path_of("a");
    int fd = open_new(path);
    struct stat s;
    char buf[8];
    ssize_t r;

    assert_result(tn_file_pwrite(fd, "hello", 5, 0, TN_FOREVER), 5);
    r = tn_file_pread(fd, buf, 5, 0, TN_NOWAIT);
    assert_true(r == 5 || r == -EAGAIN); /* as its file system can */
    r = tn_file_pwrite(fd, "hello", 5, 0, TN_NOWAIT);
    assert_true(r == 5 || r == -EAGAIN);
    assert_result(tn_file_open(path, O_RDONLY, 0, TN_NOWAIT), -EAGAIN);
    assert_result(tn_file_fsync(fd, TN_NOWAIT), -EAGAIN);
    assert_result(tn_file_stat(path, &s, TN_NOWAIT), -EAGAIN);
    assert_result(tn_file_unlink(path, TN_NOWAIT), -EAGAIN);
    remove_file(fd, path);
    remove_dir();
}

static void a_file_is_synced_and_cut(void)
{
    const char *path = path_of("a");
    int fd = open_new(path);
    struct stat s;

    assert_result(tn_file_ftruncate(fd, 1000, TN_FOREVER), 0);
    assert_result(tn_file_fstat(fd, &s, TN_FOREVER), 0);
    assert_int_equal(s.st_size, 1000);
    assert_result(tn_file_fdatasync(fd, TN_FOREVER), 0);
    assert_result(tn_file_fsync(fd, TN_FOREVER), 0);
    remove_file(fd, path);
    remove_dir();
}

/* ---- names ---- */

static void assert_same(const struct stat *a, const struct stat *b)
{
    assert_true(a->st_dev == b->st_dev && a->st_ino == b->st_ino);
    assert_true(a->st_mode == b->st_mode && a->st_nlink == b->st_nlink);
    assert_true(a->st_uid == b->st_uid && a->st_gid == b->st_gid);
    assert_true(a->st_rdev == b->st_rdev && a->st_size == b->st_size);
    assert_true(a->st_blocks == b->st_blocks);
    assert_true(a->st_blksize == b->st_blksize);
    assert_memory_equal(&a->st_mtim, &b->st_mtim, sizeof a->st_mtim);
    assert_memory_equal(&a->st_ctim, &b->st_ctim, sizeof a->st_ctim);
}

static void stat_says_what_libcs_says(void)
{
    const char *path = path_of("a"), *link = path_of("link");
    int fd = open_new(path);
    struct stat ours, libcs;

    assert_result(symlink(path, link), 0);
    assert_result(tn_file_stat(link, &ours, TN_FOREVER), 0);
    assert_result(stat(link, &libcs), 0);
    assert_same(&ours, &libcs);
    assert_result(tn_file_lstat(link, &ours, TN_FOREVER), 0);
    assert_result(lstat(link, &libcs), 0);
    assert_same(&ours, &libcs);
    assert_result(tn_file_fstat(fd, &ours, TN_FOREVER), 0);
    assert_result(fstat(fd, &libcs), 0);
    assert_same(&ours, &libcs);
    assert_result(tn_file_stat("/dev/null", &ours, TN_FOREVER), 0);
    assert_result(stat("/dev/null", &libcs), 0);
    assert_same(&ours, &libcs);
    assert_result(tn_file_unlink(link, TN_FOREVER), 0);
    remove_file(fd, path);
    remove_dir();
}

static void names_are_made_changed_and_removed(void)
{
    const char *a = path_of("a"), *sub = path_of("sub"), *b = path_of("sub/b");
    int fd = open_new(a);
    struct stat s;

    assert_result(tn_file_mkdir(sub, 0700, TN_FOREVER), 0);
    assert_result(tn_file_mkdir(sub, 0700, TN_FOREVER), -EEXIST);
    assert_result(tn_file_rename(a, b, TN_FOREVER), 0);
    assert_result(tn_file_stat(a, &s, TN_FOREVER), -ENOENT);
    assert_result(tn_file_stat(b, &s, TN_FOREVER), 0);
    assert_result(tn_file_rmdir(sub, TN_FOREVER), -ENOTEMPTY);
    assert_result(tn_file_unlink(sub, TN_FOREVER), -EISDIR);
    remove_file(fd, b);
    assert_result(tn_file_rmdir(sub, TN_FOREVER), 0);
    remove_dir();
}

static void a_directory_is_listed(void)
{
    enum { N = 300 };
    char name[64], **names, seen[N] = {0};

    path_of("");
    assert_result(tn_file_readdir(dir, &names, TN_FOREVER), 0);
    assert_null(names[0]);
    free(names);
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "%s/%d-%0*d", dir, i, i % 40 + 1, 0);
        assert_result(close(open(name, O_CREAT | O_WRONLY, 0600)), 0);
    }
    assert_result(tn_file_readdir(dir, &names, TN_FOREVER), N);
    for (int i = 0; i < N; i++) {
        int n = (int)strtol(names[i], NULL, 10);

        snprintf(name, sizeof name, "%s/%s", dir, names[i]);
        assert_result(unlink(name), 0);
        assert_int_equal(seen[n]++, 0);
    }
    assert_null(names[N]);
    free(names);
    remove_dir();
    assert_result(tn_file_readdir(dir, &names, TN_FOREVER), -ENOENT);
}

static void errors_are_those_of_posix_and_errno_stays(void)
{
    const char *none = path_of("none/none");
    char buf[4];
    struct stat s;
    int fds[2];

    open_foreign_pipe(fds);
    errno = 77;
    assert_result(tn_file_open(none, O_RDONLY, 0, TN_FOREVER), -ENOENT);
    assert_result(tn_file_stat(none, &s, TN_FOREVER), -ENOENT);
    assert_result(tn_file_unlink(none, TN_FOREVER), -ENOENT);
    assert_result(tn_file_rename(none, none, TN_FOREVER), -ENOENT);
    assert_result(tn_file_mkdir(none, 0700, TN_FOREVER), -ENOENT);
    assert_result(tn_file_pread(-1, buf, 4, 0, TN_FOREVER), -EBADF);
    assert_result(tn_file_pwrite(-1, buf, 4, 0, TN_FOREVER), -EBADF);
    assert_result(tn_file_pread(fds[0], buf, 4, 0, TN_FOREVER), -ESPIPE);
    assert_result(tn_file_pread(0, buf, 4, -1, TN_FOREVER), -EINVAL);
    assert_result(tn_file_fsync(-1, TN_FOREVER), -EBADF);
    assert_result(tn_file_fstat(-1, &s, TN_FOREVER), -EBADF);
    assert_result(tn_file_ftruncate(-1, 0, TN_FOREVER), -EBADF);
    assert_result(tn_file_close(-1), -EBADF);
    assert_result(tn_file_open(NULL, O_RDONLY, 0, TN_FOREVER), -EINVAL);
    assert_result(tn_file_rename(NULL, none, TN_FOREVER), -EINVAL);
    assert_result(tn_file_readdir(NULL, NULL, TN_FOREVER), -EINVAL);
    assert_int_equal(errno, 77);
    close_both(fds);
    remove_dir();
}

/* ---- waiting: a ring also reads from pipes ---- */

static int pipe_fds[2];

static int read_pipe(void *arg)
{
    char byte;
    struct tn__file_call call = {.code = TN__FILE_READ,
                                 .fd = pipe_fds[0],
                                 .buf = &byte,
                                 .len = 1,
                                 .what = "read_pipe"};

    return (int)tn__file_do(&call, arg ? *(tn_time *)arg : TN_FOREVER);
}

static tn_greenlet *start_to_read(void)
{
    tn_greenlet *g;

    need("uring");
    open_foreign_pipe(pipe_fds);
    g = spawn(read_pipe, NULL);
    settle();
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    return g;
}

static void others_run_while_a_call_waits(void)
{
    tn_greenlet *g = start_to_read();

    assert_result(tn_sleep(tn_after_ms(1)), 0);
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    assert_result(write(pipe_fds[1], "x", 1), 1);
    assert_result(join(g), 1);
    close_both(pipe_fds);
}

static void a_kill_and_a_deadline_cancel_a_call(void)
{
    tn_greenlet *g = start_to_read();
    tn_time soon = tn_after_ms(1);
    char byte;

    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(join(g), -ECANCELED);
    assert_result(read_pipe(&soon), -ETIME);
    /* Nobody reads from it any more. */
    assert_result(write(pipe_fds[1], "x", 1), 1);
    settle();
    assert_result(read(pipe_fds[0], &byte, 1), 1);
    close_both(pipe_fds);
}

static void a_fifo_is_opened_without_its_other_end(void)
{
    const char *fifo = path_of("fifo");
    int fd;

    assert_result(mkfifo(fifo, 0600), 0);
    assert_result(tn_file_open(fifo, O_WRONLY, 0, TN_FOREVER), -ENXIO);
    fd = tn_file_open(fifo, O_RDONLY, 0, TN_FOREVER);
    assert_true(fd >= 0);
    assert_result(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    remove_file(fd, fifo);
    remove_dir();
}

static int close_killed(void *arg)
{
    tn_timeout t;
    int r;

    tn_timeout_begin(&t, TN_NOWAIT);
    assert_result(tn_kill(tn_self(), TN_NOWAIT), 0);
    r = tn_file_close(*(int *)arg);
    tn_timeout_end(&t);
    return r;
}

static void a_close_is_not_refused(void)
{
    const char *path = path_of("a");
    int fd = open_new(path);

    assert_result(join(spawn(close_killed, &fd)), 0);
    assert_result(fcntl(fd, F_GETFD), -1);
    assert_result(tn_file_unlink(path, TN_FOREVER), 0);
    remove_dir();
}

struct place {
    int fd;
    int number;
};

static int write_there(void *arg)
{
    struct place *place = arg;
    int fd = place->fd, i = place->number;
    char buf[16], back[16];

    for (int round = 0; round < 5; round++) {
        snprintf(buf, sizeof buf, "%07d-%06d", i, round);
        assert_result(tn_file_pwrite(fd, buf, 14, i * 14, TN_FOREVER), 14);
        assert_result(tn_file_pread(fd, back, 14, i * 14, TN_FOREVER), 14);
        assert_memory_equal(buf, back, 14);
    }
    return 0;
}

static void many_at_once(void)
{
    enum { N = 200 };
    const char *path = path_of("a");
    int fd = open_new(path);
    struct place places[N];
    tn_greenlet *gs[N];

    for (int i = 0; i < N; i++) {
        places[i] = (struct place){fd, i};
        gs[i] = spawn(write_there, &places[i]);
    }
    for (int i = 0; i < N; i++)
        assert_result(join(gs[i]), 0);
    remove_file(fd, path);
    remove_dir();
}

/* ---- where from ---- */

static long use_file_in_job(void *arg)
{
    struct stat s;
    int fd = tn_file_open(arg, O_RDONLY, 0, TN_FOREVER);
    char byte;

    assert_true(fd >= 0);
    assert_result(tn_file_pread(fd, &byte, 1, 0, TN_FOREVER), 0);
    assert_result(tn_file_close(fd), 0);
    return tn_file_stat(arg, &s, TN_FOREVER);
}

static void a_job_of_the_pool_calls_what_blocks(void)
{
    assert_result(
        tn_offload(use_file_in_job, (char[]){"/dev/null"}, TN_FOREVER), 0);
}

static void use_file_in_post(void *arg)
{
    *(int *)arg = tn_file_open("/dev/null", O_RDONLY, 0, TN_FOREVER);
}

static void on_the_hub_it_is_refused(void)
{
    tn_hub *hub;
    int r = 0;

    assert_result(tn_hub_get(&hub), 0);
    assert_result(tn_hub_post(hub, use_file_in_post, &r), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(r, -EDEADLK);
}

static void use_files_in_child(void)
{
    struct stat s;
    int fd = tn_file_open("/dev/null", O_WRONLY, 0, TN_FOREVER);

    assert_true(fd >= 0);
    assert_result(tn_file_pwrite(fd, "x", 1, 0, TN_FOREVER), 1);
    assert_result(tn_file_fstat(fd, &s, TN_FOREVER), 0);
    assert_result(tn_file_close(fd), 0);
}

static void a_child_of_a_fork_has_its_own(void)
{
#if defined(__SANITIZE_THREAD__)
    test_skip("TSan knows no threads after a fork of several");
#endif
    use_files_in_child();
    run_in_child(use_files_in_child);
    use_files_in_child();
}

static void a_child_of_a_fork_leaves_the_parents_calls(void)
{
    tn_greenlet *g = start_to_read();

    run_in_child(use_files_in_child);
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    assert_result(write(pipe_fds[1], "x", 1), 1);
    assert_result(join(g), 1);
    close_both(pipe_fds);
}

static void *leave_call_behind(void *arg)
{
    spawn_detached(read_pipe, arg);
    settle();
    return NULL;
}

static void a_thread_that_ends_takes_its_calls_back(void)
{
    pthread_t thread;

    need("uring");
    open_foreign_pipe(pipe_fds);
    assert_result(pthread_create(&thread, NULL, leave_call_behind, NULL), 0);
    assert_result(pthread_join(thread, NULL), 0);
    close_both(pipe_fds);
}

static void forbid_rings(void)
{
    struct sock_filter filter[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, 0}, /* the number of the call */
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_io_uring_setup},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    };
    struct sock_fprog program = {4, filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        test_skip("no seccomp filters here");
}

static void where_io_uring_is_forbidden_the_pool_does_it(void)
{
    forbid_rings();
    assert_string_equal(tn_file_backend(), "pool");
    use_files_in_child();
}

static void nothing(tn_watch *w, int events, void *arg)
{
    (void)w;
    (void)events;
    (void)arg;
}

static void end_without_ado(void)
{
    struct stat st;
    tn_watch *w;

    assert_result(tn_file_stat("/", &st, TN_FOREVER), 0);
    assert_result(tn_watch_idle_new(nothing, NULL, &w), 0);
    tn_watch_free(w);
    exit(0); /* where LeakSanitizer looks for what is lost */
}

static void a_program_may_end_without_giving_its_hub_back(void)
{
#if defined(__SANITIZE_THREAD__)
    test_skip("TSan knows no threads after a fork of several");
#endif
    run_in_child(end_without_ado);
}

TEST_MAIN(TEST(the_way_is_what_was_set), TEST(what_is_written_is_read_back),
          TEST(what_is_not_in_the_page_cache_is_read_all_the_same),
          TEST(without_waiting_only_what_goes_at_once),
          TEST(a_file_is_synced_and_cut), TEST(stat_says_what_libcs_says),
          TEST(names_are_made_changed_and_removed), TEST(a_directory_is_listed),
          TEST(errors_are_those_of_posix_and_errno_stays),
          TEST(others_run_while_a_call_waits),
          TEST(a_kill_and_a_deadline_cancel_a_call),
          TEST(a_fifo_is_opened_without_its_other_end),
          TEST(a_close_is_not_refused), TEST(many_at_once),
          TEST(a_job_of_the_pool_calls_what_blocks),
          TEST(on_the_hub_it_is_refused), TEST(a_child_of_a_fork_has_its_own),
          TEST(a_child_of_a_fork_leaves_the_parents_calls),
          TEST(a_thread_that_ends_takes_its_calls_back),
          TEST(where_io_uring_is_forbidden_the_pool_does_it),
          TEST(a_program_may_end_without_giving_its_hub_back))
