/* SPDX-License-Identifier: MIT */
/* patch/names.c - getaddrinfo and getnameinfo by tendril's resolver. The list
 * that it gives is copied into one as libc's freeaddrinfo() takes it apart: a
 * block of malloc's for each entry, and one for the canonical name. */
#include "patch/patch.h"

#include <stdlib.h>
#include <string.h>

/* As getaddrinfo() has it: EAI_SYSTEM says no more than errno. */
int tn__patch_eai(int r)
{
    if (r >= 0)
        return 0;
    if (r < TN_EAI(0) + 1000 && r > TN_EAI(0) - 1000)
        return r - TN_EAI(0);
    if (r == -ENOMEM)
        return EAI_MEMORY;
    errno = tn__patch_errno(r);
    return EAI_SYSTEM;
}

static struct addrinfo *copy_one(const struct addrinfo *a)
{
    struct addrinfo *copy = malloc(sizeof *copy + a->ai_addrlen);

    if (!copy)
        return NULL;
    *copy = *a;
    copy->ai_next = NULL;
    copy->ai_addr = (struct sockaddr *)(copy + 1);
    memcpy(copy->ai_addr, a->ai_addr, a->ai_addrlen);
    if (a->ai_canonname) {
        copy->ai_canonname = strdup(a->ai_canonname);
        if (!copy->ai_canonname) {
            free(copy);
            return NULL;
        }
    }
    return copy;
}

static int copy_all(const struct addrinfo *list, struct addrinfo **ret_list)
{
    struct addrinfo *first = NULL, **last = &first;

    for (; list; list = list->ai_next, last = &(*last)->ai_next) {
        *last = copy_one(list);
        if (!*last) {
            if (first)
                freeaddrinfo(first);
            return EAI_MEMORY;
        }
    }
    *ret_list = first;
    return 0;
}

int tn__patch_getaddrinfo(const char *node, const char *service,
                          const struct addrinfo *hints,
                          struct addrinfo **ret_list)
{
    struct addrinfo *list;
    int r;

    if (!tn_patch_parks())
        return tn__real()->getaddrinfo(node, service, hints, ret_list);
    r = tn_getaddrinfo(node, service, hints, &list, TN_FOREVER);
    if (r < 0)
        return tn__patch_eai(r);
    r = copy_all(list, ret_list);
    tn_freeaddrinfo(list);
    return r;
}

int tn__patch_getnameinfo(const struct sockaddr *addr, socklen_t len,
                          char *host, socklen_t host_size, char *service,
                          socklen_t service_size, int flags)
{
    if (!tn_patch_parks())
        return tn__real()->getnameinfo(addr, len, host, host_size, service,
                                       service_size, flags);
    return tn__patch_eai(tn_getnameinfo(addr, len, host, host_size, service,
                                        service_size, flags, TN_FOREVER));
}
