/* SPDX-License-Identifier: MIT */
/* 5: server.c - the loop of callbacks.c under the code of one_client.c. echo()
 * is straight again, a greenlet runs it for each client, and `tn_` with a
 * deadline stands before each call that waits. */
#include <stdio.h>
#include <tendril/tendril.h>

static void echo(int fd, const struct sockaddr *peer, void *arg)
{
    char buf[4096];
    ssize_t n;

    (void)peer;
    (void)arg;
    while ((n = tn_recv(fd, buf, sizeof buf, 0, TN_FOREVER)) > 0)
        if (tn_send_all(fd, buf, (size_t)n, 0, NULL, tn_after_s(60)) < 0)
            break;
}

int main(void)
{
    struct tn_stream_server_options options = TN_STREAM_SERVER_OPTIONS;
    tn_stream_server *server;

    options.backlog = 1024;
    if (tn_stream_server_new("127.0.0.1:0", echo, NULL, &options, &server) <
            0 ||
        tn_stream_server_start(server) < 0)
        return 1;
    printf("listening on port %d\n", tn_stream_server_port(server));
    fflush(stdout);
    return tn_stream_server_serve(server) < 0;
}
