/* SPDX-License-Identifier: MIT */
/* tests/run/programs/set_clock.c - the clock is set, forward and then back,
 * while threads wait until a time of the day: their waits end with the clock,
 * and those by other clocks, or for a span, do not.
 *
 * It sets the machine's clock, by 0.6 s for less than a second, so it has to be
 * asked for. Another process does that and puts it back, by exactly as much,
 * also when this one is killed. */
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>

#include "posix.h"

enum { STEP_MS = 600, BEFORE_MS = 100, LIMIT_MS = 4000 };

/* ---- the keeper of the clock ---- */

/* What it and we share. */
struct shared {
    pthread_mutex_t held; /* by the keeper, to its end */
    sem_t empty;
};

static struct shared *shared;
static int commands[2], answers[2];

static int step(long ms)
{
    struct timex t = {.modes = ADJ_SETOFFSET | ADJ_NANO};

    t.time.tv_sec = ms < 0 ? -1 : 0; /* and a part of a second, not below 0 */
    t.time.tv_usec = (ms < 0 ? ms + 1000 : ms) * 1000000;
    return adjtimex(&t) < 0 ? errno : 0;
}

static void make_shared(void)
{
    pthread_mutexattr_t attr;

    shared = shared_page();
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    CHECK(pthread_mutex_init(&shared->held, &attr) == 0);
    CHECK(sem_init(&shared->empty, 1, 0) == 0);
}

/* Steps as it is told, and takes them back when nothing more comes. */
static void keep(void)
{
    struct pollfd p = {.fd = commands[0], .events = POLLIN};
    long ms, sum = 0;
    int r = 0;

    setsid(); /* who kills the others does not mean it */
    CHECK(pthread_mutex_lock(&shared->held) == 0);
    CHECK(write(answers[1], &r, sizeof r) == sizeof r);
    while (poll(&p, 1, LIMIT_MS) == 1 &&
           read(commands[0], &ms, sizeof ms) == sizeof ms) {
        r = step(ms);
        sum += r == 0 ? ms : 0;
        if (write(answers[1], &r, sizeof r) != sizeof r)
            break;
    }
    if (sum != 0)
        step(-sum);
    exit(0);
}

static pid_t start_keeper(void)
{
    pid_t pid;
    int r;

    make_shared();
    CHECK(pipe(commands) == 0 && pipe(answers) == 0);
    fflush(stdout);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(commands[1]);
        close(answers[0]);
        signal(SIGPIPE, SIG_IGN);
        keep();
    }
    close(commands[0]);
    close(answers[1]);
    fcntl(commands[1], F_SETFD, FD_CLOEXEC);
    CHECK(read(answers[0], &r, sizeof r) == sizeof r);
    return pid;
}

static int set_clock(long ms)
{
    int r = 0;

    CHECK(write(commands[1], &ms, sizeof ms) == sizeof ms);
    CHECK(read(answers[0], &r, sizeof r) == sizeof r);
    return r;
}

/* ---- waits ---- */

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER, held_pi;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t empty;
static mqd_t queue;

/* Until `t`, or by a function for a span. An error number. */
typedef int wait_fn(const struct timespec *t);

static int sleep_by(clockid_t clock, const struct timespec *t)
{
    return clock_nanosleep(clock, TIMER_ABSTIME, t, NULL);
}

static int by_sleep(const struct timespec *t)
{
    return sleep_by(CLOCK_REALTIME, t);
}

static int by_condition(const struct timespec *t)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    int r;

    pthread_mutex_lock(&mutex);
    r = pthread_cond_timedwait(&cond, &mutex, t);
    pthread_mutex_unlock(&mutex);
    return r;
}

static int by_mutex(const struct timespec *t)
{
    return pthread_mutex_timedlock(&held, t);
}

static int by_mutex_pi(const struct timespec *t)
{
    return pthread_mutex_timedlock(&held_pi, t);
}

static int by_mutex_of_another(const struct timespec *t)
{
    return pthread_mutex_timedlock(&shared->held, t);
}

static int by_rwlock(const struct timespec *t)
{
    return pthread_rwlock_timedwrlock(&rwlock, t);
}

static int by_semaphore(const struct timespec *t)
{
    return sem_timedwait(&empty, t) < 0 ? errno : 0;
}

static int by_shared_semaphore(const struct timespec *t)
{
    return sem_timedwait(&shared->empty, t) < 0 ? errno : 0;
}

static int by_queue(const struct timespec *t)
{
    char text[64];

    return mq_timedreceive(queue, text, sizeof text, NULL, t) < 0 ? errno : 0;
}

static int by_words(const struct timespec *t)
{
    uint32_t words[2] = {0, 0};
    struct {
        uint64_t value, word;
        uint32_t flags, reserved;
    } wanted[2] = {{0, (uintptr_t)&words[0], 2 | FUTEX_PRIVATE_FLAG, 0},
                   {0, (uintptr_t)&words[1], 2 | FUTEX_PRIVATE_FLAG, 0}};

    return syscall(449, wanted, 2, 0, t, CLOCK_REALTIME) < 0 ? errno : 0;
}

