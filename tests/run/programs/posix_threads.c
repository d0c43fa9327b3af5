/* SPDX-License-Identifier: MIT */
/* tests/run/programs/posix_threads.c - making and ending threads, their
 * attributes, names, scheduling, keys, and what they synchronise by. */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "posix.h"

/* ---- attributes ---- */

static void *tell_stack(void *arg)
{
    pthread_attr_t attr;
    size_t size, guard;
    void *low;
    char here;
    int detached;

    CHECK(pthread_getattr_np(pthread_self(), &attr) == 0);
    CHECK(pthread_attr_getstack(&attr, &low, &size) == 0);
    pthread_attr_getguardsize(&attr, &guard);
    pthread_attr_getdetachstate(&attr, &detached);
    printf("stack %zu guard %zu detached %d, on it %d, as given %d\n", size,
           guard, detached, &here > (char *)low && &here < (char *)low + size,
           !arg || arg == low);
    pthread_attr_destroy(&attr);
    return arg;
}

static void test_attributes(void)
{
    static const size_t sizes[] = {16384, 65536, 1 << 20};
    size_t big = 65536;
    char *own = mmap(NULL, big, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_t attr;
    pthread_t t;

    pthread_attr_init(&attr);
    printf("too small: %s\n", name(pthread_attr_setstacksize(&attr, 8192)));
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_attr_setstacksize(&attr, sizes[i]) == 0);
        CHECK(pthread_attr_setguardsize(&attr, i * 8192) == 0);
        CHECK(pthread_create(&t, &attr, tell_stack, NULL) == 0);
        join(t);
    }
    CHECK(pthread_attr_setstack(&attr, own, big) == 0);
    CHECK(pthread_create(&t, &attr, tell_stack, own) == 0);
    printf("joined %d\n", join(t) == own);
    munmap(own, big);
    pthread_attr_destroy(&attr);
    pthread_attr_init(&attr);
    printf("scope: %s\n",
           name(pthread_attr_setscope(&attr, PTHREAD_SCOPE_PROCESS)));
    pthread_attr_destroy(&attr);
}

/* ---- joining ---- */

static sem_t go, told;

static void *wait_for_go(void *arg)
{
    while (sem_wait(&go) < 0)
        ;
    return arg;
}

static void *join_it(void *arg)
{
    return (void *)(intptr_t)pthread_join(*(pthread_t *)arg, NULL);
}

static void test_join(void)
{
    struct timespec t = after_ms(CLOCK_REALTIME, 10);
    struct timespec mono = after_ms(CLOCK_MONOTONIC, 10);
    pthread_t a = start(wait_for_go, &go), b;
    void *result = NULL;
    int r;

    printf("tryjoin %s", name(pthread_tryjoin_np(a, &result)));
    printf(" timedjoin %s", name(pthread_timedjoin_np(a, &result, &t)));
    printf(" clockjoin %s", name(pthread_clockjoin_np(a, &result,
                                                      CLOCK_MONOTONIC, &mono)));
    printf(" self %s\n", name(pthread_join(pthread_self(), NULL)));
    b = start(join_it, &a);
    nap_ms(10);
    sem_post(&go);
    printf("joined by another: %s\n", name((int)(intptr_t)join(b)));
    a = start(wait_for_go, &go);
    sem_post(&go);
    while ((r = pthread_tryjoin_np(a, &result)) == EBUSY)
        nap_ms(1);
    printf("ended: tryjoin %s %d\n", name(r), result == &go);
    a = start(wait_for_go, NULL);
    CHECK(pthread_detach(a) == 0);
    printf("detached: join %s detach %s\n", name(pthread_join(a, NULL)),
           name(pthread_detach(a)));
    sem_post(&go);
}

static int n_ended;

static void *end_detached(void *arg)
{
    __atomic_add_fetch(&n_ended, 1, __ATOMIC_SEQ_CST);
    return arg;
}

static void test_detached(void)
{
    pthread_attr_t attr;
    pthread_t t;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 300; i++)
        CHECK(pthread_create(&t, &attr, end_detached, NULL) == 0);
    while (__atomic_load_n(&n_ended, __ATOMIC_SEQ_CST) < 300)
        nap_ms(1);
    printf("detached %d\n", n_ended);
    pthread_attr_destroy(&attr);
}

/* ---- keys, once ---- */

static pthread_key_t keys[3];
static int n_destroyed[3];

