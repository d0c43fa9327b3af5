/* SPDX-License-Identifier: MIT */
/* service.c - a server of lines that serves until a signal comes, and lets
 * those finish who are being served. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <tendril/tendril.h>

/* Sends each line back. What is in the buffer is sent at the end too, and the
 * stream is closed. */
static void serve(tn_stream *s, const struct sockaddr *peer, void *arg)
{
    char line[256];
    ssize_t n;

    (void)peer;
    (void)arg;
    while ((n = tn_stream_read_line(s, line, sizeof line, tn_after_s(60))) > 0)
        if (tn_stream_write(s, line, (size_t)n, NULL, tn_after_s(10)) < 0 ||
            tn_stream_flush(s, tn_after_s(10)) < 0)
            return;
}

/* A client, which has the server told to end while it is being served. */
static int converse(void *arg)
{
    char addr[32], answer[32];
    tn_stream *s;
    int fd;

    while (tn_stream_server_port(arg) == 0)
        if (tn_yield() < 0)
            return -1;
    snprintf(addr, sizeof addr, "127.0.0.1:%d", tn_stream_server_port(arg));
    fd = tn_dial(addr, tn_after_s(10));
    if (fd < 0 || tn_stream_open(fd, NULL, &s) < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        if (tn_stream_write(s, "hello\n", 6, NULL, tn_after_s(10)) < 0 ||
            tn_stream_flush(s, tn_after_s(10)) < 0 ||
            tn_stream_read_line(s, answer, sizeof answer, tn_after_s(10)) <= 0)
            return -1;
        fputs(answer, stdout);
        if (i == 0)
            raise(SIGTERM);
    }
    return tn_stream_close(s, tn_after_s(1));
}

int main(void)
{
    tn_stream_server *server;
    int r;

    if (tn_stream_server_new_buffered("127.0.0.1:0", serve, NULL, NULL,
                                      &server) < 0 ||
        tn_spawn(converse, server, NULL) < 0)
        return 1;
    /* Serve until SIGTERM or SIGINT; then they have ten seconds to finish. */
    r = tn_stream_server_serve_until(server, NULL, 0, 10000000000);
    printf("ended by SIGTERM: %d\n", r == SIGTERM);
    tn_stream_server_free(server);
    return r < 0;
}
