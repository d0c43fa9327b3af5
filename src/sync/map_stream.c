/* SPDX-License-Identifier: MIT */
/* sync/map_stream.c - a stream of results (tn_imap).
 *
 * A greenlet of the stream, the feeder, takes items from the source and spawns
 * a member of the group for each. An entry is on one list from then until its
 * result is read: `entries`, in the order of the items; in an unordered stream
 * it moves to the end of `ready` when its result is there. What can be read is
 * the first of `ready`, or the first entry if it is ready.
 *
 * A result is handed to the reader that has waited longest, which then has it
 * whatever else happens to it. */
#include <errno.h>
#include <stdlib.h>

#include "base/sized.h"
#include "hub/switch.h"
#include "sync/group.h"

struct entry {
    struct tn__list link;
    struct tn_imap *imap;
    struct tn_greenlet *g; /* who works on it; NULL: nobody any more */
    void *arg;
    int result; /* valid when g is NULL */
};

/* One who waits for a result; on its own stack. */
struct reader {
    struct tn__waitq_node node;
    tn_item *ret_item; /* where it wants it */
    int r;             /* what tn_imap_next() returns */
};

struct tn_imap {
    struct tn__sink sink; /* of all its members */
    tn_group *group;      /* not owned */
    struct tn_hub *hub;
    struct tn_imap_options options;
    struct tn_greenlet *feeder; /* a reference */
    struct tn__list entries;    /* see above */
    struct tn__list ready;
    size_t n_unread;           /* entries; those handed out are none any more */
    size_t n_running;          /* members that have not ended */
    int error;                 /* what ended the stream; 0: its end */
    bool is_fed;               /* the feeder is done: no more entries */
    bool is_ending;            /* in tn_imap_free(): nobody works any more */
    bool is_freed;             /* the last to end frees it */
    uint8_t is_quiet;          /* no member, and no feeder, is left */
    struct tn_greenlet *freer; /* who waits for that; NULL: nobody */
    struct tn__waitq readers;
    struct tn__waitq room; /* the feeder, while too much is unread */
};

static struct entry *entry_at(struct tn__list *link)
{
    return TN_CONTAINER(link, struct entry, link);
}

/* Take out what can be read; NULL: nothing yet. */
static struct entry *take(struct tn_imap *m)
{
    struct tn__list *list = m->options.is_unordered ? &m->ready : &m->entries;
    struct entry *e;

    if (tn__list_is_empty(list))
        return NULL;
    e = entry_at(list->next);
    if (e->g)
        return NULL;
    TN_ASSERT(m->n_unread > 0);
    tn__list_remove(&e->link);
    m->n_unread--;
    tn__waitq_wake_one(&m->room);
    return e;
}

/* False: tn_imap_next() has to wait. Else *ret is what it returns. */
static bool read_now(struct tn_imap *m, tn_item *ret_item, int *ret)
{
    struct entry *e = take(m);

    *ret = m->error;
    if (!e)
        return m->is_fed && m->n_unread == 0;
    ret_item->arg = e->arg;
    ret_item->result = e->result;
    free(e);
    *ret = 1;
    return true;
}

static void serve_readers(struct tn_imap *m)
{
    while (!tn__waitq_is_empty(&m->readers)) {
        struct reader *reader =
            TN_CONTAINER(tn__waitq_first(&m->readers), struct reader, node);

        if (!read_now(m, reader->ret_item, &reader->r))
            return;
        tn__waitq_wake(&reader->node);
    }
}

/* ---- freeing ---- */

static void free_now(struct tn_imap *m)
{
    TN_ASSERT(m->n_running == 0);
    while (!tn__list_is_empty(&m->entries)) {
        struct entry *e = entry_at(m->entries.next);

        tn__list_remove(&e->link);
        free(e);
    }
    while (!tn__list_is_empty(&m->ready)) {
        struct entry *e = entry_at(m->ready.next);

        tn__list_remove(&e->link);
        free(e);
    }
    free(m);
}

/* A member or the feeder is gone. */
static void look_if_quiet(struct tn_imap *m)
{
    if (!m->is_fed || m->n_running > 0)
        return;
    m->is_quiet = 1;
    if (m->freer)
        tn__hub_wake(m->freer);
    else if (m->is_freed)
        free_now(m);
}

/* ---- feeding ---- */

static int run_entry(void *arg)
{
    struct entry *e = arg;

    return e->imap->options.fn(e->arg);
}

static void entry_ended(struct tn__sink *sink, struct tn_greenlet *g)
{
    struct tn_imap *m = TN_CONTAINER(sink, struct tn_imap, sink);
    struct entry *e = g->arg;

    TN_ASSERT(e->g == g && m->n_running > 0);
    e->g = NULL;
    e->result = g->result;
    m->n_running--;
    if (m->options.is_unordered) {
        tn__list_remove(&e->link);
        tn__list_insert(&m->ready, &e->link);
    }
    serve_readers(m);
    look_if_quiet(m);
}

