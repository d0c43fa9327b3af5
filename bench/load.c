/* SPDX-License-Identifier: MIT */
/* load.c - see load.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "load.h"

enum {
    LATENCIES_MAX = 4000000,
    CONNECTIONS_PER_ADDRESS = 4000,
    SLACK_S = 30, /* beyond warm-up and window, for connecting and the end */
    GATE_S = 30
};

static void give_up(int number)
{
    static const char text[] = "the load took too long: answers are missing\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

    (void)number;
    (void)ignored;
    _exit(1);
}

static void read_options(struct load *l, int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"pid", required_argument, NULL, 'P'},
        {"connections", required_argument, NULL, 'c'},
        {"warm-ms", required_argument, NULL, 'w'},
        {"window-ms", required_argument, NULL, 'W'},
        {"gate", no_argument, NULL, 'g'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'p')
            l->port = (int)bench_number(optarg, "--port", 1, 65535);
        else if (c == 'P')
            l->pid = (int)bench_number(optarg, "--pid", 1, 1 << 30);
        else if (c == 'c')
            l->connections =
                (int)bench_number(optarg, "--connections", 1, 100000);
        else if (c == 'w')
            l->warm_ns = bench_number(optarg, "--warm-ms", 0, 60000) * 1000000;
        else if (c == 'W')
            l->window_ns =
                bench_number(optarg, "--window-ms", 1, 60000) * 1000000;
        else if (c == 'g')
            l->has_gate = 1;
        else
            bench_fail("usage: see load.h");
    }
}

void load_init(struct load *l, int argc, char **argv)
{
    memset(l, 0, sizeof(*l));
    l->connections = 1;
    l->warm_ns = 300000000;
    l->window_ns = 1000000000;
    read_options(l, argc, argv);
    if (!l->port || !l->pid)
        bench_fail("--port and --pid must be given");
    l->room = LATENCIES_MAX;
    l->latency = malloc(l->room * sizeof(*l->latency));
    if (!l->latency)
        bench_fail("no memory");
    l->stack_kib_before = bench_status(-1, "KernelStack");
    signal(SIGALRM, give_up);
    signal(SIGPIPE, SIG_IGN);
    alarm((unsigned)((l->warm_ns + l->window_ns) / 1000000000 + SLACK_S +
                     (l->has_gate ? GATE_S : 0)));
}

static int set_up(int fd, int index)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    int on = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
        return -errno;
    if (index < CONNECTIONS_PER_ADDRESS)
        return 0;
    from.sin_addr.s_addr =
        htonl(INADDR_LOOPBACK + (uint32_t)(index / CONNECTIONS_PER_ADDRESS));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    return bind(fd, (struct sockaddr *)&from, sizeof(from)) ? -errno : 0;
}

int load_connect(const struct load *l, int index, int is_waiting)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)l->port)};
    int fd = socket(
        AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (is_waiting ? SOCK_NONBLOCK : 0),
        0);
    int r;

    if (fd < 0)
        return -errno;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    r = set_up(fd, index);
    if (!r && connect(fd, (struct sockaddr *)&to, sizeof(to)))
        r = -errno;
    if (!r || r == -EINPROGRESS) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        return fd;
    }
    close(fd);
    return r;
}

void load_start(struct load *l)
{
    if (l->has_gate) {
        puts("ready");
        fflush(stdout);
        while (getchar() != '\n')
            if (feof(stdin))
                bench_fail("nobody opened the gate");
    }
    l->begin = bench_now_ns() + l->warm_ns;
    l->end = l->begin + l->window_ns;
}

static void end_window(struct load *l, int64_t now)
{
    l->cpu_end = bench_cpu_ns(l->pid);
    l->ended = now;
    l->rss_kib = bench_status(l->pid, "VmRSS");
    l->pte_kib = bench_status(l->pid, "VmPTE");
    l->threads = bench_status(l->pid, "Threads");
    l->stack_kib = bench_status(-1, "KernelStack") - l->stack_kib_before;
}

void load_look(struct load *l, int64_t now)
{
    if (!l->began && now >= l->begin) {
        l->cpu_begin = bench_cpu_ns(l->pid);
        l->began = now;
    }
    if (!l->ended && now >= l->end)
        end_window(l, now);
}

void load_answer(struct load *l, int64_t sent, int64_t now)
{
    int64_t span = now - sent;

    l->n_total++;
    load_look(l, now);
    if (!l->began || l->ended)
        return;
    if (l->n_done == l->room)
        bench_fail("more answers than foreseen");
    l->latency[l->n_done++] = span < UINT32_MAX ? (uint32_t)span : UINT32_MAX;
}

void load_print(struct load *l)
{
    double wall = (double)(l->ended - l->began) / 1e9;
    double cpu = (double)(l->cpu_end - l->cpu_begin) / 1e9;
    double n = (double)l->n_done;

    if (!l->n_done)
        bench_fail("no request was answered");
    printf("{\"done\": %zu, \"total\": %llu, \"errors\": %llu, "
           "\"per_s\": %.1f, \"cpu_us\": %.4f, \"cpu_share\": %.3f, ",
           l->n_done, (unsigned long long)l->n_total,
           (unsigned long long)l->n_errors, n / wall, cpu * 1e6 / n,
           cpu / wall);
    printf("\"p50_us\": %.1f, \"p99_us\": %.1f, ",
           bench_percentile(l->latency, l->n_done, 0.5) / 1e3,
           bench_percentile(l->latency, l->n_done, 0.99) / 1e3);
    printf("\"rss_pte_mib\": %.1f, \"kernel_stack_kib\": %ld, "
           "\"kernel_threads\": %ld}\n",
           (double)(l->rss_kib + l->pte_kib) / 1024, l->stack_kib, l->threads);
    fflush(stdout);
    if (l->has_gate)
        while (getchar() != EOF)
            continue;
}
