/* SPDX-License-Identifier: MIT */
/* tests/run/programs/signals.c - signals of the process and of threads.
 *
 * usage: signals            all that can be seen from within
 *        signals die NAME   end by a signal's default action
 *        signals wait       a thread computes, main sleeps; SIGINT ends it */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "support.h"

static volatile int n_handled, last_code, on_alt;
static volatile pthread_t handled_by;
static char alt[65536];
static int pipe_fds[2];

static void on_signal(int sig, siginfo_t *info, void *context)
{
    char here;

    (void)sig;
    (void)context;
    n_handled++;
    last_code = info->si_code;
    handled_by = pthread_self();
    on_alt = &here >= alt && &here < alt + sizeof alt;
}

static void install(int sig, int flags)
{
    struct sigaction a = {.sa_sigaction = on_signal,
                          .sa_flags = flags | SA_SIGINFO};

    CHECK(sigaction(sig, &a, NULL) == 0);
}

static void *kill_later(void *arg)
{
    nap_ms(20);
    kill(getpid(), (int)(intptr_t)arg);
    nap_ms(20);
    CHECK(write(pipe_fds[1], "x", 1) == 1);
    return NULL;
}

/* A signal for the process interrupts main, whoever runs. */
static void test_interrupt(void)
{
    pthread_t t;
    ssize_t n;
    char c;

    install(SIGUSR1, 0);
    t = start(kill_later, (void *)(intptr_t)SIGUSR1);
    n = read(pipe_fds[0], &c, 1);
    printf("read %d EINTR %d, in main %d\n", (int)n, errno == EINTR,
           !!pthread_equal(handled_by, pthread_self()));
    join(t);
    CHECK(read(pipe_fds[0], &c, 1) == 1);

    install(SIGUSR1, SA_RESTART);
    t = start(kill_later, (void *)(intptr_t)SIGUSR1);
    n = read(pipe_fds[0], &c, 1);
    printf("with SA_RESTART: read %d, handled %d\n", (int)n, n_handled);
    join(t);
    t = start(kill_later, (void *)(intptr_t)SIGUSR1);
    n = poll(NULL, 0, 10000);
    printf("poll %d EINTR %d\n", (int)n, errno == EINTR);
    join(t);
    CHECK(read(pipe_fds[0], &c, 1) == 1);
}

static void test_timers(void)
{
    struct itimerval it = {.it_value = {0, 10000}};
    struct timespec t = {5, 0};
    int r;

    n_handled = 0;
    install(SIGALRM, 0);
    setitimer(ITIMER_REAL, &it, NULL);
    r = nanosleep(&t, &t);
    printf("nanosleep %d, left %d, handled %d\n", r, t.tv_sec >= 4, n_handled);
    setitimer(ITIMER_REAL, &it, NULL);
    r = pause();
    printf("pause %d %d\n", r, errno == EINTR);
    setitimer(ITIMER_REAL, &it, NULL);
    while (n_handled < 3)
        ; /* no call at all */
    printf("while computing: %d\n", n_handled);
}

static void test_masks(void)
{
    sigset_t set, old, pending;

    n_handled = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    sigpending(&pending);
    printf("blocked: handled %d, pending %d\n", n_handled,
           sigismember(&pending, SIGUSR1));
    sigsuspend(&old);
    printf("sigsuspend: handled %d\n", n_handled);
    CHECK(raise(SIGUSR1) == 0);
    sigpending(&pending);
    printf("raised: handled %d, pending %d\n", n_handled,
           sigismember(&pending, SIGUSR1));
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    printf("unblocked: handled %d\n", n_handled);
}

static void *with_alt(void *arg)
{
    stack_t s = {.ss_sp = alt, .ss_size = sizeof alt};
    stack_t old;

    (void)arg;
    CHECK(sigaltstack(&s, &old) == 0 && (old.ss_flags & SS_DISABLE));
    nap_ms(5);
    CHECK(raise(SIGUSR2) == 0);
    return NULL;
}

static void test_altstack(void)
{
    pthread_t t;

    install(SIGUSR2, SA_ONSTACK);
    t = start(with_alt, NULL);
    join(t);
    printf("on the alternate stack %d\n", on_alt);
    CHECK(raise(SIGUSR2) == 0);
    printf("main has none %d, si_code %d\n", !on_alt, last_code);
}

static char *guarded;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    CHECK((char *)info->si_addr == guarded);
    mprotect(guarded, 4096, PROT_READ | PROT_WRITE);
}

