/* SPDX-License-Identifier: MIT */
/* dns - names looked up by libc in many threads: of two servers one is silent
 * and the other one answers; then both are silent. Another thread's ticks go on
 * meanwhile. */
#include "support.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>

enum { LOOKERS = 20, TICKS = 20 };

static int silent, answering; /* sockets */
static atomic_bool is_over;
static atomic_int n_ticks;

static int bound_socket(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

/* To every question 192.0.2.7, and to one for IPv6 nothing. */
static void *answer(void *arg)
{
    static const unsigned char record[] = {0xc0, 12, 0, 1,   0, 1, 0, 0,
                                           0,    9,  0, 4, 192, 0, 2, 7};
    unsigned char text[512];
    struct sockaddr_in from;

    for (;;) {
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(answering, text, sizeof text - sizeof record, 0,
                             (struct sockaddr *)&from, &len);

        if (n < 13)
            return arg;
        for (ssize_t end = 12; end + 5 <= n; end++) {
            if (text[end] != 0)
                continue;
            n = end + 5; /* without what follows the question */
            break;
        }
        text[2] = 0x81;
        text[3] = 0x80;
        text[7] = text[n - 3] == ns_t_a;
        text[11] = 0;
        if (text[7]) {
            memcpy(text + n, record, sizeof record);
            n += (ssize_t)sizeof record;
        }
        sendto(answering, text, (size_t)n, 0, (struct sockaddr *)&from, len);
    }
}

static void *tick(void *arg)
{
    while (!is_over) {
        nap_ms(10);
        n_ticks++;
    }
    return arg;
}

/* The resolver's settings are each thread's own. */
static void use(int first, int second)
{
    const int fds[] = {first, second};

    CHECK(res_init() == 0);
    _res.retrans = 1; /* second */
    _res.retry = 1;
    _res.nscount = 0;
    for (int i = 0; i < 2; i++) {
        socklen_t len = sizeof _res.nsaddr_list[0];

        CHECK(getsockname(fds[i], (struct sockaddr *)&_res.nsaddr_list[i],
                          &len) == 0);
        _res.nscount++;
    }
}

static void *look_up(void *arg)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char name[40], text[INET6_ADDRSTRLEN] = "nothing";
    int i = *(int *)arg, r;

    use(silent, i % 2 ? silent : answering);
    snprintf(name, sizeof name, "host%d.example.", i);
    r = getaddrinfo(name, "80", &hints, &found);
    if (r == 0) {
        struct sockaddr_in *a = (struct sockaddr_in *)found->ai_addr;

        CHECK(found->ai_family == AF_INET && !found->ai_next);
        inet_ntop(AF_INET, &a->sin_addr, text, sizeof text);
        freeaddrinfo(found);
    } else {
        snprintf(text, sizeof text, "%s", gai_strerror(r));
    }
    return strdup(text);
}

int main(void)
{
    pthread_t t[LOOKERS], ticker, server;
    int numbers[LOOKERS];

    silent = bound_socket();
    answering = bound_socket();
    server = start(answer, NULL);
    ticker = start(tick, NULL);
    for (int i = 0; i < LOOKERS; i++) {
        numbers[i] = i;
        t[i] = start(look_up, &numbers[i]);
    }
    for (int i = 0; i < LOOKERS; i++) {
        char *text = join(t[i]);

        printf("host%d: %s\n", i, text);
        free(text);
    }
    printf("others %s\n", n_ticks >= TICKS ? "went on" : "stood still");
    is_over = true;
    join(ticker);
    CHECK(pthread_cancel(server) == 0);
    join(server);
    return 0;
}
