/* SPDX-License-Identifier: MIT */
/* net/dns.c - getaddrinfo() and getnameinfo() with deadlines.
 *
 * What needs no network is asked of libc at once, with AI_NUMERICHOST: numeric
 * addresses, no node at all, and everything about services, so that socket
 * types, ports and errors are exactly libc's. Only the addresses of a name come
 * from elsewhere: from the loop (dns_ares.c), and are then combined with what
 * libc says about the service; or from libc itself on a thread of a pool.
 *
 * The list that is given out is one block: entries, addresses, the name. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <tendril/offload.h>

#include "base/assert.h"
#include "base/config.h"
#include "base/own.h"
#include "net/dns.h"

/* libc's flags when it is given no hints. */
enum { NO_HINTS = AI_V4MAPPED | AI_ADDRCONFIG };

static int from_eai(int eai)
{
    return eai ? TN_EAI(eai) : 0;
}

const char *tn_gai_strerror(int error)
{
    bool is_eai = error < TN_EAI(0) && error > TN_EAI(-1000);

    if (is_eai)
        return gai_strerror(error - TN_EAI(0));
    return error < 0 ? strerror(-error) : "no error";
}

/* ---- the list ---- */

struct entry {
    struct addrinfo info;
    struct sockaddr_storage addr;
};

/* A list of n entries and room for a name. The entries are linked. */
static struct entry *make_list(size_t n, const char *canonical)
{
    size_t name_bytes = canonical ? strlen(canonical) + 1 : 0;
    struct entry *list = calloc(1, n * sizeof *list + name_bytes);

    if (!list)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        list[i].info.ai_addr = (struct sockaddr *)&list[i].addr;
        list[i].info.ai_next = i + 1 < n ? &list[i + 1].info : NULL;
    }
    if (canonical) {
        list[0].info.ai_canonname = (char *)&list[n];
        memcpy(list[0].info.ai_canonname, canonical, name_bytes);
    }
    return list;
}

/* libc's list as one of ours. */
static int copy_list(const struct addrinfo *from, struct addrinfo **ret)
{
    struct entry *list;
    size_t n = 0;

    for (const struct addrinfo *a = from; a; a = a->ai_next)
        n++;
    list = n ? make_list(n, from->ai_canonname) : NULL;
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++, from = from->ai_next) {
        list[i].info.ai_flags = from->ai_flags;
        list[i].info.ai_family = from->ai_family;
        list[i].info.ai_socktype = from->ai_socktype;
        list[i].info.ai_protocol = from->ai_protocol;
        list[i].info.ai_addrlen = from->ai_addrlen;
        TN_ASSERT(from->ai_addrlen <= sizeof list[i].addr);
        memcpy(&list[i].addr, from->ai_addr, from->ai_addrlen);
    }
    *ret = &list[0].info;
    return 0;
}

void tn_freeaddrinfo(struct addrinfo *list)
{
    free(list);
}

/* Ask libc; the caller knows that it will not wait. */
static int ask_libc(const char *node, const char *service,
                    const struct addrinfo *hints, struct addrinfo **ret)
{
    struct addrinfo *list = NULL;
    int r, saved = errno;

    r = from_eai(TN_OWN(getaddrinfo(node, service, hints, &list)));
    if (r == TN_EAI(EAI_SYSTEM))
        r = errno == ENOMEM ? -ENOMEM : TN_EAI(EAI_AGAIN);
    errno = saved;
    if (r == 0) {
        r = copy_list(list, ret);
        freeaddrinfo(list);
    }
    return r;
}

/* ---- by libc, on a thread ---- */

struct libc_job {
    char *node, *service; /* owned; NULL: none */
    struct addrinfo hints;
    bool has_hints;
    struct addrinfo *list; /* ours */
};

static long run_libc_job(void *arg)
{
    struct libc_job *j = arg;

    return ask_libc(j->node, j->service, j->has_hints ? &j->hints : NULL,
                    &j->list);
}

