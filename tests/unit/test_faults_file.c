/* SPDX-License-Identifier: MIT */
/* tests/unit/test_faults_file.c - the n-th allocation and the n-th system call
 * fail, for every n, in what is done on other threads or by io_uring: jobs,
 * pools, hubs of other threads, files (see support/faults.h). */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/faults.h"

#define HUB_DOES_WITHOUT                                                       \
 "mmap sigaltstack madvise process_madvise pidfd_open epoll_wait"
/* Where there is no ring, or no more of it, the pool does it. */
#define RING_DOES_WITHOUT                                                      \
 "io_uring_queue_init io_uring_submit io_uring_ring_dontfork "                 \
 "io_uring_get_probe_ring calloc malloc mmap epoll_ctl"

/* ---- jobs ---- */

static long add_one(void *arg)
{
    return ++*(int *)arg;
}

/* A pool that nobody has used yet: its thread is made here. */
static int job_is_done(void)
{
    tn_offload_pool *pool;
    int n = 0, r = tn_offload_pool_new(1, &pool);
    long result;

    if (r < 0)
        return r;
    result = tn_offload_pool_run(pool, add_one, &n, TN_FOREVER);
    assert_int_equal(n, result < 0 ? 0 : 1);
    tn_offload_pool_free(pool);
    faults_await_threads();
    return result < 0 ? (int)result : 0;
}

static void a_job_and_its_thread(void)
{
    faults_each(job_is_done, "mmap write");
}

static int job_is_left(void)
{
    tn_offload_pool *pool;
    int *n, r = tn_offload_pool_new(1, &pool);
    long result = 0;

    if (r < 0)
        return r;
    n = calloc(1, sizeof *n);
    if (n) {
        r = tn_offload_pool_detached(pool, add_one, n, free, &result,
                                     TN_FOREVER);
        if (r == 0) { /* then it is still ours */
            assert_int_equal(result, 1);
            free(n);
        }
    }
    tn_offload_pool_free(pool);
    faults_await_threads();
    return n ? r : -ENOMEM;
}

static void a_job_that_may_be_left(void)
{
    faults_each(job_is_left, "mmap write");
}

/* ---- hubs ---- */

static int end_at_once(int index, void *arg)
{
    (void)index;
    (void)arg;
    return tn_yield();
}

static int hubs_live(void)
{
    tn_hubs *hubs;
    int result, r = tn_hubs_start(2, end_at_once, NULL, &hubs);

    if (r < 0)
        return r;
    do
        r = tn_hubs_join(hubs, &result, TN_FOREVER);
    while (r == -ENOMEM || r == -EINTR); /* it can be called again */
    return r < 0 ? r : result;
}

static void hubs_of_other_threads(void)
{
    faults_each(hubs_live, HUB_DOES_WITHOUT " write");
}

/* ---- files ---- */

static char path[64], other[80];

static int file_is_used(int fd)
{
    struct stat st;
    char buf[8];
    long r = tn_file_pwrite(fd, "abcdef", 6, 0, TN_FOREVER);

    if (r >= 0)
        r = tn_file_pread(fd, buf, 3, 3, TN_FOREVER);
    if (r >= 0)
        r = tn_file_fsync(fd, TN_FOREVER);
    if (r >= 0)
        r = tn_file_ftruncate(fd, 2, TN_FOREVER);
    if (r >= 0)
        r = tn_file_fstat(fd, &st, TN_FOREVER);
    if (r >= 0)
        assert_int_equal(st.st_size, 2);
    return r < 0 ? (int)r : 0;
}

static int names_are_used(void)
{
    struct stat st;
    char **names;
    int r = tn_file_rename(path, other, TN_FOREVER);

    if (r == 0)
        r = tn_file_stat(other, &st, TN_FOREVER);
    if (r == 0)
        r = tn_file_unlink(other, TN_FOREVER);
    if (r == 0)
        r = tn_file_mkdir(other, 0700, TN_FOREVER);
    if (r == 0) {
        r = tn_file_readdir(other, &names, TN_FOREVER);
        if (r >= 0) {
            assert_int_equal(r, 0);
            free(names);
        }
    }
    return r < 0 ? r : 0;
}

static int file_lives(void)
{
    int fd = tn_file_open(path, O_CREAT | O_RDWR, 0600, TN_FOREVER), r;

    r = fd;
    if (fd >= 0) {
        r = file_is_used(fd);
        assert_result(tn_file_close(fd), 0);
    }
    if (r >= 0)
        r = names_are_used();
    faults_pause();
    unlink(path);
    unlink(other);
    rmdir(other);
    faults_resume();
    return r;
}

/* With a hub that has not used a file yet. */
static int hub_and_file_live(void)
{
    int r = file_lives(), ended;

    faults_pause();
    ended = tn_hub_destroy();
    faults_resume();
    return r < 0 ? r : ended;
}

static void choose(const char *files)
{
    snprintf(path, sizeof path, "/tmp/tendril-faults-%d", (int)getpid());
    snprintf(other, sizeof other, "%s-too", path);
    assert_result(tn_config_set("files", files), 0);
    /* Where there is no ring, a thread is made; a second one in some later
     * run, which a busy machine takes, would look like a leak. */
    assert_result(tn_config_set("offload_threads", "1"), 0);
}

static void files_by_a_ring(void)
{
    choose("uring");
    faults_each(hub_and_file_live, HUB_DOES_WITHOUT " " RING_DOES_WITHOUT);
}

static void files_by_the_pool(void)
{
    choose("pool");
    /* A pool that has a thread can do without another one. */
    faults_each(file_lives, "ld mmap pthread_create");
}

TEST_MAIN(TEST(a_job_and_its_thread), TEST(a_job_that_may_be_left),
          TEST_LONG(hubs_of_other_threads, 0, 60),
          TEST_LONG(files_by_a_ring, TEST_ALONE, 60),
          TEST_LONG(files_by_the_pool, 0, 60))
