/* SPDX-License-Identifier: MIT */
/* hub/watch_stat.c - watchers of what stat(2) says about a path.
 *
 * inotify(7) on the folder tells that something of that name was made, written,
 * renamed or removed, and one on the file itself what was done to it by another
 * of its names. Whatever it tells is only a reason to ask stat(2) again; the
 * watcher is called when the answer differs. So nothing has to be known about
 * how a change came about, and an interval can replace inotify where that does
 * not see, such as on a disk of the network. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/clock.h"
#include "base/sys.h"
#include "hub/watch.h"

enum { RETRY_NS = 100000000 };
enum {
    FILE_EVENTS = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE,
    FOLDER_EVENTS = FILE_EVENTS | IN_CREATE | IN_DELETE | IN_MOVE
};

struct stat_watch {
    struct tn_watch w;
    struct tn__hub_op call;
    struct tn__hub_call timer;
    char *path;          /* owned */
    char *folder;        /* owned */
    int64_t interval_ns; /* 0: inotify alone */
    int fd;              /* inotify; owned; -1: not active, or there is none */
    bool is_blind;       /* active, but the loop had no memory to watch fd */
    bool is_now, is_before; /* something was there */
    struct stat now, before;
};

static struct stat_watch *stat_of(struct tn_watch *w)
{
    return TN_CONTAINER(w, struct stat_watch, w);
}

/* ---- asking ---- */

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_mode == b->st_mode && a->st_nlink == b->st_nlink &&
           a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
           a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* True if the answer is another one than before. */
static bool ask(struct stat_watch *s)
{
    struct stat now;
    bool is_now = stat(s->path, &now) == 0;

    if (is_now == s->is_now && (!is_now || is_same(&now, &s->now)))
        return false;
    s->is_before = s->is_now;
    s->before = s->now;
    s->is_now = is_now;
    s->now = now;
    /* It may be another file now. */
    if (is_now && s->fd >= 0)
        inotify_add_watch(s->fd, s->path, FILE_EVENTS);
    return true;
}

static void empty(int fd)
{
    char events[4096];

    while (tn__sys_read(fd, events, sizeof events) > 0)
        ;
}

static void look(struct stat_watch *s)
{
    if (s->fd >= 0)
        empty(s->fd);
    if (ask(s))
        tn__watch_queue(&s->w, 0);
}

/* ---- being told ---- */

static void stat_told(struct tn__hub_op *call)
{
    struct stat_watch *s = TN_CONTAINER(call, struct stat_watch, call);

    /* Within the poll; what follows is done in rearm's place. */
    tn__list_insert(&s->w.hub->watches->told, &s->w.role);
}

static int submit(struct stat_watch *s)
{
    long r;

    do {
        look(s);
        s->call.fn = stat_told;
        s->call.op =
            (struct tn__op){.code = TN__OP_POLL, .fd = s->fd, .flags = POLLIN};
        r = tn__loop_submit(&s->w.hub->loop, &s->call.op);
    } while (r > 0); /* more has come meanwhile */
    return r == TN__PENDING ? 0 : (int)r;
}

/* Look now and then, until there is memory. */
static void go_blind(struct stat_watch *s)
{
    struct tn_hub *h = s->w.hub;

    s->is_blind = true;
    if (s->interval_ns == 0 &&
        tn__hub_call_at(h, &s->timer, tn__clock_after(h->now, RETRY_NS)) < 0)
        tn__watch_queue(&s->w, 0);
}

void tn__watch_take_told(struct tn__watches *ws)
{
    while (!tn__list_is_empty(&ws->told)) {
        struct tn_watch *w = TN_CONTAINER(ws->told.next, struct tn_watch, role);

        tn__list_remove(&w->role);
        if (submit(stat_of(w)) < 0)
            go_blind(stat_of(w));
    }
}

