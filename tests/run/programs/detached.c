/* SPDX-License-Identifier: MIT */
/* tests/run/programs/detached.c - detached threads, by the thousand. musl's
 * unmap the stacks that they run on. */
#include <stdbool.h>

#include "support.h"

static int n_ended;

static void *end(void *arg)
{
    nap_ms(1);
    __atomic_add_fetch(&n_ended, 1, __ATOMIC_SEQ_CST);
    return arg;
}

static long mapped_pages(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    char line[64] = "";

    CHECK(f && fgets(line, sizeof line, f));
    fclose(f);
    return strtol(line, NULL, 10);
}

static void run_some(pthread_attr_t *attr, int n)
{
    int end_at = n_ended + n;

    for (int i = 0; i < n; i++) {
        pthread_t t;

        CHECK(pthread_create(&t, attr, end, NULL) == 0);
    }
    while (__atomic_load_n(&n_ended, __ATOMIC_SEQ_CST) < end_at)
        nap_ms(1);
    nap_ms(20);
}

/* A native thread that has said that it ends may yet have to. glibc keeps up
 * to 40 MiB of stacks; all of musl's would be 250. */
static bool are_gone(long before)
{
    const long pages = (64L << 20) / sysconf(_SC_PAGESIZE);

    for (int i = 0; i < 500; i++) {
        if (mapped_pages() - before < pages)
            return true;
        nap_ms(10);
    }
    return false;
}

int main(void)
{
    pthread_attr_t attr;
    long before;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    run_some(&attr, 200);
    before = mapped_pages();
    for (int i = 0; i < 10; i++)
        run_some(&attr, 200);
    printf("ended %d, their stacks are gone %d\n", n_ended,
           are_gone(before));
    return 0;
}
