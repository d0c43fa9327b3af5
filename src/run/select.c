/* SPDX-License-Identifier: MIT */
/* run/select.c - select() and pselect(), by poll().
 *
 * A number of descriptors beyond the process's table is cut down to that, as in
 * Linux: programs pass the limit of all descriptors with a set that is smaller.
 * The table is larger here, for our own descriptors are in it. So what is
 * behind a set of the usual size is believed only up to the last descriptor of
 * the program that is open. */
#include "run/wait.h"

#include <poll.h>
#include <sys/select.h>
#include <sys/time.h>

enum {
    FEW = 8, /* so many fit on the stack of a small thread */
    BITS = 64,
    USUAL = FD_SETSIZE,
    MOST = 1 << 20 /* descriptors */
};

/* The three sets, copied; those that were not given are empty. */
struct sets {
    uint64_t *in, *out, *urgent;
    int n;
};

static size_t words_of(int n)
{
    return ((size_t)n + BITS - 1) / BITS;
}

static int bit(const uint64_t *set, int fd)
{
    return (int)(set[fd / BITS] >> (fd % BITS) & 1);
}

static int events_of(const struct sets *s, int fd)
{
    return (bit(s->in, fd) ? POLLIN : 0) | (bit(s->out, fd) ? POLLOUT : 0) |
           (bit(s->urgent, fd) ? POLLPRI : 0);
}

static bool is_empty(const struct sets *s, int word)
{
    return (s->in[word] | s->out[word] | s->urgent[word]) == 0;
}

/* The next descriptor of any set, from `fd` on; s->n: none. */
static int next_of(const struct sets *s, int fd)
{
    while (fd < s->n && !events_of(s, fd))
        fd = is_empty(s, fd / BITS) ? (fd / BITS + 1) * BITS : fd + 1;
    return fd < s->n ? fd : s->n;
}

static size_t count_fds(const struct sets *s)
{
    size_t n = 0;

    for (int fd = next_of(s, 0); fd < s->n; fd = next_of(s, fd + 1))
        n++;
    return n;
}

static void fill(const struct sets *s, struct pollfd *fds)
{
    for (int fd = next_of(s, 0); fd < s->n; fd = next_of(s, fd + 1))
        *fds++ = (struct pollfd){.fd = fd, .events = (short)events_of(s, fd)};
}

/* ---- the program's sets ---- */

/* Is a bit of it set, from the usual size on? As far as it can be read. */
static bool has_more(long set, int n)
{
    uint64_t words[BITS];

    for (size_t at = words_of(USUAL); set && at < words_of(n); at += BITS) {
        size_t count = words_of(n) - at < BITS ? words_of(n) - at : BITS;
        long r;

        for (size_t i = 0; i < count; i++)
            words[i] = 0;
        r = tn__run_copy(words, (const uint64_t *)set + at,
                         count * sizeof words[0]);
        for (size_t i = 0; i < count; i++)
            if (words[i])
                return true;
        if (r < 0)
            return false;
    }
    return false;
}

static int cut(const struct tn__run_call *c)
{
    int n = (int)c->a[0], end;

    if (n <= USUAL)
        return n;
    if (n > MOST)
        n = MOST;
    if (!has_more(c->a[1], n) && !has_more(c->a[2], n) && !has_more(c->a[3], n))
        return USUAL;
    end = (int)words_of(tn__run_fds_end()) * BITS;
    if (end < USUAL)
        end = USUAL;
    return n < end ? n : end;
}

static long get(uint64_t *to, long set, size_t words)
{
    if (set)
        return tn__run_copy(to, (const void *)set, words * sizeof *to);
    for (size_t i = 0; i < words; i++)
        to[i] = 0;
    return 0;
}

static long put(const uint64_t *from, long set, size_t words)
{
    return set ? tn__run_copy((void *)set, from, words * sizeof *from) : 0;
}

/* ---- the answer ---- */

/* Of what was asked for, what select() takes `got` for. */
static int counted(int asked, int got)
{
    return ((got & (POLLIN | POLLHUP | POLLERR)) ? asked & POLLIN : 0) |
           ((got & (POLLOUT | POLLERR)) ? asked & POLLOUT : 0) |
           (asked & got & POLLPRI);
}

/* poll() tells more: that a peer is gone, to one who waits for urgent data. */
static bool is_found(const struct pollfd *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((fds[i].revents & POLLNVAL) ||
            counted(fds[i].events, fds[i].revents))
            return true;
    return false;
}

