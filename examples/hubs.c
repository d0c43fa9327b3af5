/* SPDX-License-Identifier: MIT */
/* hubs.c - three threads with a hub each take work from one channel. */
#include <stdio.h>
#include <tendril/tendril.h>

enum { N_HUBS = 3, N_JOBS = 9 };

struct work {
    tn_shared_channel *todo;
    tn_shared_channel *done;
};

/* A greenlet of each hub. */
static int take_work(int index, void *arg)
{
    struct work *work = arg;
    void *job;

    (void)index;
    while (tn_shared_channel_recv(work->todo, &job, TN_FOREVER) == 0) {
        ++*(int *)job;
        if (tn_shared_channel_send(work->done, job, TN_FOREVER) < 0)
            return -1;
    }
    return 0;
}

int main(void)
{
    int jobs[N_JOBS] = {0}, sum = 0, result, i;
    struct work work;
    tn_hubs *hubs;
    void *job;

    if (tn_shared_channel_new(N_JOBS, &work.todo) < 0 ||
        tn_shared_channel_new(N_JOBS, &work.done) < 0 ||
        tn_hubs_start(N_HUBS, take_work, &work, &hubs) < 0)
        return 1;
    for (i = 0; i < N_JOBS; i++)
        if (tn_shared_channel_send(work.todo, &jobs[i], TN_FOREVER) < 0)
            return 1;
    for (i = 0; i < N_JOBS; i++) {
        if (tn_shared_channel_recv(work.done, &job, TN_FOREVER) < 0)
            return 1;
        sum += *(int *)job;
    }
    printf("%d of %d jobs are done\n", sum, N_JOBS);
    tn_shared_channel_close(work.todo);
    if (tn_hubs_join(hubs, &result, TN_FOREVER) < 0)
        return 1;
    tn_shared_channel_unref(work.todo);
    tn_shared_channel_unref(work.done);
    return result != 0;
}
