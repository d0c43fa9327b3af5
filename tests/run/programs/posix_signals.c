/* SPDX-License-Identifier: MIT */
/* tests/run/programs/posix_signals.c - signals: queues, masks, waiting for
 * them, what handlers are told, and the flags of sigaction(). */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/select.h>
#include <semaphore.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "told.h"

static pthread_t main_thread;

static void on_signal(int sig, siginfo_t *info, void *context)
{
    (void)context;
    tell(" ");
    tell_number(sig >= SIGRTMIN ? sig - SIGRTMIN + 100 : sig);
    tell("/");
    tell_number(info->si_code);
    tell("/");
    tell_number(info->si_code == SI_QUEUE || info->si_code == SI_TIMER
                    ? info->si_value.sival_int
                    : 0);
    tell(info->si_pid == getpid() ? "p" : "");
    tell(pthread_equal(pthread_self(), main_thread) ? "m" : "t");
}

static void install_with(int sig, int flags, int masked,
                         void (*fn)(int, siginfo_t *, void *))
{
    struct sigaction a = {.sa_sigaction = fn, .sa_flags = flags | SA_SIGINFO};

    if (masked)
        sigaddset(&a.sa_mask, masked);
    CHECK(sigaction(sig, &a, NULL) == 0);
}

static void install(int sig, int flags)
{
    install_with(sig, flags, 0, on_signal);
}

static sigset_t set_of(int a, int b, int c)
{
    sigset_t set;

    sigemptyset(&set);
    if (a)
        sigaddset(&set, a);
    if (b)
        sigaddset(&set, b);
    if (c)
        sigaddset(&set, c);
    return set;
}

static void change(int how, int sig)
{
    sigset_t set = set_of(sig, 0, 0);

    CHECK(pthread_sigmask(how, &set, NULL) == 0);
}

static void change_rt(int how)
{
    sigset_t set = set_of(SIGRTMIN, SIGRTMIN + 1, SIGRTMIN + 2);

    CHECK(pthread_sigmask(how, &set, NULL) == 0);
}

static void queue_rt(void)
{
    static const int order[] = {2, 0, 1, 0, 2, 1};

    for (int i = 0; i < 6; i++) {
        union sigval value = {.sival_int = i};

        CHECK(sigqueue(getpid(), SIGRTMIN + order[i], value) == 0);
    }
}

static void queue_rt_to(pthread_t t)
{
    static const int order[] = {2, 0, 1, 0, 2, 1};

    for (int i = 0; i < 6; i++) {
        union sigval value = {.sival_int = i};

        CHECK(pthread_sigqueue(t, SIGRTMIN + order[i], value) == 0);
    }
}

/* ---- queues ---- */

static void wait_for_all(void)
{
    sigset_t set = set_of(SIGRTMIN, SIGRTMIN + 1, SIGRTMIN + 2);
    struct timespec zero = {0, 0};
    siginfo_t info;
    int sig;

    while ((sig = sigtimedwait(&set, &info, &zero)) > 0)
        printf(" %d/%d/%d", sig - SIGRTMIN, info.si_code,
               info.si_value.sival_int);
    printf(" %s\n", strerrorname_np(errno));
}

static void *queue_here(void *arg)
{
    queue_rt_to(pthread_self());
    printf("thread's queue:");
    wait_for_all();
    queue_rt_to(pthread_self());
    change_rt(SIG_UNBLOCK);
    show("thread's, unblocked");
    queue_rt();
    nap_ms(5);
    show("process's, in a thread that takes them");
    return arg;
}

static void test_order(void)
{
    for (int i = 0; i < 3; i++)
        install(SIGRTMIN + i, 0);
    change_rt(SIG_BLOCK);
    queue_rt();
    printf("queue:");
    wait_for_all();
    queue_rt();
    change_rt(SIG_UNBLOCK);
    show("unblocked");
    for (int i = 0; i < 3; i++)
        install_with(SIGRTMIN + i, 0, SIGRTMIN + 1, on_signal);
    change_rt(SIG_BLOCK);
    queue_rt();
    change_rt(SIG_UNBLOCK);
    show("unblocked, with masks");
    change_rt(SIG_BLOCK);
    join(start(queue_here, NULL));
    change_rt(SIG_UNBLOCK);
    show("then in main");
}

static volatile int n_counted;

static void count(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    n_counted += info->si_value.sival_int == n_counted;
}

