/* SPDX-License-Identifier: MIT */
/* workers.c - a bounded queue between who has work and three who do it. The
 * bound holds up who brings too much; the close ends the workers. */
#include <stdio.h>
#include <tendril/tendril.h>

enum { WORKERS = 3, JOBS = 10 };

static tn_queue *jobs;
static int n_done;

static int work(void *arg)
{
    void *job;

    (void)arg;
    while (tn_queue_get(jobs, &job, TN_FOREVER) == 0) {
        int r = tn_sleep(tn_after_ms(*(int *)job));

        tn_queue_task_done(jobs);
        if (r < 0)
            return r;
        n_done++;
    }
    return 0; /* -EPIPE: closed and empty */
}

int main(void)
{
    struct tn_queue_options options = TN_QUEUE_OPTIONS;
    int ms[JOBS], most = 0;
    tn_group *workers;

    options.capacity = 2;
    if (tn_queue_new(&options, &jobs) < 0 || tn_group_new(&workers) < 0)
        return 1;
    for (int i = 0; i < WORKERS; i++)
        if (tn_group_spawn(workers, work, NULL, NULL, TN_FOREVER) < 0)
            return 1;
    for (int i = 0; i < JOBS; i++) {
        ms[i] = i % 4;
        if (tn_queue_put(jobs, &ms[i], TN_FOREVER) < 0)
            return 1;
        if ((int)tn_queue_count(jobs) > most)
            most = (int)tn_queue_count(jobs);
    }
    if (tn_queue_join(jobs, TN_FOREVER) < 0)
        return 1;
    printf("%d jobs done, at most %d in the queue\n", n_done, most);
    tn_queue_close(jobs);
    if (tn_group_join(workers, 0, TN_FOREVER) < 0)
        return 1;
    printf("the workers have gone home\n");
    tn_group_free(workers);
    tn_queue_free(jobs);
    return 0;
}
