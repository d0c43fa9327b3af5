/* SPDX-License-Identifier: MIT */
/* tests/run/programs/files.c - reading and writing files: what is not in memory
 * is read by others, and the program sees no difference. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "helpers.h"

enum { BLOCK = 4096, RECORDS = 4096 };

static char file_path[] = "/var/tmp/tendril-files-XXXXXX";
static atomic_int is_over, n_handled;

static void handler(int sig)
{
    (void)sig;
    n_handled++;
}

/* So that there is more than one thread. */
static void *idle(void *arg)
{
    (void)arg;
    while (!is_over)
        nap_ms(1);
    return NULL;
}

static int fill(int flags)
{
    int fd = open(file_path, O_RDWR | O_CREAT | O_TRUNC | flags, 0600);
    uint32_t block[BLOCK / 4];

    CHECK(fd >= 0);
    for (uint32_t i = 0; i < RECORDS; i += BLOCK / 4) {
        for (uint32_t j = 0; j < BLOCK / 4; j++)
            block[j] = i + j;
        CHECK(write(fd, block, sizeof block) == sizeof block);
    }
    CHECK(fsync(fd) == 0);
    return fd;
}

static void drop(int fd)
{
    CHECK(fdatasync(fd) == 0);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int shared_fd;

/* Records from a position that several threads share: each is read once. */
static void *sum_up(void *arg)
{
    uint32_t buf[3];
    long sum = 0, n;

    (void)arg;
    while ((n = read(shared_fd, buf, sizeof buf)) > 0)
        for (long i = 0; i < n / 4; i++)
            sum += buf[i];
    CHECK(n == 0);
    return (void *)sum;
}

static void reads_of_files_are_whole(void)
{
    static char buf[BLOCK * 8];
    pthread_t t[4];
    long sum = 0;

    shared_fd = fill(0);
    drop(shared_fd);
    lseek(shared_fd, 0, SEEK_SET);
    for (int i = 0; i < 4; i++)
        t[i] = start(sum_up, NULL);
    for (int i = 0; i < 4; i++)
        sum += (long)join(t[i]);
    printf("sum %ld of %d\n", sum, RECORDS);

    /* Its first page is in memory, the others are not. */
    drop(shared_fd);
    is_over = 0;
    t[0] = start(idle, NULL);
    posix_fadvise(shared_fd, 0, 0, POSIX_FADV_RANDOM);
    CHECK(pread(shared_fd, buf, BLOCK, 0) == BLOCK);
    printf("pread %zd\n", pread(shared_fd, buf, sizeof buf, 100));
    drop(shared_fd);
    CHECK(pread(shared_fd, buf, BLOCK, 0) == BLOCK);
    lseek(shared_fd, 8, SEEK_SET);
    printf("read %zd", read(shared_fd, buf, sizeof buf));
    printf(", then at %ld\n", (long)lseek(shared_fd, 0, SEEK_CUR));
    printf("at the end %zd\n", pread(shared_fd, buf, BLOCK, 4 * RECORDS - 5));
    printf("beyond %zd\n", pread(shared_fd, buf, BLOCK, 4 * RECORDS));
    is_over = 1;
    join(t[0]);
    close(shared_fd);
}

static void *write_too_much(void *arg)
{
    ssize_t n = pwrite(*(int *)arg, "x", 1, 1 << 20);

    return (void *)(n < 0 ? strerror(errno) : "written");
}

static void sigxfsz_reaches_the_thread(void)
{
    struct sigaction a = {.sa_handler = handler};
    struct rlimit limit, small;
    pthread_t t;
    int fd = open(file_path, O_RDWR | O_SYNC);

    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    small = limit;
    small.rlim_cur = 1 << 20;
    n_handled = is_over = 0;
    sigaction(SIGXFSZ, &a, NULL);
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    t = start(write_too_much, &fd);
    printf("over the limit: %s, ", (char *)join(t));
    printf("SIGXFSZ %d\n", n_handled);
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    close(fd);
}

/* Round the page cache, where the file system can. */
static void direct_transfers(void)
{
    static _Alignas(BLOCK) char out[BLOCK], in[BLOCK];
    struct iovec iov = {in, BLOCK};
    int fd = open(file_path, O_RDWR | O_DIRECT);

    if (fd < 0) {
        fprintf(stderr, "skip O_DIRECT: %s\n", strerror(errno));
        return;
    }
    memset(out, 'd', BLOCK);
    printf("direct: %zd", pwrite(fd, out, BLOCK, BLOCK));
    printf(" %zd", pread(fd, in, BLOCK, BLOCK));
    printf(" %d", memcmp(in, out, BLOCK));
    printf(" %zd", preadv2(fd, &iov, 1, 0, 0));
    printf(" %d", in[4] == 1);
    lseek(fd, 0, SEEK_END);
    printf(" %zd\n", read(fd, in, BLOCK));
    close(fd);
}

static void *append(void *arg)
{
    int fd = *(int *)arg;

    for (int i = 0; i < 50; i++)
        CHECK(write(fd, "0123456789", 10) == 10);
    return NULL;
}

static void appended_lines_are_whole(void)
{
    static char buf[BLOCK];
    int fd = open(file_path, O_RDWR | O_TRUNC | O_APPEND | O_SYNC);
    pthread_t t[4];
    ssize_t n;
    int bad = 0;

    for (int i = 0; i < 4; i++)
        t[i] = start(append, &fd);
    for (int i = 0; i < 4; i++)
        join(t[i]);
    n = pread(fd, buf, BLOCK, 0);
    for (ssize_t i = 0; i < n; i++)
        bad += buf[i] != '0' + i % 10;
    printf("appended %zd, %d bad\n", n, bad);
    close(fd);
}

/* ---- a busy machine ---- */

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Write until some writes took long, since somebody else had the CPU. */
static void write_for_a_while(int fd)
{
    static char buf[64 * BLOCK];
    int64_t until = now_ns() + 3000000000;

    for (int n_long = 0; n_long < 20 && now_ns() < until;) {
        int64_t before = now_ns();

        CHECK(pwrite(fd, buf, sizeof buf, 0) == sizeof buf);
        n_long += now_ns() - before > 2000000;
    }
}

/* A write that was preempted did not wait for the disk: none is a helper's. In
 * one of several attempts at least, for some may wait. */
static void preempted_writes_do_not_wait(void)
{
    int fd = open(file_path, O_RDWR | O_TRUNC), least = 1, status;
    cpu_set_t before, one;
    pid_t hog;

    CHECK(sched_getaffinity(0, sizeof before, &before) == 0);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    hog = fork();
    if (hog == 0)
        for (;;)
            ;
    for (int i = 0; i < 5 && least > 0; i++) {
        for (int k = 0; k < 50 && n_helpers() > 0; k++)
            nap_ms(100); /* they end when they were idle for a while */
        write_for_a_while(fd);
        least = n_helpers();
    }
    printf("preempted writes: %d helpers\n", least);
    kill(hog, SIGKILL);
    CHECK(waitpid(hog, &status, 0) == hog);
    CHECK(sched_setaffinity(0, sizeof before, &before) == 0);
    close(fd);
}

int main(void)
{
    int fd = mkstemp(file_path);
    pthread_t t;

    CHECK(fd >= 0);
    close(fd);
    reads_of_files_are_whole();
    is_over = 0;
    t = start(idle, NULL);
    direct_transfers();
    appended_lines_are_whole();
    preempted_writes_do_not_wait();
    is_over = 1;
    join(t);
    sigxfsz_reaches_the_thread();
    unlink(file_path);
    return 0;
}
