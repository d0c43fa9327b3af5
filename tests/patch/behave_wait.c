/* SPDX-License-Identifier: MIT */
/* behave_wait.c - several descriptors, time, names; where nothing parks. */
#include "behave.h"

#include <netdb.h>
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void nap_ms(int ms)
{
    struct timespec span = {ms / 1000, ms % 1000 * 1000000L};

    check(nanosleep(&span, NULL) == 0);
}

static void a_time_that_passes_gives_nothing(void)
{
    struct timespec span = {0, 5000000};
    struct timeval left = {0, 5000};
    struct epoll_event event;
    struct pollfd p;
    int fds[2], ep;
    fd_set set;

    check(tn_yield() == 0);
    make_pipe(fds);
    p = (struct pollfd){fds[0], POLLIN, 7};
    check(poll(&p, 1, 5) == 0 && p.revents == 0);
    check(ppoll(&p, 1, &span, NULL) == 0);
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    check(select(fds[0] + 1, &set, NULL, NULL, &left) == 0);
    check(!FD_ISSET(fds[0], &set) && left.tv_sec == 0 && left.tv_usec == 0);
    FD_SET(fds[0], &set);
    check(pselect(fds[0] + 1, &set, NULL, NULL, &span, NULL) == 0 &&
          !FD_ISSET(fds[0], &set));
    ep = epoll_create1(0);
    check(epoll_wait(ep, &event, 1, 5) == 0);
    check(poll(NULL, 0, 5) == 0);
    FD_SET(fds[1], &set);
    close(fds[1]);
    check(select(fds[1] + 1, &set, NULL, NULL, NULL) == -1 && errno == EBADF);
}

static int poll_for_ever(void *arg)
{
    struct outcome *o = arg;
    struct pollfd p = {o->fd, POLLIN, 0};

    o->result = poll(&p, 1, -1);
    o->error = errno;
    return 0;
}

static int sleep_long(void *arg)
{
    struct timespec span = {100, 0}, left = {0, 0};
    struct outcome *o = arg;

    o->result = nanosleep(&span, &left);
    o->error = errno;
    check(left.tv_sec == 99);
    check(sleep(100) == 100); /* killed: at once */
    check(clock_nanosleep(CLOCK_MONOTONIC, 0, &span, NULL) == ECANCELED);
    return 0;
}

static void a_kill_ends_polls_and_sleeps(void)
{
    struct outcome o = {0}, p = {0};
    tn_greenlet *g[2];
    int fds[2];

    make_pipe(fds);
    o.fd = fds[0];
    g[0] = go(poll_for_ever, &o);
    g[1] = go(sleep_long, &p);
    rest_ms(2);
    check(tn_kill(g[0], TN_FOREVER) == 0 && tn_kill(g[1], TN_FOREVER) == 0);
    check(o.result == -1 && o.error == ECANCELED);
    check(p.result == -1 && p.error == ECANCELED);
}

/* ---- where nothing parks ---- */

struct counter {
    int n;
    bool is_over;
};

static int count_up(void *arg)
{
    struct counter *c = arg;

    while (!c->is_over) {
        c->n++;
        if (tn_sleep(tn_after_us(100)) < 0)
            return -1;
    }
    return 0;
}

static long nap_here(void *arg)
{
    const struct counter *c = arg;
    int before = c->n;

    check(tn_patch_parks() == 0);
    nap_ms(5);
    return c->n - before;
}

static long nap_deeper(void *arg)
{
    check(tn_blocking(nap_here, arg) == 0);
    check(tn_patch_parks() == 0); /* still */
    return 42;
}

static void blocking_holds_the_thread(void)
{
    struct counter c = {0};
    tn_greenlet *g = go(count_up, &c);

    rest_ms(1);
    check(tn_blocking(nap_deeper, &c) == 42);
    check(tn_patch_parks() == 1);
    c.n = 0;
    nap_ms(5);
    check(c.n > 0);
    c.is_over = true;
    await(g);
    check(tn_blocking(NULL, NULL) == -EINVAL);
}

static int is_posted;

static void post(void *arg)
{
    check(tn_patch_parks() == 0);
    check(nap_here(arg) == 0);
    is_posted = 1;
}

static void look(tn_greenlet *origin, tn_greenlet *target, int is_throw,
                 void *arg)
{
    (void)origin, (void)target, (void)is_throw;
    check(tn_patch_parks() == 0);
    ++*(int *)arg;
}

static void nothing_parks_on_the_hub(void)
{
    struct counter c = {0};
    tn_greenlet *g = go(count_up, &c);
    tn_hub *hub;
    int n_switches = 0;

    check(tn_hub_get(&hub) == 0 && tn_hub_post(hub, post, &c) == 0);
    rest_ms(1);
    check(is_posted);
    check(tn_set_switch_hook(look, &n_switches) == 0);
    rest_ms(1);
    check(n_switches > 0 && tn_set_switch_hook(NULL, NULL) == 0);
    c.is_over = true;
    await(g);
}