static void *fault(void *arg)
{
    nap_ms(1);
    *guarded = 1;
    return arg;
}

static void test_faults(void)
{
    struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    int fds[2];
    ssize_t n;

    guarded = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaction(SIGSEGV, &a, NULL);
    join(start(fault, NULL));
    printf("fault %d\n", *guarded);
    install(SIGPIPE, 0);
    n_handled = 0;
    CHECK(pipe(fds) == 0);
    close(fds[0]);
    n = write(fds[1], "x", 1);
    printf("write %d EPIPE %d, SIGPIPE %d\n", (int)n, errno == EPIPE,
           n_handled);
    close(fds[1]);
}

/* ---- raised by a call: for the thread that makes it ---- */

static int full[2]; /* a pipe with no room */

static sigset_t only(int sig)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, sig);
    return set;
}

static ssize_t break_pipe(void)
{
    int fds[2];
    ssize_t n;

    CHECK(pipe(fds) == 0);
    close(fds[0]);
    n = write(fds[1], "x", 1);
    close(fds[1]);
    return n;
}

static ssize_t outgrow(void)
{
    struct rlimit old, limit;
    FILE *file = tmpfile();
    ssize_t n;
    int error;

    CHECK(file && getrlimit(RLIMIT_FSIZE, &old) == 0);
    limit = (struct rlimit){10, old.rlim_max};
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    n = pwrite(fileno(file), "x", 1, 10);
    error = errno;
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    fclose(file);
    errno = error;
    return n;
}

/* The reader goes while this one waits for room. */
static ssize_t break_later(void)
{
    static char bytes[1 << 20];
    size_t room = (size_t)fcntl(full[1], F_GETPIPE_SZ);

    CHECK(room <= sizeof bytes &&
          write(full[1], bytes, room) == (ssize_t)room);
    return write(full[1], "x", 1);
}

static void *close_later(void *arg)
{
    nap_ms(20);
    close(full[0]);
    return arg;
}

static void *blocked_in_thread(void *arg)
{
    static const struct timespec now;
    ssize_t (*raising[])(void) = {break_pipe, outgrow, break_later};
    int which = (int)(intptr_t)arg, sig = which == 1 ? SIGXFSZ : SIGPIPE;
    sigset_t set = only(sig), pending;
    siginfo_t info = {0};
    ssize_t n;
    int error;

    pthread_sigmask(SIG_BLOCK, &set, NULL);
    n = raising[which]();
    error = errno;
    sigpending(&pending);
    printf("blocked here alone: %zd %s, pending %d", n, strerrorname_np(error),
           sigismember(&pending, sig));
    n = sigtimedwait(&set, &info, &now);
    printf(", taken %zd, si_code %d\n", n, info.si_code);
    return NULL;
}

static void *pending_here(void *arg)
{
    sigset_t pending;

    sigpending(&pending);
    printf("and for another thread %d\n", sigismember(&pending, SIGPIPE));
    return arg;
}

static void *handled_here(void *arg)
{
    ssize_t (*raising)(void) = arg ? outgrow : break_pipe;
    ssize_t n;

    handled_by = 0;
    n = raising();
    printf("%zd %s, handled in the one that made the call %d, si_code %d\n",
           n, strerrorname_np(errno),
           !!pthread_equal(handled_by, pthread_self()), last_code);
    return NULL;
}

/* A child that shares our memory ends by its default. */
static void break_in_child(void)
{
    int status, fds[2];
    pid_t child;

    CHECK(pipe(fds) == 0);
    close(fds[0]);
    child = vfork();
    if (child == 0) {
        write(fds[1], "x", 1);
        _exit(0);
    }
    close(fds[1]);
    CHECK(waitpid(child, &status, 0) == child);
    printf("in a child of vfork(): %d\n", WTERMSIG(status));
}

static void test_raised_by_call(void)
{
    sigset_t set = only(SIGPIPE), old;
    pthread_t t;

    signal(SIGPIPE, SIG_DFL);
    for (int i = 0; i < 2; i++)
        join(start(blocked_in_thread, (void *)(intptr_t)i));
    CHECK(pipe(full) == 0);
    t = start(close_later, NULL);
    join(start(blocked_in_thread, (void *)2));
    join(t);
    close(full[1]);
    break_in_child();
    pthread_sigmask(SIG_BLOCK, &set, &old);
    CHECK(break_pipe() < 0);
    join(start(pending_here, NULL));
    CHECK(sigtimedwait(&set, NULL, &(struct timespec){0, 0}) == SIGPIPE);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    install(SIGPIPE, 0);
    install(SIGXFSZ, 0);
    for (int i = 0; i < 2; i++)
        join(start(handled_here, (void *)(intptr_t)i));
}

