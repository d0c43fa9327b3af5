/* SPDX-License-Identifier: MIT */
/* tests/run/programs/transfers.c - reads and writes that do not wait, or not
 * for ever: of nothing, and on sockets with SO_RCVTIMEO and SO_SNDTIMEO; and
 * those that wait until all is there, or has gone. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <termios.h>
#include <time.h>

#include <linux/errqueue.h> /* needs time.h before it, with musl */

#include "support.h"

static volatile int n_alarms;

static void on_alarm(int sig)
{
    (void)sig;
    n_alarms++;
}

/* SIGALRM once, after so many milliseconds; 0: not any more. */
static void alarm_in(int ms, int flags)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = flags};
    struct itimerval t = {.it_value = {0, ms * 1000}};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &t, NULL);
}

/* A call's result, in words. */
static void say(const char *what, long r)
{
    const char *error = r >= 0 ? "" : errno == EAGAIN ? " EAGAIN"
                               : errno == EINTR        ? " EINTR"
                               : errno == EINVAL       ? " EINVAL"
                                                       : " ?";

    printf("%s: %ld%s\n", what, r, error);
    fflush(stdout);
}

/* ---- of nothing ---- */

static void fill(int fd)
{
    static const char buf[4096];

    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (write(fd, buf, sizeof buf) > 0)
        ;
    fcntl(fd, F_SETFL, 0);
}

static void test_nothing(const char *name, int in, int out)
{
    struct iovec none[2] = {{NULL, 0}, {NULL, 0}};
    char byte;

    printf("%s\n", name);
    alarm_in(20, 0);
    say("a read that is interrupted", read(in, &byte, 1));
    say("read", read(in, NULL, 0));
    say("readv", readv(in, none, 2));
    fill(out);
    alarm_in(20, 0);
    say("a write that is interrupted", write(out, "x", 1));
    say("write", write(out, NULL, 0));
    say("writev", writev(out, none, 2));
    close(in);
    close(out);
}

static void test_nothing_of_an_eventfd(void)
{
    int fd = eventfd(0, 0);

    say("eventfd", read(fd, NULL, 0));
    close(fd);
}

/* ---- with a timeout ---- */

static void set_timeout(int fd, int name, int ms)
{
    struct timeval t = {0, ms * 1000};

    CHECK(setsockopt(fd, SOL_SOCKET, name, &t, sizeof t) == 0);
}

static void test_inherited_timeout(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM, 0), client, fd;
    char c;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener, (struct sockaddr *)&a, len) == 0);
    CHECK(listen(listener, 5) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&a, &len) == 0);
    set_timeout(listener, SO_RCVTIMEO, 50);
    say("accept with a timeout", accept(listener, NULL, NULL));
    client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client, (struct sockaddr *)&a, len) == 0);
    fd = accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    alarm_in(900, 0);
    say("an accepted socket has the listener's", recv(fd, &c, 1, 0));
    alarm_in(0, 0);
    close(client);
    close(fd);
    close(listener);
}

static void test_timeout_of_a_duplicate(void)
{
    int pair[2], copy;
    char c;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    copy = dup(pair[0]);
    alarm_in(20, 0);
    say("without one", read(copy, &c, 1));
    set_timeout(pair[0], SO_RCVTIMEO, 50);
    alarm_in(900, 0);
    say("a duplicate has it", read(copy, &c, 1));
    set_timeout(copy, SO_RCVTIMEO, 0);
    alarm_in(100, 0);
    say("and takes it away", recv(pair[0], &c, 1, 0));
    close(copy);
    set_timeout(pair[0], SO_SNDTIMEO, 50);
    fill(pair[0]);
    alarm_in(900, 0);
    say("send", send(pair[0], "x", 1, 0));
    alarm_in(0, 0);
    close(pair[0]);
    close(pair[1]);
}

/* As another program would that has the socket already. */
static void test_timeout_of_a_received_one(void)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    char c = 'c';
    struct iovec iov = {&c, 1};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    int pair[2], way[2], fd;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, way) == 0);
    set_timeout(pair[0], SO_RCVTIMEO, 50);
    memcpy(CMSG_DATA(&control.head), &pair[0], sizeof pair[0]);
    CHECK(sendmsg(way[0], &m, 0) == 1);
    CHECK(recvmsg(way[1], &m, 0) == 1);
    memcpy(&fd, CMSG_DATA(&control.head), sizeof fd);
    alarm_in(900, 0);
    say("a received one has it", recv(fd, &c, 1, 0));
    alarm_in(0, 0);
    close(fd);
    close(way[0]);
    close(way[1]);
    close(pair[0]);
    close(pair[1]);
}

