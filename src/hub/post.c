/* SPDX-License-Identifier: MIT */
/* hub/post.c - callbacks from other threads: a list that they push to and the
 * hub takes whole. The lock also guards the life of the hub: a poster must not
 * wake a loop that its thread has just closed.
 *
 * Only the first post on an empty list wakes: until the hub has taken the list
 * it is awake, and it takes the list before each poll. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/own.h"
#include "hub/hub.h"

/* A post of the public kind. */
struct call {
    struct tn__post post;
    tn_post_fn fn;
    void *arg;
};

static void run_call(struct tn__post *post)
{
    struct call *call = TN_CONTAINER(post, struct call, post);

    call->fn(call->arg);
    free(call);
}

int tn__hub_post_node(struct tn_hub *h, struct tn__post *post)
{
    int r = 0;

    TN_ASSERT(post->fn != NULL);
    TN_OWN(pthread_mutex_lock(&h->post_lock));
    if (h->is_gone) {
        r = -ESRCH;
    } else {
        post->next = h->posts;
        __atomic_store_n(&h->posts, post, __ATOMIC_RELEASE);
        if (!post->next)
            h->loop.ops->wake(&h->loop);
    }
    pthread_mutex_unlock(&h->post_lock);
    return r;
}

int tn_hub_post(tn_hub *hub, tn_post_fn fn, void *arg)
{
    struct call *call;
    int r;

    if (!hub || !fn)
        return -EINVAL;
    call = malloc(sizeof *call);
    if (!call)
        return -ENOMEM;
    *call = (struct call){{NULL, run_call}, fn, arg};
    r = tn__hub_post_node(hub, &call->post);
    if (r < 0)
        free(call);
    return r;
}

bool tn__hub_run_posts(struct tn_hub *h)
{
    struct tn__post *newest, *oldest = NULL, *next;

    if (!__atomic_load_n(&h->posts, __ATOMIC_RELAXED))
        return false;
    TN_OWN(pthread_mutex_lock(&h->post_lock));
    newest = h->posts;
    __atomic_store_n(&h->posts, NULL, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&h->post_lock);
    for (; newest; newest = next) {
        next = newest->next;
        newest->next = oldest;
        oldest = newest;
    }
    for (; oldest; oldest = next) {
        next = oldest->next;
        oldest->fn(oldest);
    }
    return true;
}
