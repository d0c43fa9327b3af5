/* SPDX-License-Identifier: MIT */
/* tests/run/programs/selects.c - select() and pselect(): numbers larger than
 * the table of descriptors, high descriptors, and events that poll() tells and
 * select() does not. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "support.h"

enum { MANY = 1000000, HIGH = 3000, PAGE = 4096 };

static void on_alarm(int sig)
{
    (void)sig;
}

/* SIGALRM each so many milliseconds, since the first may come before the call
 * that it is to meet; 0: not any more. */
static void alarm_each(int ms)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval t = {{0, ms * 1000}, {0, ms * 1000}};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &t, NULL);
}

static void say(const char *what, int r)
{
    printf("%s: %d %s\n", what, r, r < 0 ? strerrorname_np(errno) : "");
}

static void *keep_busy(void *arg)
{
    while (!*(volatile int *)arg)
        nap_ms(1);
    return NULL;
}

/* ---- numbers ---- */

/* Where a set is the last thing before what cannot be read; or what is behind
 * it are other things of the program's, if `filler` is not 0. */
static fd_set *last_of_page(int filler)
{
    char *at = mmap(NULL, 100 * PAGE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(at != MAP_FAILED);
    memset(at, filler, 100 * PAGE);
    if (!filler)
        CHECK(mprotect(at + PAGE, 99 * PAGE, PROT_NONE) == 0);
    return memset(at + PAGE - sizeof(fd_set), 0, sizeof(fd_set));
}

static void test_large_number(int filler)
{
    fd_set *set = last_of_page(filler);
    const char *behind = (const char *)(set + 1);
    int fds[2], wrong = 0;
    struct timeval t = {0, 1000};

    CHECK(pipe(fds) == 0);
    FD_SET(fds[0], set);
    say("a large number", select(MANY, set, NULL, NULL, &t));
    FD_SET(fds[0], set);
    FD_SET(fds[1], set);
    say("one is ready", select(MANY, NULL, set, NULL, NULL));
    printf("the right one: %d\n", FD_ISSET(fds[1], set) != 0);
    for (int i = 0; filler && i < 10 * PAGE; i++)
        wrong += behind[i] != (char)filler;
    printf("changed behind it: %d\n", wrong);
    close(fds[0]);
    close(fds[1]);
}

static void test_closed(void)
{
    struct timeval t = {0, 1000};
    fd_set set;
    int fd = dup(1);

    FD_ZERO(&set);
    FD_SET(fd, &set);
    close(fd);
    say("a closed one", select(MANY, &set, NULL, NULL, &t));
    printf("is still in the set: %d\n", FD_ISSET(fd, &set) != 0);
}

static void test_high(void)
{
    static unsigned char sets[2][MANY / 8];
    int fds[2], high[2] = {HIGH, HIGH + 1};

    CHECK(pipe(fds) == 0);
    CHECK(dup2(fds[0], high[0]) == high[0]);
    CHECK(dup2(fds[1], high[1]) == high[1]);
    CHECK(write(fds[1], "x", 1) == 1);
    sets[0][high[0] / 8] |= (unsigned char)(1 << high[0] % 8);
    sets[1][high[1] / 8] |= (unsigned char)(1 << high[1] % 8);
    say("high ones", select(MANY, (fd_set *)sets[0], (fd_set *)sets[1], NULL,
                            NULL));
    printf("are in the sets: %d %d\n", sets[0][high[0] / 8] != 0,
           sets[1][high[1] / 8] != 0);
    for (int i = 0; i < 2; i++) {
        close(high[i]);
        close(fds[i]);
    }
}

/* ---- events ---- */

static int pair[2];

static void *send_urgent(void *arg)
{
    nap_ms(20);
    CHECK(send(pair[1], "!", 1, MSG_OOB) == 1);
    return arg;
}

static void connect_pair(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener, (struct sockaddr *)&a, len) == 0);
    CHECK(listen(listener, 5) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&a, &len) == 0);
    pair[1] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(pair[1], (struct sockaddr *)&a, len) == 0);
    pair[0] = accept(listener, NULL, NULL);
    CHECK(pair[0] >= 0);
    close(listener);
}

/* For one who waits for urgent data alone it is no event that the peer is
 * gone. */
static void test_peer_is_gone(void)
{
    struct timeval t = {0, 30000};
    fd_set set;
    int gone[2];
    pthread_t sender;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, gone) == 0);
    close(gone[1]);
    FD_ZERO(&set);
    FD_SET(gone[0], &set);
    say("until the time is over", select(gone[0] + 1, NULL, NULL, &set, &t));
    printf("left %d, in the set %d\n", (int)(t.tv_sec * 1000000 + t.tv_usec),
           FD_ISSET(gone[0], &set) != 0);
    FD_SET(gone[0], &set);
    alarm_each(30);
    say("for ever", select(gone[0] + 1, NULL, NULL, &set, NULL));
    connect_pair();
    FD_ZERO(&set);
    FD_SET(gone[0], &set);
    FD_SET(pair[0], &set);
    sender = start(send_urgent, NULL);
    alarm_each(900);
    say("until another is ready",
        select(pair[0] + 1, NULL, NULL, &set, NULL));
    alarm_each(0);
    printf("which is the right one: %d %d\n", FD_ISSET(gone[0], &set) != 0,
           FD_ISSET(pair[0], &set) != 0);
    join(sender);
    close(gone[0]);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    struct rlimit limit = {8000, 8000};
    volatile int is_over = 0;
    pthread_t t = start(keep_busy, (void *)&is_over);

    setvbuf(stdout, NULL, _IOLBF, 0);
    setrlimit(RLIMIT_NOFILE, &limit);
    test_large_number(0);
    test_large_number(0xaa);
    test_closed();
    test_peer_is_gone();
    test_high();
    is_over = 1;
    join(t);
    return 0;
}
