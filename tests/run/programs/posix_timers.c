/* SPDX-License-Identifier: MIT */
/* tests/run/programs/posix_timers.c - timers and sleeps on each clock, and what
 * tells of its end by a signal or a thread: timers, message queues, aio, names.
 * What is printed does not depend on how long anything took. */
#include <aio.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netdb.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "support.h"

static volatile int n_handled, last_value, last_code, in_thread;
static volatile pthread_t handled_by;
static pthread_t main_thread;

static void on_signal(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    last_value = info->si_value.sival_int;
    last_code = info->si_code;
    handled_by = pthread_self();
    n_handled++;
}

static void install(int sig)
{
    struct sigaction a = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

    n_handled = 0;
    CHECK(sigaction(sig, &a, NULL) == 0);
}

static const struct itimerspec soon = {{0, 0}, {0, 5000000}};

static void wait_until(const volatile int *n, int least)
{
    for (int i = 0; *n < least && i < 2000; i++)
        nap_ms(1);
}

static void burn(const volatile int *n, int least)
{
    struct timespec t, end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    do
        clock_gettime(CLOCK_MONOTONIC, &t);
    while (*n < least && t.tv_sec < end.tv_sec + 10);
}

/* ---- timers ---- */

enum { OWNERS = 16, SHOTS = 100, MANY = 100000, FAST = 2000 };

static __thread volatile int n_mine;

static void count_mine(int sig)
{
    (void)sig;
    n_mine++;
}

/* Each shot of its timer finds this thread, though others have theirs at the
 * same moment and with the same signal; blocked or not. */
static void *own_a_timer(void *arg)
{
    struct itimerspec in = {{0, 0}, {0, 1}};
    struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID,
                         .sigev_signo = SIGRTMIN + 3};
    long wrong = 0;
    timer_t timer;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    e._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    CHECK(timer_create(CLOCK_MONOTONIC, &e, &timer) == 0);
    for (int i = 0; i < SHOTS; i++) {
        n_mine = 0;
        in.it_value.tv_nsec = 1 + (i * 7 + (long)arg) % 10 * 150000;
        CHECK(timer_settime(timer, 0, &in, NULL) == 0);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        for (int k = 0; !n_mine && k < 2000; k++)
            nap_ms(1);
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        wrong += n_mine != 1;
    }
    CHECK(timer_delete(timer) == 0);
    return (void *)wrong;
}

static void test_many_owners(void)
{
    pthread_t all[OWNERS];
    long wrong = 0;

    signal(SIGRTMIN + 3, count_mine);
    for (int i = 0; i < OWNERS; i++)
        all[i] = start(own_a_timer, (void *)(long)i);
    for (int i = 0; i < OWNERS; i++)
        wrong += (long)join(all[i]);
    printf("timers of %d threads: %ld went astray\n", OWNERS, wrong);
}

/* How many signals there are just now, and how many shots they stand for. */
static int take_shots(const sigset_t *set, timer_t timer, int *ret_n)
{
    static const struct timespec now;
    siginfo_t info;
    int shots = 0;

    for (*ret_n = 0; sigtimedwait(set, &info, &now) > 0; ++*ret_n) {
        shots += 1 + info.si_overrun;
        CHECK(timer_getoverrun(timer) == info.si_overrun);
    }
    return shots;
}

static sem_t is_asked, is_done;

/* Blocked here alone, a signal is pending once, and counts; then by all. */
static void *block_and_take(void *arg)
{
    struct itimerspec often = {{0, 20000000}, {0, 20000000}}, off = {0};
    struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID,
                         .sigev_signo = SIGRTMIN + 3};
    int n, shots;
    timer_t timer;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    e._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    CHECK(timer_create(CLOCK_MONOTONIC, &e, &timer) == 0);
    CHECK(timer_settime(timer, 0, &often, NULL) == 0);
    nap_ms(400);
    shots = take_shots(&set, timer, &n);
    printf("blocked: few signals %d, for most shots %d\n", n < 8,
           shots >= 10);
    nap_ms(200);
    CHECK(timer_settime(timer, 0, &off, NULL) == 0);
    take_shots(&set, timer, &n);
    printf("after the end one at most %d\n", n <= 1); /* none since 6.13 */
    CHECK(timer_settime(timer, 0, &often, NULL) == 0);
    CHECK(sem_post(&is_asked) == 0 && sem_wait(&is_done) == 0);
    nap_ms(100);
    take_shots(&set, timer, &n);
    printf("blocked by all: signals %d\n", n > 0);
    nap_ms(50);
    CHECK(timer_delete(timer) == 0);
    return arg;
}