static void stat_time(struct tn__hub_call *call)
{
    struct stat_watch *s = TN_CONTAINER(call, struct stat_watch, timer);
    struct tn_hub *h = s->w.hub;
    int64_t ns = s->interval_ns ? s->interval_ns : RETRY_NS;

    look(s);
    if (s->is_blind)
        s->is_blind = submit(s) < 0;
    if (s->interval_ns == 0 && !s->is_blind)
        return;
    if (tn__hub_call_at(h, call, tn__clock_after(h->now, ns)) < 0)
        tn__watch_queue(&s->w, 0);
}

/* ---- start and stop ---- */

static int begin_inotify(struct stat_watch *s)
{
    int r;

    s->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (s->fd < 0)
        return -errno;
    if (inotify_add_watch(s->fd, s->folder, FOLDER_EVENTS) < 0)
        return -errno;
    if (inotify_add_watch(s->fd, s->path, FILE_EVENTS) < 0 &&
        (errno == ENOSPC || errno == ENOMEM))
        return -errno; /* else there is none, or it is not ours to read */
    s->is_now = stat(s->path, &s->now) == 0;
    r = submit(s);
    return r;
}

static void end_inotify(struct stat_watch *s)
{
    if (s->fd < 0)
        return;
    if (s->w.hub) {
        tn__loop_cancel(&s->w.hub->loop, &s->call.op);
        tn__fd_closing(&s->w.hub->loop, s->fd);
    }
    tn__sys_close(s->fd);
    s->fd = -1;
}

static int stat_start(struct tn_watch *w)
{
    struct stat_watch *s = stat_of(w);
    int r = begin_inotify(s);

    s->is_before = s->is_blind = false;
    s->timer.fn = stat_time;
    if (r < 0) {
        end_inotify(s);
        if (s->interval_ns == 0)
            return r;
        s->is_now = stat(s->path, &s->now) == 0;
    }
    if (s->interval_ns == 0)
        return 0;
    r = tn__hub_call_at(
        w->hub, &s->timer,
        tn__clock_after(w->hub->loop.ops->now(&w->hub->loop), s->interval_ns));
    if (r < 0)
        end_inotify(s);
    return r;
}

static void stat_stop(struct tn_watch *w)
{
    tn__hub_call_cancel(w->hub, &stat_of(w)->timer);
    end_inotify(stat_of(w));
}

static void stat_free(struct tn_watch *w)
{
    end_inotify(stat_of(w)); /* in the child of a fork nobody has stopped it */
    free(stat_of(w)->path);
    free(stat_of(w)->folder);
}

static const struct tn__watch_ops stat_ops = {
    .start = stat_start, .stop = stat_stop, .free = stat_free};

/* The folder that holds the last name of `path`; NULL without memory. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

int tn_watch_stat_new(const char *path, int64_t interval_ns, tn_watch_fn fn,
                      void *arg, tn_watch **ret_w)
{
    struct tn_watch *w;
    int r;

    if (!path || !path[0] || interval_ns < 0 || !ret_w)
        return -EINVAL;
    r = tn__watch_make(&stat_ops, sizeof(struct stat_watch), fn, arg, &w);
    if (r < 0)
        return r;
    stat_of(w)->fd = -1;
    stat_of(w)->interval_ns = interval_ns;
    stat_of(w)->path = strdup(path);
    stat_of(w)->folder = folder_of(path);
    if (!stat_of(w)->path || !stat_of(w)->folder) {
        tn_watch_free(w);
        return -ENOMEM;
    }
    *ret_w = w;
    return 0;
}

const struct stat *tn_watch_stat_now(const tn_watch *w)
{
    const struct stat_watch *s = TN_CONTAINER(w, const struct stat_watch, w);

    return w && w->ops == &stat_ops && s->is_now ? &s->now : NULL;
}

const struct stat *tn_watch_stat_before(const tn_watch *w)
{
    const struct stat_watch *s = TN_CONTAINER(w, const struct stat_watch, w);

    return w && w->ops == &stat_ops && s->is_before ? &s->before : NULL;
}
