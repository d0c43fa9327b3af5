/* SPDX-License-Identifier: MIT */
/* patch/lot.c - where greenlets wait for locks of pthread's.
 *
 * A lock stays libc's, as it is in memory: it is tried, and who does not get it
 * takes a place in a list by its address. Every unlock of the process comes
 * through us and looks whether somebody waits. What does not come through us
 * (libc unlocks a mutex itself while a plain thread waits on a condition,
 * another process posts) is found by trying again, at distances that double.
 *
 * Places are malloc'ed, not on the stack of who waits: a thread may end while
 * greenlets of it wait here, and then nobody takes them off. Signals are
 * blocked while a list is locked, and a semaphore's place is woken by a
 * descriptor, because sem_post() may be called by a signal handler. */
#include "patch/patch.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BUCKETS = 256 };
#define PAUSE_MIN_NS 1000000
#define PAUSE_MAX_NS 100000000

struct tn__patch_spot {
    struct tn__patch_spot *next, *prev; /* in its bucket's ring */
    const void *address;
    tn_shared_event *event; /* of a semaphore: NULL */
    int fd;                 /* of a semaphore; -1: there was none to be had */
    bool is_woken;          /* and off the ring; guarded by the bucket */
};

static struct bucket {
    pthread_mutex_t lock;
    struct tn__patch_spot *first; /* of a ring; or NULL */
    int n;                        /* atomic: in the ring */
} buckets[BUCKETS] = {
    [0 ... BUCKETS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

static __thread bool is_in_lot;
static __thread bool has_locked; /* a bucket: no other may be locked then */

bool tn__patch_in_lot(void)
{
    return is_in_lot;
}

static struct bucket *bucket_of(const void *address)
{
    return &buckets[(uintptr_t)address / 8 * 2654435761u % BUCKETS];
}

static void lock(struct bucket *b, sigset_t *before)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
    tn__real()->pthread_mutex_lock(&b->lock);
    has_locked = true;
}

static void unlock(struct bucket *b, const sigset_t *before)
{
    has_locked = false;
    tn__real()->pthread_mutex_unlock(&b->lock);
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* The bucket is locked, for both. */
static void insert(struct bucket *b, struct tn__patch_spot *spot)
{
    if (!b->first) {
        spot->next = spot->prev = b->first = spot;
    } else {
        spot->next = b->first;
        spot->prev = b->first->prev;
        spot->next->prev = spot->prev->next = spot;
    }
    __atomic_add_fetch(&b->n, 1, __ATOMIC_SEQ_CST);
}

static void take_off(struct bucket *b, struct tn__patch_spot *spot)
{
    spot->next->prev = spot->prev;
    spot->prev->next = spot->next;
    if (b->first == spot)
        b->first = spot->next == spot ? NULL : spot->next;
    __atomic_sub_fetch(&b->n, 1, __ATOMIC_SEQ_CST);
}

static struct tn__patch_spot *make(bool is_semaphore)
{
    struct tn__patch_spot *spot = calloc(1, sizeof *spot);

    if (!spot)
        return NULL;
    spot->fd = -1;
    if (is_semaphore) {
        spot->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    } else if (tn_shared_event_new(&spot->event) < 0) {
        free(spot);
        return NULL;
    }
    return spot;
}

struct tn__patch_spot *tn__patch_enter(const void *address, bool is_semaphore)
{
    struct bucket *b = bucket_of(address);
    struct tn__patch_spot *spot;
    sigset_t before;

    is_in_lot = true;
    spot = make(is_semaphore);
    is_in_lot = false;
    if (!spot)
        return NULL;
    spot->address = address;
    lock(b, &before);
    insert(b, spot);
    unlock(b, &before);
    return spot;
}

void tn__patch_stay(struct tn__patch_spot *spot, tn_time deadline)
{
    struct pollfd p = {spot->fd, POLLIN, 0};
    tn_shield shield;
    int r;

    if (!spot->event && spot->fd < 0 && deadline > tn_after_ns(PAUSE_MIN_NS))
        deadline = tn_after_ns(PAUSE_MIN_NS);
    tn_shield_begin(&shield, TN_FOREVER);
    r = spot->event ? tn_shared_event_wait(spot->event, deadline)
                    : tn_poll(&p, 1, deadline);
    tn_shield_end(&shield);
    if (r < 0 && r != -ETIME)
        tn__real()->sched_yield(); /* no memory for the wait: try again */
}

bool tn__patch_leave(struct tn__patch_spot *spot)
{
    struct bucket *b = bucket_of(spot->address);
    sigset_t before;
    bool is_woken;

    lock(b, &before);
    is_woken = spot->is_woken;
    if (!is_woken)
        take_off(b, spot);
    unlock(b, &before);
    is_in_lot = true;
    if (spot->event)
        tn_shared_event_unref(spot->event);
    if (spot->fd >= 0) {
        tn_fd_forget(spot->fd);
        tn__real()->close(spot->fd);
    }
    free(spot);
    is_in_lot = false;
    return is_woken;
}

/* The bucket is locked, so the place is still there. */
static void ring(struct tn__patch_spot *spot)
{
    const uint64_t one = 1;

    spot->is_woken = true;
    if (spot->event)
        tn_shared_event_set(spot->event);
    else if (spot->fd >= 0 && tn__real()->write(spot->fd, &one, sizeof one) < 0)
        return; /* it is full of such */
}

/* The first in the ring that waits for `address`. */
static struct tn__patch_spot *find(struct bucket *b, const void *address)
{
    struct tn__patch_spot *spot = b->first;

    if (!spot)
        return NULL;
    do {
        if (spot->address == address)
            return spot;
        spot = spot->next;
    } while (spot != b->first);
    return NULL;
}

bool tn__patch_has_waiters(const void *address)
{
    return __atomic_load_n(&bucket_of(address)->n, __ATOMIC_SEQ_CST) > 0;
}

void tn__patch_wake(const void *address, bool is_all)
{
    struct bucket *b = bucket_of(address);
    struct tn__patch_spot *spot;
    sigset_t before;
    int errno_before = errno;

    /* After the unlock, before this look: as enter() and the attempt after it,
     * the other way round. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__builtin_expect(!tn__patch_has_waiters(address), 1))
        return;
    if (has_locked) /* what tendril locks to wake one: nobody waits for it */
        return;
    lock(b, &before);
    while ((spot = find(b, address)) != NULL) {
        take_off(b, spot);
        ring(spot);
        if (!is_all)
            break;
    }
    unlock(b, &before);
    errno = errno_before;
}

/* Those in the lists are the parent's: they are never to be woken here. */
void tn__patch_forget_waiters(void)
{
    for (int i = 0; i < BUCKETS; i++)
        buckets[i] = (struct bucket){.lock = PTHREAD_MUTEX_INITIALIZER};
    is_in_lot = has_locked = false;
}

int tn__patch_lock(void *object, int (*attempt)(void *object),
                   bool is_semaphore, tn_time deadline)
{
    int64_t pause_ns = PAUSE_MIN_NS;
    int r;

    for (;;) {
        struct tn__patch_spot *spot = tn__patch_enter(object, is_semaphore);
        tn_time look = tn_after_ns(pause_ns);

        r = attempt(object);
        if (r == EBUSY && spot)
            tn__patch_stay(spot, deadline < look ? deadline : look);
        if (spot)
            tn__patch_leave(spot);
        if (r == EBUSY)
            r = attempt(object);
        if (r != EBUSY)
            return r;
        if (tn_now() >= deadline)
            return ETIMEDOUT;
        if (!spot)
            tn__real()->sched_yield();
        pause_ns = pause_ns * 2 > PAUSE_MAX_NS ? PAUSE_MAX_NS : pause_ns * 2;
    }
}
