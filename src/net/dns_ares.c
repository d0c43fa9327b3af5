/* SPDX-License-Identifier: MIT */
/* net/dns_ares.c - names resolved by c-ares, on the hub's loop.
 *
 * Each hub has a channel of c-ares, made on first use. c-ares says which
 * descriptors it waits on and for how long: a watcher for each descriptor and
 * one timer have it called then. No greenlet and no thread is needed.
 *
 * A name that is asked for has an entry. While its lookup is under way all who
 * want the name wait on it, and each may leave; the lookup goes on. Afterwards
 * the entry is kept until its shortest TTL is over. Errors, and what comes from
 * the hosts file (TTL 0), are not kept. c-ares searches, tries servers again,
 * goes to TCP for truncated answers, and sorts (RFC 6724).
 *
 * c-ares has a clock of its own, the real one: on the simulated loop a server
 * that does not answer is waited for in real time. */
#include <ares.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <tendril/watch.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/own.h"
#include "net/dns.h"

enum { TTL_MAX = 3600, CHECK_NS = 1000000000 };

/* A descriptor of c-ares. */
struct sock {
    struct tn__list link; /* on tn__dns.socks */
    struct tn__dns *dns;
    int fd;
    int events;
    tn_watch *watch; /* owned */
};

/* A hub's resolver. */
struct tn__dns {
    struct tn__hub_end end; /* has it freed with its hub */
    struct tn_hub *hub;
    ares_channel channel;
    struct tn__list socks;
    struct tn__hub_call timer; /* when c-ares wants to be called */
    bool is_timed;             /* `timer` is armed */
    struct tn__list entries;   /* of struct tn__dns_entry, last used first */
    size_t n_entries;
    size_t n_pending;   /* lookups and names under way */
    int64_t file_stamp; /* of resolv.conf, when the channel was made */
    tn_time check_at;   /* when to look at it again */
};

static __thread struct tn__dns *mine;

static bool is_library_ready;

/* ---- which way ---- */

enum { WAY_UNKNOWN, WAY_LOOP, WAY_LIBC };
static int way; /* atomic */

/* Whether nsswitch.conf asks, for hosts, for files and dns and nothing else. */
static bool is_plain(FILE *f)
{
    static const char database[] = "hosts:";
    char line[512], *save, *word;

    while (fgets(line, sizeof line, f)) {
        char *at = line + strspn(line, " \t");

        if (strncmp(at, database, sizeof database - 1) != 0)
            continue;
        at[strcspn(at, "#\n")] = '\0';
        at += sizeof database - 1;
        for (; (word = strtok_r(at, " \t", &save)); at = NULL)
            if (strcmp(word, "files") != 0 && strcmp(word, "dns") != 0)
                return false;
        return true;
    }
    return true;
}

static int find_way(void)
{
    enum { AUTO, ARES, LIBC }; /* the choices of the setting */
    int64_t choice = tn__config_number(TN__CONFIG_DNS);
    bool plain = true;
    FILE *f;

    if (choice == AUTO) {
        f = fopen("/etc/nsswitch.conf", "re");
        if (f) {
            plain = is_plain(f);
            fclose(f);
        }
    }
    return choice == ARES || (choice == AUTO && plain) ? WAY_LOOP : WAY_LIBC;
}

bool tn__dns_is_on_loop(const char *name)
{
    int w = __atomic_load_n(&way, __ATOMIC_RELAXED);

    if (w == WAY_UNKNOWN) {
        w = find_way();
        __atomic_store_n(&way, w, __ATOMIC_RELAXED);
    }
    for (; name && *name; name++)
        if (!isascii((unsigned char)*name))
            return false; /* IDNA is libc's */
    return w == WAY_LOOP;
}

/* ---- c-ares on the loop ---- */

static void run(struct tn__dns *d, int read_fd, int write_fd);

