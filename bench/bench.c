/* SPDX-License-Identifier: MIT */
/* bench.c - see bench.h. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#ifdef __x86_64__
# include <xmmintrin.h>
#endif

#include "bench.h"

void bench_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

void bench_skip(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(BENCH_SKIP);
}

int64_t bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

long bench_number(const char *text, const char *what, long min, long max)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (end == text || *end || value < min || value > max)
        bench_fail("%s: \"%s\" is not a number from %ld to %ld", what, text,
                   min, max);
    return value;
}

size_t bench_count_after(const char *name, const char *prefix)
{
    size_t len = strlen(prefix);

    if (strncmp(name, prefix, len))
        return 0;
    return (size_t)bench_number(name + len, prefix, 1, 10000000);
}

static FILE *open_status(int pid)
{
    char path[64];
    FILE *file;

    if (pid < 0)
        snprintf(path, sizeof(path), "/proc/meminfo");
    else if (pid == 0)
        snprintf(path, sizeof(path), "/proc/self/status");
    else
        snprintf(path, sizeof(path), "/proc/%d/status", pid);
    file = fopen(path, "re");
    if (!file)
        bench_fail("%s: %m", path);
    return file;
}

long bench_status(int pid, const char *key)
{
    FILE *file = open_status(pid);
    size_t len = strlen(key);
    char line[256];
    long value = -1;

    while (value < 0 && fgets(line, sizeof(line), file))
        if (!strncmp(line, key, len) && line[len] == ':')
            value = strtol(line + len + 1, NULL, 10);
    fclose(file);
    if (value < 0)
        bench_fail("no %s in the status of process %d", key, pid);
    return value;
}

long bench_mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "re");
    long lines = 0;
    int c;

    if (!file)
        bench_fail("/proc/self/maps: %m");
    while ((c = getc(file)) != EOF)
        lines += c == '\n';
    fclose(file);
    return lines;
}

int64_t bench_cpu_ns(int pid)
{
    struct timespec t;
    clockid_t clock;
    int r = clock_getcpuclockid(pid, &clock);

    if (r)
        bench_fail("CPU clock of process %d: %s", pid, strerror(r));
    if (clock_gettime(clock, &t))
        bench_fail("CPU time of process %d: %m", pid);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void bench_set_inexact(int is_set)
{
#ifdef __x86_64__
    enum { FLAGS = 0x3f, INEXACT = 0x20 };

    _mm_setcsr((_mm_getcsr() & ~(unsigned)FLAGS) | (is_set ? INEXACT : 0));
#else
    (void)is_set;
#endif
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

uint32_t bench_percentile(uint32_t *values, size_t n, double share)
{
    size_t i = (size_t)(share * (double)n);

    if (n == 0)
        return 0;
    qsort(values, n, sizeof(*values), compare);
    return values[i < n ? i : n - 1];
}

uint64_t bench_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

int bench_listen(int flags)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
        listen(fd, 4096))
        bench_fail("listen on 127.0.0.1: %m");
    return fd;
}

void bench_print_port(int fd)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);

    if (getsockname(fd, (struct sockaddr *)&addr, &len))
        bench_fail("getsockname: %m");
    printf("port %d\n", ntohs(addr.sin_port));
    fflush(stdout);
}
