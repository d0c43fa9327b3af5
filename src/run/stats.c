/* SPDX-License-Identifier: MIT */
/* run/stats.c - what --stats prints: one block of lines on descriptor 2, built
 * in a buffer and written at once, without libc. */
#include "run/run.h"

#include <fcntl.h>

enum { TEXT_MAX = 4096, SLOW_NS = 10000000, SLOW_SHOWN = 8 };

struct text {
    size_t n;
    char at[TEXT_MAX];
};

static struct text text; /* too large for a small thread's stack */
static struct tn__hub_call timer;

static void put(const char *s)
{
    while (*s && text.n < TEXT_MAX - 1)
        text.at[text.n++] = *s++;
}

static void put_number(uint64_t n)
{
    char digits[24];
    size_t at = sizeof digits;

    digits[--at] = '\0';
    do
        digits[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    put(digits + at);
}

static void put_line(const char *name, uint64_t n, const char *unit)
{
    put("tendril:   ");
    put(name);
    put_number(n);
    put(unit);
    put("\n");
}

/* The number behind `name` in /proc/self/status; -1: it cannot be read. */
static int64_t from_status(const char *name)
{
    static char buf[4096];
    long fd = tn__raw3(SYS_open, (long)"/proc/self/status", O_RDONLY, 0);
    long n = fd < 0 ? -1
                    : tn__raw3(SYS_read, fd, (long)buf, sizeof buf - 1);
    int64_t value = -1;

    if (fd >= 0)
        tn__raw1(SYS_close, fd);
    if (n <= 0)
        return -1;
    buf[n] = '\0';
    for (const char *s = buf; *s; s++) {
        size_t i = 0;

        while (name[i] && s[i] == name[i])
            i++;
        if (name[i])
            continue;
        for (s += i; *s == ' ' || *s == '\t';)
            s++;
        for (value = 0; *s >= '0' && *s <= '9'; s++)
            value = value * 10 + (*s - '0');
        break;
    }
    return value;
}

static void put_from_status(const char *name, const char *in_status,
                            const char *unit)
{
    int64_t n = from_status(in_status);

    if (n >= 0)
        put_line(name, (uint64_t)n, unit);
}

/* The call, not shown yet, that has blocked the hub for longest. */
static int next_slow(int64_t below)
{
    int worst = -1;

    for (int i = 0; i < TN__RUN_CALLS; i++)
        if (tn__run.counts.slow[i] && tn__run.counts.slow_ns[i] < below &&
            (worst < 0 ||
             tn__run.counts.slow_ns[i] > tn__run.counts.slow_ns[worst]))
            worst = i;
    return worst;
}

static void put_slow(void)
{
    int64_t below = INT64_MAX;

    for (int shown = 0; shown < SLOW_SHOWN; shown++) {
        int i = next_slow(below);

        if (i < 0)
            return;
        below = tn__run.counts.slow_ns[i];
        put("tendril:   blocked the hub: ");
        put(tn__run_call_names[i] ? tn__run_call_names[i] : "?");
        put(" ");
        put_number(tn__run.counts.slow[i]);
        put(" times over 10 ms, ");
        put_number((uint64_t)below / 1000000);
        put(" ms in all\n");
    }
}

void tn__run_stats_slow(long nr, int64_t ns)
{
    if (ns < SLOW_NS || (unsigned long)nr >= TN__RUN_CALLS)
        return;
    tn__run.counts.slow[nr]++;
    tn__run.counts.slow_ns[nr] += ns;
}

void tn__run_stats_print(void)
{
    const struct tn__run_counts *n = &tn__run.counts;
    struct tn__run_calls calls;

    if (tn__run.stats_ns < 0)
        return;
    tn__run_hubs_count(&calls);
    text.n = 0;
    put("tendril: run summary of process ");
    put_number((uint64_t)tn__run.pid);
    put("\n");
    put_line("threads created     ", n->threads, "");
    put_line("most alive at once  ", n->alive_most, "");
    put_line("switches            ", tn__run_hub.n_switches, "");
    put_line("gave way by quantum ", n->preempted, "");
    put_line("calls by symbol     ", calls.by_symbol, "");
    put_line("calls by patch      ", calls.by_patch, "");
    put_line("calls by trap       ", calls.by_trap, "");
    put_line("call sites patched  ", n->sites_patched, "");
    put_line("call sites refused  ", n->sites_refused, "");
    put_line("calls by helpers    ", n->offloaded, "");
    if (n->maps_refused > 0)
        put_line("limit reached: mappings refused ", n->maps_refused,
                 ", see vm.max_map_count");
    put_slow();
    put_from_status("kernel threads      ", "Threads:", "");
    put_from_status("peak memory         ", "VmHWM:", " KiB");
    tn__run_write_own(2, text.at, text.n);
}

/* They are of the process that was started. */
void tn__run_stats_in_child(void)
{
    tn__run.counts = (struct tn__run_counts){.alive = 1, .alive_most = 1};
    tn__run_here()->calls = (struct tn__run_calls){0};
    if (tn__run.stats_ns < 0)
        return;
    tn__run.stats_ns = -1;
    tn__run_actions_unwatch();
}

static void print_again(struct tn__hub_call *call)
{
    tn__run_stats_print();
    tn__hub_call_at(&tn__run_hub, call,
                    tn__clock_after(tn__clock_now(), tn__run.stats_ns));
}

void tn__run_stats_init(void)
{
    if (tn__run.stats_ns <= 0)
        return;
    timer.fn = print_again;
    tn__hub_call_at(&tn__run_hub, &timer,
                    tn__clock_after(tn__clock_now(), tn__run.stats_ns));
}