static void on_timer(struct tn__hub_call *call)
{
    struct tn__dns *d = TN_CONTAINER(call, struct tn__dns, timer);

    d->is_timed = false;
    run(d, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* After each call of c-ares: have the next one made in time. */
static void rearm(struct tn__dns *d)
{
    struct timeval tv, *wanted = ares_timeout(d->channel, NULL, &tv);
    int64_t ns;

    if (d->is_timed)
        tn__hub_call_cancel(d->hub, &d->timer);
    d->is_timed = false;
    if (!wanted)
        return;
    ns = (int64_t)tv.tv_sec * 1000000000 + (int64_t)tv.tv_usec * 1000;
    d->timer.fn = on_timer;
    if (tn__hub_call_at(d->hub, &d->timer, tn_after_ns(ns + 1000000)) == 0)
        d->is_timed = true;
    else
        ares_cancel(d->channel); /* nobody would ever give up */
}

static void run(struct tn__dns *d, int read_fd, int write_fd)
{
    ares_process_fd(d->channel, read_fd, write_fd);
    rearm(d);
}

static void on_ready(tn_watch *w, int events, void *arg)
{
    struct sock *s = arg;

    (void)w;
    run(s->dns, events & (POLLIN | POLLERR | POLLHUP) ? s->fd : ARES_SOCKET_BAD,
        events & POLLOUT ? s->fd : ARES_SOCKET_BAD);
}

static struct sock *find_sock(struct tn__dns *d, int fd)
{
    for (struct tn__list *n = d->socks.next; n != &d->socks; n = n->next) {
        struct sock *s = TN_CONTAINER(n, struct sock, link);

        if (s->fd == fd)
            return s;
    }
    return NULL;
}

static void drop_sock(struct sock *s)
{
    tn__list_remove(&s->link);
    tn_watch_free(s->watch);
    free(s);
}

/* Without memory the descriptor is not watched; its query then times out. */
static void add_sock(struct tn__dns *d, int fd, int events)
{
    struct sock *s = calloc(1, sizeof *s);

    if (!s)
        return;
    s->dns = d;
    s->fd = fd;
    s->events = events;
    tn__list_insert(&d->socks, &s->link);
    if (tn_watch_io_new(fd, events, on_ready, s, &s->watch) < 0 ||
        tn_watch_start(s->watch) < 0) {
        drop_sock(s);
        return;
    }
    tn_watch_set_ref(s->watch, 0);
}

/* c-ares': it wants to know when `fd` is ready, or not any more. */
static void on_sock(void *arg, ares_socket_t fd, int reads, int writes)
{
    struct tn__dns *d = arg;
    struct sock *s = find_sock(d, fd);
    int events = (reads ? POLLIN : 0) | (writes ? POLLOUT : 0);

    if (s && s->events == events)
        return;
    if (s)
        drop_sock(s);
    if (events)
        add_sock(d, fd, events);
}

/* ---- the channel ---- */

static int64_t stamp_of_file(void)
{
    struct stat st;

    if (stat("/etc/resolv.conf", &st) < 0)
        return 0;
    return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec +
           (int64_t)st.st_ino;
}

static int open_channel(struct tn__dns *d)
{
    struct ares_options o = {.sock_state_cb = on_sock, .sock_state_cb_data = d};
    int mask = ARES_OPT_SOCK_STATE_CB, r;
    char servers[TN_SETTING_TEXT_MAX];

    o.timeout = (int)(tn__config_number(TN__CONFIG_DNS_TIMEOUT) / 1000000);
    o.tries = (int)tn__config_number(TN__CONFIG_DNS_TRIES);
    mask |= o.timeout ? ARES_OPT_TIMEOUTMS : 0;
    mask |= o.tries ? ARES_OPT_TRIES : 0;
#ifdef ARES_OPT_QUERY_CACHE
    mask |= ARES_OPT_QUERY_CACHE; /* of no time: the cache here does */
#endif
    d->file_stamp = stamp_of_file();
    r = ares_init_options(&d->channel, &o, mask);
    if (r != ARES_SUCCESS)
        return r == ARES_ENOMEM ? -ENOMEM : TN_EAI(EAI_FAIL);
    if (tn__config_text(TN__CONFIG_DNS_SERVERS, servers, sizeof servers) &&
        ares_set_servers_ports_csv(d->channel, servers) != ARES_SUCCESS) {
        ares_destroy(d->channel);
        return TN_EAI(EAI_FAIL);
    }
    return 0;
}

/* Make the channel anew if resolv.conf is another one, and nothing is under
 * way. */
static int refresh(struct tn__dns *d)
{
    tn_time now = d->hub->loop.ops->now(&d->hub->loop);
    ares_channel before = d->channel;
    int r;

    if (now < d->check_at || d->n_pending)
        return 0;
    d->check_at = now + CHECK_NS;
    if (stamp_of_file() == d->file_stamp)
        return 0;
    r = open_channel(d);
    if (r < 0)
        d->channel = before;
    else
        ares_destroy(before);
    return r;
}

static void free_entry(struct tn__dns_entry *e)
{
    free(e->name);
    free(e->canonical);
    free(e->addrs);
    free(e);
}

void tn__dns_put(struct tn__dns_entry *e)
{
    TN_ASSERT(e->users > 0);
    if (--e->users == 0)
        free_entry(e);
}

static void forget(struct tn__dns *d, struct tn__dns_entry *e)
{
    if (tn__list_is_empty(&e->link))
        return;
    tn__list_remove(&e->link);
    tn__list_init(&e->link);
    d->n_entries--;
    tn__dns_put(e);
}

static void forget_all(struct tn__dns *d)
{
    while (!tn__list_is_empty(&d->entries))
        forget(d, TN_CONTAINER(d->entries.next, struct tn__dns_entry, link));
}

static void at_end(struct tn__hub_end *end)
{
    struct tn__dns *d = TN_CONTAINER(end, struct tn__dns, end);

    mine = NULL;
    forget_all(d);
    ares_destroy(d->channel); /* calls back for all that is under way */
    if (d->is_timed)
        tn__hub_call_cancel(d->hub, &d->timer);
    while (!tn__list_is_empty(&d->socks))
        drop_sock(TN_CONTAINER(d->socks.next, struct sock, link));
    free(d);
}

/* The resolver of this thread's hub. */
static int get_dns(struct tn_hub *h, struct tn__dns **ret)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct tn__dns *d = mine;
    bool is_ready;
    int r;

    if (d && d->hub == h) {
        *ret = d;
        return refresh(d);
    }
    TN_OWN(pthread_mutex_lock(&lock));
    if (!is_library_ready) /* again, if there was no memory */
        is_library_ready = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
    is_ready = is_library_ready;
    pthread_mutex_unlock(&lock);
    if (!is_ready)
        return -ENOMEM;
    d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    d->hub = h;
    tn__list_init(&d->socks);
    tn__list_init(&d->entries);
    r = open_channel(d);
    if (r < 0) {
        free(d);
        return r;
    }
    d->end.fn = at_end;
    tn__hub_at_end(h, &d->end);
    *ret = mine = d;
    return 0;
}

/* ---- lookups ---- */

static int error_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return 0;
    case ARES_ENODATA:
        return TN_EAI(EAI_NODATA);
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
        return TN_EAI(EAI_NONAME);
    case ARES_ENOMEM:
        return -ENOMEM;
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED:
    case ARES_ESERVFAIL:
    case ARES_EREFUSED:
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
        return TN_EAI(EAI_AGAIN);
    default:
        return TN_EAI(EAI_FAIL);
    }
}

