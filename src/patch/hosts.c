/* SPDX-License-Identifier: MIT */
/* patch/hosts.c - gethostbyname and its kin, made of getaddrinfo and
 * getnameinfo: aliases are not told. Those without a buffer of the caller's use
 * one of the greenlet's, so that the answer is its own until its next call. */
#include "patch/patch.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 8192, ADDRESSES_MAX = 256 };

/* What of the buffer is not yet taken. */
struct room {
    char *at;
    size_t left;
};

static void *take(struct room *room, size_t bytes)
{
    size_t pad = -(uintptr_t)room->at % sizeof(void *);
    char *at = room->at + pad;

    if (pad + bytes > room->left)
        return NULL;
    room->at += pad + bytes;
    room->left -= pad + bytes;
    return at;
}

static char *take_text(struct room *room, const char *text)
{
    char *at = take(room, strlen(text) + 1);

    if (at)
        memcpy(at, text, strlen(text) + 1);
    return at;
}

static const void *address_in(const struct sockaddr *addr)
{
    return addr->sa_family == AF_INET
               ? (const void *)&((const struct sockaddr_in *)addr)->sin_addr
               : (const void *)&((const struct sockaddr_in6 *)addr)->sin6_addr;
}

/* All of the answer but its addresses. 0 or ERANGE. */
static int begin(struct hostent *h, int family, const char *name, size_t n,
                 struct room *room)
{
    h->h_name = take_text(room, name);
    h->h_aliases = take(room, sizeof(char *));
    h->h_addrtype = family;
    h->h_length = family == AF_INET ? 4 : 16;
    h->h_addr_list = take(room, (n + 1) * sizeof(char *));
    if (!h->h_name || !h->h_aliases || !h->h_addr_list)
        return ERANGE;
    h->h_aliases[0] = NULL;
    h->h_addr_list[0] = NULL;
    return 0;
}

static int add(struct hostent *h, size_t i, const void *address,
               struct room *room)
{
    char *at = take(room, (size_t)h->h_length);

    if (!at)
        return ERANGE;
    memcpy(at, address, (size_t)h->h_length);
    h->h_addr_list[i] = at;
    h->h_addr_list[i + 1] = NULL;
    return 0;
}

static int pack(struct hostent *h, int family, const char *name,
                const struct addrinfo *list, struct room room)
{
    const char *canonical = list->ai_canonname ? list->ai_canonname : name;
    size_t n = 0;
    int r;

    for (const struct addrinfo *a = list; a && n < ADDRESSES_MAX;
         a = a->ai_next)
        n++;
    r = begin(h, family, canonical, n, &room);
    for (size_t i = 0; r == 0 && i < n; i++, list = list->ai_next)
        r = add(h, i, address_in(list->ai_addr), &room);
    return r;
}

/* What h_errno says for an error of getaddrinfo(). */
static int h_error(int eai)
{
    switch (eai) {
    case EAI_NONAME:
        return HOST_NOT_FOUND;
#ifdef EAI_NODATA
    case EAI_NODATA:
        return NO_DATA;
#endif
    case EAI_AGAIN:
        return TRY_AGAIN;
    case EAI_SYSTEM:
        return NETDB_INTERNAL;
    default:
        return NO_RECOVERY;
    }
}

/* Where an answer goes: as the _r calls have it. */
struct answer {
    struct hostent *h;
    struct room room;
    struct hostent **ret;
    int *h_error;
};

/* `eai` is why there is none, `error` (an errno) that there was no room. */
static int give(const struct answer *a, int eai, int error)
{
    *a->ret = eai || error ? NULL : a->h;
    if (error)
        *a->h_error = NETDB_INTERNAL;
    else if (eai)
        *a->h_error = h_error(eai);
    if (eai == EAI_SYSTEM)
        error = errno;
    else if (eai == EAI_AGAIN)
        error = EAGAIN;
    if (error)
        errno = error;
    return error;
}

static int by_name(const char *name, int family, const struct answer *a)
{
    struct addrinfo hints = {.ai_family = family,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_CANONNAME};
    struct addrinfo *list;
    int eai, error;

    eai = tn__patch_getaddrinfo(name, NULL, &hints, &list);
    if (eai)
        return give(a, eai, 0);
    error = pack(a->h, family, name, list, a->room);
    freeaddrinfo(list);
    return give(a, 0, error);
}

