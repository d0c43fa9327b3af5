/* SPDX-License-Identifier: MIT */
/* tests/run/programs/inside.c - threads that wait in functions with telling
 * names, to be looked at from outside. It ends when its input does. */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t second = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;
static volatile int is_over;

#define KEPT __attribute__((noinline, noclone))

/* What follows a call keeps it from becoming a jump. */
static volatile int after;

static void pause_for(long ns)
{
    struct timespec t = {0, ns};

    nanosleep(&t, NULL);
}

static KEPT void wait_for_a_mutex(void)
{
    pthread_mutex_lock(&first);
    after = 1;
}

static KEPT void wait_for_a_client(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(fd, (struct sockaddr *)&a, sizeof a);
    listen(fd, 1);
    accept(fd, NULL, NULL);
    after = 2;
}

static KEPT void sleep_long(void)
{
    sleep(1000);
    after = 3;
}

static KEPT void wait_for_a_child(void)
{
    int pid = fork();

    if (pid == 0) {
        sleep(1000);
        _exit(0);
    }
    printf("child %d\n", pid);
    waitpid(pid, NULL, 0);
    after = 4;
}

static KEPT void compute(void)
{
    while (!is_over)
        after++;
}

static void *run(void *arg)
{
    static void (*const all[])(void) = {wait_for_a_mutex, wait_for_a_client,
                                        sleep_long, wait_for_a_child, compute};
    static const char *const names[] = {"mutex", "client", "sleeper", "parent",
                                        "compute r"};
    long i = (long)arg;

    pthread_setname_np(pthread_self(), names[i]);
    all[i]();
    return NULL;
}

static KEPT void wait_for_the_end(void)
{
    char byte;

    puts("ready");
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
    is_over = 1;
}

static KEPT int many(void)
{
    pthread_t t;

    pthread_mutex_lock(&first);
    for (long i = 0; i < 5; i++)
        pthread_create(&t, NULL, run, (void *)i);
    pause_for(20000000);
    wait_for_the_end();
    kill(0, SIGTERM); /* the child, too */
    return 0;
}

static void *cross(void *arg)
{
    pthread_mutex_t *one = arg ? &first : &second;
    pthread_mutex_t *other = arg ? &second : &first;

    pthread_mutex_lock(one);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(other);
    return NULL;
}

static void on_signal(int sig)
{
    (void)sig;
}

static int deadlock(bool has_handler)
{
    pthread_t t, u;

    if (has_handler)
        signal(SIGUSR1, on_signal);
    pthread_barrier_init(&both, NULL, 2);
    pthread_create(&t, NULL, cross, NULL);
    pthread_create(&u, NULL, cross, &first);
    puts("ready");
    fflush(stdout);
    pthread_join(t, NULL);
    pthread_join(u, NULL);
    return 0;
}

static void *sleep_in_thread(void *arg)
{
    sleep_long();
    return arg;
}

/* As daemons do. */
static int close_all(void)
{
    pthread_t t;

    for (int fd = 3; fd < 5000; fd++)
        close(fd);
    pthread_create(&t, NULL, sleep_in_thread, NULL);
    wait_for_the_end();
    return 0;
}

/* Have a descriptor of one's own at every number. */
static int take_all(void)
{
    pthread_t t;

    pthread_create(&t, NULL, sleep_in_thread, NULL);
    pause_for(1000000);
    for (int fd = 3; fd < 4096; fd++)
        if (dup2(1, fd) < 0)
            return 1;
    wait_for_the_end();
    return 0;
}

/* It stops when it is told to, and says when it goes on. */
static int stop(void)
{
    pthread_t t;
    char byte;

    pthread_create(&t, NULL, sleep_in_thread, NULL);
    puts("ready");
    fflush(stdout);
    if (read(0, &byte, 1) != 1)
        return 1;
    raise(SIGSTOP);
    wait_for_the_end();
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "deadlock") == 0)
        return deadlock(false);
    if (strcmp(what, "deadlock-handled") == 0)
        return deadlock(true);
    if (strcmp(what, "close-all") == 0)
        return close_all();
    if (strcmp(what, "take-all") == 0)
        return take_all();
    if (strcmp(what, "stop") == 0)
        return stop();
    return many();
}
