/* SPDX-License-Identifier: MIT */
/* echo_st.c - echo on state-threads: a thread of theirs per connection. */
#include <st.h>
#include <sys/socket.h>

#include "bench.h"

enum { BUF_BYTES = 1024, STACK_BYTES = 65536 };

static void *serve(void *arg)
{
    st_netfd_t fd = arg;
    char buf[BUF_BYTES];
    ssize_t n;

    while ((n = st_read(fd, buf, sizeof buf, ST_UTIME_NO_TIMEOUT)) > 0)
        if (st_write(fd, buf, (size_t)n, ST_UTIME_NO_TIMEOUT) != n)
            break;
    st_netfd_close(fd);
    return NULL;
}

int main(void)
{
    st_netfd_t listener, fd;
    int number = bench_listen(0);

    if (st_set_eventsys(ST_EVENTSYS_ALT) || st_init())
        bench_fail("st_init: %m");
    listener = st_netfd_open_socket(number);
    if (!listener)
        bench_fail("st_netfd_open_socket: %m");
    bench_print_port(number);
    while ((fd = st_accept(listener, NULL, NULL, ST_UTIME_NO_TIMEOUT)))
        if (!st_thread_create(serve, fd, 0, STACK_BYTES))
            bench_fail("st_thread_create: %m");
    bench_fail("st_accept: %m");
}