static void destroy(void *value)
{
    int i = (int)(intptr_t)value % 3;

    n_destroyed[i]++;
    if (i == 1) /* for ever, as far as it goes */
        pthread_setspecific(keys[1], value);
    if (i == 2 && n_destroyed[2] < 3)
        pthread_setspecific(keys[2], value);
}

static void *use_keys(void *arg)
{
    for (intptr_t i = 0; i < 3; i++) {
        CHECK(pthread_getspecific(keys[i]) == NULL);
        CHECK(pthread_setspecific(keys[i], (void *)(i + 3)) == 0);
        CHECK(pthread_getspecific(keys[i]) == (void *)(i + 3));
    }
    return arg;
}

static pthread_once_t once = PTHREAD_ONCE_INIT, canceled_once;
static int n_once;

static void do_once(void)
{
    nap_ms(10);
    n_once++;
}

static void do_forever(void)
{
    n_once++;
    if (n_once == 2)
        nap_ms(5000);
}

static void *call_once_of(void *arg)
{
    pthread_once(arg, arg == &once ? do_once : do_forever);
    return NULL;
}

static void test_keys(void)
{
    pthread_key_t many[PTHREAD_KEYS_MAX];
    int n = 0, r;
    pthread_t t[4];

    for (int i = 0; i < 3; i++)
        CHECK(pthread_key_create(&keys[i], destroy) == 0);
    join(start(use_keys, NULL));
    printf("destroyed %d %d %d\n", n_destroyed[0], n_destroyed[1],
           n_destroyed[2]);
    while ((r = pthread_key_create(&many[n], NULL)) == 0)
        n++;
    printf("keys: %s\n", name(r));
    while (n > 0)
        pthread_key_delete(many[--n]);
    printf("deleted twice: %s\n", name(pthread_key_delete(many[0])));
    for (int i = 0; i < 4; i++)
        t[i] = start(call_once_of, &once);
    for (int i = 0; i < 4; i++)
        join(t[i]);
    printf("once: %d\n", n_once);
    t[0] = start(call_once_of, &canceled_once);
    nap_ms(10);
    pthread_cancel(t[0]);
    join(t[0]);
    call_once_of(&canceled_once);
    printf("once, after a cancel: %d\n", n_once);
}

/* ---- how many there are ---- */

static int count_threads(void)
{
    enum { FIELD = 20 }; /* the second has parentheses */
    int fd = open("/proc/self/stat", O_RDONLY);
    char text[1024], *at;
    ssize_t got = read(fd, text, 1000);

    CHECK(got > 0 && text[got - 1] == '\n' && read(fd, text + 1000, 24) == 0);
    text[got] = '\0';
    close(fd);
    at = strrchr(text, ')');
    for (int i = 2; i < FIELD && at; i++)
        at = strchr(at + 1, ' ');
    CHECK(at != NULL);
    return (int)strtol(at, NULL, 10);
}

/* It is the kernel's and may be late with the end of one. */
static int count_when(int expected)
{
    int n = count_threads();

    for (int i = 0; i < 50 && n != expected; i++) {
        nap_ms(10);
        n = count_threads();
    }
    return n;
}

static void test_count(void)
{
    enum { N = 11 };
    FILE *f = tmpfile();
    pthread_t t[N];

    printf("threads: %d", count_when(1));
    for (int i = 0; i < N; i++)
        t[i] = start(wait_for_go, NULL);
    CHECK(f && fputs("to the disk", f) >= 0 && fflush(f) == 0);
    CHECK(fsync(fileno(f)) == 0);
    printf(", then %d", count_when(N + 1));
    for (int i = 0; i < N; i++)
        sem_post(&go);
    for (int i = 0; i < N; i++)
        join(t[i]);
    printf(", at last %d\n", count_when(1));
    fclose(f);
}

/* ---- names and scheduling ---- */

static void *tell_name(void *arg)
{
    char text[16];

    CHECK(pthread_getname_np(pthread_self(), text, sizeof text) == 0);
    printf("inherits the name: %s\n", text);
    sem_post(&told);
    return wait_for_go(arg);
}

static void test_names(void)
{
    char text[32] = "";
    pthread_t t;
    int r;

    CHECK(pthread_setname_np(pthread_self(), "main one") == 0);
    t = start(tell_name, NULL);
    sem_wait(&told);
    r = pthread_setname_np(t, "a thread's name");
    pthread_getname_np(t, text, sizeof text);
    printf("setname %s, getname %s\n", name(r), text);
    r = pthread_setname_np(t, "x");
    pthread_getname_np(t, text, sizeof text);
    printf("setname %s, getname %s\n", name(r), text);
    printf("too long: %s", name(pthread_setname_np(t, "sixteen letters!")));
    printf(", too short: %s\n", name(pthread_getname_np(t, text, 4)));
    pthread_getname_np(pthread_self(), text, sizeof text);
    printf("main's: %s\n", text);
    sem_post(&go);
    join(t);
}

