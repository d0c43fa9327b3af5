/* SPDX-License-Identifier: MIT */
/* tests/unit/test_faultsout.c - the n-th allocation and the n-th system call
 * fail, for every n, in what reaches beyond the hub: objects that threads
 * share, pools, orders for other hubs (see support/faults.h). */

#include "support/faults.h"

static int channel_lives(void)
{
    tn_shared_channel *channel;
    void *item;
    int r = tn_shared_channel_new(2, &channel);

    if (r < 0)
        return r;
    r = tn_shared_channel_send(channel, NULL, TN_FOREVER);
    if (r == 0)
        r = tn_shared_channel_recv(channel, &item, TN_FOREVER);
    tn_shared_channel_unref(channel);
    return r;
}

static void a_shared_channel(void)
{
    faults_each(channel_lives, "");
}

static int event_lives(void)
{
    tn_shared_event *event;
    int r = tn_shared_event_new(&event);

    if (r < 0)
        return r;
    tn_shared_event_set(event);
    r = tn_shared_event_wait(event, TN_FOREVER);
    tn_shared_event_unref(event);
    return r;
}

static void a_shared_event(void)
{
    faults_each(event_lives, "");
}

static int pool_lives(void)
{
    tn_offload_pool *pool;
    int r = tn_offload_pool_new(0, &pool);

    if (r == 0)
        tn_offload_pool_free(pool);
    return r;
}

static void an_offload_pool(void)
{
    faults_each(pool_lives, "");
}

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static int order_is_carried_out(void)
{
    tn_hub *hub;
    int r = tn_hub_get(&hub);

    if (r == 0)
        r = tn_spawn_on(hub, NULL, end_at_once, NULL);
    return r < 0 ? r : tn_hub_join(TN_FOREVER);
}

static void an_order_for_a_hub(void)
{
    faults_each(order_is_carried_out, "mmap madvise process_madvise write");
}

TEST_MAIN(TEST(a_shared_channel), TEST(a_shared_event), TEST(an_offload_pool),
          TEST(an_order_for_a_hub))
