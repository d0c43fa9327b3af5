/* SPDX-License-Identifier: MIT */
/* drills.c - what a program meets on a bad day. Its argument says which; `many`
 * takes how many, too. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "support.h"

enum { MANY = 100000, SMALL = 200, FDS = 64, STORM = 8, FORKS = 25 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int n_up, may_go, n_many = MANY;

static void *stand(void *arg)
{
    pthread_mutex_lock(&lock);
    n_up++;
    pthread_cond_broadcast(&changed);
    while (!may_go)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return arg;
}

/* As many threads as there can be, at most n_many: what ends it is an error of
 * pthread_create(), and all go on. */
static int many(void)
{
    pthread_t *all = calloc((size_t)n_many, sizeof *all);
    pthread_attr_t attr;
    int n = 0, r = 0;

    CHECK(all != NULL);
    pthread_attr_init(&attr);
    CHECK(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN) == 0);
    while (n < n_many && !r)
        if ((r = pthread_create(&all[n], &attr, stand, NULL)) == 0)
            n++;
    printf("more than 1,000: %d, then %s\n", n > 1000,
           r == 0 || r == EAGAIN ? "all or EAGAIN" : strerror(r));
    pthread_mutex_lock(&lock);
    while (n_up < n)
        pthread_cond_wait(&changed, &lock);
    may_go = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < n; i++)
        join(all[i]);
    printf("all ended\n");
    free(all);
    return 0;
}

/* The least stack there is, with what needs some: stdio, waits, signals. */
static void *use_small_stack(void *arg)
{
    struct pollfd none = {.fd = -1};
    int pipe_fds[2];
    char byte = 0, text[32];

    CHECK(pipe2(pipe_fds, O_CLOEXEC) == 0);
    CHECK(poll(&none, 1, 1) == 0);
    CHECK(write(pipe_fds[1], "x", 1) == 1);
    CHECK(read(pipe_fds[0], &byte, 1) == 1 && byte == 'x');
    CHECK(snprintf(text, sizeof text, "%ld", (long)arg) > 0);
    CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0);
    nap_ms(1);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return (void *)(long)(strtol(text, NULL, 10) == (long)arg);
}

static void on_signal(int sig)
{
    (void)sig;
}

static int small(void)
{
    pthread_t all[SMALL];
    pthread_attr_t attr;
    long good = 0;

    signal(SIGUSR1, on_signal);
    pthread_attr_init(&attr);
    CHECK(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN) == 0);
    for (long i = 0; i < SMALL; i++)
        CHECK(pthread_create(&all[i], &attr, use_small_stack,
                             (void *)i) == 0);
    for (int i = 0; i < SMALL; i++)
        good += (long)join(all[i]);
    printf("%ld small stacks\n", good);
    return 0;
}

/* No descriptor is left; threads that have some go on, and so does the rest
 * when there are some again. */
static void *echo(void *arg)
{
    int fd = *(int *)arg;
    char byte;

    while (read(fd, &byte, 1) == 1)
        CHECK(write(fd, &byte, 1) == 1);
    close(fd);
    return NULL;
}

static int descriptors(void)
{
    struct rlimit limit = {FDS, FDS};
    int pairs[FDS][2], n = 0, pipe_fds[2];
    pthread_t all[FDS];
    char byte;

    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (n < FDS &&
           socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[n]) == 0)
        n++;
    printf("%d pairs, then %s\n", n, strerror(errno));
    for (int i = 0; i < n; i++)
        all[i] = start(echo, &pairs[i][1]);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < n; i++)
            CHECK(write(pairs[i][0], "x", 1) == 1 &&
                  read(pairs[i][0], &byte, 1) == 1);
    while (pipe(pipe_fds) == 0)
        ;
    printf("no pipe: %s\n", strerror(errno));
    for (int i = 0; i < n; i++) {
        close(pairs[i][0]);
        join(all[i]);
    }
    printf("a pipe again: %d\n", pipe(pipe_fds));
    return 0;
}

/* A program that closes all there is, as daemons do. */
static void *tick(void *arg)
{
    for (int i = 0; i < 5; i++)
        nap_ms(1);
    return arg;
}

