/* SPDX-License-Identifier: MIT */
/* micro_dial.c - connections dialled, accepted and closed, over TCP on the
 * loopback. */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <tendril/tendril.h>

#include "bench.h"
#include "micro.h"

enum { SLICES = 20, DIALS = 500 };

/* Closed by a reset: a port that lingers in TIME_WAIT would be missed. */
static void dial_and_close(int listener, const char *addr)
{
    const struct linger none = {1, 0};
    int fd = tn_dial(addr, TN_FOREVER), other;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) < 0)
        bench_fail("dialling failed: %d", fd);
    other = tn_accept(listener, NULL, NULL, TN_FOREVER);
    if (other < 0)
        bench_fail("accepting failed: %d", other);
    tn_close(fd);
    tn_close(other);
}

void micro_dial_close(void)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;
    int listener = tn_listen("127.0.0.1:0", 128);
    double best = 1e9;
    char text[32];

    if (listener < 0 ||
        getsockname(listener, (struct sockaddr *)&addr, &len) < 0)
        bench_fail("no listener");
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(addr.sin_port));
    for (int slice = 0; slice < SLICES; slice++) {
        int64_t begin = bench_now_ns();

        for (int i = 0; i < DIALS; i++)
            dial_and_close(listener, text);
        double ns = (double)(bench_now_ns() - begin) / DIALS;
        best = ns < best ? ns : best;
    }
    printf("{\"value\": %.1f, \"unit\": \"ns\", \"per_second\": %.0f}\n", best,
           1e9 / best);
}