static void *queue_many(void *arg)
{
    install_with(SIGRTMIN + 1, 0, 0, count);
    change_rt(SIG_BLOCK);
    n_counted = 0;
    for (int i = 0; i < 2000; i++)
        CHECK(pthread_sigqueue(pthread_self(), SIGRTMIN + 1,
                               (union sigval){.sival_int = i}) == 0);
    change_rt(SIG_UNBLOCK);
    printf("2000 queued: %d in order\n", n_counted);
    return arg;
}

/* More than fit anywhere at once come when they are no longer blocked. */
static void queue_many_for_process(void)
{
    sigset_t set;

    install_with(SIGRTMIN + 1, 0, 0, count);
    change_rt(SIG_BLOCK);
    n_counted = 0;
    for (int i = 0; i < 1000; i++)
        CHECK(sigqueue(getpid(), SIGRTMIN + 1,
                       (union sigval){.sival_int = i}) == 0);
    change_rt(SIG_UNBLOCK);
    printf("1000 for the process: %d in order\n", n_counted);
    change_rt(SIG_BLOCK);
    sigpending(&set);
    printf("and pending %d\n", sigismember(&set, SIGRTMIN + 1));
    change_rt(SIG_UNBLOCK);
}

static void *classic(void *arg)
{
    change(SIG_BLOCK, SIGUSR1);
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0);
        CHECK(kill(getpid(), SIGUSR1) == 0);
    }
    change(SIG_UNBLOCK, SIGUSR1);
    show("a classic signal is pending once for each");
    return arg;
}

/* ---- dispositions ---- */

static void raise_and_ignore(int is_process)
{
    struct sigaction a = {.sa_handler = SIG_IGN};

    install(SIGUSR1, 0);
    change(SIG_BLOCK, SIGUSR1);
    if (is_process)
        CHECK(kill(getpid(), SIGUSR1) == 0);
    else
        CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0);
    CHECK(sigaction(SIGUSR1, &a, NULL) == 0);
    install(SIGUSR1, 0);
    change(SIG_UNBLOCK, SIGUSR1);
}

static void *ignore(void *arg)
{
    struct sigaction a = {.sa_handler = SIG_DFL};
    sigset_t pending;

    raise_and_ignore(0);
    show("ignored while pending for a thread");
    raise_and_ignore(1);
    show("ignored while pending for the process");
    install(SIGCHLD, 0);
    change(SIG_BLOCK, SIGCHLD);
    CHECK(pthread_kill(pthread_self(), SIGCHLD) == 0);
    sigpending(&pending);
    printf("SIGCHLD pending %d", sigismember(&pending, SIGCHLD));
    CHECK(sigaction(SIGCHLD, &a, NULL) == 0);
    sigpending(&pending);
    printf(", by default %d\n", sigismember(&pending, SIGCHLD));
    change(SIG_UNBLOCK, SIGCHLD);
    return arg;
}

static void nested(int sig, siginfo_t *info, void *context)
{
    static int depth;
    sigset_t now;

    on_signal(sig, info, context);
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    tell(sigismember(&now, SIGUSR1) ? "[1" : "[-");
    tell(sigismember(&now, SIGUSR2) ? "2" : "-");
    if (depth < 2) {
        depth++;
        raise(SIGUSR1);
        raise(SIGUSR2);
        depth--;
    }
    tell("]");
}

static void *flags(void *arg)
{
    static const int flag_sets[] = {0, SA_NODEFER, (int)SA_RESETHAND,
                                    SA_NODEFER | (int)SA_RESETHAND};

    for (int i = 0; i < 4; i++) {
        struct sigaction now;

        install_with(SIGUSR2, 0, 0, on_signal);
        install_with(SIGUSR1, flag_sets[i] & ~(int)SA_RESETHAND, SIGUSR2,
                     nested);
        raise(SIGUSR1);
        show("nested");
        install_with(SIGUSR1, flag_sets[i], 0, on_signal);
        raise(SIGUSR1);
        sigaction(SIGUSR1, NULL, &now);
        printf("after it: default %d, flags %x\n", now.sa_handler == SIG_DFL,
               (unsigned)now.sa_flags & 0xfbffffff);
        show("told");
    }
    return arg;
}

/* ---- who gets it ---- */

static volatile int is_over;
static int fds[2];

static void *take_in_thread(void *arg)
{
    char c;

    change(SIG_UNBLOCK, SIGUSR1);
    printf("read: %zd", read(fds[0], &c, 1));
    printf(" %s\n", strerrorname_np(errno));
    return arg;
}

