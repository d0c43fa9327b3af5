/* SPDX-License-Identifier: MIT */
/* tests/support/service.c - see service.h. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include "support/service.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MS 1000000

void echo(int fd, const struct sockaddr *peer, void *arg)
{
    char buf[64];
    ssize_t n;

    (void)arg;
    assert_non_null(peer);
    while ((n = tn_recv(fd, buf, sizeof buf, 0, TN_FOREVER)) > 0)
        if (tn_send_all(fd, buf, (size_t)n, 0, NULL, TN_FOREVER) < 0)
            return;
    if (n == -ECANCELED)
        note("killed");
}

struct tn_stream_server_options quick_options(void)
{
    struct tn_stream_server_options options = TN_STREAM_SERVER_OPTIONS;

    options.delay_ns_min = MS;
    options.delay_ns_max = 4 * MS;
    return options;
}

tn_stream_server *start_service(tn_stream_fn fn, void *arg,
                                const struct tn_stream_server_options *options)
{
    tn_stream_server *s;

    assert_result(tn_stream_server_new("127.0.0.1:0", fn, arg, options, &s), 0);
    assert_result(tn_stream_server_port(s), 0);
    assert_result(tn_stream_server_start(s), 0);
    assert_true(tn_stream_server_port(s) > 0);
    return s;
}

int dial_service(const tn_stream_server *s)
{
    char text[32];
    int fd;

    snprintf(text, sizeof text, "127.0.0.1:%d", tn_stream_server_port(s));
    fd = tn_dial(text, TN_FOREVER);
    assert_true(fd >= 0);
    return fd;
}

void exchange(int fd)
{
    char buf[8];

    assert_result(tn_send_all(fd, "hello", 5, 0, NULL, TN_FOREVER), 0);
    assert_result(tn_recv(fd, buf, sizeof buf, 0, TN_FOREVER), 5);
    assert_memory_equal(buf, "hello", 5);
}

void finish_service(tn_stream_server *s)
{
    assert_result(tn_stream_server_stop(s, TN_FOREVER), 0);
    tn_stream_server_free(s);
    settle(); /* a greenlet that never ran leaves the queue */
}

struct tn_stream_server_stats count_service(const tn_stream_server *s)
{
    struct tn_stream_server_stats stats = {.size = sizeof stats};

    assert_result(tn_stream_server_stats(s, &stats), 0);
    return stats;
}

/* The server has closed its end. */
void assert_turned_away(int fd)
{
    char byte;
    long r = tn_recv(fd, &byte, 1, 0, TN_FOREVER);

    assert_true(r == 0 || r == -ECONNRESET);
    assert_result(tn_close(fd), 0);
}

/* What has come by now is seen: the loop is asked twice. */
void let_loop_look(void)
{
    struct tn_hub_stats stats = {.size = sizeof stats};
    uint64_t n_before;

    assert_result(tn_hub_stats(&stats), 0);
    n_before = stats.polls;
    while (stats.polls < n_before + 2) {
        assert_result(tn_yield(), 0);
        assert_result(tn_hub_stats(&stats), 0);
    }
    settle();
}

void limit_descriptors(int n)
{
    struct rlimit limit = {(rlim_t)n, 4096};

    assert_result(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

int first_free(void)
{
    int fd = dup(0);

    close(fd);
    return fd;
}
