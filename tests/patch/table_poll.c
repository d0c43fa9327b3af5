/* SPDX-License-Identifier: MIT */
/* table_poll.c - rows of table.h: several descriptors, time, names. */
#include "table.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <tendril/tendril.h>
#include <time.h>
#include <unistd.h>

int __poll(struct pollfd *, nfds_t, int);
int __poll_chk(struct pollfd *, nfds_t, int, size_t);
int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *,
                const sigset_t *, size_t);
int __select(int, fd_set *, fd_set *, fd_set *, struct timeval *);
int __nanosleep(const struct timespec *, struct timespec *);
int __sched_yield(void);

static const struct timespec ten_seconds = {10, 0};

/* ---- poll, select, epoll ---- */

#define POLLER(name, ...)                                                      \
 static int call_##name(struct scene *s)                                       \
 {                                                                             \
  struct pollfd p[2] = {{s->in, POLLIN, 0}, {-1, POLLIN, 0}};                  \
  int r = (__VA_ARGS__);                                                       \
  return r == 1 && p[0].revents == POLLIN ? 0 : -1;                            \
 }

POLLER(poll, poll(p, 2, 10000))
POLLER(poll_also, __poll(p, 2, -1))
POLLER(poll_chk, __poll_chk(p, 2, -1, sizeof p))
POLLER(ppoll, ppoll(p, 2, &ten_seconds, NULL))
POLLER(ppoll_chk, __ppoll_chk(p, 2, NULL, NULL, sizeof p))

#define SELECTOR(name, ...)                                                    \
 static int call_##name(struct scene *s)                                       \
 {                                                                             \
  struct timeval time = {10, 0};                                               \
  sigset_t mask;                                                               \
  fd_set set;                                                                  \
  int r;                                                                       \
  sigemptyset(&mask);                                                          \
  FD_ZERO(&set);                                                               \
  FD_SET(s->in, &set);                                                         \
  r = (__VA_ARGS__);                                                           \
  return r == 1 && FD_ISSET(s->in, &set) && time.tv_sec >= 0 ? 0 : -1;         \
 }

SELECTOR(select, select(s->in + 1, &set, NULL, NULL, &time))
SELECTOR(select_also, __select(s->in + 1, &set, NULL, NULL, NULL))
SELECTOR(pselect, pselect(s->in + 1, &set, NULL, NULL, &ten_seconds, &mask))

static void with_epoll(struct scene *s)
{
    struct epoll_event event = {.events = EPOLLIN};

    with_pipe(s);
    s->other = epoll_create1(0);
    if (epoll_ctl(s->other, EPOLL_CTL_ADD, s->in, &event) < 0)
        _exit(1);
}

#define EPOLLER(name, ...)                                                     \
 static int call_##name(struct scene *s)                                       \
 {                                                                             \
  struct epoll_event event;                                                    \
  sigset_t mask;                                                               \
  sigemptyset(&mask);                                                          \
  return (__VA_ARGS__) == 1 && event.events == EPOLLIN ? 0 : -1;               \
 }

EPOLLER(epoll_wait, epoll_wait(s->other, &event, 1, 10000))
EPOLLER(epoll_pwait, epoll_pwait(s->other, &event, 1, -1, &mask))
EPOLLER(epoll_pwait2, epoll_pwait2(s->other, &event, 1, &ten_seconds, NULL))

/* ---- time ---- */

static int call_sleep(struct scene *s)
{
    (void)s;
    return sleep(1) == 0 ? 0 : -1;
}

#define SLEEPER(name, ...)                                                     \
 static int call_##name(struct scene *s)                                       \
 {                                                                             \
  struct timespec begin, end, span = {0, 20000000}, until;                     \
  (void)s;                                                                     \
  clock_gettime(CLOCK_REALTIME, &until);                                       \
  until.tv_nsec += 20000000;                                                   \
  until.tv_sec += until.tv_nsec / 1000000000;                                  \
  until.tv_nsec %= 1000000000;                                                 \
  clock_gettime(CLOCK_MONOTONIC, &begin);                                      \
  if ((__VA_ARGS__) != 0)                                                      \
   return -1;                                                                  \
  clock_gettime(CLOCK_MONOTONIC, &end);                                        \
  (void)span;                                                                  \
  return (end.tv_sec - begin.tv_sec) * 1000000000 + end.tv_nsec -              \
                     begin.tv_nsec >=                                          \
                 19000000                                                      \
             ? 0                                                               \
             : -1;                                                             \
 }

