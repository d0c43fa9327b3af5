/* SPDX-License-Identifier: MIT */
/* echo.c - a server that sends back what it gets: plain blocking code, one
 * greenlet a connection.
 *
 *     echo [ADDRESS]      the address is 127.0.0.1:7000 unless given
 */
#include <stdio.h>
#include <string.h>
#include <tendril/tendril.h>

static void echo(int fd, const struct sockaddr *peer, void *arg)
{
    char buf[4096];
    ssize_t n;

    (void)peer;
    (void)arg;
    while ((n = tn_recv(fd, buf, sizeof buf, 0, tn_after_s(60))) > 0)
        if (tn_send_all(fd, buf, (size_t)n, 0, NULL, tn_after_s(60)) < 0)
            return;
}

int main(int argc, char **argv)
{
    const char *addr = argc > 1 ? argv[1] : "127.0.0.1:7000";
    tn_stream_server *server;
    int r = tn_stream_server_new(addr, echo, NULL, NULL, &server);

    if (r == 0)
        r = tn_stream_server_start(server);
    if (r < 0) {
        fprintf(stderr, "echo: cannot listen on %s: %s\n", addr, strerror(-r));
        return 1;
    }
    printf("listening on port %d\n", tn_stream_server_port(server));
    fflush(stdout);
    r = tn_stream_server_serve(server);
    tn_stream_server_free(server);
    return r < 0;
}