static void test_blocked(void)
{
    pthread_t t;
    sigset_t set;

    CHECK(sem_init(&is_asked, 0, 0) == 0 && sem_init(&is_done, 0, 0) == 0);
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    t = start(block_and_take, NULL);
    CHECK(sem_wait(&is_asked) == 0);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(sem_post(&is_done) == 0);
    join(t);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    CHECK(f && fscanf(f, "%*d %ld", &pages) == 1);
    fclose(f);
    return pages * 4;
}

/* The kernel counts them up: nothing may grow with the number. */
static void test_many_timers(void)
{
    struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID,
                         .sigev_signo = SIGRTMIN + 3};
    long before;
    timer_t timer;

    e._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    resident_kib(); /* stdio takes its memory once */
    before = resident_kib();
    for (int i = 0; i < MANY; i++)
        CHECK(timer_create(CLOCK_MONOTONIC, &e, &timer) == 0 &&
              timer_delete(timer) == 0);
    printf("%d timers, one at a time: 200 KiB more: %d\n", MANY,
           resident_kib() - before > 200);
}

static void test_signal(clockid_t clock, const char *name)
{
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL,
                         .sigev_signo = SIGRTMIN + 3,
                         .sigev_value = {.sival_int = 42}};
    struct itimerspec left;
    timer_t timer;

    install(SIGRTMIN + 3);
    if (timer_create(clock, &e, &timer) < 0) {
        printf("%s: %s\n", name, strerrorname_np(errno));
        return;
    }
    CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
    burn(&n_handled, 1);
    CHECK(timer_gettime(timer, &left) == 0);
    printf("%s: handled %d value %d code %d, left %ld\n", name, n_handled,
           last_value, last_code == SI_TIMER, (long)left.it_value.tv_nsec);
    CHECK(timer_delete(timer) == 0);
}

static void *test_signals(void *arg)
{
    test_signal(CLOCK_REALTIME, "realtime");
    test_signal(CLOCK_MONOTONIC, "monotonic");
    test_signal(CLOCK_BOOTTIME, "boottime");
    test_signal(CLOCK_TAI, "tai");
    test_signal(CLOCK_PROCESS_CPUTIME_ID, "process's CPU");
    test_signal(CLOCK_THREAD_CPUTIME_ID, "thread's CPU");
    test_signal(77, "no such clock");
    return arg;
}

static volatile int n_called, called_value;
static volatile size_t called_stack;

static void call(union sigval value)
{
    pthread_attr_t attr;
    size_t size;

    CHECK(pthread_getattr_np(pthread_self(), &attr) == 0);
    pthread_attr_getstacksize(&attr, &size);
    pthread_attr_destroy(&attr);
    called_stack = size;
    called_value = value.sival_int;
    in_thread = !pthread_equal(pthread_self(), main_thread);
    n_called++;
}

static void *test_thread(void *arg)
{
    struct itimerspec often = {{0, 2000000}, {0, 2000000}};
    struct itimerspec off = {{0, 0}, {0, 0}};
    struct sigevent e = {.sigev_notify = SIGEV_THREAD,
                         .sigev_notify_function = call,
                         .sigev_value = {.sival_int = 7}};
    pthread_attr_t attr;
    timer_t timer[3];

    n_called = 0;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    e.sigev_notify_attributes = &attr;
    for (int i = 0; i < 3; i++)
        CHECK(timer_create(CLOCK_MONOTONIC, &e, &timer[i]) == 0);
    CHECK(timer_settime(timer[0], 0, &soon, NULL) == 0);
    wait_until(&n_called, 1);
    printf("SIGEV_THREAD: %d value %d in a thread %d, stack %d\n", n_called,
           called_value, in_thread, called_stack >= 250 * 1024 &&
                                        called_stack <= 260 * 1024);
    CHECK(timer_settime(timer[1], 0, &often, NULL) == 0);
    wait_until(&n_called, 6);
    CHECK(timer_settime(timer[1], 0, &off, NULL) == 0);
    printf("again and again: %d\n", n_called >= 6);
    for (int i = 0; i < 3; i++)
        CHECK(timer_delete(timer[i]) == 0);
    printf("deleted twice: %d", timer_delete(timer[0]));
    printf(" %s\n", strerrorname_np(errno));
    nap_ms(20); /* what was on its way to call() is through */
    return arg;
}

