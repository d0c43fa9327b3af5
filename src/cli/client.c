/* SPDX-License-Identifier: MIT */
/* cli/client.c - asks a process under `tendril run`. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"

enum { PATIENCE_S = 2, FOLDERS = 4 };

/* ---- where the sockets are ---- */

/* The n-th folder in which the processes of `user` may have them. False: there
 * is no such one. */
static bool folder(int n, uid_t user, char path[PATH_MAX])
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int r = 0;

    switch (n) {
    case 0:
        if (!runtime || runtime[0] != '/')
            return false;
        r = snprintf(path, PATH_MAX, "%s/tendril", runtime);
        break;
    case 1:
        r = snprintf(path, PATH_MAX, "/run/user/%u/tendril", (unsigned)user);
        break;
    case 2:
        r = snprintf(path, PATH_MAX, "/run/tendril");
        break;
    default:
        r = snprintf(path, PATH_MAX, "/tmp/tendril-%u", (unsigned)user);
    }
    return r > 0 && r < PATH_MAX;
}

/* Nobody but this user could have put something there. */
static bool is_private(const char *path, uid_t user)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
           !(st.st_mode & 077) && st.st_uid == user;
}

static bool user_of(pid_t pid, uid_t *ret)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    if (stat(path, &st) < 0)
        return false;
    *ret = st.st_uid;
    return true;
}

/* A connection to the socket in this folder, or a negative errno. */
static int connect_in(const char *path, pid_t pid)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int n =
        snprintf(name.sun_path, sizeof name.sun_path, "%s/%d", path, (int)pid);
    int fd, r;

    if (n < 0 || (size_t)n >= sizeof name.sun_path)
        return -ENAMETOOLONG;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&name, sizeof name) == 0)
        return fd;
    r = -errno;
    close(fd);
    return r;
}

/* The connection, or a negative errno: -ENOENT if there is no socket. */
static int connect_to(pid_t pid, uid_t user)
{
    char path[PATH_MAX];
    int r = -ENOENT;

    for (int n = 0; n < FOLDERS; n++) {
        int fd;

        if (!folder(n, user, path) || !is_private(path, user))
            continue;
        fd = connect_in(path, pid);
        if (fd >= 0)
            return fd;
        if (fd != -ENOENT && fd != -ECONNREFUSED)
            r = fd;
    }
    return r;
}

/* ---- the answer ---- */

/* The file that the process gives, or -1. */
static int receive(int fd)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char one;
    struct iovec iov = {&one, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control.bytes};
    struct cmsghdr *c;
    int file = -1;

    if (recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) <= 0)
        return -1;
    c = CMSG_FIRSTHDR(&msg);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof file))
        memcpy(&file, CMSG_DATA(c), sizeof file);
    return file;
}

/* The text behind ` name` on this line, up to a space; NULL: not there. */
static const char *value(const char *line, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = line; at; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (strncmp(at, name, n) == 0 && at[n] == '=')
            return at + n + 1;
        if (strncmp(at, "name=", 5) == 0)
            return NULL; /* what follows is the program's */
    }
    return NULL;
}

static int64_t number(const char *line, const char *name, int base,
                      int64_t otherwise)
{
    const char *text = value(line, name);

    return text ? (int64_t)strtoull(text, NULL, base) : otherwise;
}

static void word(const char *line, const char *name, char to[TN_CLI_WORD])
{
    const char *text = value(line, name);
    size_t n = text ? strcspn(text, " ") : 0;

    if (n >= TN_CLI_WORD)
        n = TN_CLI_WORD - 1;
    if (text)
        memcpy(to, text, n);
    to[n] = '\0';
}

static void read_thread(const char *line, struct tn__cli_thread *t)
{
    const char *args = value(line, "args"), *name = strstr(line, " name=");

    *t = (struct tn__cli_thread){0};
    t->tid = (int)number(line, "tid", 10, 0);
    t->fd = (int)number(line, "fd", 10, -1);
    word(line, "state", t->state);
    tn__cli_make_printable(t->state);
    word(line, "call", t->call);
    for (int i = 0; args && i < TN_CLI_ARGS; i++) {
        char *end;

        t->args[i] = strtoull(args, &end, 16);
        args = *end == ',' ? end + 1 : NULL;
    }
    t->for_ns = number(line, "for", 10, 0);
    t->left_ns = number(line, "left", 10, -1);
    t->has_registers = value(line, "rip");
    t->at =
        (struct tn__cli_registers){.rbx = (uint64_t)number(line, "rbx", 16, 0),
                                   .rbp = (uint64_t)number(line, "rbp", 16, 0),
                                   .rsp = (uint64_t)number(line, "rsp", 16, 0),
                                   .r12 = (uint64_t)number(line, "r12", 16, 0),
                                   .r13 = (uint64_t)number(line, "r13", 16, 0),
                                   .r14 = (uint64_t)number(line, "r14", 16, 0),
                                   .r15 = (uint64_t)number(line, "r15", 16, 0),
                                   .rip = (uint64_t)number(line, "rip", 16, 0)};
    if (name)
        snprintf(t->name, sizeof t->name, "%s", name + strlen(" name="));
}

void tn__cli_make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            *text = '?';
}

static void name_main(struct tn__cli_process *p)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/comm", (int)p->pid);
    f = fopen(path, "re");
    for (size_t i = 0; f && i < p->n; i++) {
        struct tn__cli_thread *t = &p->threads[i];

        if (!t->name[0]) {
            rewind(f);
            if (!fgets(t->name, sizeof t->name, f))
                t->name[0] = '\0';
            t->name[strcspn(t->name, "\n")] = '\0';
        }
        tn__cli_make_printable(t->name);
    }
    if (f)
        fclose(f);
}

