/* SPDX-License-Identifier: MIT */
/* post.c - a thread computes and tells a greenlet of another thread. */
#include <pthread.h>
#include <stdio.h>
#include <tendril/tendril.h>

struct job {
    tn_hub *hub;         /* whom to tell; the thread's reference */
    tn_greenlet *waiter; /* started when the sum is there */
    long sum;
};

/* On the hub, which may not wait: only starts the one that uses the sum. */
static void finished(void *arg)
{
    struct job *job = arg;

    tn_start(job->waiter);
}

static void *compute(void *arg)
{
    struct job *job = arg;
    tn_hub *hub = job->hub;

    for (long i = 1; i <= 1000; i++)
        job->sum += i;
    if (tn_hub_post(hub, finished, job) < 0)
        fputs("post: the hub is gone\n", stderr);
    tn_hub_unref(hub);
    return NULL;
}

static int show(void *arg)
{
    struct job *job = arg;

    printf("the sum is %ld\n", job->sum);
    return 0;
}

int main(void)
{
    struct job job = {.sum = 0};
    pthread_t thread;

    if (tn_hub_get(&job.hub) < 0 ||
        tn_greenlet_new(NULL, show, &job, &job.waiter) < 0)
        return 1;
    tn_hub_ref(job.hub); /* while it stands, the wait is not -EDEADLK */
    if (pthread_create(&thread, NULL, compute, &job) != 0)
        return 1;
    if (tn_join(job.waiter, NULL, TN_FOREVER) < 0)
        return 1;
    return pthread_join(thread, NULL) != 0;
}
