/* SPDX-License-Identifier: MIT */
/* floor_dial.c - what a TCP connection on the loopback costs: one thread
 * connects, accepts, and closes both ends, with calls that block. */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "floor.h"

enum { SLICES = 20, DIALS = 500 };

static void dial_and_close(int listener, const struct sockaddr_in *addr)
{
    const struct linger none = {1, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), other;

    if (fd < 0 || connect(fd, (const void *)addr, sizeof *addr) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) < 0)
        bench_fail("dialling failed");
    other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (other < 0)
        bench_fail("accepting failed");
    close(fd);
    close(other);
}

void floor_bench_dial_close(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof addr;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    double best = 1e9;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (void *)&addr, sizeof addr) < 0 ||
        listen(listener, 128) < 0 ||
        getsockname(listener, (void *)&addr, &len) < 0)
        bench_fail("no listener");
    for (int slice = 0; slice < SLICES; slice++) {
        int64_t begin = bench_now_ns();

        for (int i = 0; i < DIALS; i++)
            dial_and_close(listener, &addr);
        double ns = (double)(bench_now_ns() - begin) / DIALS;
        best = ns < best ? ns : best;
    }
    printf("{\"value\": %.1f, \"unit\": \"ns\", \"per_second\": %.0f}\n", best,
           1e9 / best);
}
