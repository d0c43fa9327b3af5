/* SPDX-License-Identifier: MIT */
/* hub/overflow.c - says which greenlet's stack has overflowed.
 *
 * A handler for SIGSEGV and SIGBUS, installed at the first spawn, looks whether
 * the address is in the guard page of the running greenlet. If so it says whose
 * stack it was, how large, and how to raise it; then, and in every other case,
 * what was installed before gets the signal. It needs a stack of its own: each
 * hub's thread is given an alternate one, unless it has one. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/config.h"
#include "base/sys.h"
#include "hub/hub.h"

#ifndef AT_MINSIGSTKSZ
# define AT_MINSIGSTKSZ 51
#endif

enum { ALTSTACK_MIN = 16384, N_SIGNALS = 2 };

static const int signals[N_SIGNALS] = {SIGSEGV, SIGBUS};
static struct sigaction before[N_SIGNALS];
static pthread_once_t install_once = PTHREAD_ONCE_INIT;

/* ---- the report; async-signal-safe ---- */

static size_t put(char *text, size_t n, size_t size, const char *more)
{
    while (*more && n < size)
        text[n++] = *more++;
    return n;
}

static size_t put_number(char *text, size_t n, size_t size, size_t number)
{
    char digit[2] = {(char)('0' + number % 10), '\0'};

    if (number >= 10)
        n = put_number(text, n, size, number / 10);
    return put(text, n, size, digit);
}

static void report(const struct tn_greenlet *g)
{
    char text[320], name[TN__NAME_MAX];
    size_t bytes = (size_t)1 << g->stack->bytes_log2, n = 0;

    tn_greenlet_name(g, name, sizeof name);
    n = put(text, n, sizeof text, "tendril: stack overflow in greenlet \"");
    n = put(text, n, sizeof text, name);
    n = put(text, n, sizeof text, "\": its stack has ");
    n = put_number(text, n, sizeof text, bytes);
    n = put(text, n, sizeof text,
            " bytes; spawn it with a larger stack_bytes in struct "
            "tn_greenlet_options\n");
    tn__sys_write(2, text, n);
}

static void pass_on(int i, int signal, siginfo_t *info, void *context)
{
    struct sigaction *old = &before[i];

    if (old->sa_flags & SA_SIGINFO) {
        old->sa_sigaction(signal, info, context);
    } else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
        old->sa_handler(signal);
    } else if (info->si_code > 0 || old->sa_handler == SIG_DFL) {
        /* The faulting instruction runs again and meets the default action; a
         * signal that somebody sent is sent once more. */
        struct sigaction dfl = {.sa_handler = SIG_DFL};

        sigaction(signal, &dfl, NULL);
        if (info->si_code <= 0)
            raise(signal);
    }
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    struct tn_hub *h = tn__hub_peek();

    if (h && info->si_code > 0 && h->current->stack &&
        tn__stack_is_guard(&h->stacks, h->current->stack, info->si_addr))
        report(h->current);
    for (int i = 0; i < N_SIGNALS; i++)
        if (signals[i] == signal)
            pass_on(i, signal, info, context);
}

/* ---- installing ---- */

static void install(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};

    action.sa_sigaction = on_fault;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < N_SIGNALS; i++)
        sigaction(signals[i], &action, &before[i]);
}

void tn__overflow_watch(struct tn_hub *h)
{
    stack_t old, own = {0};
    int err_before = errno;
    size_t least = getauxval(AT_MINSIGSTKSZ);

    errno = err_before; /* older kernels and emulators do not tell it */
    h->is_watched = true;
    if (!tn__config_number(TN__CONFIG_OVERFLOW_REPORT))
        return;
    pthread_once(&install_once, install);
    if (sigaltstack(NULL, &old) < 0 || !(old.ss_flags & SS_DISABLE))
        return;
    own.ss_size = least > ALTSTACK_MIN ? least : ALTSTACK_MIN;
    own.ss_sp = tn__sys_map(own.ss_size);
    if (!own.ss_sp)
        return;
    if (sigaltstack(&own, NULL) < 0) {
        tn__sys_unmap(own.ss_sp, own.ss_size);
        return;
    }
    h->altstack = own.ss_sp;
    h->altstack_bytes = own.ss_size;
}

void tn__overflow_unwatch(struct tn_hub *h)
{
    stack_t now, off = {.ss_flags = SS_DISABLE};

    if (!h->altstack)
        return;
    /* Somebody may have set another one since. */
    if (sigaltstack(NULL, &now) == 0 && now.ss_sp == h->altstack)
        sigaltstack(&off, NULL);
    tn__sys_unmap(h->altstack, h->altstack_bytes);
    h->altstack = NULL;
}
