/* SPDX-License-Identifier: MIT */
/* net/process.c - child processes: starting and freeing them.
 *
 * A child's 0, 1 and 2 must block, whatever the descriptors that they come from
 * do: programs expect it. O_NONBLOCK belongs to the open file, which the parent
 * may go on using; so a pipe or terminal that has it is opened once more for
 * the child. A socket cannot be: it loses the flag, and the loop is told. */
#include "net/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <tendril/net.h>

#include "base/sized.h"
#include "base/sys.h"
#include "net/fd.h"

extern char **environ;

enum { ALL_FLAGS = 15 };

/* ---- what the child gets as 0, 1 and 2 ---- */

/* On the way to a child. */
struct streams {
    int child[3];  /* what it gets */
    int close[3];  /* of those, made for it; -1: none */
    int parent[3]; /* our ends of pipes; -1: none */
};

static void close_all(const int fds[3])
{
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            tn_close(fds[i]);
}

static int make_pipe(struct streams *s, int i)
{
    int fds[2], r;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    s->child[i] = s->close[i] = fds[i == 0 ? 0 : 1];
    s->parent[i] = fds[i == 0 ? 1 : 0];
    r = (int)tn__sys_fcntl(s->parent[i], F_SETFL,
                           O_NONBLOCK | (i == 0 ? O_WRONLY : O_RDONLY));
    return r < 0 ? r : tn__net_own(s->parent[i]);
}

