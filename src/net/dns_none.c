/* SPDX-License-Identifier: MIT */
/* net/dns_none.c - there is no c-ares: every name is libc's, on a thread. */
#include <errno.h>

#include "net/dns.h"

bool tn__dns_is_on_loop(const char *name)
{
    (void)name;
    return false;
}

int tn__dns_lookup(struct tn_hub *h, const char *name, int family,
                   struct tn__dns_entry **ret, tn_time deadline)
{
    (void)h;
    (void)name;
    (void)family;
    (void)ret;
    (void)deadline;
    return -EOPNOTSUPP;
}

void tn__dns_put(struct tn__dns_entry *e)
{
    (void)e;
}

int tn__dns_name(struct tn_hub *h, const struct tn__dns_names *names,
                 tn_time deadline)
{
    (void)h;
    (void)names;
    (void)deadline;
    return -EOPNOTSUPP;
}

void tn__dns_flush(struct tn_hub *h)
{
    (void)h;
}
