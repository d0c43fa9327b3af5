/* SPDX-License-Identifier: MIT */
/* run/inspect.c - what `tendril ps` and `tendril stacks` ask for.
 *
 * A unix socket in a folder that only this user can enter, named by our process
 * number. Who connects is told all, in one descriptor: a file in memory with a
 * line for each green thread, so that the answer never waits for its reader.
 * The hub watches the socket; nothing is done until somebody comes. The answer
 * is made before a poll, when no green thread of this hub runs.
 *
 * Backtraces are the reader's work: it gets the registers of the point where
 * the program made its call, and reads our memory.
 *
 * A process has its socket from its start; a forked child from its second
 * thread on, since most children have none. Where the socket cannot be made
 * there is none, without a word. One whose process was killed is left behind:
 * readers see that nobody answers. */
#include "run/run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum {
    PATH_BYTES = sizeof((struct sockaddr_un *)NULL)->sun_path,
    TEXT_BYTES = 4096,
    LINE_BYTES = 1024, /* at most, of one green thread */
    FOLDERS = 3,       /* where the socket may be */
    BACKLOG = 8
};
#define AGAIN_NS 1000000000 /* after a failure to accept */

static struct {
    struct tn__hub_op op;      /* waits for a client */
    struct tn__hub_call again; /* when it may go on after a failure */
    int fd;                    /* the listener; -1: none */
    bool is_tried;             /* it was opened, or could not be */
    bool is_due;               /* there is a client */
    char runtime[PATH_BYTES];  /* XDG_RUNTIME_DIR; "": none */
    char path[PATH_BYTES];
} inspect = {.fd = -1};

/* ---- text ---- */

static struct {
    long fd; /* where it goes; -1: nowhere */
    size_t n;
    char at[TEXT_BYTES];
} text;

static void flush(void)
{
    size_t done = 0;

    while (done < text.n) {
        long r = tn__run_write_own(text.fd, text.at + done, text.n - done);

        if (r <= 0)
            break;
        done += (size_t)r;
    }
    text.n = 0;
}

static void put(const char *s)
{
    while (*s && text.n < TEXT_BYTES)
        text.at[text.n++] = *s++;
}

static void put_number(uint64_t n, unsigned base)
{
    char digits[24];
    size_t at = sizeof digits;

    digits[--at] = '\0';
    do
        digits[--at] = "0123456789abcdef"[n % base];
    while ((n /= base) > 0);
    put(digits + at);
}

static void put_signed(const char *name, int64_t n)
{
    put(name);
    if (n < 0)
        put("-");
    put_number(n < 0 ? -(uint64_t)n : (uint64_t)n, 10);
}

static void put_hex(const char *name, uint64_t n)
{
    put(name);
    put_number(n, 16);
}

/* Copy what fits; false if not all does. */
static bool append(char to[PATH_BYTES], const char *s)
{
    size_t n = 0;

    while (to[n])
        n++;
    while (*s && n < PATH_BYTES - 1)
        to[n++] = *s++;
    to[n] = '\0';
    return !*s;
}

