/* SPDX-License-Identifier: MIT */
/* http_client.c - the load of run_http_200: each connection asks for a 1 KiB
 * and a 64 KiB file in turn. Only a response with status 200, the right length
 * and the right bytes counts. When the server answers with HTTP/1.0 the
 * connection ends with the response, and a new one is made; that is what
 * http.server does by default. Options: load.h.
 *
 * It acknowledges what it has received at once (TCP_QUICKACK): http.server
 * writes head and body apart, and Nagle's rule would else hold the body of a
 * kept connection for the 40 ms of a delayed acknowledgement, in both cases
 * that are compared. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "load.h"

enum { EVENTS = 256, STEP_MS = 100, HEAD_MAX = 4096, BODY_MAX = 65536 };

static const size_t file_bytes[2] = {1024, 65536};
static const char *const requests[2] = {
    "GET /1k HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "GET /64k HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
};

struct conn {
    int fd, index;
    int which;        /* of the two files */
    int is_sent;      /* the request is out */
    int is_last;      /* the server closes after this response */
    int is_complete;  /* head and body are there */
    size_t head_len;  /* bytes in `head`, while it is not complete */
    size_t body_have; /* bytes of the body */
    int has_head;
    int64_t sent_at;
    char head[HEAD_MAX + 1];
};

static struct load load;
static int epoll_fd;
static char content[BODY_MAX]; /* both files begin so */
static int is_greeting;        /* one request at a time; see greet() */

static void open_conn(struct conn *conn)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = conn};

    conn->sent_at = bench_now_ns();
    conn->is_sent = 0;
    conn->fd = load_connect(&load, conn->index, 1);
    if (conn->fd < 0)
        bench_fail("connect: %s", strerror(-conn->fd));
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conn->fd, &event))
        bench_fail("epoll_ctl: %m");
}

static void reopen(struct conn *conn, int is_error)
{
    close(conn->fd);
    load.n_errors += (uint64_t)is_error;
    if (load.n_errors > 1000 + load.n_total / 10)
        bench_fail("too many connections failed");
    open_conn(conn);
}

static void send_request(struct conn *conn)
{
    const char *text = requests[conn->which];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    size_t len = strlen(text);

    if (!conn->is_sent && epoll_ctl(epoll_fd, EPOLL_CTL_MOD, conn->fd, &event))
        bench_fail("epoll_ctl: %m");
    conn->has_head = conn->is_last = conn->is_complete = 0;
    conn->head_len = conn->body_have = 0;
    conn->is_sent = 1;
    if (send(conn->fd, text, len, 0) != (ssize_t)len)
        reopen(conn, 1);
}

/* The head is complete: check it. What follows it is the body's begin. */
static void read_head(struct conn *conn, char *end)
{
    char *length = strcasestr(conn->head, "\r\nContent-Length:");

    *end = '\0';
    if (strncmp(conn->head, "HTTP/1.", 7) || strncmp(conn->head + 8, " 200", 4))
        bench_fail("a wrong answer: %.60s", conn->head);
    if (!length || strtoul(length + 17, NULL, 10) != file_bytes[conn->which])
        bench_fail("a wrong answer: no or another Content-Length");
    conn->is_last = conn->head[7] == '0';
    conn->has_head = 1;
}

static void take_body(struct conn *conn, const char *bytes, size_t n)
{
    if (n > file_bytes[conn->which] - conn->body_have)
        bench_fail("a wrong answer: more bytes than the file has");
    if (memcmp(bytes, content + conn->body_have, n))
        bench_fail("a wrong answer: the bytes differ");
    conn->body_have += n;
    conn->is_complete = conn->body_have == file_bytes[conn->which];
}

static void take_head(struct conn *conn, const char *bytes, size_t n)
{
    size_t fits = HEAD_MAX - conn->head_len;
    size_t before = conn->head_len;

    fits = n < fits ? n : fits;
    memcpy(conn->head + before, bytes, fits);
    conn->head_len += fits;
    conn->head[conn->head_len] = '\0';
    char *end = strstr(conn->head, "\r\n\r\n");
    if (!end && conn->head_len == HEAD_MAX)
        bench_fail("a wrong answer: an endless head");
    if (!end)
        return;
    size_t used = (size_t)(end + 4 - conn->head) - before;
    read_head(conn, end);
    take_body(conn, bytes + used, n - used);
}

static void finish(struct conn *conn)
{
    if (is_greeting) {
        is_greeting = 0;
        if (conn->is_last) {
            close(conn->fd);
            conn->fd = -1;
        }
        return;
    }
    load_answer(&load, conn->sent_at, bench_now_ns());
    conn->which = !conn->which;
    if (conn->is_last) {
        reopen(conn, 0);
        return;
    }
    conn->sent_at = bench_now_ns();
    send_request(conn);
}

static void receive(struct conn *conn)
{
    static char buf[BODY_MAX + HEAD_MAX];
    ssize_t n = recv(conn->fd, buf, sizeof(buf), 0);
    int on = 1;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        if (conn->is_complete)
            finish(conn);
        else
            reopen(conn, 1);
        return;
    }
    if (conn->is_complete)
        bench_fail("a wrong answer: bytes after its end");
    if (conn->has_head)
        take_body(conn, buf, (size_t)n);
    else
        take_head(conn, buf, (size_t)n);
    if (!conn->is_complete)
        setsockopt(conn->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
    else if (!conn->is_last)
        finish(conn);
}

static void handle(struct conn *conn, uint32_t events)
{
    if (conn->is_sent)
        receive(conn);
    else if (events & (EPOLLERR | EPOLLHUP))
        reopen(conn, 1);
    else if (events & EPOLLOUT)
        send_request(conn);
}

static void step(void)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll_fd, events, EVENTS, STEP_MS);

    if (n < 0 && errno != EINTR)
        bench_fail("epoll_wait: %m");
    for (int i = 0; i < n && !load.ended; i++)
        handle(events[i].data.ptr, events[i].events);
}

/* Connect one after the other, each with a request of its own. http.server
 * listens with a backlog of 5: of many that came at once, most would be turned
 * away for a second or more, and the load would be that of a few. */
static void greet(struct conn *conns)
{
    for (int i = 0; i < load.connections; i++) {
        conns[i].index = i;
        conns[i].which = i % 2;
        is_greeting = 1;
        open_conn(&conns[i]);
        while (is_greeting)
            step();
    }
}

static void begin(struct conn *conns)
{
    load_start(&load);
    for (int i = 0; i < load.connections; i++) {
        if (conns[i].fd < 0) {
            open_conn(&conns[i]);
        } else {
            conns[i].sent_at = bench_now_ns();
            send_request(&conns[i]);
        }
    }
}

int main(int argc, char **argv)
{
    load_init(&load, argc, argv);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct conn *conns = calloc((size_t)load.connections, sizeof(*conns));
    if (epoll_fd < 0 || !conns)
        bench_fail("epoll_create1: %m");
    for (size_t i = 0; i < BODY_MAX; i++)
        content[i] = (char)('a' + i % 26);
    greet(conns);
    begin(conns);
    while (!load.ended) {
        load_look(&load, bench_now_ns());
        step();
    }
    load_print(&load);
    return 0;
}
