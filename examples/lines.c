/* SPDX-License-Identifier: MIT */
/* lines.c - a dialogue of lines over buffered streams. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <tendril/tendril.h>

static int write_text(tn_stream *s, const char *text)
{
    return tn_stream_write(s, text, strlen(text), NULL, tn_after_s(10));
}

/* Answer each line with the number of its bytes, until there are no more. */
static int count_bytes(void *arg)
{
    tn_stream *s = arg;
    char line[128], answer[32];
    ssize_t len;
    int r = 0;

    do {
        len = tn_stream_read_line(s, line, sizeof line, tn_after_s(10));
        if (len <= 0)
            break;
        snprintf(answer, sizeof answer, "%d\n", (int)len);
        r = write_text(s, answer);
        /* While more lines are here already, their answers go together. */
        if (r == 0 && tn_stream_unread(s) == 0)
            r = tn_stream_flush(s, tn_after_s(10));
    } while (r == 0);
    tn_stream_close(s, tn_after_s(1));
    return r;
}

static int ask(tn_stream *s)
{
    char answer[32];
    ssize_t len;
    int r = write_text(s, "one\nthree\n");

    if (r == 0)
        r = write_text(s, "seventeen\n");
    if (r == 0)
        r = tn_stream_shutdown(s, tn_after_s(10)); /* flushes */
    if (r < 0)
        return r;
    while ((len = tn_stream_read_line(s, answer, sizeof answer,
                                      tn_after_s(10))) > 0)
        fputs(answer, stdout);
    return (int)len;
}

int main(void)
{
    tn_stream *near, *far;
    tn_greenlet *g;
    int fds[2], r;

    if (tn_socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 ||
        tn_stream_open(fds[0], NULL, &near) < 0 ||
        tn_stream_open(fds[1], NULL, &far) < 0 ||
        tn_spawn(count_bytes, far, &g) < 0)
        return 1;
    r = ask(near);
    tn_stream_close(near, tn_after_s(1));
    if (tn_join(g, NULL, tn_after_s(10)) < 0)
        r = -1;
    return r < 0;
}
