/* SPDX-License-Identifier: MIT */
/* table - calls each function of libtendril-patch twice, in a process of its
 * own each time: in a greenlet, while another greenlet of the same thread
 * runs, and by a thread without a hub, which it must block as libc does.
 *
 * usage: table NAME...   (the names of src/patch/symbols.txt)
 *
 * A name without a row, or a row without a name, fails. Reports TAP. */
#include "table.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <tendril/tendril.h>
#include <unistd.h>

enum { SECONDS = 20 };

static void must(bool is, const char *what)
{
    if (is)
        return;
    printf("# %s: %s\n", what, strerror(errno));
    fflush(stdout);
    _exit(1);
}

/* ---- scenes ---- */

void with_nothing(struct scene *s)
{
    (void)s;
}

void with_pipe(struct scene *s)
{
    int fds[2];

    must(pipe(fds) == 0, "pipe");
    s->in = fds[0];
    s->out = fds[1];
}

static void with_socketpair(struct scene *s, int type)
{
    int fds[2];

    must(socketpair(AF_UNIX, type, 0, fds) == 0, "socketpair");
    s->in = fds[0];
    s->out = fds[1];
}

void with_pair(struct scene *s)
{
    with_socketpair(s, SOCK_STREAM);
}

void with_datagrams(struct scene *s)
{
    with_socketpair(s, SOCK_DGRAM);
}

void put(struct scene *s)
{
    must(write(s->out, "x", 1) == 1, "put");
}

char *pattern(void)
{
    char *bytes = malloc(BIG);

    must(bytes != NULL, "memory");
    for (int i = 0; i < BIG; i++)
        bytes[i] = (char)(i * 7 + i / 1000);
    return bytes;
}

void drain(struct scene *s)
{
    char *wanted = pattern(), *bytes = malloc(BIG);
    ssize_t n = 0, r = 1;

    must(bytes != NULL, "memory");
    for (; n < BIG && r > 0; n += r)
        r = read(s->in, bytes + n, (size_t)(BIG - n));
    must(n == BIG && memcmp(bytes, wanted, BIG) == 0, "drain");
    free(bytes);
    free(wanted);
}

/* ---- in a greenlet ---- */

struct run {
    const struct row *row;
    struct scene scene;
    int n_ticks;            /* how often another greenlet ran */
    bool is_begun, is_done; /* atomic, where threads use it */
    int result;
    pid_t tid;
};

static int call_inside(void *arg)
{
    struct run *run = arg;
    int before;

    must(tn_patch_parks() == 1, "a greenlet parks");
    run->is_begun = true;
    before = run->n_ticks;
    run->result = run->row->call(&run->scene);
    run->n_ticks -= before;
    run->is_done = true;
    return 0;
}

static int tick(void *arg)
{
    struct run *run = arg;

    while (!run->is_done) {
        run->n_ticks++;
        if (tn_sleep(tn_after_us(200)) < 0)
            return -1;
    }
    return 0;
}

/* In a process of its own: its exit status. */
static int test_inside(const struct row *row)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    struct run run = {.row = row, .scene = {.is_inside = true, .other = -1}};
    tn_greenlet *g, *ticker;

    options.stack_bytes = 256 * 1024;
    run.scene.in = run.scene.out = -1;
    must(tn_spawn(tick, &run, &ticker) == 0 && tn_yield() == 0, "spawn");
    row->begin(&run.scene);
    must(tn_spawn_with(&options, call_inside, &run, &g) == 0, "spawn");
    while (!run.is_begun)
        must(tn_yield() == 0, "yield");
    if (row->release) {
        must(tn_sleep(tn_after_ms(2)) == 0, "sleep");
        must(!run.is_done || !row->waits, "it did not wait");
        row->release(&run.scene);
    }
    must(tn_join(g, NULL, tn_after_s(SECONDS / 2)) == 0, "it did not end");
    must(run.n_ticks > 0 || !(row->waits || row->waits_inside),
         "no other greenlet ran meanwhile");
    must(tn_join(ticker, NULL, TN_FOREVER) == 0, "join");
    return run.result == 0 ? 0 : 1;
}

/* ---- by a plain thread ---- */

static void *call_outside(void *arg)
{
    struct run *run = arg;

    must(tn_patch_parks() == 0, "a thread without a hub does not park");
    run->tid = (pid_t)syscall(SYS_gettid);
    __atomic_store_n(&run->is_begun, true, __ATOMIC_RELEASE);
    run->result = run->row->call(&run->scene);
    must(tn_patch_parks() == 0, "it got a hub");
    __atomic_store_n(&run->is_done, true, __ATOMIC_RELEASE);
    return NULL;
}

/* Whether the kernel says that the thread sleeps. */
static bool is_asleep(pid_t tid)
{
    char path[64], text[256] = "";
    const char *end;
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    file = fopen(path, "r");
    if (!file)
        return false;
    if (!fgets(text, sizeof text, file))
        text[0] = 0;
    fclose(file);
    end = strrchr(text, ')');
    return end && end[1] == ' ' && end[2] == 'S';
}

static bool is_set(bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static int test_outside(const struct row *row)
{
    struct run run = {.row = row, .scene = {.other = -1}};
    pthread_t thread;

    run.scene.in = run.scene.out = -1;
    row->begin(&run.scene);
    must(pthread_create(&thread, NULL, call_outside, &run) == 0, "thread");
    while (!is_set(&run.is_begun))
        sched_yield();
    while (row->waits && row->release && !is_asleep(run.tid)) {
        must(!is_set(&run.is_done), "it did not wait");
        nanosleep(&(struct timespec){0, 200000}, NULL);
    }
    if (row->release)
        row->release(&run.scene);
    must(pthread_join(thread, NULL) == 0, "join");
    return run.result == 0 ? 0 : 1;
}

/* ---- all ---- */

static int n_tests, n_wrong;

static void report(bool is_good, const char *name, const char *where)
{
    printf("%s %d - %s_%s\n", is_good ? "ok" : "not ok", ++n_tests, name,
           where);
    fflush(stdout);
    n_wrong += !is_good;
}

static void test(const struct row *row, int (*fn)(const struct row *row),
                 const char *where)
{
    int status = -1;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        alarm(SECONDS);
        signal(SIGPIPE, SIG_IGN);
        exit(fn(row));
    }
    waitpid(pid, &status, 0);
    if (status != 0)
        printf("# status %#x\n", (unsigned)status);
    report(status == 0, row->name, where);
}

static const struct row *find(const char *name)
{
    static const struct row *const all[] = {rows_fd, rows_poll, rows_thread};

    for (size_t i = 0; i < COUNT_OF(all); i++)
        for (const struct row *row = all[i]; row->name; row++)
            if (strcmp(row->name, name) == 0)
                return row;
    return NULL;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const struct row *row = find(argv[i]);

        if (!row) {
            report(false, argv[i], "has_no_row");
            continue;
        }
        test(row, test_inside, "inside");
        test(row, test_outside, "outside");
    }
    printf("1..%d\n", n_tests);
    return n_wrong > 0 || argc < 2;
}
