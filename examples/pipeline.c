/* SPDX-License-Identifier: MIT */
/* pipeline.c - numbers flow through channels: one greenlet makes them, three
 * square them, main adds them up until all is done or a second has passed. */
#include <errno.h>
#include <stdio.h>
#include <tendril/tendril.h>

enum { WORKERS = 3, NUMBERS = 10 };

static tn_channel *numbers, *squares, *done;

static int produce(void *arg)
{
    int r = 0;

    (void)arg;
    for (long n = 1; n <= NUMBERS && r == 0; n++)
        r = tn_channel_send(numbers, &n, TN_FOREVER);
    tn_channel_close(numbers);
    return r;
}

/* Until the channel is closed and empty; then it says so. */
static int square(void *arg)
{
    long n;

    (void)arg;
    while (tn_channel_recv(numbers, &n, TN_FOREVER) == 0) {
        n *= n;
        if (tn_channel_send(squares, &n, TN_FOREVER) < 0)
            break;
    }
    return tn_channel_send(done, NULL, TN_FOREVER);
}

/* What comes first: a square, a worker that is done, or the deadline. */
static int add_up(long *ret_sum)
{
    tn_time deadline = tn_after_s(1);
    int n_left = WORKERS;
    long n;

    *ret_sum = 0;
    while (n_left > 0) {
        struct tn_select_case cases[] = {
            TN_SELECT_CASE_RECV(squares, &n),
            TN_SELECT_CASE_RECV(done, NULL),
        };
        int chosen = tn_select(cases, 2, deadline);

        if (chosen < 0)
            return chosen;
        if (chosen == 0)
            *ret_sum += n;
        else
            n_left--;
    }
    return 0;
}

int main(void)
{
    long sum;

    if (tn_channel_new(sizeof(long), 4, &numbers) < 0 ||
        tn_channel_new(sizeof(long), 0, &squares) < 0 ||
        tn_channel_new(0, 0, &done) < 0 || tn_spawn(produce, NULL, NULL) < 0)
        return 1;
    for (int i = 0; i < WORKERS; i++)
        if (tn_spawn(square, NULL, NULL) < 0)
            return 1;
    if (add_up(&sum) < 0)
        return 1;
    printf("the sum of %d squares is %ld\n", NUMBERS, sum);
    tn_channel_free(numbers);
    tn_channel_free(squares);
    tn_channel_free(done);
    return 0;
}