/* ---- waited for by one thread, and not blocked by another ---- */

static volatile int has_come;

static void *send_until_come(void *arg)
{
    while (!has_come) {
        kill(getpid(), (int)(intptr_t)arg);
        nap_ms(5);
    }
    return NULL;
}

static void *send_once(void *arg)
{
    nap_ms(50);
    kill(getpid(), (int)(intptr_t)arg);
    nap_ms(10000);
    return NULL;
}

/* If it comes before it is waited for, the child ends by it: it is tried until
 * one does not. */
static int comes_to_child(int sig)
{
    sigset_t set = only(sig);
    int status, got;
    pid_t child;

    for (int i = 0; i < 10; i++) {
        child = fork();
        if (child == 0) {
            start(send_once, (void *)(intptr_t)sig);
            pthread_sigmask(SIG_BLOCK, &set, NULL);
            _exit(sigwait(&set, &got) == 0 && got == sig ? 9 : 1);
        }
        CHECK(waitpid(child, &status, 0) == child);
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
    }
    return -1;
}

static void *wait_for_all(void *arg)
{
    sigset_t set;
    int sig;

    sigfillset(&set);
    sigwait(&set, &sig);
    return arg;
}

/* What the CPU raises is for the one that has done it, and deadly at once. */
static int break_here(void)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        start(wait_for_all, NULL);
        nap_ms(20);
        __asm__ volatile("int3");
        _exit(1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? -WEXITSTATUS(status) : WTERMSIG(status);
}

static void test_waited_for(void)
{
    sigset_t set = only(SIGURG), old, pending;
    pthread_t t = start(send_until_come, (void *)(intptr_t)SIGURG);
    int sig;

    pthread_sigmask(SIG_BLOCK, &set, &old);
    CHECK(sigwait(&set, &sig) == 0);
    has_come = 1;
    join(t);
    printf("waited for, and ignored by default: %d\n", sig);
    kill(getpid(), SIGURG);
    signal(SIGURG, SIG_DFL);
    sigpending(&pending);
    printf("ignored while pending: %d\n", sigismember(&pending, SIGURG));
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    printf("waited for, and deadly by default: %d\n",
           comes_to_child(SIGTERM));
    printf("a breakpoint while another waits for all: %d\n", break_here());
}

/* A handler may wait; others run meanwhile. */
static void slow_handler(int sig)
{
    (void)sig;
    nap_ms(20);
    n_handled++;
}

static void *interrupted(void *arg)
{
    nap_ms(1000);
    return arg;
}

static void test_slow_handler(void)
{
    struct sigaction a = {.sa_handler = slow_handler};
    struct sigaction once = {.sa_handler = slow_handler,
                             .sa_flags = (int)SA_RESETHAND};
    struct sigaction now;
    pthread_t t;

    n_handled = 0;
    sigaction(SIGUSR1, &a, NULL);
    t = start(interrupted, NULL);
    nap_ms(5);
    pthread_kill(t, SIGUSR1);
    pthread_kill(t, SIGUSR1);
    join(t);
    printf("a handler that sleeps: %d\n", n_handled >= 1);
    sigaction(SIGUSR1, &once, NULL);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &now);
    printf("SA_RESETHAND %d\n", now.sa_handler == SIG_DFL);
}

/* ---- many at once ---- */

static volatile int is_over, n_alarms, n_strayed;
static volatile pthread_t raisers[2]; /* of SIGUSR1, SIGUSR2 */

static void on_raised(int sig)
{
    n_strayed += !pthread_equal(raisers[sig == SIGUSR2], pthread_self());
}

static void on_alarm(int sig)
{
    (void)sig;
    n_alarms++;
}

static void *raise_on(void *arg)
{
    int sig = (int)(intptr_t)arg;

    raisers[sig == SIGUSR2] = pthread_self();
    while (!is_over)
        raise(sig);
    return NULL;
}