static void free_libc_job(void *arg)
{
    struct libc_job *j = arg;

    tn_freeaddrinfo(j->list);
    free(j->node);
    free(j->service);
    free(j);
}

static int by_libc(const char *node, const char *service,
                   const struct addrinfo *hints, struct addrinfo **ret,
                   tn_time deadline)
{
    struct libc_job *j = calloc(1, sizeof *j);
    long result = 0;
    int r;

    if (!j)
        return -ENOMEM;
    j->node = node ? strdup(node) : NULL;
    j->service = service ? strdup(service) : NULL;
    j->has_hints = hints != NULL;
    if (hints)
        j->hints = *hints;
    if ((node && !j->node) || (service && !j->service)) {
        free_libc_job(j);
        return -ENOMEM;
    }
    r = tn_offload_detached(run_libc_job, j, free_libc_job, &result, deadline);
    if (r < 0)
        return r;
    if (result == 0) {
        *ret = j->list;
        j->list = NULL;
    }
    free_libc_job(j);
    return (int)result;
}

/* ---- by the loop ---- */

/* Which families this machine has addresses of, other than the loopback's:
 * what AI_ADDRCONFIG means. */
static void find_families(bool *ret_v4, bool *ret_v6)
{
    struct ifaddrs *list;

    *ret_v4 = *ret_v6 = false;
    if (getifaddrs(&list) < 0) {
        *ret_v4 = *ret_v6 = true;
        return;
    }
    for (struct ifaddrs *i = list; i; i = i->ifa_next) {
        if (!i->ifa_addr || (i->ifa_flags & IFF_LOOPBACK))
            continue;
        *ret_v4 |= i->ifa_addr->sa_family == AF_INET;
        *ret_v6 |= i->ifa_addr->sa_family == AF_INET6;
    }
    freeifaddrs(list);
}

/* The family to ask for, or -1 if the machine has none of those wanted. (On a
 * machine with nothing but a loopback both are asked for, as by libc.) */
static int choose_family(int family, int flags)
{
    bool v4, v6;

    if (!(flags & AI_ADDRCONFIG))
        return family;
    find_families(&v4, &v6);
    if (v4 == v6)
        return family;
    if (family == AF_UNSPEC)
        return v4 ? AF_INET : AF_INET6;
    return family;
}

/* Write `a` with `port` to `addr`; a v4 one as a mapped one if that is wanted.
 * Returns its length. */
static socklen_t put_addr(struct sockaddr_storage *addr,
                          const struct tn__dns_addr *a, uint16_t port,
                          bool is_mapped)
{
    struct sockaddr_in *in = (struct sockaddr_in *)addr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)addr;

    if (a->family == AF_INET && !is_mapped) {
        in->sin_family = AF_INET;
        in->sin_port = port;
        in->sin_addr = a->v4;
        return sizeof *in;
    }
    in6->sin6_family = AF_INET6;
    in6->sin6_port = port;
    if (a->family == AF_INET6) {
        in6->sin6_addr = a->v6;
        in6->sin6_scope_id = a->scope;
    } else {
        in6->sin6_addr.s6_addr[10] = in6->sin6_addr.s6_addr[11] = 0xff;
        memcpy(&in6->sin6_addr.s6_addr[12], &a->v4, 4);
    }
    return sizeof *in6;
}

/* Every address with every kind of socket that libc has named in `kinds`. */
static int combine(const struct tn__dns_entry *e, const struct addrinfo *kinds,
                   const struct addrinfo *hints, bool is_mapped,
                   struct addrinfo **ret)
{
    const char *canonical = NULL;
    size_t n_kinds = 0, at = 0;
    struct entry *list;

