/* SPDX-License-Identifier: MIT */
/* tests/run/programs/posix_cancel.c - cancellation at each call that waits: the
 * thread is cancelled while it waits, before it gets there, and while it has
 * that disabled; handlers run.
 *
 * usage: posix_cancel
 *        posix_cancel bytes   what a call has done is not lost; glibc before
 *                             2.41 loses some, natively */
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "support.h"

static int empty_pipe[2], full_pipe[2], empty_pair[2], full_pair[2];
static int listener, epoll_fd, locked_file, queue;
static mqd_t mq;
static sem_t sem;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_t sleeper;
static pid_t holder; /* a child, of the lock */
static char big[1 << 20];
static const struct timespec long_time = {20, 0};

static void do_read(void)
{
    CHECK(read(empty_pipe[0], big, 1) == 0);
}

static void do_readv(void)
{
    struct iovec v = {big, 1};

    CHECK(readv(empty_pipe[0], &v, 1) == 0);
}

static void do_write(void)
{
    CHECK(write(full_pipe[1], big, sizeof big) == 0);
}

static void do_writev(void)
{
    struct iovec v = {big, sizeof big};

    CHECK(writev(full_pipe[1], &v, 1) == 0);
}

static void do_recv(void)
{
    CHECK(recv(empty_pair[0], big, 1, 0) == 0);
}

static void do_recvfrom(void)
{
    CHECK(recvfrom(empty_pair[0], big, 1, 0, NULL, NULL) == 0);
}

static void do_recvmsg(void)
{
    struct iovec v = {big, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

    CHECK(recvmsg(empty_pair[0], &m, 0) == 0);
}

static void do_send(void)
{
    CHECK(send(full_pair[0], big, sizeof big, 0) == 0);
}

static void do_sendto(void)
{
    CHECK(sendto(full_pair[0], big, sizeof big, 0, NULL, 0) == 0);
}

static void do_sendmsg(void)
{
    struct iovec v = {big, sizeof big};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

    CHECK(sendmsg(full_pair[0], &m, 0) == 0);
}

static void do_accept(void)
{
    CHECK(accept(listener, NULL, NULL) == 0);
}

static void do_accept4(void)
{
    CHECK(accept4(listener, NULL, NULL, SOCK_CLOEXEC) == 0);
}

static void do_poll(void)
{
    struct pollfd p = {empty_pipe[0], POLLIN, 0};

    CHECK(poll(&p, 1, 20000) == 0);
}

static void do_ppoll(void)
{
    struct pollfd p = {empty_pipe[0], POLLIN, 0};

    CHECK(ppoll(&p, 1, &long_time, NULL) == 0);
}

static void do_select(void)
{
    struct timeval t = {20, 0};
    fd_set set;

    FD_ZERO(&set);
    FD_SET(empty_pipe[0], &set);
    CHECK(select(empty_pipe[0] + 1, &set, NULL, NULL, &t) == 0);
}

static void do_pselect(void)
{
    CHECK(pselect(0, NULL, NULL, NULL, &long_time, NULL) == 0);
}

static void do_epoll_wait(void)
{
    struct epoll_event e;

    CHECK(epoll_wait(epoll_fd, &e, 1, 20000) == 0);
}

static void do_epoll_pwait(void)
{
    struct epoll_event e;

    CHECK(epoll_pwait(epoll_fd, &e, 1, 20000, NULL) == 0);
}

static void do_nanosleep(void)
{
    CHECK(nanosleep(&long_time, NULL) == 0);
}

static void do_clock_nanosleep(void)
{
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, NULL) == 0);
}

static void do_sleep(void)
{
    CHECK(sleep(20) == 0);
}

static void do_pause(void)
{
    CHECK(pause() == 0);
}

static void do_sigsuspend(void)
{
    sigset_t set;

    pthread_sigmask(SIG_BLOCK, NULL, &set);
    CHECK(sigsuspend(&set) == 0);
}

static void do_sigwait(void)
{
    sigset_t set;
    int sig;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK(sigwait(&set, &sig) == 0);
}

static void do_sigwaitinfo(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK(sigwaitinfo(&set, NULL) == 0);
}

static void do_sigtimedwait(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK(sigtimedwait(&set, NULL, &long_time) == 0);
}

static void do_sem_wait(void)
{
    CHECK(sem_wait(&sem) == 0);
}

static struct timespec later(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += 20;
    return t;
}

