/* SPDX-License-Identifier: MIT */
/* secure.c - fetch a page over TLS.
 *
 *     secure HOST:PORT [CA_FILE]    whom to trust, else the system's
 */
#include <stdio.h>
#include <string.h>
#include <tendril/tendril.h>

static int fetch(tn_stream *s, tn_time deadline)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    char line[1024];
    ssize_t n;
    int r = tn_stream_write(s, request, strlen(request), NULL, deadline);

    if (r == 0)
        r = tn_stream_flush(s, deadline);
    if (r < 0)
        return r;
    while ((n = tn_stream_read_line(s, line, sizeof line, deadline)) > 0)
        fwrite(line, 1, (size_t)n, stdout);
    return (int)n;
}

int main(int argc, char **argv)
{
    struct tn_tls_options options = TN_TLS_OPTIONS;
    tn_time deadline = tn_after_s(10); /* for all of it */
    tn_tls_context *context = NULL;
    tn_stream *s;
    tn_tls *tls;
    int r;

    if (argc < 2)
        return 2;
    options.ca_file = argc > 2 ? argv[2] : NULL;
    r = tn_tls_context_new(TN_TLS_CLIENT, &options, &context);
    if (r == 0)
        r = tn_tls_dial(context, argv[1], &tls, deadline);
    if (r < 0) {
        fprintf(stderr, "secure: %s: %s (%s)\n", argv[1], tn_gai_strerror(r),
                tn_tls_error(NULL));
        tn_tls_context_free(context);
        return 1;
    }
    r = tn_stream_open_tls(tls, NULL, &s);
    if (r == 0) {
        r = fetch(s, deadline);
        tn_stream_close(s, deadline);
    } else {
        tn_tls_close(tls, TN_NOWAIT);
    }
    tn_tls_context_free(context);
    return r < 0;
}