    for (const struct addrinfo *k = kinds; k; k = k->ai_next)
        n_kinds++;
    if (hints->ai_flags & AI_CANONNAME)
        canonical = e->canonical ? e->canonical : e->name;
    list = make_list(e->n_addrs * n_kinds, canonical);
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < e->n_addrs; i++) {
        for (const struct addrinfo *k = kinds; k; k = k->ai_next, at++) {
            const struct sockaddr_in *of = (void *)k->ai_addr;
            struct addrinfo *info = &list[at].info;

            info->ai_flags = hints->ai_flags;
            info->ai_socktype = k->ai_socktype;
            info->ai_protocol = k->ai_protocol;
            info->ai_addrlen =
                put_addr(&list[at].addr, &e->addrs[i], of->sin_port, is_mapped);
            info->ai_family = list[at].addr.ss_family;
        }
    }
    *ret = &list[0].info;
    return 0;
}

/* The addresses of `node` in the family that the hints ask for. */
static int look_up(struct tn_hub *h, const char *node,
                   const struct addrinfo *hints, bool *ret_mapped,
                   struct tn__dns_entry **ret, tn_time deadline)
{
    int family = choose_family(hints->ai_family, hints->ai_flags);
    int r = tn__dns_lookup(h, node, family, ret, deadline);

    *ret_mapped = false;
    if (family == AF_INET6 && (hints->ai_flags & AI_V4MAPPED) &&
        hints->ai_family == AF_INET6 &&
        (r == TN_EAI(EAI_NODATA) || r == TN_EAI(EAI_NONAME))) {
        *ret_mapped = true;
        r = tn__dns_lookup(h, node, AF_INET, ret, deadline);
    }
    return r;
}

static int by_loop(struct tn_hub *h, const char *node, const char *service,
                   const struct addrinfo *hints, struct addrinfo **ret,
                   tn_time deadline)
{
    struct addrinfo ask = {.ai_family = AF_INET,
                           .ai_socktype = hints->ai_socktype,
                           .ai_protocol = hints->ai_protocol,
                           .ai_flags = AI_NUMERICHOST |
                                       (hints->ai_flags & AI_NUMERICSERV)};
    struct tn__dns_entry *e;
    struct addrinfo *kinds;
    bool is_mapped;
    int r = ask_libc("0.0.0.0", service, &ask, &kinds);

    if (r < 0)
        return r;
    r = look_up(h, node, hints, &is_mapped, &e, deadline);
    if (r == 0) {
        r = combine(e, kinds, hints, is_mapped, ret);
        tn__dns_put(e);
    }
    tn_freeaddrinfo(kinds);
    return r;
}

/* ---- for users ---- */

/* Whether libc answers without the network: no name is to be looked up, or the
 * call is wrong and libc says how. */
static bool is_local(const char *node, const struct addrinfo *hints)
{
    unsigned char addr[sizeof(struct in6_addr)];
    char bare[INET6_ADDRSTRLEN + 1];
    size_t n;

    if (!node || !node[0] || (hints->ai_flags & AI_NUMERICHOST))
        return true;
    if (hints->ai_family != AF_UNSPEC && hints->ai_family != AF_INET &&
        hints->ai_family != AF_INET6)
        return true;
    if (inet_aton(node, (struct in_addr *)addr))
        return true;
    n = strcspn(node, "%");
    if (n >= sizeof bare)
        return false;
    memcpy(bare, node, n);
    bare[n] = '\0';
    return inet_pton(AF_INET6, bare, addr) == 1;
}

/* Flags that only libc knows what to do with. */
static bool needs_libc(const struct addrinfo *hints)
{
    enum {
        KNOWN = AI_PASSIVE | AI_CANONNAME | AI_NUMERICSERV | AI_V4MAPPED |
                AI_ADDRCONFIG
    };

    return (hints->ai_flags & ~KNOWN) != 0;
}