static void do_sem_timedwait(void)
{
    struct timespec t = later();

    CHECK(sem_timedwait(&sem, &t) == 0);
}

static void unlock(void *arg)
{
    CHECK(pthread_mutex_unlock(arg) == 0);
}

static void do_cond_wait(void)
{
    CHECK(pthread_mutex_lock(&mutex) == 0);
    pthread_cleanup_push(unlock, &mutex);
    pthread_cond_wait(&cond, &mutex);
    pthread_cleanup_pop(1);
}

static void do_cond_timedwait(void)
{
    struct timespec t = later();

    CHECK(pthread_mutex_lock(&mutex) == 0);
    pthread_cleanup_push(unlock, &mutex);
    pthread_cond_timedwait(&cond, &mutex, &t);
    pthread_cleanup_pop(1);
}

static void do_join(void)
{
    pthread_join(sleeper, NULL);
}

static void do_waitpid(void)
{
    waitpid(holder, NULL, 0);
}

static void do_wait(void)
{
    wait(NULL);
}

static void do_waitid(void)
{
    siginfo_t info;

    waitid(P_ALL, 0, &info, WEXITED);
}

static void do_lock(void)
{
    struct flock f = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    CHECK(fcntl(locked_file, F_SETLKW, &f) == 0);
}

static void do_msgrcv(void)
{
    struct {
        long type;
        char text[8];
    } m;

    CHECK(msgrcv(queue, &m, sizeof m.text, 0, 0) == 0);
}

static void do_mq_receive(void)
{
    CHECK(mq_receive(mq, big, sizeof big, NULL) == 0);
}

static void do_mq_timedreceive(void)
{
    struct timespec t = later();

    CHECK(mq_timedreceive(mq, big, sizeof big, NULL, &t) == 0);
}

static void do_testcancel(void)
{
    for (;;) {
        nap_ms(1);
        pthread_testcancel();
    }
}

static void do_getc(void)
{
    static FILE *f;

    if (!f)
        f = fdopen(empty_pipe[0], "r");
    CHECK(getc(f) == EOF);
}

#define ONE(x) {#x, do_##x}

static const struct {
    const char *name;
    void (*fn)(void);
} points[] = {
    ONE(read), ONE(readv), ONE(write), ONE(writev), ONE(recv), ONE(recvfrom),
    ONE(recvmsg), ONE(send), ONE(sendto), ONE(sendmsg), ONE(accept),
    ONE(accept4), ONE(poll), ONE(ppoll), ONE(select), ONE(pselect),
    ONE(epoll_wait), ONE(epoll_pwait), ONE(nanosleep), ONE(clock_nanosleep),
    ONE(sleep), ONE(pause), ONE(sigsuspend), ONE(sigwait), ONE(sigwaitinfo),
    ONE(sigtimedwait), ONE(sem_wait), ONE(sem_timedwait), ONE(cond_wait),
    ONE(cond_timedwait), ONE(join), ONE(waitpid), ONE(wait), ONE(waitid),
    ONE(lock), ONE(msgrcv), ONE(mq_receive), ONE(mq_timedreceive),
    ONE(testcancel), ONE(getc),
};

/* ---- how it is cancelled ---- */

enum { WAITING, BEFORE, DISABLED, ASYNCHRONOUS, HOWS };

static int n_cleaned, how_now;
static volatile int is_there, may_go;

static void clean(void *arg)
{
    n_cleaned = n_cleaned * 10 + (int)(intptr_t)arg;
}

static void *go_and_wait(void *arg)
{
    int i = (int)(intptr_t)arg, state;

    pthread_cleanup_push(clean, (void *)1);
    pthread_cleanup_push(clean, (void *)2);
    if (how_now == ASYNCHRONOUS)
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &state);
    if (how_now == BEFORE || how_now == DISABLED)
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    is_there = 1;
    if (how_now == BEFORE || how_now == DISABLED)
        while (!may_go)
            nap_ms(1);
    if (how_now == DISABLED)
        nap_ms(1);
    if (how_now == BEFORE || how_now == DISABLED)
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
    points[i].fn();
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

static const char *cancel_at(int i, int how)
{
    pthread_t t;
    void *result;

    is_there = may_go = n_cleaned = 0;
    how_now = how;
    t = start(go_and_wait, (void *)(intptr_t)i);
    while (!is_there)
        nap_ms(1);
    if (how == WAITING || how == ASYNCHRONOUS)
        nap_ms(8);
    CHECK(pthread_cancel(t) == 0);
    may_go = 1;
    result = join(t);
    if (result != PTHREAD_CANCELED)
        return "returned";
    return n_cleaned == 21 ? "canceled" : "not cleaned";
}

