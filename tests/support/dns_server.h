/* SPDX-License-Identifier: MIT */
/* tests/support/dns_server.h - a name server on the loopback that answers as
 * its names say: well, late, wrongly, cut short, or not at all.
 *
 *   a.test         192.0.2.1 and 2001:db8::1, for an hour
 *   short.test     the same, for 2 seconds
 *   alias.test     CNAME a.test
 *   four.test      192.0.2.4 and no AAAA
 *   late.test      as four.test, after 30 ms
 *   wrong.test     as four.test, after answers with another number and to
 *                  another question
 *   long.test      as four.test, cut short: the whole is to be had by TCP
 *   fail.test      SERVFAIL
 *   refuse.test    REFUSED
 *   silent.test    nothing
 *   4.2.0.192.in-addr.arpa   four.test
 *   anything else  NXDOMAIN                                                 */
#ifndef TN_TESTS_DNS_SERVER_H
#define TN_TESTS_DNS_SERVER_H

#include "support/green.h"

struct dns_server {
    int udp, tcp;
    int n_queries;    /* that came by UDP */
    int n_tcp;        /* that came by TCP */
    char address[32]; /* "127.0.0.1:PORT" */
    tn_greenlet *udp_g, *tcp_g;
};

/* Start it, and have names asked of it. */
void dns_server_start(struct dns_server *s);
void dns_server_stop(struct dns_server *s);

#endif /* TN_TESTS_DNS_SERVER_H */
