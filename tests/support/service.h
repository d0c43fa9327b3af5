/* SPDX-License-Identifier: MIT */
/* tests/support/service.h - a stream server that echoes, and its clients. */
#ifndef TN_TESTS_SERVICE_H
#define TN_TESTS_SERVICE_H

#include "support/green.h"

/* A handler that sends back what it gets; notes "killed" when it was. */
void echo(int fd, const struct sockaddr *peer, void *arg);

/* The options that the tests start from: pauses of 1 ms to 4 ms. */
struct tn_stream_server_options quick_options(void);

/* A server on a port of the loopback that runs. */
tn_stream_server *start_service(tn_stream_fn fn, void *arg,
                                const struct tn_stream_server_options *options);

/* Connect to it; send it five bytes and get them back. */
int dial_service(const tn_stream_server *s);
void exchange(int fd);

/* Stop it, when its handlers have ended, and free it. */
void finish_service(tn_stream_server *s);

struct tn_stream_server_stats count_service(const tn_stream_server *s);

/* The server has closed its end of `fd`, or does so; close this one. */
void assert_turned_away(int fd);

/* What has come by now is seen: the loop is asked twice. */
void let_loop_look(void);

/* Let so many descriptors be open; the number that the next one will get. */
void limit_descriptors(int n);
int first_free(void);

#endif /* TN_TESTS_SERVICE_H */