static int closed(void)
{
    int keep = fcntl(1, F_DUPFD_CLOEXEC, 3), pair[2];
    pthread_t a = start(tick, NULL), b;
    char byte = 0;

    for (int fd = 0; fd < 1024; fd++)
        if (fd != keep)
            close(fd);
    syscall(SYS_close_range, keep + 1, ~0u, 0);
    join(a);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    b = start(echo, &pair[1]);
    CHECK(write(pair[0], "x", 1) == 1 && read(pair[0], &byte, 1) == 1);
    dprintf(keep, "numbers %d %d, byte %c\n", pair[0], pair[1], byte);
    close(pair[0]);
    join(b);
    return 0;
}

/* Eight threads fork as fast as they can; each child makes a thread. Two more
 * start programs by vfork() meanwhile. */
static void *fork_often(void *arg)
{
    long good = 0;

    for (int i = 0; i < FORKS; i++) {
        int status;
        pid_t pid = fork();

        CHECK(pid >= 0);
        if (pid == 0) {
            join(start(tick, NULL));
            _exit(7);
        }
        CHECK(waitpid(pid, &status, 0) == pid);
        good += WIFEXITED(status) && WEXITSTATUS(status) == 7;
    }
    (void)arg;
    return (void *)good;
}

static pid_t start_false(void)
{
    pid_t pid = vfork();

    if (pid == 0) {
        execl("/bin/false", "false", NULL);
        _exit(7);
    }
    return pid;
}

static void *start_often(void *arg)
{
    long good = 0;

    for (int i = 0; i < FORKS; i++) {
        pid_t pid = start_false();
        int status;

        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
        good += WIFEXITED(status) && WEXITSTATUS(status) == 1;
    }
    (void)arg;
    return (void *)good;
}

static int storm(void)
{
    pthread_t all[STORM + 2];
    long good = 0;

    for (int i = 0; i < STORM + 2; i++)
        all[i] = start(i < STORM ? fork_often : start_often, NULL);
    for (int i = 0; i < STORM + 2; i++)
        good += (long)join(all[i]);
    printf("%ld children\n", good);
    return 0;
}

/* All signals blocked and all handled: also those of whoever runs us. */
static int blocked(void)
{
    sigset_t all;

    for (int sig = 1; sig <= SIGRTMAX; sig++)
        signal(sig, on_signal);
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
    join(start(tick, NULL));
    for (int sig = 1; sig <= SIGRTMAX; sig++)
        signal(sig, SIG_DFL);
    join(start(tick, NULL));
    printf("SIGSYS blocked\n");
    return 0;
}

/* Lives until it is told to end by a byte, with threads at work. */
static void *work(void *arg)
{
    volatile long n = 0;

    for (;;) {
        pthread_mutex_lock(&lock);
        if (may_go) {
            pthread_mutex_unlock(&lock);
            return arg;
        }
        pthread_mutex_unlock(&lock);
        for (int i = 0; i < 1000; i++)
            n++;
        nap_ms(1);
    }
}

static int wait_for_byte(void)
{
    pthread_t all[10];
    char byte;

    for (int i = 0; i < 10; i++)
        all[i] = start(work, NULL);
    printf("ready\n");
    fflush(stdout);
    CHECK(read(0, &byte, 1) >= 0);
    pthread_mutex_lock(&lock);
    may_go = 1;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 10; i++)
        join(all[i]);
    printf("done\n");
    return 5;
}

/* Takes memory until the kernel has had enough of it. */
static int eat(void)
{
    enum { BITE = 1 << 20 };

    for (int i = 0; i < 10; i++)
        start(work, NULL);
    printf("hungry\n");
    fflush(stdout);
    while (!may_go) {
        char *more = malloc(BITE);

        CHECK(more != NULL);
        memset(more, 1, BITE);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*fn)(void);
    } drills[] = {{"many", many}, {"small", small}, {"closed", closed},
                  {"descriptors", descriptors}, {"storm", storm},
                  {"blocked", blocked}, {"wait", wait_for_byte},
                  {"eat", eat}};

    if (argc == 3)
        n_many = (int)strtol(argv[2], NULL, 10);
    for (size_t i = 0; argc >= 2 && i < sizeof drills / sizeof *drills; i++)
        if (strcmp(argv[1], drills[i].name) == 0)
            return drills[i].fn();
    return 2;
}
