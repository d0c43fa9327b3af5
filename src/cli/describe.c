/* SPDX-License-Identifier: MIT */
/* cli/describe.c - what a green thread waits on, in words. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/client.h"

enum { FUTEX_PRIVATE = 128, POLLED_SHOWN = 4, PIDFD_GETFD = 438 };

/* Text that is put together; what does not fit is left out. */
struct out {
    char *to;
    size_t n, room;
};

static void add(struct out *o, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct out *o, const char *format, ...)
{
    va_list list;
    int n;

    va_start(list, format);
    n = vsnprintf(o->to + o->n, o->room - o->n, format, list);
    va_end(list);
    if (n > 0)
        o->n += (size_t)n < o->room - o->n ? (size_t)n : o->room - o->n - 1;
}

void tn__cli_span(int64_t ns, char *to, size_t room)
{
    double s = (double)(ns < 0 ? 0 : ns) / 1e9;

    if (s < 1)
        snprintf(to, room, "%.0f ms", s * 1000);
    else if (s < 120)
        snprintf(to, room, "%.1f s", s);
    else if (s < 7200)
        snprintf(to, room, "%.0f min", s / 60);
    else
        snprintf(to, room, "%.1f h", s / 3600);
}

/* ---- descriptors ---- */

static void add_address(struct out *o, const struct sockaddr_storage *a,
                        socklen_t bytes)
{
    char text[INET6_ADDRSTRLEN] = "?";

    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)a;

        inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
        add(o, "%s:%u", text, ntohs(in->sin_port));
    } else if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)a;

        inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text);
        add(o, "[%s]:%u", text, ntohs(in->sin6_port));
    } else if (a->ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const void *)a;
        size_t n = bytes - offsetof(struct sockaddr_un, sun_path);

        if (bytes > offsetof(struct sockaddr_un, sun_path))
            add(o, "%s%.*s", un->sun_path[0] ? "" : "@",
                (int)(n - !un->sun_path[0]), un->sun_path + !un->sun_path[0]);
    }
}

/* A socket: its protocol and both addresses. False: it is none. */
static bool add_socket(struct out *o, int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t bytes = sizeof a, n = sizeof(int);
    int domain, type;

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) < 0)
        return false;
    n = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0)
        return false;
    add(o, " (%s",
        domain == AF_UNIX                         ? "unix"
        : domain != AF_INET && domain != AF_INET6 ? "socket"
        : type == SOCK_STREAM                     ? "tcp"
                                                  : "udp");
    if (getsockname(fd, (struct sockaddr *)&a, &bytes) == 0) {
        add(o, " ");
        add_address(o, &a, bytes);
    }
    bytes = sizeof a;
    if (getpeername(fd, (struct sockaddr *)&a, &bytes) == 0) {
        add(o, " - ");
        add_address(o, &a, bytes);
    }
    add(o, ")");
    return true;
}

static void add_fd(struct out *o, pid_t pid, int fd)
{
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    int copy = process < 0 ? -1 : (int)syscall(PIDFD_GETFD, process, fd, 0);
    char path[64], link[256];
    ssize_t n;

    add(o, " %d", fd);
    if (process >= 0)
        close(process);
    if (copy >= 0) {
        bool is_socket = add_socket(o, copy);

        close(copy);
        if (is_socket)
            return;
    }
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    n = readlink(path, link, sizeof link - 1);
    if (n > 0)
        add(o, " (%.*s)", (int)n, link);
}

static void add_polled(struct out *o, pid_t pid, const struct tn__cli_thread *t)
{
    struct pollfd fds[POLLED_SHOWN];
    size_t n = t->args[1] < POLLED_SHOWN ? t->args[1] : POLLED_SHOWN;

    add(o, " of %llu:", (unsigned long long)t->args[1]);
    if (!tn__cli_read_memory(pid, t->args[0], fds, n * sizeof *fds))
        n = 0;
    for (size_t i = 0; i < n; i++)
        add_fd(o, pid, fds[i].fd);
    if (n < t->args[1])
        add(o, " ...");
}

/* ---- calls ---- */

static bool is_one_of(const char *call, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(call, *names) == 0)
            return true;
    return false;
}

void tn__cli_describe(const struct tn__cli_process *p,
                      const struct tn__cli_thread *t, char *to, size_t room)
{
    static const char *const sleeps[] = {"nanosleep", "clock_nanosleep", NULL};
    static const char *const polls[] = {"poll", "ppoll", NULL};
    static const char *const children[] = {"wait4", "waitid", NULL};
    struct out o = {to, 0, room};
    char span[TN_CLI_WORD];

    to[0] = '\0';
    if (strcmp(t->state, "waiting") != 0 || !t->call[0]) {
        add(&o, "%s", strcmp(t->state, "running") == 0 ? "runs" : "can run");
        return;
    }
    if (is_one_of(t->call, sleeps)) {
        add(&o, "sleep");
    } else if (is_one_of(t->call, children)) {
        int pid = (int)t->args[strcmp(t->call, "waitid") == 0];

        add(&o, "child ");
        if (pid > 0)
            add(&o, "%d", pid);
        else
            add(&o, "(any)");
    } else {
        add(&o, "%s", t->call);
        if (strcmp(t->call, "futex") == 0)
            add(&o, " %#llx%s", (unsigned long long)t->args[0],
                t->args[1] & FUTEX_PRIVATE ? "" : " (shared)");
        else if (is_one_of(t->call, polls))
            add_polled(&o, p->pid, t);
        else if (t->fd >= 0)
            add_fd(&o, p->pid, t->fd);
    }
    if (t->left_ns >= 0) {
        tn__cli_span(t->left_ns, span, sizeof span);
        add(&o, ", %s left", span);
    }
    tn__cli_make_printable(to);
}
