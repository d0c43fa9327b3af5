/* SPDX-License-Identifier: MIT */
/* tendril/local.h - values that each greenlet has of its own, values that a
 * greenlet shares with all it has spawned, and a context that is inherited.
 *
 * Ownership  Values are the caller's; the destructor of their key says what
 *            becomes of them at the end of the greenlet. Contexts are never
 *            freed.
 * Blocking   Nothing here waits. A destructor called at the end of a greenlet
 *            may.
 * Threads    Keys belong to the process and may be used on every thread;
 *            values belong to greenlets, the main one of each thread included.
 * Manual     tn_local(3).  Example: examples/request.c.
 */
#ifndef TN_LOCAL_H
#define TN_LOCAL_H

#include <tendril/base.h>

TN_BEGIN_DECLS

/* A key. 0 is none. */
typedef uint32_t tn_local;

typedef void (*tn_local_fn)(void *value);

/* The most keys there can be at a time. */
enum { TN_LOCALS_MAX = 1024 };

/* Make a key, for which no greenlet has a value. `destructor` (which may be
 * NULL) is called with the value of each greenlet that ends with one: by that
 * greenlet, as its last act, so it may wait; in the order in which the keys
 * were made, again if destructors have set values, up to four times. For the
 * main greenlet it is called when the thread or its hub ends, on the hub, where
 * a waiting call is -EDEADLK.
 * Stores it in *ret_key and returns 0; -EINVAL; -ENOSPC with TN_LOCALS_MAX
 * keys in use. */
TN_API TN_MUST int tn_local_new(tn_local_fn destructor, tn_local *ret_key);

/* Give the key back. Values that greenlets of this thread still have are given
 * to its destructor, which may not wait here; those of other threads are
 * forgotten. 0, -EINVAL for what is no key. */
TN_API int tn_local_free(tn_local key);

/* Set the value of the current greenlet. NULL takes it away. No destructor is
 * called for the one before. 0, -EINVAL, -ENOMEM. */
TN_API TN_MUST int tn_local_set(tn_local key, void *value);

/* The value of the current greenlet; NULL when it has none. */
TN_API void *tn_local_get(tn_local key);

/* The same for values shared by a tree: a greenlet that main (or a callback on
 * the hub) spawned, and all that were spawned by it, by those, and so on. Main
 * has none. The destructor is called when the last of the tree has ended, and
 * may not wait.
 * 0; -EINVAL for what is no key, and on main; -ENOMEM. */
TN_API TN_MUST int tn_tree_set(tn_local key, void *value);
TN_API void *tn_tree_get(tn_local key);

/* The context of the current greenlet: a pointer that means something to the
 * program. One that is spawned begins with that of its spawner; after that each
 * has its own. NULL on a thread's main greenlet until it is set.
 * tn_set_context() returns 0, or why the thread's hub could not be made. */
TN_API void *tn_context(void);
TN_API int tn_set_context(void *context);

TN_END_DECLS
#endif /* TN_LOCAL_H */