/* Main blocks it, a thread does not. */
static void test_other_thread(void)
{
    pthread_t t;

    install(SIGUSR1, 0);
    change(SIG_BLOCK, SIGUSR1);
    t = start(take_in_thread, NULL);
    nap_ms(10);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    join(t);
    show("the one that takes it");
    change(SIG_UNBLOCK, SIGUSR1);
}

static void *sigwait_one(void *arg)
{
    sigset_t set = set_of(SIGUSR1, SIGUSR2, SIGRTMIN);
    int sig = 0, r = sigwait(&set, &sig);

    return (void *)(intptr_t)(r ? -r : sig - (arg ? SIGRTMIN : 0));
}

static void *waitinfo_one(void *arg)
{
    sigset_t set = set_of(SIGUSR1, 0, 0);
    siginfo_t info;
    int r = sigwaitinfo(&set, &info);

    return (void *)(intptr_t)(r < 0 ? -errno : arg ? info.si_code : r);
}

static void test_sigwait(void)
{
    sigset_t all = set_of(SIGUSR1, SIGUSR2, SIGRTMIN), old;
    struct timespec brief = {0, 10000000};
    pthread_t t[3];
    int n = 0;

    pthread_sigmask(SIG_BLOCK, &all, &old);
    t[0] = start(sigwait_one, NULL);
    nap_ms(5);
    CHECK(kill(getpid(), SIGUSR2) == 0);
    printf("sigwait: %d\n", (int)(intptr_t)join(t[0]));
    t[0] = start(sigwait_one, NULL);
    nap_ms(5);
    CHECK(pthread_kill(t[0], SIGUSR1) == 0);
    printf("sigwait: %d\n", (int)(intptr_t)join(t[0]));
    t[0] = start(waitinfo_one, &n);
    nap_ms(5);
    CHECK(pthread_kill(t[0], SIGUSR1) == 0);
    printf("sigwaitinfo: %d\n", (int)(intptr_t)join(t[0]));
    for (int i = 0; i < 3; i++)
        t[i] = start(sigwait_one, &n);
    nap_ms(5);
    for (int i = 0; i < 3; i++)
        CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){0}) == 0);
    for (int i = 0; i < 3; i++)
        n += join(t[i]) == NULL;
    printf("three waited: %d\n", n);
    t[0] = start(waitinfo_one, NULL);
    nap_ms(5);
    install(SIGALRM, SA_RESTART);
    CHECK(pthread_kill(t[0], SIGALRM) == 0);
    printf("interrupted: %s\n", strerrorname_np(-(int)(intptr_t)join(t[0])));
    show("by");
    n = sigtimedwait(&all, NULL, &brief);
    printf("sigtimedwait: %d %s\n", n, strerrorname_np(errno));
    CHECK(kill(getpid(), SIGUSR1) == 0 && raise(SIGUSR1) == 0);
    sigwait(&all, &n);
    printf("pending twice: %d", n);
    sigwait(&all, &n);
    printf(" %d\n", n);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    show("nothing");
}

static void *wait_for_fault_signal(void *arg)
{
    sigset_t set = set_of(SIGSEGV, SIGBUS, 0), pending;
    int sig;

    nap_ms(5);
    sigpending(&pending);
    printf("SIGSEGV pending %d\n", sigismember(&pending, SIGSEGV));
    sigwait(&set, &sig);
    printf("SIGSEGV waited for %d\n", sig == SIGSEGV);
    return arg;
}

static void test_fault_signals(void)
{
    pthread_t t;

    change(SIG_BLOCK, SIGSEGV);
    change(SIG_BLOCK, SIGBUS);
    CHECK(kill(getpid(), SIGSEGV) == 0);
    t = start(wait_for_fault_signal, NULL);
    join(t);
    change(SIG_UNBLOCK, SIGSEGV);
    change(SIG_UNBLOCK, SIGBUS);
}

/* ---- masks ---- */

static void *inherited(void *arg)
{
    sigset_t mask, pending;
    stack_t alt;

    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    sigpending(&pending);
    sigaltstack(NULL, &alt);
    printf("inherited: mask %d, pending for main %d for the process %d, "
           "alternate stack %d\n",
           sigismember(&mask, SIGUSR1), sigismember(&pending, SIGUSR1),
           sigismember(&pending, SIGUSR2), !(alt.ss_flags & SS_DISABLE));
    return arg;
}