static void *sleep_long(void *arg)
{
    nap_ms(600000);
    return arg;
}

static void fill(int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (write(fd, big, 4096) > 0)
        ;
    while (write(fd, big, 1) > 0)
        ;
    fcntl(fd, F_SETFL, 0);
}

static void hold_lock(void)
{
    int ready[2];
    char name[] = "/tmp/tendril-cancel-XXXXXX";

    CHECK(pipe(ready) == 0);
    locked_file = mkstemp(name);
    unlink(name);
    holder = fork();
    if (holder == 0) {
        struct flock f = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

        close(ready[0]);
        CHECK(fcntl(locked_file, F_SETLK, &f) == 0);
        CHECK(write(ready[1], "x", 1) == 1);
        pause();
        _exit(0);
    }
    CHECK(read(ready[0], big, 1) == 1);
}

static void set_up(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 16};
    char name[64];
    sigset_t set;

    CHECK(pipe(empty_pipe) == 0 && pipe(full_pipe) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, empty_pair) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, full_pair) == 0);
    fill(full_pipe[1]);
    fill(full_pair[0]);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&addr, sizeof(sa_family_t)) == 0);
    CHECK(listen(listener, 5) == 0);
    epoll_fd = epoll_create1(0);
    snprintf(name, sizeof name, "/tendril-cancel-%d", (int)getpid());
    mq = mq_open(name, O_CREAT | O_RDWR, 0600, &attr);
    mq_unlink(name);
    queue = msgget(IPC_PRIVATE, 0600);
    sem_init(&sem, 0, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    sleeper = start(sleep_long, NULL);
    hold_lock();
}

/* ---- nothing is lost ---- */

static volatile int n_got;

static void *read_bytes(void *arg)
{
    char c;

    while (read(*(int *)arg, &c, 1) == 1)
        n_got++;
    return NULL;
}

/* A byte that comes at the moment of the cancel is read, or is still there. */
static void test_not_lost(void)
{
    int n_sent = 0, n_left = 0, fds[2];
    char c;

    CHECK(pipe(fds) == 0);
    for (int i = 0; i < 200; i++) {
        pthread_t t = start(read_bytes, &fds[0]);

        if (i & 1)
            sched_yield();
        CHECK(write(fds[1], "x", 1) == 1);
        n_sent++;
        pthread_cancel(t);
        join(t);
    }
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    while (read(fds[0], &c, 1) == 1)
        n_left++;
    printf("sent %d, read or left %d\n", n_sent, n_got + n_left);
}

/* Who is cancelled does not see what comes after. */
static void *read_once(void *arg)
{
    char c;

    CHECK(read(*(int *)arg, &c, 1) <= 0);
    return NULL;
}

static void test_closed(void)
{
    enum { ROUNDS = 1000 };
    int ends[2], n = 0;

    for (int i = 0; i < ROUNDS; i++) {
        pthread_t t;

        CHECK(pipe(ends) == 0);
        t = start(read_once, ends);
        pthread_cancel(t);
        close(ends[0]);
        n += join(t) == PTHREAD_CANCELED;
        close(ends[1]);
    }
    printf("cancelled, and its descriptor closed: %d\n", n);
}

static void *spin(void *arg)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    is_there = 1;
    for (volatile long i = 0;; i++)
        ;
    return arg;
}

int main(int argc, char **argv)
{
    static const char *const hows[] = {"waiting", "before", "disabled",
                                       "asynchronous"};
    pthread_t t;

    setvbuf(stdout, NULL, _IOLBF, 0);
    (void)argv;
    if (argc > 1) {
        test_not_lost();
        return 0;
    }
    set_up();
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        printf("%s:", points[i].name);
        for (int how = 0; how < HOWS; how++)
            printf(" %s %s", hows[how], cancel_at((int)i, how));
        printf("\n");
    }
    test_closed();
    is_there = 0;
    t = start(spin, NULL);
    while (!is_there)
        nap_ms(1);
    pthread_cancel(t);
    printf("who computes is canceled %d\n", join(t) == PTHREAD_CANCELED);
    msgctl(queue, IPC_RMID, NULL);
    kill(holder, SIGKILL);
    return 0;
}