static volatile int target_tid, is_over;

static void *be_target(void *arg)
{
    target_tid = (int)syscall(SYS_gettid);
    while (!is_over)
        nap_ms(1);
    return arg;
}

/* To one thread, though others would take it. */
static void test_thread_id(void)
{
    struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID,
                         .sigev_signo = SIGUSR1};
    timer_t timer;
    pthread_t t;
    int r;

    install(SIGUSR1);
    target_tid = is_over = 0;
    t = start(be_target, NULL);
    while (!target_tid)
        nap_ms(1);
    e._sigev_un._tid = target_tid;
    CHECK(timer_create(CLOCK_MONOTONIC, &e, &timer) == 0);
    CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
    wait_until(&n_handled, 1);
    printf("SIGEV_THREAD_ID: handled %d by that thread %d\n", n_handled,
           !!pthread_equal(handled_by, t));
    is_over = 1;
    join(t);
    timer_delete(timer);
    e._sigev_un._tid = target_tid;
    r = timer_create(CLOCK_MONOTONIC, &e, &timer);
    printf("to one that has ended: %d %s\n", r, strerrorname_np(errno));
    e._sigev_un._tid = (int)syscall(SYS_gettid);
    CHECK(timer_create(CLOCK_MONOTONIC, &e, &timer) == 0);
    CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
    wait_until(&n_handled, 2);
    printf("to itself: %d\n", !!pthread_equal(handled_by, pthread_self()));
    timer_delete(timer);
}

static void test_overrun(void)
{
    struct itimerspec often = {{0, 1000000}, {0, 1000000}};
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    sigset_t set;
    siginfo_t info;
    timer_t timer;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    CHECK(timer_create(CLOCK_MONOTONIC, &e, &timer) == 0);
    CHECK(timer_settime(timer, 0, &often, NULL) == 0);
    nap_ms(30);
    CHECK(sigwaitinfo(&set, &info) == SIGUSR2);
    printf("overrun: in siginfo %d, by call %d\n", info.si_overrun > 5,
           timer_getoverrun(timer) > 5);
    timer_delete(timer);
    while (sigtimedwait(&set, NULL, &(struct timespec){0, 0}) > 0)
        ;
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* A timer that has its next signal ready before the handler of the last one
 * has ended. The handler makes calls, and stops it. */
static volatile timer_t fast_timer;
static volatile int n_fast;

static void on_fast(int sig)
{
    static const struct itimerspec none;
    static const struct itimerval no_interval;
    sigset_t set;

    sigpending(&set);
    if (++n_fast < FAST)
        return;
    if (sig == SIGALRM)
        setitimer(ITIMER_REAL, &no_interval, NULL);
    else
        timer_settime(fast_timer, 0, &none, NULL);
}

static void start_fast(int sig)
{
    static const struct itimerspec often = {{0, 1000}, {0, 1000}};
    static const struct itimerval interval = {{0, 1}, {0, 1}};
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = sig};
    struct sigaction a = {.sa_handler = on_fast};
    timer_t timer;

    n_fast = 0;
    CHECK(sigaction(sig, &a, NULL) == 0);
    if (sig == SIGALRM) {
        CHECK(setitimer(ITIMER_REAL, &interval, NULL) == 0);
        return;
    }
    CHECK(timer_create(CLOCK_MONOTONIC, &e, &timer) == 0);
    fast_timer = timer;
    CHECK(timer_settime(timer, 0, &often, NULL) == 0);
}

