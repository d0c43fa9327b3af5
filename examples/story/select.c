/* SPDX-License-Identifier: MIT */
/* 3: select.c - one thread again: select() says who has something to say. What
 * was a local variable is now an entry of a table; and an answer that does not
 * fit into the socket would have to be kept there too, with a note to go on
 * with it. This program does not: it drops such a client. No descriptor above
 * 1,023 can be used, and each turn looks at all of them. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

static fd_set open_fds;
static int fd_max;

static void add(int fd)
{
    if (fd >= FD_SETSIZE) {
        close(fd);
        return;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    FD_SET(fd, &open_fds);
    if (fd > fd_max)
        fd_max = fd;
}

static void echo(int fd)
{
    char buf[4096];
    ssize_t n = recv(fd, buf, sizeof buf, 0);

    if (n > 0 && send(fd, buf, (size_t)n, MSG_NOSIGNAL) == n)
        return;
    FD_CLR(fd, &open_fds);
    close(fd);
}

int main(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof addr;
    int listener = socket(AF_INET, SOCK_STREAM, 0), client;
    fd_set ready;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&addr, len) < 0 ||
        listen(listener, 1024) < 0 ||
        getsockname(listener, (struct sockaddr *)&addr, &len) < 0)
        return 1;
    printf("listening on port %d\n", ntohs(addr.sin_port));
    fflush(stdout);
    add(listener);
    for (;;) {
        ready = open_fds;
        if (select(fd_max + 1, &ready, NULL, NULL, NULL) < 0)
            return 1;
        for (int fd = 0; fd <= fd_max; fd++) {
            if (!FD_ISSET(fd, &ready))
                continue;
            if (fd != listener)
                echo(fd);
            else if ((client = accept(listener, NULL, NULL)) >= 0)
                add(client);
        }
    }
}
