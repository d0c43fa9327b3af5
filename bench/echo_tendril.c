/* SPDX-License-Identifier: MIT */
/* echo_tendril.c - echo on libtendril: a greenlet per connection. */
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <tendril/tendril.h>

#include "bench.h"

enum { BUF_BYTES = 1024 };

static int serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[BUF_BYTES];
    ssize_t n;

    while ((n = tn_recv(fd, buf, sizeof(buf), 0, TN_FOREVER)) > 0)
        if (tn_send_all(fd, buf, (size_t)n, 0, NULL, TN_FOREVER))
            break;
    tn_close(fd);
    return 0;
}

int main(void)
{
    int listener = tn_listen("127.0.0.1:0", 4096);

    if (listener < 0)
        bench_fail("tn_listen: error %d", listener);
    bench_print_port(listener);
    for (;;) {
        int fd = tn_accept(listener, NULL, NULL, TN_FOREVER);
        if (fd < 0)
            bench_fail("tn_accept: error %d", fd);
        if (tn_spawn(serve, (void *)(intptr_t)fd, NULL))
            bench_fail("tn_spawn failed");
    }
}