/* A child that has a thread. */
static void *sleep_there(void *arg)
{
    CHECK(sleep_by(CLOCK_REALTIME, arg) == 0);
    return NULL;
}

static int in_child(const struct timespec *t)
{
    struct timespec until = *t;
    int status;
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        close(commands[1]);
        join(start(sleep_there, &until));
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

/* ---- those that it is not to move ---- */

static struct timespec span;

static int by_span(const struct timespec *t)
{
    (void)t;
    return clock_nanosleep(CLOCK_REALTIME, 0, &span, NULL);
}

static int by_monotonic(const struct timespec *t)
{
    struct timespec until = after_ms(CLOCK_MONOTONIC, span.tv_nsec / 1000000);

    (void)t;
    return sleep_by(CLOCK_MONOTONIC, &until);
}

/* ---- and all of them at once ---- */

static struct wait {
    const char *name;
    wait_fn *fn;
    pthread_t thread;
    int result;
    int64_t took_ms;
} waits[] = {
    {.name = "clock_nanosleep", .fn = by_sleep},
    {.name = "condition", .fn = by_condition},
    {.name = "mutex", .fn = by_mutex},
    {.name = "mutex, priority inheritance", .fn = by_mutex_pi},
    {.name = "mutex of another process", .fn = by_mutex_of_another},
    {.name = "rwlock", .fn = by_rwlock},
    {.name = "semaphore", .fn = by_semaphore},
    {.name = "shared semaphore", .fn = by_shared_semaphore},
    {.name = "message queue", .fn = by_queue},
    {.name = "futex_waitv", .fn = by_words},
    {.name = "in a child", .fn = in_child},
    {.name = "for a span", .fn = by_span},
    {.name = "CLOCK_MONOTONIC", .fn = by_monotonic}};

enum { WAITS = sizeof waits / sizeof *waits };

static struct timespec until;

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *wait_by(void *arg)
{
    struct wait *w = arg;
    int64_t begun = now_ms();

    w->result = w->fn(&until);
    w->took_ms = now_ms() - begun;
    return NULL;
}

/* All descriptors that the program has not got are wanted: none of these is
 * what tells that the clock was set. */
static void take_all_numbers(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = 100; fd < 4300 && fd < (int)limit.rlim_cur; fd++)
        CHECK(dup2(0, fd) == fd);
    CHECK(syscall(SYS_close_range, 100u, ~0u, 0) == 0);
}

/* Waits of `ms`, with the clock set by `step_ms` meanwhile. */
static void test(const char *what, long ms, long step_ms)
{
    span = (struct timespec){0, ms * 1000000};
    until = after_ms(CLOCK_REALTIME, ms);
    for (int i = 0; i < WAITS; i++)
        waits[i].thread = start(wait_by, &waits[i]);
    nap_ms(BEFORE_MS);
    if (step_ms < 0)
        take_all_numbers();
    CHECK(set_clock(step_ms) == 0);
    for (int i = 0; i < WAITS; i++)
        join(waits[i].thread);
    for (int i = 0; i < WAITS; i++)
        printf("%s, %s: %s, %s\n", what, waits[i].name,
               waits[i].took_ms < ms - STEP_MS / 2   ? "sooner"
               : waits[i].took_ms > ms + STEP_MS / 2 ? "later"
                                                     : "in time",
               name(waits[i].result));
}

static void make_all(void)
{
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 64};
    pthread_mutexattr_t pi;
    char queue_name[32];

    CHECK(pthread_mutex_lock(&held) == 0);
    pthread_mutexattr_init(&pi);
    pthread_mutexattr_setprotocol(&pi, PTHREAD_PRIO_INHERIT);
    CHECK(pthread_mutex_init(&held_pi, &pi) == 0);
    CHECK(pthread_mutex_lock(&held_pi) == 0);
    CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
    CHECK(sem_init(&empty, 0, 0) == 0);
    snprintf(queue_name, sizeof queue_name, "/set_clock.%d", getpid());
    queue = mq_open(queue_name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    CHECK(queue != (mqd_t)-1);
    mq_unlink(queue_name);
}

int main(void)
{
    pid_t keeper;
    int status;

    if (!getenv("TENDRIL_TEST_SET_CLOCK")) {
        puts("it sets the clock: TENDRIL_TEST_SET_CLOCK=1 lets it");
        return 77;
    }
    keeper = start_keeper();
    if (set_clock(0) != 0) {
        puts("the clock cannot be set here");
        return 77;
    }
    make_all();
    test("forward", 800, STEP_MS);
    test("back", 400, -STEP_MS);
    close(commands[1]);
    CHECK(waitpid(keeper, &status, 0) == keeper);
    printf("the clock is kept: %d\n", status);
    return 0;
}
