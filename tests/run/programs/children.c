/* SPDX-License-Identifier: MIT */
/* tests/run/programs/children.c - forked children that use threads themselves.
 *
 * usage: children            all that can be seen from within
 *        children count      how many kernel threads a child with threads has
 *        children storm      1,000 forks by 8 threads at once */
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "support.h"

enum { THREADS = 8 };

static int status_of(pid_t pid)
{
    int status;

    CHECK(pid > 0);
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Run fn in a child, made by the calling thread. */
static int in_child(int (*fn)(void))
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int status = fn();

        fflush(stdout);
        _exit(status);
    }
    return status_of(pid);
}

/* ---- threads of a child ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn, pair[2];

static void *take_turn(void *arg)
{
    pthread_mutex_lock(&lock);
    while (turn != (int)(intptr_t)arg)
        pthread_cond_wait(&cond, &lock);
    turn++;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void *echo(void *arg)
{
    char c;

    while (read(pair[1], &c, 1) == 1)
        CHECK(write(pair[1], &c, 1) == 1);
    return arg;
}

static int use_threads(void)
{
    pthread_t t[THREADS], e;
    char c = 'a';

    turn = 0;
    for (intptr_t i = THREADS - 1; i >= 0; i--)
        t[i] = start(take_turn, (void *)i);
    for (int i = 0; i < THREADS; i++)
        join(t[i]);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    e = start(echo, NULL);
    for (int i = 0; i < 10; i++) {
        CHECK(write(pair[0], &c, 1) == 1);
        CHECK(read(pair[0], &c, 1) == 1);
    }
    close(pair[0]);
    join(e);
    close(pair[1]);
    printf("turns %d, it is main %d\n", turn,
           syscall(SYS_gettid) == getpid());
    return 3;
}

static int use_threads_in_grandchild(void)
{
    int status = use_threads();

    printf("grandchild %d\n", in_child(use_threads));
    return status;
}

/* ---- what a child has of those who were waiting ---- */

static int fds[2], is_over;
static sem_t begun, never;

static void *in_read(void *arg)
{
    char c = 0;

    sem_post(&begun);
    CHECK(read(fds[0], &c, 1) == 1);
    return (void *)(intptr_t)(c + (arg != NULL));
}

static void *in_semaphore(void *arg)
{
    sem_post(&begun);
    sem_wait(&never);
    return arg;
}

static void *in_sleep(void *arg)
{
    sem_post(&begun);
    while (!is_over)
        nap_ms(1);
    return arg;
}

static void *in_poll(void *arg)
{
    struct pollfd p = {.fd = fds[0], .events = POLLIN};

    sem_post(&begun);
    CHECK(poll(&p, 1, -1) == 1);
    return arg;
}

/* The same descriptors, semaphore and clock, with nobody on them. */
static int wait_too(void)
{
    struct pollfd p = {.fd = fds[0], .events = POLLIN};
    struct timespec t;
    int value, r;

    printf("poll %d, ", poll(&p, 1, 5));
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += 5000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    r = sem_timedwait(&never, &t);
    sem_getvalue(&never, &value);
    printf("semaphore %d %d %d\n", r, errno == ETIMEDOUT, value);
    close(fds[0]);
    close(fds[1]);
    CHECK(pipe(fds) == 0);
    CHECK(write(fds[1], "x", 1) == 1);
    printf("a new pipe %d\n", (int)(intptr_t)in_read(NULL));
    return use_threads();
}

static void *fork_it(void *arg)
{
    printf("among waiters: %d\n", in_child(wait_too));
    return arg;
}

static void test_waiters(void)
{
    pthread_t t[4];

    CHECK(pipe(fds) == 0);
    sem_init(&begun, 0, 0);
    sem_init(&never, 0, 0);
    t[0] = start(in_read, NULL);
    t[1] = start(in_semaphore, NULL);
    t[2] = start(in_sleep, NULL);
    t[3] = start(in_poll, NULL);
    for (int i = 0; i < 4; i++)
        sem_wait(&begun);
    join(start(fork_it, NULL));
    fork_it(NULL);
    is_over = 1;
    sem_post(&never);
    CHECK(write(fds[1], "yz", 2) == 2);
    printf("then they are woken: %c\n", (int)(intptr_t)join(t[0]));
    for (int i = 1; i < 4; i++)
        join(t[i]);
}

/* ---- signals ---- */

static volatile int n_handled;
static volatile pthread_t handled_by;

static void on_signal(int sig)
{
    (void)sig;
    n_handled++;
    handled_by = pthread_self();
}

static void *in_pause(void *arg)
{
    sem_post(&begun);
    while (!n_handled)
        nap_ms(1);
    return arg;
}

