/* SPDX-License-Identifier: MIT */
/* hub/post.c - callbacks from other threads: a list that they push to and the
 * hub takes whole. The lock also guards the life of the hub: a poster must not
 * wake a loop that its thread has just closed. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "hub/hub.h"

struct tn__post {
    struct tn__post *next;
    tn_post_fn fn;
    void *arg;
};

int tn_hub_post(tn_hub *hub, tn_post_fn fn, void *arg)
{
    struct tn__post *post;
    int r = 0;

    if (!hub || !fn)
        return -EINVAL;
    post = malloc(sizeof *post);
    if (!post)
        return -ENOMEM;
    post->fn = fn;
    post->arg = arg;
    pthread_mutex_lock(&hub->post_lock);
    if (hub->is_gone) {
        r = -ESRCH;
        free(post);
    } else {
        post->next = hub->posts;
        __atomic_store_n(&hub->posts, post, __ATOMIC_RELEASE);
        hub->loop.ops->wake(&hub->loop);
    }
    pthread_mutex_unlock(&hub->post_lock);
    return r;
}

bool tn__hub_run_posts(struct tn_hub *h)
{
    struct tn__post *newest, *oldest = NULL, *next;

    if (!__atomic_load_n(&h->posts, __ATOMIC_RELAXED))
        return false;
    pthread_mutex_lock(&h->post_lock);
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
        oldest->fn(oldest->arg);
        free(oldest);
    }
    return true;
}