static void put_addr(struct tn__dns_addr *a, const struct sockaddr *addr)
{
    const struct sockaddr_in *in = (const void *)addr;
    const struct sockaddr_in6 *in6 = (const void *)addr;

    a->family = addr->sa_family;
    a->scope = 0;
    if (a->family == AF_INET) {
        a->v4 = in->sin_addr;
    } else {
        a->v6 = in6->sin6_addr;
        a->scope = in6->sin6_scope_id;
    }
}

/* Where the chain of aliases ends; NULL: there is none. */
static const char *find_canonical(const struct ares_addrinfo *found)
{
    const struct ares_addrinfo_cname *c, *next;

    for (c = found->cnames; c; c = c->next) {
        for (next = found->cnames; next; next = next->next)
            if (next->alias && c->name && strcasecmp(next->alias, c->name) == 0)
                break;
        if (!next && c->name)
            return c->name;
    }
    return found->name;
}

/* Take over what c-ares has found. Returns the shortest TTL, or an error. */
static int fill(struct tn__dns_entry *e, const struct ares_addrinfo *found)
{
    const char *canonical = find_canonical(found);
    int ttl = TTL_MAX;
    size_t n = 0;

    for (struct ares_addrinfo_node *a = found->nodes; a; a = a->ai_next)
        n++;
    if (n == 0)
        return TN_EAI(EAI_NODATA);
    e->addrs = calloc(n, sizeof *e->addrs);
    if (!e->addrs)
        return -ENOMEM;
    for (struct ares_addrinfo_node *a = found->nodes; a; a = a->ai_next) {
        put_addr(&e->addrs[e->n_addrs++], a->ai_addr);
        ttl = a->ai_ttl < ttl ? a->ai_ttl : ttl;
    }
    for (struct ares_addrinfo_cname *c = found->cnames; c; c = c->next)
        ttl = c->ttl < ttl ? c->ttl : ttl;
    if (canonical) {
        e->canonical = strdup(canonical);
        if (!e->canonical)
            return -ENOMEM;
    }
    return ttl;
}