static int by_address(const void *address, int family, const struct answer *a)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    bool is_4 = family == AF_INET;
    struct room room = a->room;
    char name[NI_MAXHOST];
    int r;

    if (is_4)
        memcpy(&in4.sin_addr, address, 4);
    else
        memcpy(&in6.sin6_addr, address, 16);
    r = tn__patch_getnameinfo(is_4 ? (struct sockaddr *)&in4
                                   : (struct sockaddr *)&in6,
                              is_4 ? sizeof in4 : sizeof in6, name, sizeof name,
                              NULL, 0, NI_NAMEREQD);
    if (r)
        return give(a, r, 0);
    r = begin(a->h, family, name, 1, &room);
    if (r == 0)
        r = add(a->h, 0, address, &room);
    return give(a, 0, r);
}

static bool is_family(int family, socklen_t len)
{
    return (family == AF_INET && len == 4) || (family == AF_INET6 && len == 16);
}

/* ---- with a buffer ---- */

int tn__patch_gethostbyname2_r(const char *name, int family, struct hostent *h,
                               char *buf, size_t size, struct hostent **ret,
                               int *h_err)
{
    const struct answer a = {h, {buf, size}, ret, h_err};

    if (!tn_patch_parks() || !name || (family != AF_INET && family != AF_INET6))
        return tn__real()->gethostbyname2_r(name, family, h, buf, size, ret,
                                            h_err);
    return by_name(name, family, &a);
}

int tn__patch_gethostbyname_r(const char *name, struct hostent *h, char *buf,
                              size_t size, struct hostent **ret, int *h_err)
{
    if (!tn_patch_parks())
        return tn__real()->gethostbyname_r(name, h, buf, size, ret, h_err);
    return tn__patch_gethostbyname2_r(name, AF_INET, h, buf, size, ret, h_err);
}

int tn__patch_gethostbyaddr_r(const void *address, socklen_t len, int family,
                              struct hostent *h, char *buf, size_t size,
                              struct hostent **ret, int *h_err)
{
    const struct answer a = {h, {buf, size}, ret, h_err};

    if (!tn_patch_parks() || !address || !is_family(family, len))
        return tn__real()->gethostbyaddr_r(address, len, family, h, buf, size,
                                           ret, h_err);
    return by_address(address, family, &a);
}

/* ---- without one ---- */

/* A greenlet's own. */
struct kept {
    struct hostent h;
    char room[ROOM];
};

static tn_local key; /* of struct kept; 0: not yet made */
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
    if (tn_local_new(free, &key) < 0)
        key = 0;
}

static struct kept *kept_here(void)
{
    struct kept *kept;

    pthread_once(&key_once, make_key);
    kept = key ? tn_local_get(key) : NULL;
    if (kept || !key)
        return kept;
    kept = malloc(sizeof *kept);
    if (kept && tn_local_set(key, kept) < 0) {
        free(kept);
        kept = NULL;
    }
    return kept;
}

struct hostent *tn__patch_gethostbyname2(const char *name, int family)
{
    struct hostent *ret = NULL;
    struct kept *kept;

    if (!tn_patch_parks() || !name || (family != AF_INET && family != AF_INET6))
        return tn__real()->gethostbyname2(name, family);
    kept = kept_here();
    if (!kept) {
        h_errno = NETDB_INTERNAL;
        errno = ENOMEM;
        return NULL;
    }
    by_name(name, family,
            &(struct answer){&kept->h, {kept->room, ROOM}, &ret, &h_errno});
    return ret;
}

struct hostent *tn__patch_gethostbyname(const char *name)
{
    if (!tn_patch_parks())
        return tn__real()->gethostbyname(name);
    return tn__patch_gethostbyname2(name, AF_INET);
}

struct hostent *tn__patch_gethostbyaddr(const void *address, socklen_t len,
                                        int family)
{
    struct hostent *ret = NULL;
    struct kept *kept;

    if (!tn_patch_parks() || !address || !is_family(family, len))
        return tn__real()->gethostbyaddr(address, len, family);
    kept = kept_here();
    if (!kept) {
        h_errno = NETDB_INTERNAL;
        errno = ENOMEM;
        return NULL;
    }
    by_address(address, family,
               &(struct answer){&kept->h, {kept->room, ROOM}, &ret, &h_errno});
    return ret;
}