static void test_fast(void)
{
    const int sigs[] = {SIGALRM, SIGUSR1, SIGRTMIN};

    for (int i = 0; i < 3; i++) {
        start_fast(sigs[i]);
        wait_until(&n_fast, FAST);
        printf("fast timer: all handled %d\n", n_fast >= FAST);
        if (sigs[i] != SIGALRM)
            timer_delete(fast_timer);
    }
}

static void test_itimers(void)
{
    static const int which[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
    static const int sig[] = {SIGALRM, SIGVTALRM, SIGPROF};

    for (int i = 0; i < 3; i++) {
        struct itimerval it = {{0, 0}, {0, 5000}}, left;

        install(sig[i]);
        CHECK(setitimer(which[i], &it, NULL) == 0);
        burn(&n_handled, 1);
        CHECK(getitimer(which[i], &left) == 0);
        printf("itimer %d: %d, left %ld\n", i, n_handled,
               (long)left.it_value.tv_usec);
    }
    printf("alarm: %u", alarm(100));
    printf(" %d\n", alarm(0) > 98);
}

static volatile int n_in_main, n_in_other;

static void count_thread(int sig)
{
    (void)sig;
    if (pthread_equal(pthread_self(), main_thread))
        n_in_main++;
    else
        n_in_other++;
}

static void *use_time(void *arg)
{
    while (n_in_main + n_in_other < 5)
        ;
    return arg;
}

/* Who uses the time gets the signal, not main, which waits. */
static void test_whose_time(void)
{
    const struct itimerval it = {{0, 5000}, {0, 5000}}, none = {{0, 0}, {0, 0}};
    struct sigaction a = {.sa_handler = count_thread, .sa_flags = SA_RESTART};

    CHECK(sigaction(SIGPROF, &a, NULL) == 0);
    CHECK(setitimer(ITIMER_PROF, &it, NULL) == 0);
    join(start(use_time, NULL));
    CHECK(setitimer(ITIMER_PROF, &none, NULL) == 0);
    printf("in main %d\n", n_in_main);
}

/* ---- sleeping ---- */

static void *signal_soon(void *arg)
{
    nap_ms(20);
    pthread_kill(main_thread, SIGUSR1);
    return arg;
}

static int64_t nanoseconds(const struct timespec *t)
{
    return t->tv_sec * INT64_C(1000000000) + t->tv_nsec;
}

static void sleep_on(clockid_t clock, const char *name)
{
    struct timespec t, rest = {0, 0}, before, after;
    pthread_t killer;
    int r;

    clock_gettime(clock, &before);
    t = (struct timespec){0, 3000000};
    r = clock_nanosleep(clock, 0, &t, NULL);
    clock_gettime(clock, &after);
    printf("%s: %s", name, r ? strerrorname_np(r) : "0");
    printf(" long enough %d",
           (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec -
                   before.tv_nsec >= 3000000);
    r = clock_nanosleep(clock, TIMER_ABSTIME, &after, NULL);
    printf(", past %s", r ? strerrorname_np(r) : "0");
    killer = start(signal_soon, NULL);
    t = (struct timespec){20, 0};
    clock_gettime(CLOCK_MONOTONIC, &before);
    r = clock_nanosleep(clock, 0, &t, &rest);
    clock_gettime(CLOCK_MONOTONIC, &after);
    printf(", interrupted %s rest %d", r ? strerrorname_np(r) : "0",
           rest.tv_sec == 19);
    /* The timer's slack is in it: so sleep(2) after a second tells 1, not 0. */
    printf(" with slack %d", rest.tv_sec == 19 && nanoseconds(&rest) +
                                     nanoseconds(&after) -
                                     nanoseconds(&before) >=
                                 20000000000 + prctl(PR_GET_TIMERSLACK));
    join(killer);
    clock_gettime(clock, &t);
    t.tv_sec += 20;
    killer = start(signal_soon, NULL);
    r = clock_nanosleep(clock, TIMER_ABSTIME, &t, &rest);
    printf(" %s\n", r ? strerrorname_np(r) : "0");
    join(killer);
}

static void test_sleeps(void)
{
    install(SIGUSR1);
    sleep_on(CLOCK_REALTIME, "sleep on realtime");
    sleep_on(CLOCK_MONOTONIC, "sleep on monotonic");
    sleep_on(CLOCK_BOOTTIME, "sleep on boottime");
    sleep_on(CLOCK_TAI, "sleep on tai");
}

/* ---- queues, aio, names ---- */

static void test_queue(void)
{
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 16};
    struct sigevent e = {.sigev_notify = SIGEV_THREAD,
                         .sigev_notify_function = call,
                         .sigev_value = {.sival_int = 9}};
    char name[64], buffer[16];
    mqd_t q;

    snprintf(name, sizeof name, "/tendril-test-%d", (int)getpid());
    q = mq_open(name, O_CREAT | O_RDWR, 0600, &attr);
    if (q == (mqd_t)-1) {
        printf("mq_open: %s\n", strerrorname_np(errno));
        return;
    }
    mq_unlink(name);
    n_called = 0;
    CHECK(mq_notify(q, &e) == 0);
    CHECK(mq_send(q, "x", 1, 0) == 0);
    wait_until(&n_called, 1);
    printf("mq_notify: %d value %d\n", n_called, called_value);
    CHECK(mq_receive(q, buffer, sizeof buffer, NULL) == 1);
    e.sigev_notify = SIGEV_SIGNAL;
    e.sigev_signo = SIGUSR1;
    install(SIGUSR1);
    CHECK(mq_notify(q, &e) == 0);
    printf("twice: %d", mq_notify(q, &e));
    printf(" %s\n", strerrorname_np(errno));
    CHECK(mq_send(q, "x", 1, 0) == 0);
    wait_until(&n_handled, 1);
    printf("by signal: %d value %d code %d\n", n_handled, last_value,
           last_code == SI_MESGQ);
    mq_close(q);
}

static void test_aio(void)
{
    char text[] = "hello", in[6] = "";
    char name[] = "/tmp/tendril-aio-XXXXXX";
    int fd = mkstemp(name);
    struct aiocb w = {.aio_fildes = fd, .aio_buf = text, .aio_nbytes = 5};
    struct aiocb r = {.aio_fildes = fd, .aio_buf = in, .aio_nbytes = 5};
    const struct aiocb *list[] = {&r};

    unlink(name);
    w.aio_sigevent.sigev_notify = SIGEV_SIGNAL;
    w.aio_sigevent.sigev_signo = SIGUSR1;
    w.aio_sigevent.sigev_value.sival_int = 3;
    install(SIGUSR1);
    CHECK(aio_write(&w) == 0);
    wait_until(&n_handled, 1);
    printf("aio_write: %d %zd, signal value %d code %d\n", aio_error(&w),
           aio_return(&w), last_value, last_code == SI_ASYNCIO);
    r.aio_sigevent.sigev_notify = SIGEV_THREAD;
    r.aio_sigevent.sigev_notify_function = call;
    r.aio_sigevent.sigev_value.sival_int = 4;
    n_called = 0;
    CHECK(aio_read(&r) == 0);
    while (aio_suspend(list, 1, NULL) < 0)
        CHECK(errno == EINTR);
    wait_until(&n_called, 1);
    printf("aio_read: %d %zd %s, thread value %d\n", aio_error(&r),
           aio_return(&r), in, called_value);
    close(fd);
}

static void test_names(void)
{
    struct gaicb a = {.ar_name = "127.0.0.1"}, b = {.ar_name = "::1"};
    struct gaicb *list[] = {&a, &b};
    int r = getaddrinfo_a(GAI_WAIT, list, 2, NULL);

    printf("getaddrinfo_a: %d %d %d\n", r, gai_error(&a), gai_error(&b));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    main_thread = pthread_self();
    test_signals(NULL);
    join(start(test_signals, NULL));
    test_thread(NULL);
    join(start(test_thread, NULL));
    test_thread_id();
    test_many_owners();
    test_blocked();
    test_many_timers();
    test_overrun();
    test_fast();
    test_itimers();
    test_whose_time();
    test_sleeps();
    test_queue();
    test_aio();
    test_names();
    return 0;
}