/* A signal for another thread comes while this one gets its own. */
static void test_raise_and_timer(void)
{
    struct sigaction a = {.sa_handler = on_raised};
    struct sigaction alarm = {.sa_handler = on_alarm};
    struct itimerval it = {{0, 100}, {0, 100}}, off = {{0, 0}, {0, 0}};
    sigset_t set;
    pthread_t t[2];

    sigaction(SIGUSR1, &a, NULL);
    sigaction(SIGUSR2, &a, NULL);
    sigaction(SIGALRM, &alarm, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    t[0] = start(raise_on, (void *)(intptr_t)SIGUSR1);
    t[1] = start(raise_on, (void *)(intptr_t)SIGUSR2);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    setitimer(ITIMER_REAL, &it, NULL);
    while (n_alarms < 3000)
        pause();
    setitimer(ITIMER_REAL, &off, NULL);
    is_over = 1;
    join(t[0]);
    join(t[1]);
    printf("raised, and strayed to another thread: %d\n", n_strayed);
}

static void *aborting(void *arg)
{
    (void)arg;
    abort();
}

static int die(const char *name)
{
    int sig = strcmp(name, "TERM") == 0   ? SIGTERM
              : strcmp(name, "SEGV") == 0 ? SIGSEGV
                                          : SIGABRT;

    if (strcmp(name, "ABRT-thread") == 0)
        join(start(aborting, NULL));
    if (sig == SIGABRT)
        abort();
    if (sig == SIGSEGV)
        **(volatile int *volatile *)&guarded = 0;
    kill(getpid(), sig);
    nap_ms(5000);
    return 0;
}

static volatile int about_to_wait;

static void *compute(void *arg)
{
    while (!about_to_wait)
        sched_yield();
    for (volatile long i = 0;; i++)
        ;
    return arg;
}

static _Noreturn void wait_for_signal(int is_pending)
{
    sigset_t set, old;
    int r;

    install(SIGINT, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    start(compute, NULL);
    alarm(30);
    if (is_pending)
        kill(getpid(), SIGINT);
    printf("ready\n");
    fflush(stdout);
    about_to_wait = 1;
    r = sigsuspend(&old); /* with --quantum=0 the only way back */
    /* No further call: one that writes may give way, once more and for ever. */
    _exit(r == -1 && pthread_equal(handled_by, pthread_self()) ? 3 : 4);
}

/* ---- when there is no more memory ---- */

static int write_too_far(void)
{
    const struct rlimit no_memory = {4096, 4096}, no_bytes = {1, 1};
    int fd = memfd_create("limited", 0), r;

    install(SIGXFSZ, 0);
    n_handled = 0;
    CHECK(setrlimit(RLIMIT_FSIZE, &no_bytes) == 0);
    CHECK(setrlimit(RLIMIT_AS, &no_memory) == 0);
    r = ftruncate(fd, 2);
    return n_handled * 2 + (r == -1 && errno == EFBIG);
}

static void test_without_memory(void)
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(write_too_far());
    CHECK(waitpid(pid, &status, 0) == pid);
    printf("without memory: status %#x\n", status);
}

/* ---- another mask for a descriptor from which somebody reads ---- */

static void *read_signal(void *arg)
{
    struct signalfd_siginfo info;
    ssize_t n = read((int)(intptr_t)arg, &info, sizeof info);

    return (void *)(intptr_t)(n < 0 ? -errno : (int)info.ssi_signo);
}

static void test_changed_descriptor(void)
{
    sigset_t hup = only(SIGHUP), winch = only(SIGWINCH), both = hup;
    pthread_t t;
    int fd;

    sigaddset(&both, SIGWINCH);
    pthread_sigmask(SIG_BLOCK, &both, NULL);
    fd = signalfd(-1, &hup, 0);
    t = start(read_signal, (void *)(intptr_t)fd);
    nap_ms(20);
    CHECK(signalfd(fd, &winch, 0) == fd);
    CHECK(kill(getpid(), SIGWINCH) == 0);
    printf("read by its new mask: %d\n",
           (int)(intptr_t)join(t) == SIGWINCH);
    close(fd);
    pthread_sigmask(SIG_UNBLOCK, &both, NULL);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return die(argv[2]);
    if (argc == 2)
        wait_for_signal(strcmp(argv[1], "pending") == 0);
    CHECK(pipe(pipe_fds) == 0);
    test_interrupt();
    test_timers();
    test_masks();
    test_altstack();
    test_faults();
    test_raised_by_call();
    test_waited_for();
    test_slow_handler();
    test_raise_and_timer();
    test_without_memory();
    test_changed_descriptor();
    return 0;
}
