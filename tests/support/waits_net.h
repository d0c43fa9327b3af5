/* SPDX-License-Identifier: MIT */
/* tests/support/waits_net.h - waits for descriptors, for the table of
 * waits.c. */
#ifndef TN_TESTS_WAITS_NET_H
#define TN_TESTS_WAITS_NET_H

#include "support/waits.h"

/* open() for waits that read one byte of fds[0], and for such that write one:
 * satisfied by a byte written to fds[1], and by reading all from it. */
void open_datagrams(struct wait *w);
void open_full_datagrams(struct wait *w);
void open_full_pair(struct wait *w);
void open_full_pair_and_file(struct wait *w);
void open_pair_and_pipe(struct wait *w);

long call_recvfrom(struct wait *w, tn_time deadline);
long call_recvmsg(struct wait *w, tn_time deadline);
long call_recvmmsg(struct wait *w, tn_time deadline);
long call_recv_fds(struct wait *w, tn_time deadline);
long call_readv(struct wait *w, tn_time deadline);
long call_select_fds(struct wait *w, tn_time deadline);
long call_sendto(struct wait *w, tn_time deadline);
long call_sendmsg(struct wait *w, tn_time deadline);
long call_sendmmsg(struct wait *w, tn_time deadline);
long call_writev(struct wait *w, tn_time deadline);
long call_sendfile(struct wait *w, tn_time deadline);
long call_splice(struct wait *w, tn_time deadline);

#endif /* TN_TESTS_WAITS_NET_H */