SLEEPER(usleep, (usleep)(20000))
SLEEPER(nanosleep, nanosleep(&span, NULL))
SLEEPER(nanosleep_also, __nanosleep(&span, NULL))
SLEEPER(clock_nanosleep,
        clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL))

/* Enough of them that one who sleeps 0.2 ms has its turn. */
enum { MANY = 200000 };

static int call_yield(struct scene *s)
{
    for (int i = 0; i < (s->is_inside ? MANY : 2); i++)
        if (sched_yield() != 0)
            return -1;
    return 0;
}

static int call_yield_also(struct scene *s)
{
    for (int i = 0; i < (s->is_inside ? MANY : 2); i++)
        if (__sched_yield() != 0)
            return -1;
    return 0;
}

/* ---- names ----
 *
 * In a greenlet a name server of ours is asked, which answers when it is told
 * to. By a plain thread libc's files are, which know this name and address. */

static const unsigned char ours[4] = {192, 0, 2, 7};
static const unsigned char loopback[4] = {127, 0, 0, 1};

static void with_server(struct scene *s)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof addr;
    char text[64];

    if (!s->is_inside)
        return;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->in = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(s->in, (struct sockaddr *)&addr, sizeof addr) < 0 ||
        getsockname(s->in, (struct sockaddr *)&addr, &len) < 0)
        _exit(1);
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(addr.sin_port));
    if (tn_config_set("dns", "ares") < 0 ||
        tn_config_set("dns_servers", text) < 0)
        _exit(1);
}

/* A question becomes an answer: for A our address, for PTR our name, for
 * another type nothing. The length of it. */
static size_t make_answer(unsigned char *m, size_t n, int *type)
{
    static const unsigned char head[] = {0xc0, 12, 0, 0, 0, 1, 0, 0, 0, 60};
    static const unsigned char name[] = "\4host\4test";
    size_t end = 12;

    while (end < n && m[end])
        end += m[end] + 1u;
    *type = m[end + 2];
    end += 5;
    m[2] = 0x84;
    m[3] = 0;
    m[7] = *type == 1 || *type == 12; /* answers */
    m[9] = m[11] = 0;
    if (!m[7])
        return end;
    memcpy(m + end, head, sizeof head);
    m[end + 3] = (unsigned char)*type;
    m[end + 10] = 0;
    m[end + 11] = *type == 1 ? 4 : sizeof name;
    memcpy(m + end + 12, *type == 1 ? ours : name, m[end + 11]);
    return end + 12 + m[end + 11];
}

/* Answer until the question of interest has been answered. */
static void answer(struct scene *s)
{
    unsigned char m[600];
    struct sockaddr_in peer;
    int type = 0;

    while (s->is_inside && type != 1 && type != 12) {
        socklen_t len = sizeof peer;
        ssize_t n = recvfrom(s->in, m, sizeof m - 64, 0,
                             (struct sockaddr *)&peer, &len);

        if (n < 12)
            _exit(1);
        sendto(s->in, m, make_answer(m, (size_t)n, &type), 0,
               (struct sockaddr *)&peer, len);
    }
}

static const char *name_of(struct scene *s)
{
    return s->is_inside ? "host.test" : "localhost";
}

static const void *bytes_of(struct scene *s)
{
    return s->is_inside ? ours : loopback;
}

static int call_getaddrinfo(struct scene *s)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    const struct sockaddr_in *in;
    int r = getaddrinfo(name_of(s), "80", &hints, &list);

    if (r)
        return -1;
    in = (const struct sockaddr_in *)list->ai_addr;
    r = memcmp(&in->sin_addr, bytes_of(s), 4) || ntohs(in->sin_port) != 80;
    freeaddrinfo(list);
    return r;
}