static void test_inherited(void)
{
    static char stack[65536];
    stack_t alt = {.ss_sp = stack, .ss_size = sizeof stack}, off;

    install(SIGUSR1, 0);
    install(SIGUSR2, 0);
    CHECK(sigaltstack(&alt, NULL) == 0);
    change(SIG_BLOCK, SIGUSR1);
    change(SIG_BLOCK, SIGUSR2);
    CHECK(raise(SIGUSR1) == 0 && kill(getpid(), SIGUSR2) == 0);
    join(start(inherited, NULL));
    change(SIG_UNBLOCK, SIGUSR1);
    show("unblocked");
    change(SIG_UNBLOCK, SIGUSR2);
    show("unblocked");
    off = (stack_t){.ss_flags = SS_DISABLE};
    CHECK(sigaltstack(&off, NULL) == 0);
}

static void *suspend(void *arg)
{
    sigset_t none = set_of(0, 0, 0), now;
    const struct timespec t = {5, 0}, zero = {0, 0};
    int r;

    change(SIG_BLOCK, SIGUSR1);
    *(volatile int *)arg = 1;
    r = sigsuspend(&none);
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    printf("sigsuspend %d %s, blocked again %d\n", r, strerrorname_np(errno),
           sigismember(&now, SIGUSR1));
    *(volatile int *)arg = 2;
    r = ppoll(NULL, 0, &t, &none);
    printf("ppoll %d %s\n", r, strerrorname_np(errno));
    *(volatile int *)arg = 3;
    r = pselect(0, NULL, NULL, NULL, &t, &none);
    printf("pselect %d %s\n", r, strerrorname_np(errno));
    CHECK(raise(SIGUSR1) == 0);
    r = pselect(0, NULL, NULL, NULL, &zero, &none);
    printf("pselect at once %d %s\n", r, strerrorname_np(errno));
    CHECK(raise(SIGUSR1) == 0);
    r = ppoll(NULL, 0, &zero, &none);
    printf("ppoll at once %d %s\n", r, strerrorname_np(errno));
    return NULL;
}

static int is_pending(int sig)
{
    sigset_t set;

    return sigpending(&set) == 0 && sigismember(&set, sig);
}

/* SIGCONT and what stops a process take each other back. */
static void test_displaced(void)
{
    change(SIG_BLOCK, SIGTSTP);
    CHECK(raise(SIGTSTP) == 0);
    printf("SIGTSTP %d", is_pending(SIGTSTP));
    CHECK(kill(getpid(), SIGCONT) == 0);
    printf(", after SIGCONT %d", is_pending(SIGTSTP));
    CHECK(raise(SIGTSTP) == 0 && raise(SIGCONT) == 0);
    printf(", %d\n", is_pending(SIGTSTP));
    change(SIG_BLOCK, SIGCONT);
    CHECK(raise(SIGCONT) == 0);
    printf("SIGCONT %d", is_pending(SIGCONT));
    CHECK(raise(SIGTSTP) == 0);
    printf(", after SIGTSTP %d\n", is_pending(SIGCONT));
    CHECK(raise(SIGCONT) == 0); /* or the next line stops us */
    change(SIG_UNBLOCK, SIGTSTP);
    change(SIG_UNBLOCK, SIGCONT);
}

static void test_suspend(void)
{
    volatile int stage = 0;
    pthread_t t;

    install(SIGUSR1, SA_RESTART);
    t = start(suspend, (void *)&stage);
    for (int i = 1; i <= 3; i++) {
        while (stage < i)
            nap_ms(1);
        nap_ms(5);
        CHECK(pthread_kill(t, SIGUSR1) == 0);
    }
    join(t);
    show("handled");
}

/* ---- signalfd ---- */

static void read_signals(int fd)
{
    struct signalfd_siginfo info[8];
    ssize_t n = read(fd, info, sizeof info);

    for (ssize_t i = 0; i < n / (ssize_t)sizeof info[0]; i++)
        printf(" %d/%d/%d%s", (int)info[i].ssi_signo, info[i].ssi_code,
               info[i].ssi_int, info[i].ssi_pid == (unsigned)getpid() ? "p"
                                                                      : "");
    printf(" %s\n", n < 0 ? strerrorname_np(errno) : "");
}

static void *signal_later(void *arg)
{
    nap_ms(10);
    kill(getpid(), SIGUSR2);
    return arg;
}

/* What is for the thread comes first; of several hubs there is one order. */
static void read_both_kinds(int fd)
{
    const char *hubs = getenv("TENDRIL_RUN_HUBS");
    struct pollfd p = {fd, POLLIN, 0};
    int n;

    if (hubs && strcmp(hubs, "1") != 0)
        return;
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(raise(SIGUSR2) == 0);
    n = poll(&p, 1, 1000);
    printf("poll: %d %x, read:", n, p.revents);
    read_signals(fd);
    CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 7}) == 0);
    CHECK(pthread_sigqueue(pthread_self(), SIGRTMIN,
                           (union sigval){.sival_int = 8}) == 0);
    printf("read:");
    read_signals(fd);
}