/* Have a member work on the next item. 1; 0 or less: the stream ends. */
static int feed_one(struct tn_imap *m)
{
    struct entry *e;
    void *arg = NULL;
    int r = m->options.source(&arg, m->options.source_arg);

    if (r <= 0)
        return r;
    e = calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    r = tn__wait_enter(m->hub, TN_FOREVER);
    if (r == 0)
        r = tn__group_spawn(m->group, run_entry, e, &e->g, TN_FOREVER);
    if (r < 0) {
        free(e);
        return r;
    }
    e->g->member.end.tn__arg = &m->sink;
    e->imap = m;
    e->arg = arg;
    tn__list_insert(&m->entries, &e->link);
    m->n_unread++;
    m->n_running++;
    /* A feeder that was killed when it had been given a place uses it. */
    if (m->is_ending)
        tn__greenlet_kill(m->hub, e->g);
    tn__hub_tick(m->hub);
    return 1;
}

static int wait_for_room(struct tn_imap *m)
{
    struct tn__waitq_node node;

    if (!m->options.unread_max || m->n_unread < m->options.unread_max)
        return 0;
    return tn__waitq_wait(m->hub, &m->room, &node, TN_FOREVER, "tn_imap");
}

static int feed(void *arg)
{
    struct tn_imap *m = arg;
    int r;

    do {
        r = tn__wait_enter(m->hub, TN_FOREVER);
        if (r == 0)
            r = wait_for_room(m);
        if (r == 0)
            r = feed_one(m);
    } while (r > 0);
    m->error = r;
    return r;
}

/* By a link, so that a feeder that never ran ends the stream too. */
static void feeder_ended(tn_link *link)
{
    struct tn_greenlet *g = TN_CONTAINER(
        TN_CONTAINER(link, struct tn__member, end), struct tn_greenlet, member);
    struct tn_imap *m = g->arg;

    g->member.owner = NULL;
    m->is_fed = true;
    serve_readers(m);
    look_if_quiet(m);
}

/* ---- for users ---- */

static int start_feeder(struct tn_imap *m)
{
    struct tn_greenlet *g;
    int r = tn_spawn(feed, m, &g);

    if (r < 0)
        return r;
    m->feeder = g;
    g->member.owner = m;
    tn__waitable_add(&g->waitable, &g->member.end, TN__LINK_WAITER,
                     (void (*)(void))feeder_ended, NULL);
    return 0;
}

int tn_imap_new(tn_group *group, const struct tn_imap_options *given,
                tn_imap **ret_imap)
{
    struct tn_imap_options options = {.size = sizeof options};
    struct tn_imap *m;
    int r;

    if (!group || !given || !ret_imap ||
        tn__sized_read(&options, sizeof options, given) < 0 || !options.fn ||
        !options.source)
        return -EINVAL;
    if (group->hub != tn__hub_peek())
        return -EXDEV;
    m = calloc(1, sizeof *m);
    if (!m)
        return -ENOMEM;
    m->sink.ended = entry_ended;
    m->group = group;
    m->hub = group->hub;
    m->options = options;
    tn__list_init(&m->entries);
    tn__list_init(&m->ready);
    tn__waitq_init(&m->readers);
    tn__waitq_init(&m->room);
    r = start_feeder(m);
    if (r < 0) {
        free(m);
        return r;
    }
    *ret_imap = m;
    return 0;
}

int tn_imap_next(tn_imap *imap, tn_item *ret_item, tn_time deadline)
{
    struct reader reader = {.ret_item = ret_item};
    int r = imap && ret_item ? tn__wait_enter(imap->hub, deadline) : -EINVAL;

    if (r < 0)
        return r;
    if (read_now(imap, ret_item, &r)) {
        tn__hub_tick(imap->hub);
        return r;
    }
    r = tn__waitq_wait(imap->hub, &imap->readers, &reader.node, deadline,
                       "tn_imap_next");
    return r < 0 ? r : reader.r;
}

static void kill_list(struct tn_hub *h, struct tn__list *head)
{
    struct tn__list *next;

    for (struct tn__list *l = head->next; l != head; l = next) {
        struct entry *e = entry_at(l);

        next = l->next; /* an unordered one that ends at once moves away */
        if (e->g)
            tn__greenlet_kill(h, e->g);
    }
}

void tn_imap_free(tn_imap *imap)
{
    struct tn_hub *h;

    if (!imap)
        return;
    h = imap->hub;
    TN_ASSERT(h == tn__hub_peek() && tn__waitq_is_empty(&imap->readers));
    imap->is_ending = true;
    tn__greenlet_kill(h, imap->feeder);
    tn_unref(imap->feeder);
    kill_list(h, &imap->entries);
    if (!imap->is_quiet) {
        imap->freer = h->current;
        tn__group_await(h, &imap->is_quiet, "tn_imap_free");
        imap->freer = NULL;
    }
    imap->is_freed = true;
    if (imap->is_quiet)
        free_now(imap);
}