/* c-ares': the lookup of `arg` has ended. May come from within the call that
 * began it. */
static void on_found(void *arg, int status, int timeouts,
                     struct ares_addrinfo *found)
{
    struct tn__dns_entry *e = arg;
    struct tn__dns *d = mine;
    int ttl = 0;

    (void)timeouts;
    e->error = error_of(status);
    if (e->error == 0) {
        ttl = fill(e, found);
        if (ttl < 0)
            e->error = ttl;
    }
    if (found)
        ares_freeaddrinfo(found);
    e->is_pending = false;
    tn__waitq_wake_all(&e->waiters);
    if (d) {
        d->n_pending--;
        e->expires = tn_after_s(ttl);
        if (e->error || ttl <= 0)
            forget(d, e);
    }
    tn__dns_put(e); /* the lookup's */
}

/* An entry that can be used, or is being looked up; NULL if there is none. */
static struct tn__dns_entry *find(struct tn__dns *d, const char *name,
                                  int family)
{
    tn_time now = d->hub->loop.ops->now(&d->hub->loop);

    for (struct tn__list *n = d->entries.next; n != &d->entries; n = n->next) {
        struct tn__dns_entry *e = TN_CONTAINER(n, struct tn__dns_entry, link);

        if (e->family != family || strcasecmp(e->name, name) != 0)
            continue;
        if (!e->is_pending && e->expires <= now) {
            forget(d, e);
            return NULL;
        }
        tn__list_remove(&e->link);
        tn__list_insert(d->entries.next, &e->link);
        return e;
    }
    return NULL;
}

/* Make room: the ones not used for longest go. */
static void shrink(struct tn__dns *d)
{
    size_t max = (size_t)tn__config_number(TN__CONFIG_DNS_CACHE);
    struct tn__list *n = d->entries.prev;

    while (n != &d->entries && d->n_entries > max) {
        struct tn__dns_entry *e = TN_CONTAINER(n, struct tn__dns_entry, link);

        n = n->prev;
        if (!e->is_pending)
            forget(d, e);
    }
}

static struct tn__dns_entry *begin(struct tn__dns *d, const char *name,
                                   int family)
{
    struct ares_addrinfo_hints hints = {.ai_family = family,
                                        .ai_flags = ARES_AI_CANONNAME};
    struct tn__dns_entry *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->name = strdup(name);
    if (!e->name) {
        free(e);
        return NULL;
    }
    e->family = family;
    e->is_pending = true;
    e->users = 3; /* the list, the lookup, the caller */
    tn__waitq_init(&e->waiters);
    tn__list_insert(d->entries.next, &e->link);
    d->n_entries++;
    d->n_pending++;
    ares_getaddrinfo(d->channel, name, NULL, &hints, on_found, e);
    rearm(d);
    shrink(d);
    return e;
}

int tn__dns_lookup(struct tn_hub *h, const char *name, int family,
                   struct tn__dns_entry **ret, tn_time deadline)
{
    struct tn__waitq_node node;
    struct tn__dns_entry *e;
    struct tn__dns *d;
    int r = get_dns(h, &d);