static void *by_descriptor(void *arg)
{
    sigset_t set = set_of(SIGUSR1, SIGUSR2, SIGRTMIN);
    int fd = signalfd(-1, &set, 0), n;
    struct pollfd p = {fd, POLLIN, 0};
    pthread_t t;

    read_both_kinds(fd);
    CHECK(raise(SIGUSR2) == 0);
    n = poll(&p, 1, 1000);
    printf("poll: %d %x, read:", n, p.revents);
    read_signals(fd);
    t = start(signal_later, NULL);
    printf("read:");
    read_signals(fd);
    join(t);
    n = poll(&p, 1, 0);
    printf("poll: %d\n", n);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    printf("read:");
    read_signals(fd);
    close(fd);
    return arg;
}

static void test_descriptor(void)
{
    sigset_t set = set_of(SIGUSR1, SIGUSR2, SIGRTMIN);

    pthread_sigmask(SIG_BLOCK, &set, NULL);
    by_descriptor(NULL);
    join(start(by_descriptor, NULL));
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    show("nothing is left");
}

/* One that is there for another thread is neither taken nor stumbled upon. */
static void *wait_for_one(void *arg)
{
    sigset_t set = set_of(SIGUSR1, SIGUSR1, SIGUSR1);
    struct timespec t = {10, 0};
    siginfo_t info;

    sem_wait(arg);
    printf("mine: %d\n", sigtimedwait(&set, &info, &t) == SIGUSR1);
    return NULL;
}

static void test_anothers(void)
{
    sigset_t set = set_of(SIGUSR1, SIGUSR1, SIGUSR1);
    struct timespec t = {0, 30000000};
    int fd = signalfd(-1, &set, 0);
    pthread_t other;
    sem_t go_on;

    sem_init(&go_on, 0, 0);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    other = start(wait_for_one, &go_on);
    CHECK(pthread_kill(other, SIGUSR1) == 0);
    printf("another's: %d\n", sigtimedwait(&set, NULL, &t));
    sem_post(&go_on);
    join(other);
    close(fd);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    show("nothing is left");
}

/* ---- the rest ---- */

static void *nap_and_end(void *arg)
{
    nap_ms(10);
    return arg;
}

static void test_kill(void)
{
    pthread_t t = start(nap_and_end, NULL);

    printf("pthread_kill 0: %d", pthread_kill(t, 0));
    printf(", bad: %s", strerrorname_np(pthread_kill(t, 99)));
    nap_ms(40);
    printf(", ended: %d", pthread_kill(t, 0));
    join(t);
    printf(", SIGCANCEL: %s\n", strerrorname_np(pthread_kill(pthread_self(),
                                                             32)));
    printf("sigqueue: %d", sigqueue(getpid(), 99, (union sigval){0}));
    printf(" %s", strerrorname_np(errno));
    printf(", kill: %d", kill(getpid(), 99));
    printf(" %s\n", strerrorname_np(errno));
    printf("sigaction: %d", sigaction(SIGKILL, NULL, NULL));
    printf(" %d", signal(SIGSTOP, SIG_IGN) == SIG_ERR);
    printf(" %s\n", strerrorname_np(errno));
}

static void test_codes(void)
{
    pid_t child;

    install(SIGUSR1, 0);
    install(SIGCHLD, 0);
    raise(SIGUSR1);
    kill(getpid(), SIGUSR1);
    pthread_kill(pthread_self(), SIGUSR1);
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 5});
    pthread_sigqueue(pthread_self(), SIGUSR1, (union sigval){.sival_int = 6});
    child = fork();
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    nap_ms(5);
    show("codes");
    signal(SIGCHLD, SIG_DFL);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    main_thread = pthread_self();
    CHECK(pipe(fds) == 0);
    test_codes();
    test_order();
    join(start(queue_many, NULL));
    queue_many_for_process();
    change(SIG_BLOCK, SIGUSR1);
    join(start(classic, NULL));
    join(start(ignore, NULL));
    join(start(flags, NULL));
    change(SIG_UNBLOCK, SIGUSR1);
    n_told = 0;
    test_other_thread();
    test_sigwait();
    test_fault_signals();
    test_inherited();
    test_suspend();
    test_displaced();
    test_descriptor();
    test_anothers();
    test_kill();
    return 0;
}
