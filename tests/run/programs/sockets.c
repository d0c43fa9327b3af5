/* SPDX-License-Identifier: MIT */
/* tests/run/programs/sockets.c - calls on sockets that do not wait where one
 * might think so, and what they leave behind. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "support.h"

static struct sockaddr_in address = {.sin_family = AF_INET};
static socklen_t address_len = sizeof address;

static void on_signal(int sig)
{
    (void)sig;
}

static void say(const char *what, long r)
{
    printf("%s: %ld %s\n", what, r, r < 0 ? strerrorname_np(errno) : "");
}

static void *keep_busy(void *arg)
{
    while (!*(volatile int *)arg)
        nap_ms(1);
    return NULL;
}

static int bound_socket(int type)
{
    int fd = socket(AF_INET, type, 0);

    address.sin_port = 0;
    CHECK(bind(fd, (struct sockaddr *)&address, address_len) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &address_len) == 0);
    return fd;
}

static int connect_to_it(int fd)
{
    return connect(fd, (struct sockaddr *)&address, address_len);
}

/* ---- connect ---- */

static void *accept_it(void *arg)
{
    int fd = accept((int)(long)arg, NULL, NULL);

    CHECK(fd >= 0);
    return (void *)(long)fd;
}

static void *connect_in_vain(void *arg)
{
    return (void *)(long)(connect_to_it((int)(long)arg) < 0 ? errno : 0);
}

/* So one gives up a connect() of another thread. */
static void test_connect_is_given_up(void)
{
    enum { BACKLOG = 3 };
    int listener = bound_socket(SOCK_STREAM), fd, full[BACKLOG];
    pthread_t t;

    CHECK(listen(listener, 0) == 0);
    for (int i = 0; i < BACKLOG; i++) {
        full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect_to_it(full[i]);
    }
    nap_ms(20);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    t = start(connect_in_vain, (void *)(long)fd);
    nap_ms(50);
    say("shutdown", shutdown(fd, SHUT_RDWR));
    printf("connect: %s\n", strerrorname_np((int)(long)join(t)));
    for (int i = 0; i < BACKLOG; i++)
        close(full[i]);
    close(fd);
    close(listener);
}

static void test_connect(void)
{
    int listener = bound_socket(SOCK_STREAM), fd;
    pthread_t t;

    fd = socket(AF_INET, SOCK_STREAM, 0);
    say("refused", connect_to_it(fd));
    say("and again", connect_to_it(fd));
    CHECK(listen(listener, 5) == 0);
    t = start(accept_it, (void *)(long)listener);
    say("connected", connect_to_it(fd));
    say("twice", connect_to_it(fd));
    close((int)(long)join(t));
    close(fd);
    close(listener);
}

/* ---- accept ---- */

static void *shut_later(void *arg)
{
    nap_ms(20);
    shutdown((int)(long)arg, SHUT_RD);
    return NULL;
}

static void test_accept(void)
{
    int udp = bound_socket(SOCK_DGRAM), listener = bound_socket(SOCK_STREAM);
    int fd = socket(AF_INET, SOCK_STREAM, 0), fds[2];
    pthread_t t;

    say("accept of datagrams", accept(udp, NULL, NULL));
    say("accept before listen", accept(listener, NULL, NULL));
    CHECK(listen(listener, 5) == 0);
    t = start(accept_it, (void *)(long)listener);
    CHECK(connect_to_it(fd) == 0);
    close((int)(long)join(t));
    say("accept on a connection", accept(fd, NULL, NULL));
    CHECK(pipe(fds) == 0);
    say("accept on a pipe", accept(fds[0], NULL, NULL));
    t = start(shut_later, (void *)(long)listener);
    say("accept that is shut", accept(listener, NULL, NULL));
    join(t);
    say("and one after that", accept(listener, NULL, NULL));
    close(udp);
    close(listener);
    close(fd);
    close(fds[0]);
    close(fds[1]);
}

/* ---- urgent data ---- */

static void *send_later(void *arg)
{
    nap_ms(20);
    CHECK(send((int)(long)arg, "x", 1, 0) == 1);
    return NULL;
}

static void test_urgent(void)
{
    int listener = bound_socket(SOCK_STREAM), fd, peer;
    struct iovec part;
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    pthread_t t;
    char c, more[8];

    part = (struct iovec){&c, 1};
    CHECK(listen(listener, 5) == 0);
    peer = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect_to_it(peer) == 0);
    fd = accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    t = start(send_later, (void *)(long)peer);
    say("a byte", recv(fd, more, sizeof more, 0)); /* nothing more is there */
    join(t);
    say("an urgent one", recv(fd, &c, 1, MSG_OOB));
    say("by recvmsg", recvmsg(fd, &m, MSG_OOB));
    CHECK(send(peer, "!", 1, MSG_OOB) == 1);
    CHECK(poll(&(struct pollfd){fd, POLLPRI, 0}, 1, -1) == 1);
    say("now", recv(fd, &c, 1, MSG_OOB));
    close(fd);
    close(peer);
    close(listener);
}

/* ---- a send that connects ---- */