    if (r < 0)
        return r;
    e = find(d, name, family);
    if (e)
        e->users++;
    else
        e = begin(d, name, family);
    if (!e)
        return -ENOMEM;
    if (e->is_pending)
        r = tn__waitq_wait(h, &e->waiters, &node, deadline, "tn_getaddrinfo");
    else
        tn__hub_tick(h);
    if (r == 0)
        r = e->error;
    if (r < 0) {
        tn__dns_put(e);
        return r;
    }
    *ret = e;
    return 0;
}

/* ---- names of addresses ---- */

/* A name under way. The one who waits and the lookup both hold it. */
struct naming {
    struct tn__waitq waiters;
    uint32_t users;
    bool is_done;
    int status;
    char host[NI_MAXHOST];
};

static void put_naming(struct naming *n)
{
    if (--n->users == 0)
        free(n);
}

static void on_host(void *arg, int status, int timeouts, struct hostent *found)
{
    struct naming *n = arg;

    (void)timeouts;
    n->status = status;
    n->is_done = true;
    if (status == ARES_SUCCESS)
        snprintf(n->host, sizeof n->host, "%s", found->h_name);
    tn__waitq_wake_all(&n->waiters);
    if (mine)
        mine->n_pending--;
    put_naming(n);
}

static void ask_host(struct tn__dns *d, const struct sockaddr *addr,
                     struct naming *n)
{
    const struct sockaddr_in6 *in6 = (const void *)addr;
    const struct sockaddr_in *in = (const void *)addr;

    d->n_pending++;
    if (addr->sa_family == AF_INET)
        ares_gethostbyaddr(d->channel, &in->sin_addr, 4, AF_INET, on_host, n);
    else if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        ares_gethostbyaddr(d->channel, &in6->sin6_addr.s6_addr[12], 4, AF_INET,
                           on_host, n);
    else
        ares_gethostbyaddr(d->channel, &in6->sin6_addr, 16, AF_INET6, on_host,
                           n);
    rearm(d);
}

/* Write what was found, as libc would: an address without a name as numbers,
 * unless a name is required. */
static int tell(const struct tn__dns_names *n, const struct naming *found)
{
    bool is_named = found->status == ARES_SUCCESS;
    bool is_unknown =
        found->status == ARES_ENOTFOUND || found->status == ARES_ENODATA;
    int r;

    if (!is_named && (n->flags & NI_NAMEREQD))
        return is_unknown ? TN_EAI(EAI_NONAME) : error_of(found->status);
    if (is_named && strlen(found->host) >= n->host_size)
        return TN_EAI(EAI_OVERFLOW);
    r = TN_OWN(getnameinfo(n->addr, n->len, is_named ? NULL : n->host,
                           is_named ? 0 : (socklen_t)n->host_size, n->service,
                           (socklen_t)n->service_size,
                           (n->flags & ~NI_NAMEREQD) | NI_NUMERICHOST));
    if (is_named && (!n->service || !n->service_size))
        r = 0; /* nothing was asked */
    if (r == 0 && is_named)
        memcpy(n->host, found->host, strlen(found->host) + 1);
    return r ? TN_EAI(r) : 0;
}

int tn__dns_name(struct tn_hub *h, const struct tn__dns_names *names,
                 tn_time deadline)
{
    struct tn__waitq_node node;
    struct naming *n;
    struct tn__dns *d;
    int r = get_dns(h, &d);

    if (r < 0)
        return r;
    n = calloc(1, sizeof *n);
    if (!n)
        return -ENOMEM;
    n->users = 2;
    tn__waitq_init(&n->waiters);
    ask_host(d, names->addr, n);
    if (!n->is_done)
        r = tn__waitq_wait(h, &n->waiters, &node, deadline, "tn_getnameinfo");
    if (r == 0)
        r = tell(names, n);
    put_naming(n);
    return r;
}

void tn__dns_flush(struct tn_hub *h)
{
    struct tn__dns *d = mine;

    __atomic_store_n(&way, WAY_UNKNOWN, __ATOMIC_RELAXED);
    if (!d || d->hub != h)
        return;
    for (struct tn__list *n = d->entries.next; n != &d->entries;) {
        struct tn__dns_entry *e = TN_CONTAINER(n, struct tn__dns_entry, link);

        n = n->next;
        if (!e->is_pending)
            forget(d, e);
    }
    d->file_stamp = 0;
    d->check_at = 0;
}