static void test_timeout_and_restart(void)
{
    int pair[2];
    char c;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    set_timeout(pair[0], SO_RCVTIMEO, 300);
    alarm_in(20, SA_RESTART);
    say("SA_RESTART does not restart recv", recv(pair[0], &c, 1, 0));
    alarm_in(20, SA_RESTART);
    say("nor read", read(pair[0], &c, 1));
    fill(pair[0]);
    set_timeout(pair[0], SO_SNDTIMEO, 300);
    alarm_in(20, SA_RESTART);
    say("nor send", send(pair[0], "x", 1, 0));
    close(pair[0]);
    close(pair[1]);
}

/* ---- all of it ---- */

enum { MESSAGES = 4, LARGE = 300000 };

static int stream[2];

static void *sum_up(void *arg)
{
    static unsigned char buf[65536];
    unsigned long sum = 0;
    long got = 0;
    ssize_t n;

    nap_ms(20); /* for the sender to fill it first */
    while ((n = read(stream[1], buf, sizeof buf)) > 0) {
        got += n;
        for (ssize_t i = 0; i < n; i++)
            sum = sum * 31 + buf[i];
    }
    printf("%ld bytes, sum %lx\n", got, sum);
    return arg;
}

/* Each is more than there is room for. */
static void test_large_messages(void)
{
    static char data[MESSAGES][LARGE];
    struct mmsghdr m[MESSAGES] = {{{0}, 0}};
    struct iovec parts[MESSAGES][2];
    pthread_t t;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, stream) == 0);
    for (int i = 0; i < MESSAGES; i++) {
        memset(data[i], i + 1, LARGE);
        parts[i][0] = (struct iovec){data[i], 1};
        parts[i][1] = (struct iovec){data[i] + 1, LARGE - 1};
        m[i].msg_hdr.msg_iov = parts[i];
        m[i].msg_hdr.msg_iovlen = 2;
    }
    t = start(sum_up, NULL);
    say("sendmmsg", sendmmsg(stream[0], m, MESSAGES, 0));
    close(stream[0]);
    join(t);
    close(stream[1]);
    for (int i = 0; i < MESSAGES; i++)
        printf("message %d: %u\n", i, m[i].msg_len);
}

/* "a", and after a while "bcd": the first time when the caller waits. */
static void *write_later(void *arg)
{
    nap_ms(20);
    CHECK(write(stream[1], "a", 1) == 1);
    nap_ms(20);
    CHECK(write(stream[1], "bcd", 3) == 3);
    return arg;
}

static void make_stream(int domain)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    int listener;

    if (domain == AF_UNIX) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, stream) == 0);
        return;
    }
    listener = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener, (struct sockaddr *)&a, len) == 0);
    CHECK(listen(listener, 5) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&a, &len) == 0);
    stream[1] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(stream[1], (struct sockaddr *)&a, len) == 0);
    stream[0] = accept(listener, NULL, NULL);
    CHECK(stream[0] >= 0);
    close(listener);
}

static void close_stream(void)
{
    close(stream[0]);
    close(stream[1]);
}

/* How much of "abcd" this gets, and what is left then. */
static void receive_late(const char *what, int domain, int flags,
                         size_t room_for_control)
{
    char buf[8] = "", control[64];
    struct iovec parts[3] = {{buf, 2}, {buf + 2, 0}, {buf + 2, 2}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 3,
                       .msg_control = control,
                       .msg_controllen = room_for_control};
    pthread_t t;

    make_stream(domain);
    t = start(write_later, NULL);
    alarm_in(900, 0);
    say(what, recvmsg(stream[0], &m, flags));
    printf("%s\n", buf);
    join(t);
    memset(buf, 0, sizeof buf);
    say("left", recv(stream[0], buf, sizeof buf - 1, MSG_DONTWAIT));
    t = start(write_later, NULL);
    say("recv", recv(stream[0], buf, 4, flags));
    alarm_in(0, 0);
    printf("%s\n", buf);
    join(t);
    close_stream();
}

