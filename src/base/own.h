/* SPDX-License-Identifier: MIT */
/* base/own.h - calls of libc's that the library makes for itself.
 *
 * A program may have put libtendril-patch in front of libc, whose read() parks
 * a greenlet and calls us. What the library itself calls must reach libc: a
 * call of a function of src/patch/symbols.txt is written TN_OWN(call), or
 * stands between tn__own_begin() and tn__own_end(). It must not switch
 * greenlets. tools/check-symbols looks for those that are not. */
#ifndef TN_BASE_OWN_H
#define TN_BASE_OWN_H

/* How many such calls this thread is in. */
extern __thread int tn__own_depth __attribute__((tls_model("initial-exec")));

static inline void tn__own_begin(void)
{
    tn__own_depth++;
}

static inline void tn__own_end(void)
{
    tn__own_depth--;
}

#define TN_OWN(call)                                                           \
    ({                                                                         \
        tn__own_begin();                                                       \
        __typeof__(call) own_r = (call);                                       \
        tn__own_end();                                                         \
        own_r;                                                                 \
    })

#endif /* TN_BASE_OWN_H */