static int use_signals(void)
{
    struct itimerval it = {.it_value = {0, 5000}};
    sigset_t set;
    pthread_t t;

    sigpending(&set);
    printf("pending %d, ", sigismember(&set, SIGUSR1));
    getitimer(ITIMER_REAL, &it);
    printf("timer %d\n", it.it_value.tv_sec != 0);
    n_handled = 0;
    sigemptyset(&set);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    printf("handled %d\n", n_handled);
    sem_init(&begun, 0, 0);
    t = start(in_pause, NULL);
    sem_wait(&begun);
    pthread_kill(t, SIGUSR1);
    join(t);
    printf("for a thread: %d %d\n", n_handled,
           !!pthread_equal(handled_by, t));
    it = (struct itimerval){.it_value = {0, 5000}};
    setitimer(ITIMER_REAL, &it, NULL);
    while (n_handled < 2)
        pause();
    printf("for the process: %d\n",
           !!pthread_equal(handled_by, pthread_self()));
    return 4;
}

static void *fork_with_pending(void *arg)
{
    struct itimerval it = {.it_value = {1000, 0}}, off = {{0, 0}, {0, 0}};
    sigset_t set, old;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    pthread_kill(pthread_self(), SIGUSR1);
    setitimer(ITIMER_REAL, &it, NULL);
    printf("with pending signals: %d\n", in_child(use_signals));
    setitimer(ITIMER_REAL, &off, NULL);
    n_handled = 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    printf("the parent's: %d\n", n_handled);
    return arg;
}

static void fork_in_handler(int sig)
{
    (void)sig;
    printf("in a handler: %d\n", in_child(use_threads));
}

static void test_signals(void)
{
    struct sigaction a = {.sa_handler = on_signal};

    CHECK(sigaction(SIGUSR1, &a, NULL) == 0);
    CHECK(sigaction(SIGALRM, &a, NULL) == 0);
    join(start(fork_with_pending, NULL));
    a.sa_handler = fork_in_handler;
    CHECK(sigaction(SIGUSR2, &a, NULL) == 0);
    raise(SIGUSR2);
    kill(getpid(), SIGUSR2);
}

/* ---- ends ---- */

static void *end_later(void *arg)
{
    nap_ms(10);
    return arg;
}

static int main_ends_first(void)
{
    start(end_later, NULL);
    pthread_exit(NULL);
}

static void *exit_process(void *arg)
{
    (void)arg;
    nap_ms(2);
    _exit(6);
}

static int another_exits(void)
{
    join(start(exit_process, NULL));
    return 1;
}

static int own_name(void)
{
    char name[16] = "";

    prctl(PR_GET_NAME, name);
    printf("name %s\n", name);
    return 0;
}

static void *fork_named(void *arg)
{
    prctl(PR_SET_NAME, "forker");
    in_child(own_name);
    return arg;
}

static int on_own_stack(void *arg)
{
    char here;
    int status = use_threads();

    printf("on its stack %d\n", (char *)arg - &here < 65536);
    fflush(stdout);
    return status;
}

/* A copy that begins on a stack of its own. */
static void test_clone(void)
{
    size_t bytes = 65536;
    char *stack = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    fflush(stdout);
    printf("clone %d\n", status_of(clone(on_own_stack, stack + bytes, SIGCHLD,
                                         stack + bytes)));
}

static int daemon_work(void)
{
    int to_parent = fds[1];

    CHECK(daemon(0, 1) == 0);
    use_threads();
    fflush(stdout);
    CHECK(write(to_parent, "d", 1) == 1);
    return 0;
}

static void test_daemon(void)
{
    char c = 0;

    CHECK(pipe(fds) == 0);
    printf("daemon's starter %d\n", in_child(daemon_work));
    CHECK(read(fds[0], &c, 1) == 1);
    printf("daemon %c\n", c);
}

/* ---- many ---- */

static void *fork_many(void *arg)
{
    intptr_t bad = 0;

    for (int i = 0; i < 125; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(join(start(end_later, (void *)7)) == (void *)7 ? 7 : 1);
        bad += status_of(pid) != 7;
    }
    return (void *)(bad + (arg != NULL));
}

static int storm(void)
{
    pthread_t t[THREADS];
    int bad = 0;

    for (int i = 0; i < THREADS; i++)
        t[i] = start(fork_many, NULL);
    for (int i = 0; i < THREADS; i++)
        bad += (int)(intptr_t)join(t[i]);
    printf("storm: bad %d\n", bad);
    return 0;
}

/* ---- how many kernel threads ---- */

static int count(void)
{
    pthread_t t[THREADS];
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");

    CHECK(f != NULL);
    for (int i = 0; i < THREADS; i++)
        t[i] = start(end_later, NULL);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "Threads:", 8) == 0)
            printf("%s", line);
    for (int i = 0; i < THREADS; i++)
        join(t[i]);
    return 0;
}

static void *count_in_child(void *arg)
{
    CHECK(in_child(count) == 0);
    return arg;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "storm") == 0)
        return storm();
    if (argc > 1) {
        count_in_child(NULL);
        join(start(count_in_child, NULL));
        return 0;
    }
    printf("child %d\n", in_child(use_threads_in_grandchild));
    test_waiters();
    test_signals();
    printf("main ends first %d\n", in_child(main_ends_first));
    printf("another exits %d\n", in_child(another_exits));
    join(start(fork_named, NULL));
    test_clone();
    test_daemon();
    return 0;
}