static bool append_number(char to[PATH_BYTES], unsigned n)
{
    char digits[12];
    size_t at = sizeof digits;

    digits[--at] = '\0';
    do
        digits[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    return append(to, digits + at);
}

/* ---- a line for each ---- */

/* The registers of where it left the program, or of where it left for the hub
 * if it came by a symbol: then the engine's own frames are below. */
static void put_registers(const struct tn__run_green *green)
{
    static const char *const names[] = {
        " r12=", " r13=", " r14=", " r15=", " rbx=", " rbp=", " rip="};
    const struct tn__run_call *c = green->call;
    const uint64_t *sp = green->g.sp;

    if (green->g.state == TN_GREENLET_RUNNING)
        return;
    if (c && c->uc) {
        const struct tn__run_regs *r = (const void *)c->uc->uc_mcontext.gregs;
        const long saved[] = {r->r12, r->r13, r->r14, r->r15,
                              r->rbx, r->rbp, r->rip};

        for (size_t i = 0; i < sizeof saved / sizeof saved[0]; i++)
            put_hex(names[i], (uint64_t)saved[i]);
        put_hex(" rsp=", (uint64_t)r->rsp);
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        put_hex(names[i], sp[1 + i]); /* as switch.S has left them */
    put_hex(" rsp=", (uint64_t)(sp + 8));
}

static void put_call(const struct tn__run_green *green, tn_time now)
{
    const struct tn__run_call *c = green->call;
    const char *name = NULL;

    if (!c)
        return;
    if ((unsigned long)c->nr < TN__RUN_CALLS)
        name = tn__run_call_names[c->nr];
    put(" call=");
    put(name ? name : "?");
    for (size_t i = 0; i < sizeof c->a / sizeof c->a[0]; i++)
        put_hex(i ? "," : " args=", (uint64_t)c->a[i]);
    put_signed(" for=", (int64_t)(now - green->since));
    if (green->g.timer.slot)
        put_signed(" left=", (int64_t)(green->g.timer.when - now));
}

/* Last on the line: it may have any character but the end of a line. */
static void put_name(const struct tn__run_green *green)
{
    put(" name=");
    for (size_t i = 0; i < sizeof green->name && green->name[i]; i++) {
        char c[2] = {green->name[i], '\0'};

        put(c[0] == '\n' ? "?" : c);
    }
    put("\n");
}

static void put_green(const struct tn__run_green *green, tn_time now)
{
    static const char *const states[] = {[TN_GREENLET_READY] = "ready",
                                         [TN_GREENLET_RUNNING] = "running",
                                         [TN_GREENLET_WAITING] = "waiting"};
    unsigned state = green->g.state;
    const char *word =
        state < sizeof states / sizeof states[0] ? states[state] : NULL;

    put_signed("tid=", green->tid);
    put(" state=");
    put(word ? word : "other");
    put_signed(" fd=", state == TN_GREENLET_WAITING ? green->g.wait_fd : -1);
    put_call(green, now);
    put_registers(green);
    put_name(green);
    if (text.n > TEXT_BYTES - LINE_BYTES)
        flush();
}

/* ---- deadlock ---- */

/* It waits, without a timeout, for what only another thread of this process
 * can do: a futex that nobody shares, or another's end. */
static bool waits_for_us(const struct tn__run_green *green)
{
    enum { PRIVATE = 128, REALTIME = 256, WAIT = 0, LOCK = 6, WAIT_BITS = 9 };
    const struct tn__run_call *c = green->call;
    int op;

    if (green->g.state != TN_GREENLET_WAITING || !c || c->nr != SYS_futex)
        return false;
    op = (int)c->a[1] & ~(PRIVATE | REALTIME);
    if ((op != WAIT && op != LOCK && op != WAIT_BITS) || c->a[3])
        return false;
    return (c->a[1] & PRIVATE) || (op != LOCK && c->a[2] >= TN__RUN_TID_MIN &&
                                   tn__run_find_tid((int)c->a[2]));
}

/* Some handler of the program may yet do what a thread waits for. */
static bool has_handlers(void)
{
    static const unsigned char faults[] = {SIGILL,  SIGTRAP, SIGABRT, SIGBUS,
                                           SIGFPE,  SIGSEGV, SIGPIPE, SIGSYS,
                                           SIGXCPU, SIGXFSZ};
    tn__run_set own = 3ul << 31; /* libc's, 32 and 33 */

    for (size_t i = 0; i < sizeof faults; i++)
        own |= tn__run_bit(faults[i]);
    for (int sig = 1; sig <= TN__RUN_SIGNALS; sig++)
        if (!(own & tn__run_bit(sig)) && tn__run_has_handler(sig))
            return true;
    return false;
}

enum deadlock { NONE, BUT_FOR_SIGNALS, FULL };

static enum deadlock find_deadlock(void)
{
    for (struct tn__list *n = tn__run.greens.next; n != &tn__run.greens;
         n = n->next)
        if (!waits_for_us(TN_CONTAINER(n, struct tn__run_green, all)))
            return NONE;
    return has_handlers() ? BUT_FOR_SIGNALS : FULL;
}

void tn__run_inspect_deadlock(void)
{
    static bool is_told;

    if (is_told || tn__run_hub.tail || find_deadlock() != FULL)
        return;
    is_told = true;
    text.n = 0;
    text.fd = 2;
    put_signed("tendril: deadlock in process ", tn__run.pid);
    put_signed(": each of its ", (int64_t)tn__run.counts.alive);
    put(" threads waits for another of them, for ever; `tendril stacks ");
    put_number((uint64_t)tn__run.pid, 10);
    put("` shows where\n");
    flush();
}

/* ---- the answer ---- */

static void put_all(void)
{
    static const char *const words[] = {"no", "but-for-signals", "yes"};
    tn_time now = tn__run_hub.loop.ops->now(&tn__run_hub.loop);

    put("tendril 1\n");
    put_signed("pid=", tn__run.pid);
    put_signed(" threads=", (int64_t)tn__run.counts.alive);
    put_signed(" switches=", (int64_t)tn__run_hub.n_switches);
    put(" deadlock=");
    put(words[find_deadlock()]);
    put("\n");
    for (struct tn__list *n = tn__run.greens.next; n != &tn__run.greens;
         n = n->next)
        put_green(TN_CONTAINER(n, struct tn__run_green, all), now);
    put("end\n");
    flush();
}

/* Give them the file. */
static void pass(long client, int file)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof file)];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof file),
                          .cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS}};
    char one = 1;
    struct iovec iov = {&one, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control.bytes};

    *(int *)(void *)CMSG_DATA(&control.head) = file;
    tn__raw3(SYS_sendmsg, client, (long)&msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Only this user and root are told anything. */
static bool may_ask(long client)
{
    struct ucred peer;
    socklen_t bytes = sizeof peer;
    long r = tn__raw(SYS_getsockopt, client, SOL_SOCKET, SO_PEERCRED,
                     (long)&peer, (long)&bytes, 0);

    return r == 0 &&
           (peer.uid == 0 || peer.uid == (uid_t)tn__raw1(SYS_geteuid, 0));
}

static void answer(long client)
{
    text.n = 0;
    text.fd = may_ask(client) ? tn__raw3(SYS_memfd_create, (long)"tendril-ps",
                                         MFD_CLOEXEC, 0)
                              : -1;
    if (text.fd < 0)
        return;
    put_all();
    pass(client, (int)text.fd);
    tn__raw1(SYS_close, text.fd);
}

/* ---- the socket ---- */

static void on_client(struct tn__hub_op *op)
{
    (void)op;
    inspect.is_due = true;
}

static void watch(void)
{
    if (inspect.fd < 0)
        return;
    inspect.op = (struct tn__hub_op){
        .op = {.code = TN__OP_POLL, .fd = inspect.fd, .flags = POLLIN},
        .fn = on_client};
    inspect.is_due =
        tn__loop_submit(&tn__run_hub.loop, &inspect.op.op) != TN__PENDING;
}

static void go_on(struct tn__hub_call *call)
{
    (void)call;
    watch();
}

void tn__run_inspect_serve(void)
{
    long client;

    if (TN_LIKELY(!inspect.is_due))
        return;
    inspect.is_due = false;
    for (;;) {
        client = tn__raw4(SYS_accept4, inspect.fd, 0, 0,
                          SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0)
            break;
        answer(client);
        tn__raw1(SYS_close, client);
    }
    if (client == -EAGAIN || client == -ECONNABORTED || client == -EINTR) {
        watch();
        return;
    }
    inspect.again.fn = go_on; /* there is no descriptor free, or the like */
    tn__hub_call_at(&tn__run_hub, &inspect.again,
                    tn__clock_after(tn__clock_now(), AGAIN_NS));
}

/* A folder that is ours alone, made if it is not there. */
static bool is_private_folder(const char *path)
{
    struct stat st;

    tn__raw3(SYS_mkdir, (long)path, 0700, 0);
    return tn__raw3(SYS_lstat, (long)path, (long)&st, 0) == 0 &&
           S_ISDIR(st.st_mode) && !(st.st_mode & 077) &&
           st.st_uid == (uid_t)tn__raw1(SYS_geteuid, 0);
}

/* The n-th folder where it may be: see tendril-ps(1). False: there is none. */
static bool folder(int n, char path[PATH_BYTES])
{
    unsigned user = (unsigned)tn__raw1(SYS_geteuid, 0);

    path[0] = '\0';
    if (n == 0)
        return inspect.runtime[0] && append(path, inspect.runtime) &&
               append(path, "/tendril");
    if (n == 1)
        return user == 0 && append(path, "/run/tendril");
    return append(path, "/tmp/tendril-") && append_number(path, user);
}

/* A listener at inspect.path, or a negative errno. */
static long make_listener(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    long fd = tn__raw3(SYS_socket, AF_UNIX,
                       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    long r;

    if (fd < 0)
        return fd;
    append(name.sun_path, inspect.path);
    tn__raw1(SYS_unlink, (long)inspect.path); /* of a process long gone */
    r = tn__raw3(SYS_bind, fd, (long)&name, sizeof name);
    if (r == 0)
        r = tn__raw3(SYS_chmod, (long)inspect.path, 0600, 0);
    if (r == 0)
        r = tn__raw3(SYS_listen, fd, BACKLOG, 0);
    if (r == 0)
        return tn__run_fd_hide(fd);
    tn__raw1(SYS_close, fd);
    return r;
}

void tn__run_inspect_open(void)
{
    if (inspect.is_tried)
        return;
    inspect.is_tried = true;
    for (int n = 0; tn__run.has_ps && n < FOLDERS && inspect.fd < 0; n++)
        if (folder(n, inspect.path) && is_private_folder(inspect.path) &&
            append(inspect.path, "/") &&
            append_number(inspect.path, (unsigned)tn__run.pid))
            inspect.fd = (int)make_listener();
    if (inspect.fd >= 0)
        watch();
    else
        inspect.fd = -1;
}

void tn__run_inspect_init(void)
{
    const char *runtime = tn__run.runtime;

    if (runtime[0] != '/' || !append(inspect.runtime, runtime))
        inspect.runtime[0] = '\0';
    tn__run_inspect_open();
}

void tn__run_inspect_in_child(void)
{
    inspect.fd = -1;
    inspect.is_tried = inspect.is_due = false;
    inspect.again.timer.slot = 0;
}

bool tn__run_inspect_give_up(int fd)
{
    if (fd != inspect.fd)
        return false;
    tn__run_inspect_close();
    tn__loop_cancel(&tn__run_hub.loop, &inspect.op.op);
    tn__fd_closing(&tn__run_hub.loop, fd);
    tn__sys_close(fd);
    inspect.fd = -1;
    return true;
}

void tn__run_inspect_close(void)
{
    if (inspect.fd >= 0)
        tn__raw1(SYS_unlink, (long)inspect.path);
}
