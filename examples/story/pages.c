/* SPDX-License-Identifier: MIT */
/* 9: pages.c - what it is all for: fetch many pages, ten at a time. A pool
 * bounds how many greenlets there are; each is a straight line of calls with
 * one deadline for the whole of it. The server is here too, so that the program
 * can be run anywhere. */
#include <stdio.h>
#include <string.h>
#include <tendril/tendril.h>

enum { PAGES = 100, AT_ONCE = 10 };

static char addr[32];
static int n_good, n_now, n_most;

/* The server: each page takes 20 ms to make. */
static void serve(int fd, const struct sockaddr *peer, void *arg)
{
    static const char page[] = "HTTP/1.0 200 OK\r\n\r\nhello\n";
    char request[512];

    (void)peer;
    (void)arg;
    if (tn_recv(fd, request, sizeof request, 0, tn_after_s(5)) > 0 &&
        tn_sleep(tn_after_ms(20)) == 0)
        (void)!tn_send_all(fd, page, strlen(page), 0, NULL, tn_after_s(5));
}

static int fetch(void *arg)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    tn_time until = tn_after_s(5);
    int fd = tn_dial(addr, until);
    char line[64];
    tn_stream *s;

    (void)arg;
    if (fd < 0 || tn_stream_open(fd, NULL, &s) < 0)
        return fd < 0 ? fd : tn_close(fd);
    n_now++;
    n_most = n_now > n_most ? n_now : n_most;
    if (tn_stream_write(s, request, strlen(request), NULL, until) == 0 &&
        tn_stream_flush(s, until) == 0 &&
        tn_stream_read_line(s, line, sizeof line, until) > 0)
        n_good += strcmp(line, "HTTP/1.0 200 OK\r\n") == 0;
    n_now--;
    return tn_stream_close(s, until);
}

int main(void)
{
    tn_stream_server *server;
    tn_pool *pool;

    if (tn_stream_server_new("127.0.0.1:0", serve, NULL, NULL, &server) < 0 ||
        tn_stream_server_start(server) < 0 || tn_pool_new(AT_ONCE, &pool) < 0)
        return 1;
    snprintf(addr, sizeof addr, "127.0.0.1:%d", tn_stream_server_port(server));
    for (int i = 0; i < PAGES; i++) /* waits while the pool is full */
        if (tn_group_spawn(pool, fetch, NULL, NULL, TN_FOREVER) < 0)
            return 1;
    if (tn_group_join(pool, 0, TN_FOREVER) < 0)
        return 1;
    printf("%d pages, at most %d at once\n", n_good, n_most);
    tn_group_free(pool);
    tn_stream_server_free(server);
    return 0;
}