static long mark(uint64_t *set, int fd, bool is_ready)
{
    uint64_t its = (uint64_t)1 << (fd % BITS);

    set[fd / BITS] = is_ready ? set[fd / BITS] | its : set[fd / BITS] & ~its;
    return is_ready;
}

/* Answer in our sets. How many bits are set. */
static long answer(const struct sets *s, const struct pollfd *fds, size_t n)
{
    long total = 0;

    for (size_t i = 0; i < n; i++) {
        int found = counted(fds[i].events, fds[i].revents), fd = fds[i].fd;

        if (fds[i].revents & POLLNVAL)
            return -EBADF;
        total += mark(s->in, fd, found & POLLIN);
        total += mark(s->out, fd, found & POLLOUT);
        total += mark(s->urgent, fd, found & POLLPRI);
    }
    return total;
}

static long wait_for(const struct sets *s, tn_time deadline)
{
    struct pollfd few[FEW], *fds = few;
    size_t n = count_fds(s);
    long r;

    if (n > FEW) {
        fds = tn__sys_map(n * sizeof *fds);
        if (!fds)
            return -ENOMEM;
    }
    fill(s, fds);
    r = tn__run_poll_all(fds, n, deadline, is_found);
    if (r >= 0)
        r = answer(s, fds, n);
    if (fds != few)
        tn__sys_unmap(fds, n * sizeof *fds);
    return r;
}

static long with_copies(struct tn__run_call *c, int n, uint64_t *room)
{
    size_t words = words_of(n);
    struct sets s = {room, room + words, room + 2 * words, n};
    long r;

    if (get(s.in, c->a[1], words) < 0 || get(s.out, c->a[2], words) < 0 ||
        get(s.urgent, c->a[3], words) < 0)
        return -EFAULT;
    r = wait_for(&s, c->deadline);
    if (r < 0)
        return r;
    if (put(s.in, c->a[1], words) < 0 || put(s.out, c->a[2], words) < 0 ||
        put(s.urgent, c->a[3], words) < 0)
        return -EFAULT;
    return r;
}

static long select_until(struct tn__run_call *c)
{
    enum { ROOM = 3 * USUAL / BITS };
    uint64_t few[ROOM], *room = few;
    size_t bytes;
    int n;
    long r;

    if ((int)c->a[0] < 0)
        return -EINVAL;
    n = cut(c);
    bytes = 3 * words_of(n) * sizeof *room;
    if (bytes > sizeof few) {
        room = tn__sys_map(bytes);
        if (!room)
            return -ENOMEM;
    }
    r = with_copies(c, n, room);
    if (room != few)
        tn__sys_unmap(room, bytes);
    return r;
}

/* ---- the calls ---- */

static int keep_timeval(struct tn__run_call *c, const struct timeval *given)
{
    struct timeval t;

    if (!given || c->has_deadline)
        return tn__run_keep_deadline(c, NULL);
    if (tn__run_copy(&t, given, sizeof t) < 0)
        return -EFAULT;
    if (t.tv_sec < 0 || t.tv_usec < 0)
        return -EINVAL;
    return tn__run_keep_deadline(
        c, &(struct timespec){t.tv_sec + t.tv_usec / 1000000,
                              t.tv_usec % 1000000 * 1000});
}

long tn__run_select(struct tn__run_call *c)
{
    struct timeval *given = (struct timeval *)c->a[4];
    long r = keep_timeval(c, given);

    if (r == 0)
        r = select_until(c);
    if (given && c->has_deadline && c->deadline != TN_NOWAIT) {
        struct timespec t = tn__run_rest_of(c->deadline);
        struct timeval rest = {t.tv_sec, t.tv_nsec / 1000};

        tn__run_copy(given, &rest, sizeof rest);
    }
    return r;
}

long tn__run_pselect6(struct tn__run_call *c)
{
    struct {
        const tn__run_set *mask;
        size_t bytes;
    } sixth = {NULL, 0};
    long r;

    if (c->a[5] && tn__run_copy(&sixth, (const void *)c->a[5],
                                sizeof sixth) < 0)
        return -EFAULT;
    r = tn__run_keep_deadline(c, (const struct timespec *)c->a[4]);
    if (r == 0)
        r = tn__run_mask_borrow(sixth.mask, sixth.bytes);
    if (r == 0)
        r = tn__run_found_or_signal(select_until(c));
    tn__run_tell_rest(c, (struct timespec *)c->a[4]);
    tn__run_mask_give_back(r);
    return r;
}