static int call_getnameinfo(struct scene *s)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    char name[64] = "";

    memcpy(&in.sin_addr, bytes_of(s), 4);
    if (getnameinfo((struct sockaddr *)&in, sizeof in, name, sizeof name, NULL,
                    0, NI_NAMEREQD))
        return -1;
    return strcmp(name, name_of(s));
}

static int is_host(const struct hostent *h, struct scene *s)
{
    return h && h->h_addrtype == AF_INET && h->h_length == 4 &&
                   strcmp(h->h_name, name_of(s)) == 0 && h->h_addr_list[0] &&
                   memcmp(h->h_addr_list[0], bytes_of(s), 4) == 0
               ? 0
               : -1;
}

#define HOST(name, ...)                                                        \
 static int call_##name(struct scene *s)                                       \
 {                                                                             \
  struct hostent h, *ret = NULL;                                               \
  char buf[4096];                                                              \
  int error = 0;                                                               \
  (void)h, (void)buf, (void)error;                                             \
  __VA_ARGS__;                                                                 \
  return is_host(ret, s);                                                      \
 }

HOST(gethostbyname, ret = gethostbyname(name_of(s)))
HOST(gethostbyname2, ret = gethostbyname2(name_of(s), AF_INET))
HOST(gethostbyaddr, ret = gethostbyaddr(bytes_of(s), 4, AF_INET))
HOST(gethostbyname_r,
     gethostbyname_r(name_of(s), &h, buf, sizeof buf, &ret, &error))
HOST(gethostbyname2_r,
     gethostbyname2_r(name_of(s), AF_INET, &h, buf, sizeof buf, &ret, &error))
HOST(gethostbyaddr_r, gethostbyaddr_r(bytes_of(s), 4, AF_INET, &h, buf,
                                      sizeof buf, &ret, &error))

const struct row rows_poll[] = {
    {"poll", with_pipe, call_poll, put, true},
    {"__poll", with_pipe, call_poll_also, put, true},
    {"__poll_chk", with_pair, call_poll_chk, put, true},
    {"ppoll", with_pipe, call_ppoll, put, true},
    {"__ppoll_chk", with_pipe, call_ppoll_chk, put, true},
    {"select", with_pipe, call_select, put, true},
    {"__select", with_pair, call_select_also, put, true},
    {"pselect", with_pipe, call_pselect, put, true},
    {"epoll_wait", with_epoll, call_epoll_wait, put, true},
    {"epoll_pwait", with_epoll, call_epoll_pwait, put, true},
    {"epoll_pwait2", with_epoll, call_epoll_pwait2, put, true},
    {"sleep", with_nothing, call_sleep, NULL, true},
    {"usleep", with_nothing, call_usleep, NULL, true},
    {"nanosleep", with_nothing, call_nanosleep, NULL, true},
    {"__nanosleep", with_nothing, call_nanosleep_also, NULL, true},
    {"clock_nanosleep", with_nothing, call_clock_nanosleep, NULL, true},
    {"sched_yield", with_nothing, call_yield, NULL, false, true},
    {"__sched_yield", with_nothing, call_yield_also, NULL, false, true},
    {"getaddrinfo", with_server, call_getaddrinfo, answer, false, true},
    {"getnameinfo", with_server, call_getnameinfo, answer, false, true},
    {"gethostbyname", with_server, call_gethostbyname, answer, false, true},
    {"gethostbyname_r", with_server, call_gethostbyname_r, answer, false, true},
    {"gethostbyname2", with_server, call_gethostbyname2, answer, false, true},
    {"gethostbyname2_r", with_server, call_gethostbyname2_r, answer, false,
     true},
    {"gethostbyaddr", with_server, call_gethostbyaddr, answer, false, true},
    {"gethostbyaddr_r", with_server, call_gethostbyaddr_r, answer, false, true},
    {NULL}};