/* False: it is not as it should be. */
static bool read_answer(FILE *f, struct tn__cli_process *p)
{
    char *line = NULL;
    size_t room = 0, threads_room = 0;
    bool is_whole = false;
    ssize_t n;

    for (int at = 0; (n = getline(&line, &room, f)) > 0; at++) {
        line[n - 1] = '\0';
        if (at == 0 && strcmp(line, "tendril 1") != 0)
            break;
        if (at == 1) {
            p->switches = (uint64_t)number(line, "switches", 10, 0);
            word(line, "deadlock", p->deadlock);
        }
        is_whole = strcmp(line, "end") == 0;
        if (at < 2 || is_whole)
            continue;
        if (p->n == threads_room) {
            struct tn__cli_thread *more;

            threads_room = threads_room ? 2 * threads_room : 64;
            more = realloc(p->threads, threads_room * sizeof *more);
            if (!more)
                break;
            p->threads = more;
        }
        read_thread(line, &p->threads[p->n++]);
    }
    free(line);
    name_main(p);
    return is_whole;
}

enum tn__cli_answer tn__cli_ask(pid_t pid, struct tn__cli_process *ret)
{
    struct timeval patience = {PATIENCE_S, 0};
    struct tn__cli_process p = {.pid = pid};
    uid_t user;
    int fd, file;
    FILE *f;

    if (!user_of(pid, &user))
        return TN_CLI_NOBODY;
    fd = connect_to(pid, user);
    if (fd < 0)
        return fd == -EACCES || fd == -EPERM ? TN_CLI_DENIED
               : fd == -EAGAIN               ? TN_CLI_BUSY
                                             : TN_CLI_NOBODY;
    fcntl(fd, F_SETFL, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    errno = 0;
    file = receive(fd);
    close(fd);
    if (file < 0)
        return errno == EAGAIN ? TN_CLI_BUSY : TN_CLI_DENIED;
    f = fdopen(file, "r");
    if (!f) {
        close(file);
        return TN_CLI_NOBODY;
    }
    rewind(f);
    if (!read_answer(f, &p)) {
        tn__cli_process_free(&p);
        fclose(f);
        return TN_CLI_CUT;
    }
    fclose(f);
    *ret = p;
    return TN_CLI_ANSWERED;
}

void tn__cli_process_free(struct tn__cli_process *p)
{
    free(p->threads);
    p->threads = NULL;
    p->n = 0;
}

/* ---- all of them ---- */

static void each_in(const char *path, void (*fn)(pid_t pid, void *arg),
                    void *arg)
{
    DIR *dir = opendir(path);
    struct dirent *e;

    while (dir && (e = readdir(dir))) {
        char *end, name[PATH_MAX];
        long pid = strtol(e->d_name, &end, 10);
        struct stat st;

        if (pid <= 0 || *end)
            continue;
        snprintf(name, sizeof name, "/proc/%ld", pid);
        if (stat(name, &st) == 0) {
            fn((pid_t)pid, arg);
            continue;
        }
        /* Its process was killed. */
        unlinkat(dirfd(dir), e->d_name, 0);
    }
    if (dir)
        closedir(dir);
}

void tn__cli_each_process(void (*fn)(pid_t pid, void *arg), void *arg)
{
    char seen[FOLDERS][PATH_MAX];

    for (int n = 0; n < FOLDERS; n++) {
        bool is_new =
            folder(n, getuid(), seen[n]) && is_private(seen[n], getuid());

        for (int i = 0; is_new && i < n; i++)
            is_new = strcmp(seen[i], seen[n]) != 0;
        if (is_new)
            each_in(seen[n], fn, arg);
        else
            seen[n][0] = '\0';
    }
}

bool tn__cli_read_memory(pid_t pid, uint64_t at, void *to, size_t bytes)
{
    struct iovec here = {to, bytes}, there = {(void *)at, bytes};

    return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)bytes;
}

/* What the kernel thread of one that is busy does. */
static int say_busy(pid_t pid)
{
    char path[64], line[256] = "";
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
    f = fopen(path, "re");
    if (f) {
        if (!fgets(line, sizeof line, f))
            line[0] = '\0';
        fclose(f);
    }
    line[strcspn(line, "\n")] = '\0';
    if (line[0] >= '0' && line[0] <= '9')
        return tn__cli_fail(1,
                            "process %d does not answer: it is in one call "
                            "of the kernel (number and arguments: %s)",
                            (int)pid, line);
    return tn__cli_fail(1,
                        "process %d does not answer: one of its threads "
                        "computes, or it is stopped",
                        (int)pid);
}

int tn__cli_ask_for(const char *text, struct tn__cli_process *ret)
{
    char *end;
    long pid = strtol(text, &end, 10);

    if (pid <= 0 || pid > INT_MAX || *end)
        return tn__cli_fail(EXIT_USAGE, "`%s` is no process number", text);
    switch (tn__cli_ask((pid_t)pid, ret)) {
    case TN_CLI_ANSWERED:
        return 0;
    case TN_CLI_BUSY:
        return say_busy((pid_t)pid);
    case TN_CLI_CUT:
        return tn__cli_fail(1,
                            "the answer of process %ld is cut off: its limit "
                            "of memory or of file sizes (`ulimit -f`) is low",
                            pid);
    case TN_CLI_DENIED:
        return tn__cli_fail(1, "process %ld belongs to another user", pid);
    default:
        return tn__cli_fail(1,
                            "process %ld does not run under `tendril run`, "
                            "or was told --no-ps",
                            pid);
    }
}
