/* SPDX-License-Identifier: MIT */
/* interrupt.c - SIGHUP is handled in a greenlet; SIGINT ends main's wait, so
 * that it can clean up. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <tendril/tendril.h>

/* It may wait, as every greenlet. */
static int reload(int signo, void *arg)
{
    (void)signo;
    (void)arg;
    printf("reloading\n");
    if (tn_sleep(tn_after_ms(1)) < 0)
        return -ECANCELED;
    printf("reloaded\n");
    return raise(SIGINT);
}

int main(void)
{
    tn_signal *hup;

    if (tn_signal_new(SIGHUP, reload, NULL, &hup) < 0 ||
        tn_interrupt_on(SIGINT) < 0)
        return 1;
    raise(SIGHUP);
    if (tn_sleep(TN_FOREVER) == -ECANCELED)
        printf("interrupted\n");
    printf("by SIGINT: %d\n", tn_interrupt_off() == SIGINT);
    tn_signal_free(hup);
    return 0;
}
