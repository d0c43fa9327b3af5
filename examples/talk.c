/* SPDX-License-Identifier: MIT */
/* talk.c - a stream server and its client in one process and one thread. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <tendril/tendril.h>

/* Send back in capitals what comes, until the peer has said all. */
static void shout(int fd, const struct sockaddr *peer, void *arg)
{
    char buf[256];
    ssize_t n;

    (void)peer;
    (void)arg;
    while ((n = tn_recv(fd, buf, sizeof buf, 0, tn_after_s(10))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            buf[i] = (char)toupper((unsigned char)buf[i]);
        if (tn_send_all(fd, buf, (size_t)n, 0, NULL, tn_after_s(10)) < 0)
            return;
    }
}

/* `len` bytes, all of them before the deadline. */
static int read_exactly(int fd, char *buf, size_t len, tn_time deadline)
{
    while (len > 0) {
        ssize_t n = tn_recv(fd, buf, len, 0, deadline);

        if (n <= 0)
            return n < 0 ? (int)n : -EPIPE; /* it ended too early */
        buf += n;
        len -= (size_t)n;
    }
    return 0;
}

static int ask(int port)
{
    char addr[32], answer[6] = "";
    int fd, r;

    snprintf(addr, sizeof addr, "127.0.0.1:%d", port);
    fd = tn_dial(addr, tn_after_s(10));
    if (fd < 0)
        return fd;
    r = tn_send_all(fd, "hello", 5, 0, NULL, tn_after_s(10));
    if (r == 0)
        r = read_exactly(fd, answer, 5, tn_after_s(10));
    tn_close(fd);
    printf("%s\n", answer);
    return r;
}

int main(void)
{
    tn_stream_server *server;
    int r;

    if (tn_stream_server_new("127.0.0.1:0", shout, NULL, NULL, &server) < 0)
        return 1;
    r = tn_stream_server_start(server);
    if (r == 0)
        r = ask(tn_stream_server_port(server));
    if (r == 0)
        r = tn_stream_server_stop(server, tn_after_s(1));
    tn_stream_server_free(server);
    return r < 0;
}
