/* SPDX-License-Identifier: MIT */
/* tendril/dns.h - names and addresses: getaddrinfo(3) and getnameinfo(3) with a
 * deadline.
 *
 * Names are resolved by c-ares on the hub's loop (hosts file, search list, A
 * and AAAA at once), or by libc's resolver on a thread of a pool where
 * nsswitch.conf asks for more than files and dns. Several greenlets that want
 * the same name share one lookup, and answers are kept for as long as their
 * servers allow. Numeric addresses never wait.
 *
 * Ownership  The list is the caller's, for tn_freeaddrinfo(), and for that
 *            only: libc's cannot free it.
 * Blocking   Functions that take a deadline may switch greenlets. A kill or a
 *            deadline ends the wait at once; the lookup may go on by itself.
 * Threads    Any thread; each hub has a cache of its own.
 * Manual     tn_dns(3).  Settings: TENDRIL_DNS..., see tn_config(3).
 *
 * Errors     TN_EAI(EAI_...) for what libc's calls return as EAI_..., so that
 *            they are apart from the negative errnos of the wait: -ETIME
 *            -EAGAIN -ECANCELED -EDEADLK -ENOMEM -EINVAL.
 */
#ifndef TN_DNS_H
#define TN_DNS_H

#include <netdb.h>
#include <sys/socket.h>
#include <tendril/base.h>

TN_BEGIN_DECLS

struct addrinfo; /* of netdb.h, which strict C hides */

/* An error of getaddrinfo(3), as these calls return it: below all errnos. */
#define TN_EAI(eai) ((eai) - 3000)

/* As getaddrinfo(3), `hints` and `service` included; either of `node` and
 * `service` may be NULL. 0, TN_EAI(EAI_NONAME) ..., or why the wait ended. */
TN_API TN_MUST int tn_getaddrinfo(const char *node, const char *service,
                                  const struct addrinfo *hints,
                                  struct addrinfo **ret_list,
                                  tn_time deadline);

/* Free what tn_getaddrinfo() gave. NULL is ignored. */
TN_API void tn_freeaddrinfo(struct addrinfo *list);

/* As getnameinfo(3): writes the name of the host and of the service of `addr`;
 * either buffer may be NULL. */
TN_API TN_MUST int tn_getnameinfo(const struct sockaddr *addr, socklen_t len,
                                  char *host, size_t host_size, char *service,
                                  size_t service_size, int flags,
                                  tn_time deadline);

/* What an error of these calls means, in words; a static string. For any error
 * of tendril's. */
TN_API const char *tn_gai_strerror(int error);

/* Forget the answers that this thread's hub keeps, and read resolv.conf(5) and
 * nsswitch.conf(5) again. Lookups under way go on. */
TN_API void tn_dns_flush(void);

TN_END_DECLS
#endif /* TN_DNS_H */
