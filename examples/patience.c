/* SPDX-License-Identifier: MIT */
/* patience.c - three ways to stop waiting: a deadline, a scope, a kill. */
#include <errno.h>
#include <stdio.h>
#include <tendril/tendril.h>

/* Two waits and one bound for both. */
static int fetch(int fd)
{
    char head[64], body[64];
    tn_timeout t;
    ssize_t n;

    tn_timeout_begin(&t, tn_after_ms(50));
    n = tn_recv(fd, head, sizeof head, 0, TN_FOREVER);
    if (n > 0)
        n = tn_recv(fd, body, sizeof body, 0, TN_FOREVER);
    tn_timeout_end(&t);
    if (n == -ETIME && t.fired)
        return -EPROTO; /* ours: the peer is too slow */
    return n < 0 ? (int)n : 0;
}

/* Waits until it is killed; its cleanup has to wait as well. */
static int work(void *arg)
{
    tn_shield shield;
    int r = tn_sleep(TN_FOREVER);

    (void)arg;
    printf("killed: %d\n", r == -ECANCELED);
    printf("again: %d\n", tn_sleep(TN_FOREVER) == -ECANCELED);
    tn_shield_begin(&shield, tn_after_ms(500));
    if (tn_sleep(tn_after_ms(10)) == 0)
        printf("cleaned up\n");
    tn_shield_end(&shield);
    return r;
}

int main(void)
{
    int fds[2], result;
    tn_greenlet *g;
    char c;

    if (tn_socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return 1;
    if (tn_recv(fds[0], &c, 1, 0, tn_after_ms(20)) == -ETIME)
        printf("no byte in 20 ms\n");
    if (tn_send_all(fds[1], "head", 4, 0, NULL, TN_FOREVER) < 0)
        return 1;
    if (fetch(fds[0]) == -EPROTO)
        printf("no body in 50 ms\n");

    if (tn_spawn(work, NULL, &g) < 0 || tn_yield() < 0)
        return 1;
    if (tn_kill(g, tn_after_s(5)) < 0 || tn_join(g, &result, TN_FOREVER) < 0)
        return 1;
    printf("result: %s\n", result == -ECANCELED ? "-ECANCELED" : "?");
    tn_close(fds[0]);
    tn_close(fds[1]);
    return 0;
}
