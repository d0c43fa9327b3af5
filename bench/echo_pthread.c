/* SPDX-License-Identifier: MIT */
/* echo_pthread.c - an echo server with a thread per connection that knows
 * nothing of tendril: what `tendril run` is measured with. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum { BUF_BYTES = 1024 };

static int write_all(int fd, const char *buf, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, buf, len);
        if (n <= 0)
            return -1;
        buf += n;
        len -= (size_t)n;
    }
    return 0;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[BUF_BYTES];
    ssize_t n;

    while ((n = read(fd, buf, sizeof(buf))) > 0)
        if (write_all(fd, buf, (size_t)n))
            break;
    close(fd);
    return NULL;
}

int main(void)
{
    int listener = bench_listen(0);
    pthread_attr_t attr;

    signal(SIGPIPE, SIG_IGN);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    bench_print_port(listener);
    for (;;) {
        pthread_t thread;
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            bench_fail("accept: %m");
        int r = pthread_create(&thread, &attr, serve, (void *)(intptr_t)fd);
        if (r)
            bench_fail("pthread_create: error %d", r);
    }
}
