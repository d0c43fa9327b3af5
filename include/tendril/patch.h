/* SPDX-License-Identifier: MIT */
/* tendril/patch.h - libc's calls that block, made to park a greenlet.
 *
 * A program that is linked with libtendril-patch (pkg-config tendril-patch), or
 * started with LD_PRELOAD=libtendril-patch.so, has functions of its own in
 * front of libc's read(), connect(), poll(), sleep(), pthread_mutex_lock() and
 * the others that tendril-patch(7) lists. Called in a greenlet, main included,
 * they let the other greenlets of the thread run until they need not wait any
 * more; called by a thread without a hub, on a hub, or within tn_blocking(),
 * they are libc's. So a client library in its plain blocking form (libpq,
 * libmariadb, hiredis, libcurl) waits as a greenlet does.
 *
 * Ownership  Nothing here allocates. Descriptors stay plain and blocking.
 * Blocking   tn_blocking() holds its whole thread while `fn` waits; nothing
 *            else here waits.
 * Threads    Every function may be called from any thread.
 * Manual     tn_patch(3), tendril-patch(7).  Example: examples/driver.c.
 */
#ifndef TN_PATCH_H
#define TN_PATCH_H

#include <tendril/base.h>

TN_BEGIN_DECLS

/* Call fn(arg), in which this greenlet's calls are libc's own: what waits there
 * holds the thread with all its greenlets. Returns what it returned; -EINVAL
 * for NULL. It may nest. */
TN_API long tn_blocking(long (*fn)(void *arg), void *arg);

/* 1 if a call of libc's that has to wait here would park the greenlet that
 * runs, provided that libtendril-patch is there: the thread has a hub, this is
 * not the hub, not a switch hook, not within tn_blocking(). */
TN_API int tn_patch_parks(void);

/* The version of libtendril-patch, as "0.1.0"; a static string. In that library
 * alone: a program that calls this cannot be built or started without it. */
TN_API const char *tn_patch_version(void);

TN_END_DECLS
#endif /* TN_PATCH_H */