int tn_getaddrinfo(const char *node, const char *service,
                   const struct addrinfo *hints, struct addrinfo **ret_list,
                   tn_time deadline)
{
    static const struct addrinfo no_hints = {.ai_flags = NO_HINTS};
    const struct addrinfo *given = hints;
    struct addrinfo numeric;
    struct tn_hub *h;
    int r;

    if (!ret_list)
        return -EINVAL;
    r = tn__hub_self(&h);
    if (r == 0)
        r = tn__wait_enter(h, deadline);
    if (r < 0)
        return r;
    if (!hints)
        hints = &no_hints;
    if (is_local(node, hints)) {
        numeric = *hints;
        if (node)
            numeric.ai_flags |= AI_NUMERICHOST;
        r = ask_libc(node, service, &numeric, ret_list);
        tn__hub_tick(h);
        return r;
    }
    if (needs_libc(hints) || !tn__dns_is_on_loop(node))
        return by_libc(node, service, given, ret_list, deadline);
    return by_loop(h, node, service, hints, ret_list, deadline);
}

/* ---- names of addresses ---- */

struct name_job {
    struct sockaddr_storage addr;
    socklen_t len;
    size_t host_size, service_size; /* 0: not wanted */
    int flags;
    char host[NI_MAXHOST], service[NI_MAXSERV];
};

static int ask_libc_name(const struct tn__dns_names *n)
{
    int saved = errno;
    int r = from_eai(
        TN_OWN(getnameinfo(n->addr, n->len, n->host, (socklen_t)n->host_size,
                           n->service, (socklen_t)n->service_size, n->flags)));

    errno = saved;
    return r;
}

static long run_name_job(void *arg)
{
    struct name_job *j = arg;
    struct tn__dns_names n = {(struct sockaddr *)&j->addr,
                              j->len,
                              j->host_size ? j->host : NULL,
                              j->service_size ? j->service : NULL,
                              j->host_size,
                              j->service_size,
                              j->flags};

    return ask_libc_name(&n);
}

static int name_by_libc(const struct tn__dns_names *n, tn_time deadline)
{
    struct name_job *j = calloc(1, sizeof *j);
    long result = 0;
    int r;

    if (!j)
        return -ENOMEM;
    memcpy(&j->addr, n->addr, n->len);
    j->len = n->len;
    j->flags = n->flags;
    if (n->host)
        j->host_size = n->host_size < NI_MAXHOST ? n->host_size : NI_MAXHOST;
    if (n->service)
        j->service_size =
            n->service_size < NI_MAXSERV ? n->service_size : NI_MAXSERV;
    r = tn_offload_detached(run_name_job, j, free, &result, deadline);
    if (r < 0)
        return r;
    if (result == 0 && j->host_size)
        memcpy(n->host, j->host, strlen(j->host) + 1);
    if (result == 0 && j->service_size)
        memcpy(n->service, j->service, strlen(j->service) + 1);
    free(j);
    return (int)result;
}

/* Whether all of an internet address is there; libc says what is wrong else. */
static bool is_internet(const struct sockaddr *addr, socklen_t len)
{
    if (len < sizeof addr->sa_family)
        return false;
    if (addr->sa_family == AF_INET)
        return len >= sizeof(struct sockaddr_in);
    return addr->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6);
}

int tn_getnameinfo(const struct sockaddr *addr, socklen_t len, char *host,
                   size_t host_size, char *service, size_t service_size,
                   int flags, tn_time deadline)
{
    struct tn__dns_names n = {addr,      len,          host, service,
                              host_size, service_size, flags};
    struct tn_hub *h;
    int r;

    if (!addr || len > sizeof(struct sockaddr_storage))
        return -EINVAL;
    r = tn__hub_self(&h);
    if (r == 0)
        r = tn__wait_enter(h, deadline);
    if (r < 0)
        return r;
    if (!host || !host_size || (flags & NI_NUMERICHOST) ||
        !is_internet(addr, len)) {
        r = ask_libc_name(&n);
        tn__hub_tick(h);
        return r;
    }
    if (!tn__dns_is_on_loop(NULL))
        return name_by_libc(&n, deadline);
    return tn__dns_name(h, &n, deadline);
}

void tn_dns_flush(void)
{
    struct tn_hub *h = tn__hub_peek();

    if (h)
        tn__dns_flush(h);
}
