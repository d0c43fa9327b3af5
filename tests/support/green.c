/* SPDX-License-Identifier: MIT */
/* tests/support/green.c - see green.h. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include "support/green.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hub/hub.h"

enum { SETTLE_ROUNDS = 4, SEEDED_ROUNDS_MAX = 200 };

tn_greenlet *spawn(tn_greenlet_fn fn, void *arg)
{
    tn_greenlet *g;

    assert_result(tn_spawn(fn, arg, &g), 0);
    return g;
}

void spawn_detached(tn_greenlet_fn fn, void *arg)
{
    assert_result(tn_spawn(fn, arg, NULL), 0);
}

int join(tn_greenlet *g)
{
    int result = 0;

    assert_result(tn_join(g, &result, TN_FOREVER), 0);
    return result;
}

/* In the order of the seed, until all but this one wait; those that yield for
 * ever never do. */
static void settle_by_seed(const struct tn_hub *h)
{
    int i = 0;

    do {
        assert_result(tn_yield(), 0);
    } while (h->tail && ++i < SEEDED_ROUNDS_MAX);
}

void settle(void)
{
    struct tn_hub *h = tn__hub_peek();
    uint32_t random = h ? h->detour & TN__DETOUR_RANDOM : 0;

    if (random) {
        settle_by_seed(h);
        h->detour &= ~random;
    }
    for (int i = 0; i < SETTLE_ROUNDS; i++)
        assert_result(tn_yield(), 0);
    if (random)
        h->detour |= random;
}

int count_alive(void)
{
    struct tn_hub_stats stats = {.size = sizeof stats};

    assert_result(tn_hub_stats(&stats), 0);
    return (int)stats.alive;
}

void run_in_child(void (*fn)(void))
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        fn();
        _exit(0);
    }
    assert_result(waitpid(pid, &status, 0), pid);
    assert_result(status, 0);
}

/* ---- notes ---- */

static char noted[4096];

void note(const char *word)
{
    size_t n = strlen(noted);

    snprintf(noted + n, sizeof noted - n, "%s%s", n ? " " : "", word);
}

const char *notes(void)
{
    return noted;
}

void notes_clear(void)
{
    noted[0] = '\0';
}

/* ---- descriptors ---- */

void open_pair(int fds[2])
{
    assert_result(tn_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
}

void open_pipe(int fds[2])
{
    assert_result(tn_pipe(fds), 0);
}

void close_both(const int fds[2])
{
    assert_result(tn_close(fds[0]), 0);
    assert_result(tn_close(fds[1]), 0);
}

void open_foreign_pair(int fds[2])
{
    assert_result(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
}

void open_foreign_pipe(int fds[2])
{
    assert_result(pipe(fds), 0);
}

int open_listener(struct sockaddr_in *ret_addr)
{
    socklen_t len = sizeof *ret_addr;
    int fd = tn_listen("127.0.0.1:0", 16);

    assert_true(fd >= 0);
    assert_result(getsockname(fd, (struct sockaddr *)ret_addr, &len), 0);
    return fd;
}

void open_tcp(int fds[2])
{
    struct sockaddr_in addr;
    int listener = open_listener(&addr);
    char text[32];

    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(addr.sin_port));
    fds[0] = tn_dial(text, TN_FOREVER);
    assert_true(fds[0] >= 0);
    fds[1] = tn_accept(listener, NULL, NULL, TN_FOREVER);
    assert_true(fds[1] >= 0);
    assert_result(tn_close(listener), 0);
}

/* With or without O_NONBLOCK: put it on for the while. */
static int set_nonblock(int fd, int flags)
{
    int before = fcntl(fd, F_GETFL);

    assert_result(fcntl(fd, F_SETFL, flags < 0 ? before | O_NONBLOCK : flags),
                  0);
    return before;
}

void fill(int fd)
{
    static const char block[4096];
    int flags = set_nonblock(fd, -1);

    while (write(fd, block, sizeof block) > 0)
        ;
    while (write(fd, block, 1) > 0)
        ;
    set_nonblock(fd, flags);
}

void drain(int fd)
{
    char block[4096];
    int flags = set_nonblock(fd, -1);

    while (read(fd, block, sizeof block) > 0)
        ;
    set_nonblock(fd, flags);
}

/* ---- errors ---- */

static void hear(tn_greenlet *g, int error, const char *text, void *arg)
{
    struct heard *heard = arg;

    heard->n++;
    heard->error = error;
    snprintf(heard->text, sizeof heard->text, "%s", text);
    heard->name[0] = '\0';
    if (g)
        tn_greenlet_name(g, heard->name, sizeof heard->name);
}

void hear_errors(struct heard *heard)
{
    memset(heard, 0, sizeof *heard);
    assert_result(tn_hub_set_error_hook(hear, heard), 0);
}