static void *read_from_one(void *arg)
{
    static char text[8];
    int fd = accept((int)(long)arg, NULL, NULL);

    CHECK(fd >= 0);
    memset(text, 0, sizeof text);
    CHECK(recv(fd, text, 5, MSG_WAITALL) == 5);
    close(fd);
    return text;
}

static void test_fast_open(void)
{
    int listener = bound_socket(SOCK_STREAM), fd, on = 1;
    pthread_t t;

    CHECK(listen(listener, 5) == 0);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    t = start(read_from_one, (void *)(long)listener);
    say("a send that connects",
        sendto(fd, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&address,
               address_len));
    puts(join(t));
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on,
                     sizeof on) == 0);
    t = start(read_from_one, (void *)(long)listener);
    CHECK(connect_to_it(fd) == 0);
    say("the first write connects", write(fd, "there", 5));
    puts(join(t));
    close(fd);
    close(listener);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    say("nobody is there",
        sendto(fd, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&address,
               address_len));
    close(fd);
}

/* ---- a socket for datagrams that is shut down ---- */

static int shut;

static void *receive_from_it(void *arg)
{
    char text[8];
    struct iovec part = {text, sizeof text};
    struct mmsghdr m = {{.msg_iov = &part, .msg_iovlen = 1}, 1};

    switch ((long)arg) {
    case 0:
        return (void *)read(shut, text, sizeof text);
    case 1:
        return (void *)recvfrom(shut, text, sizeof text, 0, NULL, NULL);
    case 2:
        return (void *)recvmsg(shut, &m.msg_hdr, 0);
    default:
        return (void *)(long)(recvmmsg(shut, &m, 1, 0, NULL) * 10 +
                              (int)m.msg_len);
    }
}

static void test_shutdown(void)
{
    for (long way = 0; way < 4; way++) {
        for (int kind = 0; kind < 3; kind++) {
            int pair[2] = {-1, -1};
            pthread_t t;

            if (kind < 2)
                pair[0] = bound_socket(SOCK_DGRAM);
            else
                CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
            shut = pair[0];
            if (kind == 1)
                CHECK(connect_to_it(shut) == 0); /* to itself */
            t = start(receive_from_it, (void *)way);
            nap_ms(20);
            say("shutdown", shutdown(shut, SHUT_RDWR));
            printf("way %ld, kind %d: %ld", way, kind, (long)join(t));
            printf(", again: %ld\n", (long)receive_from_it((void *)way));
            close(shut);
            close(pair[1]);
        }
    }
}

/* ---- what is ready goes before signals ---- */

static void test_pending(void)
{
    struct timespec t = {1, 0};
    struct pollfd p;
    sigset_t usr1, none;
    int fds[2];
    fd_set set;

    CHECK(pipe(fds) == 0);
    CHECK(write(fds[1], "x", 1) == 1);
    sigemptyset(&none);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    signal(SIGUSR1, on_signal);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    raise(SIGUSR1);
    p = (struct pollfd){fds[0], POLLIN, 0};
    say("ppoll of what is ready", ppoll(&p, 1, &t, &none));
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    say("pselect", pselect(fds[0] + 1, &set, NULL, NULL, &t, &none));
    sigpending(&none);
    printf("still pending: %d\n", sigismember(&none, SIGUSR1));
    sigemptyset(&none);
    CHECK(read(fds[0], &p, 1) == 1);
    p = (struct pollfd){fds[0], POLLIN, 0};
    say("ppoll of what is not", ppoll(&p, 1, &t, &none));
    close(fds[0]);
    close(fds[1]);
}

/* The server resets each connection as soon as it has it. */
static pid_t start_to_reset(void)
{
    static const struct linger at_once = {1, 0};
    int listener = bound_socket(SOCK_STREAM);
    pid_t pid;

    CHECK(listen(listener, 64) == 0);
    pid = fork();
    while (pid == 0) {
        int fd = accept(listener, NULL, NULL);

        if (fd < 0)
            _exit(1);
        for (int i = 0; i < 16; i++)
            send(fd, "there", 5, MSG_NOSIGNAL);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(fd);
    }
    close(listener);
    return pid;
}

/* In a process with one thread. */
static void test_reset(void)
{
    pid_t server = start_to_reset();
    int failed = 0;

    CHECK(server > 0);
    for (int i = 0; i < 3000; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        char c;

        if (connect_to_it(fd) < 0)
            failed++;
        else
            recv(fd, &c, 1, 0); /* or the backlog fills up */
        close(fd);
    }
    fprintf(stderr, "connect failed %d\n", failed);
    printf("connect to one that resets: failed often %d\n", failed > 5);
    kill(server, SIGKILL);
    CHECK(waitpid(server, NULL, 0) == server);
}

int main(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct itimerval each = {{5, 0}, {5, 0}};
    volatile int is_over = 0;
    pthread_t t;

    setvbuf(stdout, NULL, _IOLBF, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    test_reset();
    t = start(keep_busy, (void *)&is_over);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &each, NULL); /* what waits gives EINTR */
    test_connect();
    test_connect_is_given_up();
    test_accept();
    test_urgent();
    test_fast_open();
    test_shutdown();
    test_pending();
    is_over = 1;
    join(t);
    return 0;
}