/* ---- a mask that lets a signal through ---- */

static volatile sig_atomic_t n_signals;

static void note(int signo)
{
    (void)signo;
    n_signals++;
}

static int raise_soon(void *arg)
{
    (void)arg;
    rest_ms(2);
    check(kill(getpid(), SIGUSR1) == 0 && n_signals == 0);
    return 0;
}

static void a_mask_lets_its_signal_through(void)
{
    sigset_t blocked, none;
    tn_greenlet *g;
    int fds[2];
    fd_set set;

    make_pipe(fds);
    signal(SIGUSR1, note);
    sigemptyset(&none);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    g = go(raise_soon, NULL);
    check(ppoll(&(struct pollfd){fds[0], POLLIN, 0}, 1, NULL, &none) == -1 &&
          errno == EINTR && n_signals == 1);
    await(g);
    n_signals = 0;
    g = go(raise_soon, NULL);
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    check(pselect(fds[0] + 1, &set, NULL, NULL, NULL, &none) == -1 &&
          errno == EINTR && n_signals == 1);
    await(g);
}

/* ---- names, of a server that says nothing ---- */

static void ask_a_silent_server(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    char text[40];

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(bind(fd, (struct sockaddr *)&in, sizeof in) == 0 &&
          getsockname(fd, (struct sockaddr *)&in, &len) == 0);
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(in.sin_port));
    check(tn_config_set("dns", "ares") == 0 &&
          tn_config_set("dns_servers", text) == 0);
}

static int look_up(void *arg)
{
    struct addrinfo *list = NULL;
    tn_timeout scope;
    int *n = arg;

    tn_timeout_begin(&scope, tn_after_ms(60));
    if (*n % 2) {
        check(getaddrinfo("silent.test", "80", NULL, &list) == EAI_SYSTEM &&
              errno == ETIMEDOUT);
    } else {
        check(!gethostbyname("silent.test") && h_errno == NETDB_INTERNAL &&
              errno == ETIMEDOUT);
    }
    check(scope.fired);
    tn_timeout_end(&scope);
    ++*n;
    return 0;
}

static void a_silent_name_server_stops_nobody(void)
{
    struct counter c = {0};
    tn_greenlet *counting, *g[20];
    tn_time begin;
    int n = 0;

    ask_a_silent_server();
    counting = go(count_up, &c);
    begin = tn_now();
    for (int i = 0; i < 20; i++)
        g[i] = go(look_up, &n);
    for (int i = 0; i < 20; i++)
        await(g[i]);
    /* Together, and not one after the other. */
    check(n == 20 && tn_now() - begin < 20 * 60000000L);
    check(c.n > 20);
    c.is_over = true;
    await(counting);
}

static void names_that_need_no_server(void)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *list;
    struct hostent h, *ret = NULL;
    char small[8];
    int error = 0;

    check(tn_yield() == 0);
    check(getaddrinfo("::1", "53", NULL, &list) == 0);
    check(list->ai_family == AF_INET6 && list->ai_next != NULL);
    freeaddrinfo(list);
    check(getaddrinfo("no address", NULL, &hints, &list) == EAI_NONAME);
    check(gethostbyname_r("127.0.0.1", &h, small, sizeof small, &ret, &error) ==
              ERANGE &&
          !ret && error == NETDB_INTERNAL);
    check(gethostbyname("127.0.0.1") &&
          memcmp(gethostbyname("127.0.0.1")->h_addr_list[0], "\177\0\0\1", 4) ==
              0);
}

/* ---- children ---- */

static int end_with(void *arg)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        check((usleep)(20000) == 0); /* with a hub of its own */
        _exit((int)(intptr_t)arg);
    }
    check(waitpid(pid, &status, 0) == pid);
    check(WIFEXITED(status) && WEXITSTATUS(status) == (int)(intptr_t)arg);
    return 0;
}

static void greenlets_wait_for_their_children_at_once(void)
{
    tn_greenlet *g[10];
    int status;

    for (int i = 0; i < 10; i++)
        g[i] = go(end_with, (void *)(intptr_t)(i + 1));
    for (int i = 0; i < 10; i++)
        await(g[i]);
    check(waitpid(-1, &status, 0) == -1 && errno == ECHILD);
    check((system)("exit 9") == 9 << 8);
    check((system)(NULL) != 0);
}

const struct behaviour behaviours_wait[] = {
    BEHAVIOUR(a_time_that_passes_gives_nothing),
    BEHAVIOUR(a_kill_ends_polls_and_sleeps),
    BEHAVIOUR(blocking_holds_the_thread),
    BEHAVIOUR(nothing_parks_on_the_hub),
    BEHAVIOUR(a_mask_lets_its_signal_through),
    BEHAVIOUR(a_silent_name_server_stops_nobody),
    BEHAVIOUR(names_that_need_no_server),
    BEHAVIOUR(greenlets_wait_for_their_children_at_once),
    {NULL}};