static void test_waitall(void)
{
    enum { PEEK_ALL = MSG_WAITALL | MSG_PEEK };
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    char buf[8];

    receive_late("unix, all", AF_UNIX, MSG_WAITALL, 0);
    receive_late("unix, all, with control", AF_UNIX, MSG_WAITALL, 64);
    receive_late("tcp, all", AF_INET, MSG_WAITALL, 0);
    receive_late("tcp, all, a look", AF_INET, PEEK_ALL, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(fd, (struct sockaddr *)&a, len) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    CHECK(sendto(fd, "abc", 3, 0, (struct sockaddr *)&a, len) == 3);
    n_alarms = 0;
    alarm_in(900, 0);
    say("a datagram", recv(fd, buf, sizeof buf, MSG_WAITALL));
    alarm_in(0, 0);
    printf("no wait for more: %d\n", n_alarms == 0);
    close(fd);
}

static void test_low_mark(void)
{
    int mark = 4;
    char buf[8];
    pthread_t t;

    make_stream(AF_INET);
    CHECK(setsockopt(stream[0], SOL_SOCKET, SO_RCVLOWAT, &mark,
                     sizeof mark) == 0);
    for (int i = 0; i < 2; i++) {
        CHECK(write(stream[1], "..", 2) == 2);
        t = start(write_later, NULL);
        printf("four bytes at least: %d\n",
               (i == 0 ? recv(stream[0], buf, sizeof buf, 0)
                       : read(stream[0], buf, sizeof buf)) >= 4);
        join(t);
        recv(stream[0], buf, sizeof buf, MSG_DONTWAIT);
    }
    CHECK(write(stream[1], ".", 1) == 1);
    t = start(write_later, NULL);
    say("two, where no more fit", recv(stream[0], buf, 2, 0));
    join(t);
    set_timeout(stream[0], SO_RCVTIMEO, 50);
    say("three are left", recv(stream[0], buf, sizeof buf, 0));
    say("and none", recv(stream[0], buf, sizeof buf, 0));
    close_stream();
}

/* ---- a peer that goes while a part is done ---- */

enum { MUCH = 16 << 20, WAYS = 5 };

static volatile int n_signals;

static void on_pipe(int sig)
{
    (void)sig;
    n_signals++;
}

/* More than there is room for, in several ways. What has gone. */
static ssize_t send_much(int fd, int way)
{
    static char much[MUCH];
    struct iovec parts[3] = {
        {much, 1000}, {much, MUCH / 2}, {much, MUCH / 2 - 1000}};
    struct mmsghdr m = {{.msg_iov = parts, .msg_iovlen = 3}, 0};

    switch (way) {
    case 0:
        return write(fd, much, MUCH);
    case 1:
        return writev(fd, parts, 3);
    case 2:
        return send(fd, much, MUCH, 0);
    case 3:
        return sendmsg(fd, &m.msg_hdr, 0);
    default:
        return sendmmsg(fd, &m, 1, 0) < 0 ? -1 : (ssize_t)m.msg_len;
    }
}

static void *close_later(void *arg)
{
    nap_ms(50);
    close((int)(long)arg);
    return NULL;
}

/* It gives the part, and the calls after it tell why. */
static void send_to_one_that_goes(const char *name, int to, int from, int way)
{
    pthread_t t = start(close_later, (void *)(long)from);

    printf("%s, %d:", name, way);
    for (int i = 0; i < 3; i++) {
        ssize_t n;

        n_signals = 0;
        n = send_much(to, way);
        printf(" %s, %d signals;",
               n < 0 ? strerrorname_np(errno) : n < MUCH ? "a part" : "all",
               n_signals);
    }
    printf("\n");
    join(t);
    close(to);
}

static void *reset_later(void *arg)
{
    struct linger at_once = {1, 0};

    nap_ms(20);
    CHECK(write(stream[1], "abc", 3) == 3);
    nap_ms(50);
    CHECK(setsockopt(stream[1], SOL_SOCKET, SO_LINGER, &at_once,
                     sizeof at_once) == 0);
    close(stream[1]);
    return arg;
}

static void receive_from_one_that_goes(int way)
{
    pthread_t t;
    char buf[8];
    struct iovec part = {buf, sizeof buf};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

    make_stream(AF_INET);
    t = start(reset_later, NULL);
    printf("reset: %zd",
           way ? recvmsg(stream[0], &m, MSG_WAITALL)
               : recv(stream[0], buf, sizeof buf, MSG_WAITALL));
    join(t);
    printf(" %s", recv(stream[0], buf, 1, 0) < 0 ? strerrorname_np(errno)
                                                 : "and no more");
    printf(" %zd\n", recv(stream[0], buf, 1, 0));
    close(stream[0]);
}

static void test_peer_that_goes(void)
{
    int fds[2];

    signal(SIGPIPE, on_pipe);
    for (int way = 0; way < WAYS; way++) {
        make_stream(AF_INET);
        send_to_one_that_goes("tcp", stream[0], stream[1], way);
        make_stream(AF_UNIX);
        send_to_one_that_goes("unix", stream[0], stream[1], way);
        if (way > 1)
            continue;
        CHECK(pipe(fds) == 0);
        send_to_one_that_goes("pipe", fds[1], fds[0], way);
    }
    for (int way = 0; way < 2; way++)
        receive_from_one_that_goes(way);
}

/* ---- without a copy ---- */

static void *read_all(void *arg)
{
    static char buf[65536];

    nap_ms(20);
    while (read(stream[1], buf, sizeof buf) > 0)
        ;
    return arg;
}

/* The highest number of a send whose memory is free, or -1. */
static long last_told_of(int fd)
{
    struct pollfd p = {fd, 0, 0};
    char control[128];
    long last = -1;

    while (poll(&p, 1, 200) > 0) {
        struct msghdr m = {.msg_control = control,
                           .msg_controllen = sizeof control};
        const struct sock_extended_err *told;

        if (recvmsg(fd, &m, MSG_ERRQUEUE) < 0)
            break;
        told = (const void *)CMSG_DATA(CMSG_FIRSTHDR(&m));
        if (told->ee_origin == SO_EE_ORIGIN_ZEROCOPY &&
            (long)told->ee_data > last)
            last = told->ee_data;
    }
    return last;
}

/* Each send has one number, however many parts go. */
static void test_zero_copy(void)
{
    static char much[MUCH];
    struct iovec parts[2] = {{much, 1000}, {much, MUCH - 1000}};
    struct mmsghdr m = {{.msg_iov = parts, .msg_iovlen = 2}, 0};
    int on = 1;
    pthread_t t;

    make_stream(AF_INET);
    if (setsockopt(stream[0], SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on) < 0)
        return;
    t = start(read_all, NULL);
    say("send", send(stream[0], much, MUCH, MSG_ZEROCOPY));
    say("sendmsg", sendmsg(stream[0], &m.msg_hdr, MSG_ZEROCOPY));
    say("sendmmsg", sendmmsg(stream[0], &m, 1, MSG_ZEROCOPY));
    CHECK(shutdown(stream[0], SHUT_WR) == 0);
    join(t);
    printf("the last is number %ld\n", last_told_of(stream[0]));
    close_stream();
}

/* ---- terminals without lines ---- */

static int master, terminal;

static void set_terminal(cc_t min, cc_t time)
{
    struct termios t;

    CHECK(tcgetattr(terminal, &t) == 0);
    cfmakeraw(&t);
    t.c_cc[VMIN] = min;
    t.c_cc[VTIME] = time;
    CHECK(tcsetattr(terminal, TCSANOW, &t) == 0);
}

static void *type(void *arg)
{
    for (int i = 0; i < 3; i++) {
        nap_ms(20);
        CHECK(write(master, "x", 1) == 1);
    }
    return arg;
}

static void *read_terminal(void *arg)
{
    pthread_t t;
    char text[8];

    set_terminal(0, 0);
    printf("without a wait: %zd\n", read(terminal, text, sizeof text));
    set_terminal(0, 1);
    printf("for a tenth of a second: %zd\n",
           read(terminal, text, sizeof text));
    set_terminal(3, 0);
    t = start(type, NULL);
    printf("three bytes: %zd\n", read(terminal, text, sizeof text));
    join(t);
    return arg;
}

static void test_terminal(void)
{
    master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    CHECK(terminal >= 0);
    read_terminal(NULL);
    join(start(read_terminal, NULL));
}

int main(void)
{
    int fds[2];

    CHECK(pipe(fds) == 0);
    test_nothing("nothing, on a pipe", fds[0], fds[1]);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    test_nothing("nothing, on a socket", fds[0], fds[1]);
    test_nothing_of_an_eventfd();
    test_inherited_timeout();
    test_timeout_of_a_duplicate();
    test_timeout_of_a_received_one();
    test_timeout_and_restart();
    test_large_messages();
    test_waitall();
    test_low_mark();
    test_peer_that_goes();
    test_zero_copy();
    test_terminal();
    return 0;
}
