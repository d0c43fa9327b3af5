/* SPDX-License-Identifier: MIT */
/* net/dns.h - what the files of name resolution share. */
#ifndef TN_NET_DNS_H
#define TN_NET_DNS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <tendril/dns.h>

#include "sync/waitq.h"

/* An address that a name has. */
struct tn__dns_addr {
    int family;     /* AF_INET or AF_INET6 */
    uint32_t scope; /* of a link-local one */
    union {
        struct in_addr v4;
        struct in6_addr v6;
    };
};

/* What is known about one name, or is being found out. */
struct tn__dns_entry {
    struct tn__list link;       /* on tn__dns.entries, the last used first; by
                                 * itself: off */
    struct tn__waitq waiters;   /* while it is pending */
    uint32_t users;             /* waiters, the list, and the lookup */
    bool is_pending;            /* the lookup is under way */
    int error;                  /* 0 or TN_EAI(...) */
    int family;                 /* what was asked for: AF_UNSPEC ... */
    tn_time expires;            /* until when it may be used */
    char *name;                 /* lower case; owned */
    char *canonical;            /* owned, or NULL */
    struct tn__dns_addr *addrs; /* best first; owned */
    size_t n_addrs;
};

/* ---- dns_ares.c, or dns_none.c: names by c-ares ---- */

/* Whether names are to be resolved on the loop, and not by libc. */
bool tn__dns_is_on_loop(const char *name);

/* The addresses of `name` (not numeric), waiting for them. On 0 the entry is
 * to be given back by tn__dns_put(). */
int tn__dns_lookup(struct tn_hub *h, const char *name, int family,
                   struct tn__dns_entry **ret, tn_time deadline);
void tn__dns_put(struct tn__dns_entry *e);

/* The names of an address; arguments as tn_getnameinfo(). */
struct tn__dns_names {
    const struct sockaddr *addr;
    socklen_t len;
    char *host, *service;
    size_t host_size, service_size;
    int flags;
};
int tn__dns_name(struct tn_hub *h, const struct tn__dns_names *names,
                 tn_time deadline);

void tn__dns_flush(struct tn_hub *h);

#endif /* TN_NET_DNS_H */