/* The same open pipe or terminal, with an open file of its own that blocks. */
static int open_again(int fd, int flags)
{
    char path[40] = "/proc/self/fd/", digits[12];
    size_t n = 0, at = strlen(path);
    int copy, number = fd;

    do
        digits[n++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (n > 0)
        path[at++] = digits[--n];
    /* Opened so that it does not wait for the other end of a FIFO. */
    copy = open(path, (flags & (O_ACCMODE | O_APPEND)) | O_NONBLOCK |
                          O_CLOEXEC | O_NOCTTY);
    if (copy < 0)
        return -errno;
    if (tn__sys_fcntl(copy, F_SETFL, flags & O_APPEND) < 0) {
        close(copy);
        return -EINVAL;
    }
    return copy;
}

static void let_block(int fd, int flags)
{
    struct tn_hub *h = tn__hub_peek();
    struct tn__fd *f = h ? tn__fdtab_peek(&h->loop, fd) : NULL;

    tn__sys_fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    if (f)
        f->flags &= (uint8_t)~TN__FD_NONBLOCK;
}

static int take(struct streams *s, int i, int fd)
{
    long flags = tn__sys_fcntl(fd, F_GETFL, 0);
    struct stat st;
    int copy = -1;

    if (flags < 0)
        return (int)flags;
    s->child[i] = fd;
    if (!(flags & O_NONBLOCK) || fstat(fd, &st) < 0)
        return 0;
    if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
        copy = open_again(fd, (int)flags);
    if (copy >= 0)
        s->child[i] = s->close[i] = copy;
    else if (!S_ISREG(st.st_mode))
        let_block(fd, (int)flags);
    return 0;
}

/* As exec would: what is closed here, or is to be closed by exec (it may be a
 * descriptor of our own, in a program that has no 0), is closed there. */
static int inherit(struct streams *s, int i)
{
    long flags = tn__sys_fcntl(i, F_GETFD, 0);

    return flags < 0 || (flags & FD_CLOEXEC) ? 0 : take(s, i, i);
}

static int set_up(struct streams *s, int i, int how)
{
    switch (how) {
    case TN_PROCESS_INHERIT:
        return inherit(s, i);
    case TN_PROCESS_PIPE:
        return make_pipe(s, i);
    case TN_PROCESS_NULL:
        s->child[i] = s->close[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
        return s->child[i] < 0 ? -errno : 0;
    case TN_PROCESS_AS_OUTPUT:
        s->child[i] = s->child[1];
        return i == 2 ? 0 : -EINVAL;
    default:
        return how < 0 ? -EINVAL : take(s, i, how);
    }
}

static int set_up_streams(struct streams *s,
                          const struct tn_process_options *options)
{
    const int how[3] = {options->in, options->out, options->err};
    int r = 0;

    for (int i = 0; i < 3; i++)
        s->child[i] = s->close[i] = s->parent[i] = -1;
    for (int i = 0; i < 3 && r == 0; i++)
        r = set_up(s, i, how[i]);
    return r;
}

/* ---- starting ---- */

/* Ascending, without those that are 0, 1 or 2 anyway. */
static int sort_kept(const struct tn_process_options *options,
                     struct tn__exec *e)
{
    e->n_keep = 0;
    e->keep = NULL;
    if (options->n_keep == 0)
        return 0;
    e->keep = malloc(options->n_keep * sizeof *e->keep);
    if (!e->keep)
        return -ENOMEM;
    for (size_t i = 0; i < options->n_keep; i++) {
        int fd = options->keep[i];
        size_t at = e->n_keep;

        if (tn__sys_fcntl(fd, F_GETFD, 0) < 0)
            return -EBADF;
        if (fd < 3)
            continue;
        for (; at > 0 && e->keep[at - 1] > fd; at--)
            e->keep[at] = e->keep[at - 1];
        e->keep[at] = fd;
        e->n_keep++;
    }
    return 0;
}

static int judge(char *const argv[], const struct tn_process_options *options,
                 tn_process **ret_p)
{
    if (!argv || !argv[0] || !ret_p)
        return -EINVAL;
    if ((options->flags & ~(unsigned)ALL_FLAGS) ||
        (options->n_keep && !options->keep))
        return -EINVAL;
    return 0;
}

static int start(struct tn_process *p, char *const argv[],
                 const struct tn_process_options *options)
{
    struct tn__exec e = {.argv = argv,
                         .env = options->env ? options->env : environ,
                         .cwd = options->cwd,
                         .flags = options->flags};
    struct streams s;
    int r = set_up_streams(&s, options);

    if (r == 0)
        r = sort_kept(options, &e);
    if (r == 0) {
        memcpy(e.fds, s.child, sizeof e.fds);
        r = tn__process_exec(&e, &p->pid);
    }
    free(e.keep);
    close_all(s.close);
    if (r < 0) {
        close_all(s.parent);
        return r;
    }
    memcpy(p->pipes, s.parent, sizeof p->pipes);
    tn__fd_made(&p->hub->loop, p->pid.fd);
    return 0;
}

int tn_process_spawn(char *const argv[],
                     const struct tn_process_options *options,
                     tn_process **ret_p)
{
    struct tn_process_options full = TN_PROCESS_OPTIONS;
    struct tn_process *p;
    struct tn_hub *h;
    int r = tn__hub_self(&h);

    if (r == 0)
        r = tn__sized_read(&full, sizeof full, options);
    if (r == 0)
        r = judge(argv, &full, ret_p);
    if (r < 0)
        return r;
    p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->hub = h;
    p->result = -EAGAIN;
    p->is_leader = full.flags & (TN_PROCESS_GROUP | TN_PROCESS_SESSION);
    r = start(p, argv, &full);
    if (r < 0) {
        free(p);
        return r;
    }
    tn__process_waitable_init(p);
    *ret_p = p;
    return 0;
}

/* ---- its parts ---- */

int tn__process_check(const struct tn_process *p)
{
    if (!p)
        return -EINVAL;
    return p->hub == tn__hub_peek() ? 0 : -EXDEV;
}

pid_t tn_process_pid(const tn_process *p)
{
    return p->pid.pid;
}

int tn_process_fd(const tn_process *p, int which)
{
    if (!p || which < 0 || which > 2 || p->pipes[which] < 0)
        return -EBADF;
    return p->pipes[which];
}

int tn_process_close(tn_process *p, int which)
{
    int r = tn__process_check(p), fd;

    if (r < 0)
        return r;
    fd = tn_process_fd(p, which);
    if (fd < 0)
        return fd;
    p->pipes[which] = -1;
    return tn_close(fd);
}

/* ---- freeing ---- */

void tn__process_hold(struct tn_process *p)
{
    p->n_users++;
}

void tn__process_let_go(struct tn_process *p)
{
    TN_ASSERT(p->n_users > 0);
    if (--p->n_users == 0 && p->is_freed)
        free(p);
}

int tn_process_free(tn_process *p)
{
    int r;

    if (!p)
        return 0;
    r = tn__process_check(p);
    if (r < 0)
        return r;
    tn__process_hold(p);
    p->is_freed = true;
    for (int i = 0; i < 3; i++)
        tn_process_close(p, i);
    tn__process_waitable_fini(p);
    tn__pid_abandon(&p->pid);
    tn__process_let_go(p);
    return 0;
}
