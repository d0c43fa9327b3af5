/* SPDX-License-Identifier: MIT */
/* soak_library.c - a mixed load on the library for hours, by the orders of
 * tests/run/soak: a line for each round, with its milliseconds. After a round
 * only main is left, and what the hub counts must be what it was. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tendril/tendril.h>

enum { WORKERS = 20 };

static uint64_t state;
static tn_pool *pool;
static tn_stream_server *server;
static char addr[32];
static long n_done;

static void check(int is_true, const char *what, int line)
{
    if (is_true)
        return;
    fprintf(stderr, "line %d: %s\n", line, what);
    exit(1);
}

#define CHECK(x) check((x), #x, __LINE__)

static uint64_t roll(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % n;
}

/* ---- tasks ---- */

static int give_back(void *arg)
{
    long n = (long)(intptr_t)arg;

    if (n % 3 == 0)
        return (int)n;
    return tn_sleep(n % 3 == 1 ? TN_NOWAIT : tn_after_ms(1)) < 0 ? -1 : (int)n;
}

static void spawn_and_join(void)
{
    tn_greenlet *all[10];
    int n = 1 + (int)roll(10), result;

    for (int i = 0; i < n; i++)
        CHECK(tn_spawn(give_back, (void *)(intptr_t)i, &all[i]) == 0);
    for (int i = 0; i < n; i++)
        CHECK(tn_join(all[i], &result, TN_FOREVER) == 0 && result == i);
}

static int wait_for_ever(void *arg)
{
    char byte;

    return arg ? (int)tn_read(*(int *)arg, &byte, 1, TN_FOREVER)
               : tn_sleep(TN_FOREVER);
}

static void kill_some(void)
{
    tn_greenlet *a, *b;
    int fds[2];

    CHECK(tn_pipe(fds) == 0);
    CHECK(tn_spawn(wait_for_ever, NULL, &a) == 0);
    CHECK(tn_spawn(wait_for_ever, &fds[0], &b) == 0);
    if (roll(2))
        CHECK(tn_yield() == 0); /* else it has not begun */
    CHECK(tn_kill(a, TN_FOREVER) == 0 && tn_kill(b, TN_FOREVER) == 0);
    tn_unref(a);
    tn_unref(b);
    tn_close(fds[0]);
    tn_close(fds[1]);
}

static int produce(void *arg)
{
    tn_channel *ch = arg;

    for (long i = 1; i <= 30; i++)
        CHECK(tn_channel_send(ch, &i, TN_FOREVER) == 0);
    return tn_channel_close(ch);
}

static void use_a_channel(void)
{
    tn_channel *ch;
    long n, sum = 0;

    CHECK(tn_channel_new(sizeof n, roll(5), &ch) == 0);
    CHECK(tn_spawn(produce, ch, NULL) == 0);
    while (tn_channel_recv(ch, &n, TN_FOREVER) == 0)
        sum += n;
    CHECK(sum == 465);
    tn_channel_free(ch);
}

static void use_the_pool(void)
{
    for (int i = 0; i < 5; i++)
        CHECK(tn_group_spawn(pool, give_back, (void *)(intptr_t)i, NULL,
                             TN_FOREVER) == 0);
}

static long compute(void *arg)
{
    return (long)(intptr_t)arg * 2;
}

static void offload(void)
{
    CHECK(tn_offload(compute, (void *)(intptr_t)21, TN_FOREVER) == 42);
}

static void time_out(void)
{
    tn_channel *ch;
    long n;

    CHECK(tn_channel_new(sizeof n, 0, &ch) == 0);
    CHECK(tn_channel_recv(ch, &n, tn_after_ms(1)) == -ETIME);
    tn_channel_free(ch);
}

