/* SPDX-License-Identifier: MIT */
/* shared.c - a plain thread sends to greenlets by a channel. */
#include <pthread.h>
#include <stdio.h>
#include <tendril/tendril.h>

static void *count(void *arg)
{
    tn_shared_channel *channel = arg;
    static int numbers[] = {1, 2, 3};
    int i;

    for (i = 0; i < 3; i++)
        if (tn_shared_channel_send(channel, &numbers[i], TN_FOREVER) < 0)
            break;
    tn_shared_channel_close(channel);
    tn_shared_channel_unref(channel);
    return NULL;
}

int main(void)
{
    tn_shared_channel *channel;
    pthread_t thread;
    void *item;

    if (tn_shared_channel_new(1, &channel) < 0)
        return 1;
    if (pthread_create(&thread, NULL, count,
                       tn_shared_channel_ref(channel)) != 0)
        return 1;
    while (tn_shared_channel_recv(channel, &item, TN_FOREVER) == 0)
        printf("got %d\n", *(int *)item);
    tn_shared_channel_unref(channel);
    return pthread_join(thread, NULL) != 0;
}
