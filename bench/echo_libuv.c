/* SPDX-License-Identifier: MIT */
/* echo_libuv.c - echo on libuv. Writes with uv_try_write(), its cheapest way.
 */
#include <stdlib.h>
#include <uv.h>

#include "bench.h"

enum { BUF_BYTES = 1024 };

static void give_buffer(uv_handle_t *handle, size_t hint, uv_buf_t *ret_buf)
{
    static char buf[BUF_BYTES];

    (void)handle;
    (void)hint;
    *ret_buf = uv_buf_init(buf, sizeof(buf));
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void echo(uv_stream_t *stream, ssize_t n, const uv_buf_t *in)
{
    uv_buf_t out = uv_buf_init(in->base, n > 0 ? (unsigned)n : 0);

    if (n == 0)
        return;
    if (n < 0 || uv_try_write(stream, &out, 1) != n)
        uv_close((uv_handle_t *)stream, free_handle);
}

static void accept_one(uv_stream_t *listener, int status)
{
    uv_tcp_t *client = malloc(sizeof(*client));

    if (status < 0 || !client || uv_tcp_init(listener->loop, client) ||
        uv_accept(listener, (uv_stream_t *)client) ||
        uv_read_start((uv_stream_t *)client, give_buffer, echo))
        bench_fail("accept: %s", uv_strerror(status));
}

int main(void)
{
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    int fd = bench_listen(SOCK_NONBLOCK);

    if (!loop || uv_tcp_init(loop, &listener) || uv_tcp_open(&listener, fd) ||
        uv_listen((uv_stream_t *)&listener, 4096, accept_one))
        bench_fail("libuv could not listen");
    bench_print_port(fd);
    return uv_run(loop, UV_RUN_DEFAULT);
}