static void ask_the_server(void)
{
    char answer[64];
    tn_stream *s;
    int fd = tn_dial(addr, TN_FOREVER);

    CHECK(fd >= 0 && tn_stream_open(fd, NULL, &s) == 0);
    for (int i = 0; i < 4; i++) {
        CHECK(tn_stream_write(s, "hello\n", 6, NULL, TN_FOREVER) == 0);
        CHECK(tn_stream_flush(s, TN_FOREVER) == 0);
        CHECK(tn_stream_read_line(s, answer, sizeof answer, TN_FOREVER) == 6);
    }
    CHECK(tn_stream_close(s, TN_FOREVER) == 0);
}

static void run_a_process(void)
{
    char *argv[] = {(char *)"true", NULL};
    tn_process *p;
    int status;

    CHECK(tn_process_spawn(argv, NULL, &p) == 0);
    CHECK(tn_process_wait(p, &status, TN_FOREVER) == 0 && status == 0);
    CHECK(tn_process_free(p) == 0);
}

static void serve(tn_stream *s, const struct sockaddr *peer, void *arg)
{
    char line[64];
    ssize_t n;

    (void)peer;
    (void)arg;
    while ((n = tn_stream_read_line(s, line, sizeof line, TN_FOREVER)) > 0)
        if (tn_stream_write(s, line, (size_t)n, NULL, TN_FOREVER) < 0 ||
            tn_stream_flush(s, TN_FOREVER) < 0)
            return;
}

/* ---- rounds ---- */

static int work(void *arg)
{
    static void (*const tasks[])(void) = {
        spawn_and_join, kill_some,      use_a_channel, use_the_pool,
        offload,        ask_the_server, time_out,      spawn_and_join,
        use_a_channel,  ask_the_server};
    const tn_time *end = arg;

    while (tn_now() < *end) {
        if (roll(200) == 0)
            run_a_process();
        else
            tasks[roll(sizeof tasks / sizeof *tasks)]();
        n_done++;
    }
    return 0;
}

static struct tn_hub_stats stats(void)
{
    struct tn_hub_stats s = {.size = sizeof s};

    CHECK(tn_hub_stats(&s) == 0);
    return s;
}

static void do_round(long ms)
{
    static unsigned long n_rounds;
    static struct tn_hub_stats quiet;
    struct tn_hub_stats now;
    tn_time end = tn_after_ms(ms);
    tn_greenlet *all[WORKERS];

    n_done = 0;
    for (int i = 0; i < WORKERS; i++)
        CHECK(tn_spawn(work, &end, &all[i]) == 0);
    CHECK(tn_joinall(all, WORKERS, 0, 0, TN_FOREVER) == WORKERS);
    for (int i = 0; i < WORKERS; i++)
        tn_unref(all[i]);
    CHECK(tn_group_join(pool, 0, TN_FOREVER) == 0);
    while (tn_stream_server_clients(server) > 0)
        CHECK(tn_sleep(tn_after_ms(1)) == 0);
    CHECK(tn_sleep(tn_after_ms(5)) == 0);
    now = stats();
    if (n_rounds++ == 0)
        quiet = now;
    printf("round %lu: %ld tasks\n", n_rounds, n_done);
    fflush(stdout);
    fprintf(stderr, "greenlets %lu, timers %lu, waits %lu\n",
            (unsigned long)now.alive, (unsigned long)now.timers,
            (unsigned long)now.waits);
    CHECK(now.alive == quiet.alive && now.timers <= quiet.timers &&
          now.waits <= quiet.waits);
}

int main(int argc, char **argv)
{
    char line[32];

    state = (argc > 1 ? strtoul(argv[1], NULL, 10) : 0) * 1000003 + 1;
    CHECK(tn_pool_new(8, &pool) == 0);
    CHECK(tn_stream_server_new_buffered("127.0.0.1:0", serve, NULL, NULL,
                                        &server) == 0);
    CHECK(tn_stream_server_start(server) == 0);
    snprintf(addr, sizeof addr, "127.0.0.1:%d",
             tn_stream_server_port(server));
    while (fgets(line, sizeof line, stdin))
        do_round(strtol(line, NULL, 10));
    tn_stream_server_free(server);
    tn_group_free(pool);
    printf("done\n");
    return 7;
}
