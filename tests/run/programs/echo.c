/* SPDX-License-Identifier: MIT */
/* tests/run/programs/echo.c - a server with a thread per connection, and the
 * clients for it.
 *
 * usage: echo server N          serve N connections, then say what was done
 *        echo client PORT N R   N connections, R messages on each, checked */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE = 64, STACK = 128 * 1024 };

static void must(int is_true, const char *what)
{
    if (is_true)
        return;
    perror(what);
    exit(1);
}

static void *serve(void *arg)
{
    int fd = (int)(long)arg;
    char buf[256];
    long total = 0;
    ssize_t n;

    while ((n = read(fd, buf, sizeof buf)) > 0) {
        must(write(fd, buf, (size_t)n) == n, "write");
        total += n;
    }
    must(n == 0, "read");
    close(fd);
    return (void *)total;
}

static int kernel_threads(void)
{
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    int n = -1;

    must(f != NULL, "status");
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "Threads:", 8) == 0)
            n = (int)strtol(line + 8, NULL, 10);
    fclose(f);
    return n;
}

static int server(int n)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    pthread_t *threads = calloc((size_t)n, sizeof *threads);
    int fd = socket(AF_INET, SOCK_STREAM, 0), most;
    pthread_attr_t attr;
    long total = 0;

    must(fd >= 0 && bind(fd, (struct sockaddr *)&a, len) == 0, "bind");
    must(listen(fd, 4096) == 0, "listen");
    must(getsockname(fd, (struct sockaddr *)&a, &len) == 0, "getsockname");
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    for (int i = 0; i < n; i++) {
        int c = accept(fd, NULL, NULL);

        must(c >= 0, "accept");
        must(pthread_create(&threads[i], &attr, serve, (void *)(long)c) == 0,
             "pthread_create");
    }
    most = kernel_threads();
    for (int i = 0; i < n; i++) {
        void *bytes;

        must(pthread_join(threads[i], &bytes) == 0, "pthread_join");
        total += (long)bytes;
    }
    printf("threads %d, kernel threads %d, bytes %ld\n", n, most, total);
    free(threads);
    return 0;
}

static void fill(char *buf, int client, int round)
{
    memset(buf, 0, MESSAGE);
    snprintf(buf, MESSAGE, "client %d round %d", client, round);
}

static int client(int port, int n, int rounds)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int *fds = calloc((size_t)n, sizeof *fds);
    char out[MESSAGE], in[MESSAGE];

    for (int i = 0; i < n; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        must(connect(fds[i], (struct sockaddr *)&a, sizeof a) == 0, "connect");
    }
    for (int r = 0; r < rounds; r++) {
        for (int i = 0; i < n; i++) {
            fill(out, i, r);
            must(send(fds[i], out, MESSAGE, 0) == MESSAGE, "send");
        }
        for (int i = 0; i < n; i++) {
            fill(out, i, r);
            must(recv(fds[i], in, MESSAGE, MSG_WAITALL) == MESSAGE, "recv");
            must(memcmp(in, out, MESSAGE) == 0, "a wrong answer");
        }
    }
    printf("clients %d, answers %d, all right\n", n, n * rounds);
    free(fds);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "server") == 0)
        return server((int)strtol(argv[2], NULL, 10));
    if (argc == 5 && strcmp(argv[1], "client") == 0)
        return client((int)strtol(argv[2], NULL, 10),
                      (int)strtol(argv[3], NULL, 10),
                      (int)strtol(argv[4], NULL, 10));
    return 2;
}