static void show_scheduling(const char *what, pthread_t t)
{
    struct sched_param p;
    int policy, r = pthread_getschedparam(t, &policy, &p);

    printf("%s: %s policy %d priority %d\n", what, name(r), policy,
           p.sched_priority);
}

static void *tell_scheduling(void *arg)
{
    struct sched_param p = {0};
    struct timespec t;
    cpu_set_t set;
    int r;

    show_scheduling(arg, pthread_self());
    sched_getparam(0, &p);
    r = sched_rr_get_interval(0, &t);
    printf("  as of the call: %d %d, interval %d %d\n", sched_getscheduler(0),
           p.sched_priority, r, (int)(t.tv_nsec / 1000000) * 0);
    CHECK(pthread_getaffinity_np(pthread_self(), sizeof set, &set) == 0);
    printf("  CPUs %d", CPU_COUNT(&set));
    CPU_ZERO(&set);
    printf(", none %s",
           name(pthread_setaffinity_np(pthread_self(), sizeof set, &set)));
    sched_getaffinity(0, sizeof set, &set);
    for (int i = 0, seen = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set) && seen++)
            CPU_CLR(i, &set);
    r = pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    CPU_ZERO(&set);
    pthread_getaffinity_np(pthread_self(), sizeof set, &set);
    printf(", one %s %d\n", name(r), CPU_COUNT(&set));
    errno = 0;
    printf("  nice %d", setpriority(PRIO_PROCESS, 0, 5));
    printf(" %d\n", getpriority(PRIO_PROCESS, 0));
    sem_post(&told);
    return wait_for_go(NULL);
}

static void test_scheduling(void)
{
    struct sched_param p = {.sched_priority = 7};
    pthread_attr_t attr;
    pthread_t t;
    int r;

    t = start(tell_scheduling, (void *)"inherited");
    sem_wait(&told);
    r = pthread_setschedparam(t, SCHED_RR, &p);
    printf("set: %s\n", name(r));
    show_scheduling("then", t);
    printf("priority: %s", name(pthread_setschedprio(t, 3)));
    printf(", bad %s", name(pthread_setschedprio(t, 200)));
    printf(", policy %s\n", name(pthread_setschedparam(t, 77, &p)));
    show_scheduling("then", t);
    printf("nice of main %d\n", getpriority(PRIO_PROCESS, 0));
    sem_post(&go);
    join(t);
    pthread_attr_init(&attr);
    pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
    pthread_attr_setschedparam(&attr, &p);
    r = pthread_create(&t, &attr, tell_scheduling, (void *)"explicit");
    if (r == 0) {
        sem_post(&go);
        join(t);
    }
    printf("create: %s\n", name(r));
    pthread_attr_destroy(&attr);
}

/* Who waits with a higher priority is woken first. */
static pthread_mutex_t order_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t order_word;

static void *wait_ranked(void *arg)
{
    struct sched_param p = {.sched_priority = (int)(intptr_t)arg};

    if (p.sched_priority)
        pthread_setschedparam(pthread_self(), SCHED_FIFO, &p);
    syscall(SYS_futex, &order_word, 128, 0, NULL, NULL, 0);
    pthread_mutex_lock(&order_lock);
    printf(" %d", p.sched_priority);
    pthread_mutex_unlock(&order_lock);
    return NULL;
}

static void test_order(void)
{
    static const int ranks[] = {0, 5, 9, 0, 1, 9};
    pthread_t t[6];

    for (int i = 0; i < 6; i++) {
        t[i] = start(wait_ranked, (void *)(intptr_t)ranks[i]);
        nap_ms(30);
    }
    printf("woken in order:");
    for (int i = 0; i < 6; i++) {
        syscall(SYS_futex, &order_word, 129, 1, NULL, NULL, 0);
        nap_ms(30);
    }
    for (int i = 0; i < 6; i++)
        join(t[i]);
    printf("\n");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    CHECK(sem_init(&go, 0, 0) == 0 && sem_init(&told, 0, 0) == 0);
    test_attributes();
    test_join();
    test_detached();
    test_keys();
    test_count();
    test_names();
    test_scheduling();
    test_order();
    return 0;
}
