/* SPDX-License-Identifier: MIT */
/* run/pending.c - signals that wait: a list for each green thread, and one for
 * the process.
 *
 * As in Linux: what was sent to a thread is taken before what was sent to the
 * process, the lowest number first, faults before all, and those of one number
 * in order. A classic signal is on a list once. A signal for the process that
 * somebody takes alerts one who does; it stays on the list until one takes it.
 *
 * Most signals that all block never come here: the kernel keeps them (mask.c).
 * Where the program reads a signal by signalfd(), so does one that is sent to a
 * green thread, for only the kernel can show it there. Its siginfo says in
 * bytes that nobody looks at whose it is, and who comes upon it hands it on: to
 * a list, or whoever waits for that signal would come upon it for ever. So does
 * that of a signal that a call of a green thread has raised (signal.c). */
#include "run/run.h"

#include <sys/resource.h>

enum { CHUNK = 256, TAG = 0x74656e64 };

#define FAULTS                                                                \
    (1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1) | 1ull << (SIGILL - 1) |    \
     1ull << (SIGTRAP - 1) | 1ull << (SIGFPE - 1) | 1ull << (SIGSYS - 1))

/* At the end of what the kernel hands on, beyond all that it fills in. */
struct tagged {
    char of_kernel[40];
    uint32_t tag, tid;
};

static struct tn__list pool; /* of struct tn__run_signal; zero: not yet */
static struct tn__list shared; /* those for the process */
static tn__run_set shared_set;
static long n_made, n_max;
static int n_of_timers; /* on all lists */
static tn__run_set stalled; /* the kernel blocks these, too */

void tn__run_signals_init(void)
{
    tn__list_init(&pool);
    tn__list_init(&shared);
    shared_set = stalled = 0;
    n_made = 0;
    n_of_timers = 0;
}

static void read_limit(void)
{
    struct rlimit limit = {0, 0};

    tn__raw4(SYS_prlimit64, 0, RLIMIT_SIGPENDING, 0, (long)&limit);
    n_max = limit.rlim_cur > 1 << 20 ? 1 << 20 : (long)limit.rlim_cur;
}

/* The first are there already: a signal that a call raises since there is no
 * more memory must not get lost. */
static struct tn__run_signal *get_chunk(void)
{
    static struct tn__run_signal first[CHUNK];

    if (n_made >= n_max)
        return NULL;
    return n_made == 0 ? first : tn__sys_map(CHUNK * sizeof *first);
}

static struct tn__run_signal *get_signal(void)
{
    struct tn__run_signal *s;

    if (tn__list_is_empty(&pool)) {
        read_limit();
        s = get_chunk();
        if (!s)
            return NULL;
        n_made += CHUNK;
        for (int i = 0; i < CHUNK; i++)
            tn__list_insert(&pool, &s[i].link);
    }
    s = TN_CONTAINER(pool.next, struct tn__run_signal, link);
    tn__list_remove(&s->link);
    return s;
}

tn__run_set tn__run_signals_shared(void)
{
    return shared_set;
}

/* ---- whose it is ---- */

static bool takes(const struct tn__run_green *green, tn__run_set bit)
{
    return (bit & ~green->mask) || (bit & green->wait_set);
}

/* Who is to get a signal for the process; NULL: nobody takes it. */
struct tn__run_green *tn__run_signal_taker(int sig)
{
    tn__run_set bit = tn__run_bit(sig);

    for (struct tn__list *n = tn__run.greens.next; n != &tn__run.greens;
         n = n->next) {
        struct tn__run_green *green =
            TN_CONTAINER(n, struct tn__run_green, all);

        if (takes(green, bit))
            return green;
    }
    return NULL;
}

static void alert(struct tn__run_green *green)
{
    green->g.alert |= TN__ALERT_KILL;
    tn__hub_wake(&green->g);
    tn__run_nudge(green);
}

void tn__run_signals_retarget(void)
{
    for (int sig = 1; sig <= TN__RUN_SIGNALS; sig++) {
        struct tn__run_green *green = shared_set & tn__run_bit(sig)
                                          ? tn__run_signal_taker(sig)
                                          : NULL;

        if (green)
            alert(green);
    }
}

static void tag(siginfo_t *info, const struct tn__run_green *green)
{
    struct tagged *t = (void *)info;

    t->tag = TAG;
    t->tid = (uint32_t)green->tid;
}

/* Whose call is made just now: of the one that runs, or of one that waits, in
 * whose place the loop tries it. NULL: nobody's. */
static const struct tn__run_green *caller(void)
{
    const struct tn__op *op = tn__run_hub.loop.serving;
    const struct tn_greenlet *g = &tn__run_self()->g;

    if (op && (!tn__run_is_many || tn__run_here()->has_lock))
        g = op->owner;
    return g == &tn__run_hub.hub_g ? NULL : (const struct tn__run_green *)g;
}

/* What a call has raised says the same as kill() of ourselves, but it comes
 * with the call's result. */
static bool is_of_call(const siginfo_t *info, const ucontext_t *uc)
{
    const greg_t *regs = uc->uc_mcontext.gregs;
    int sig = info->si_signo;
    bool is_raised = (sig == SIGPIPE && regs[REG_RAX] == -EPIPE) ||
                     (sig == SIGXFSZ && regs[REG_RAX] == -EFBIG);

    return is_raised && info->si_code == SI_USER &&
           info->si_pid == tn__run.pid &&
           regs[REG_RIP] >= (long)tn__run_exempt_start &&
           regs[REG_RIP] < (long)tn__run_exempt_end;
}

/* Of a timer or a limit that counts CPU time. The kernel asks the thread first
 * whose time it was. */
static bool is_of_cpu_time(const siginfo_t *info)
{
    int sig = info->si_signo;

    return info->si_code == SI_KERNEL &&
           (sig == SIGPROF || sig == SIGVTALRM || sig == SIGXCPU);
}

void tn__run_signal_attribute(siginfo_t *info, const ucontext_t *uc)
{
    const struct tn__run_green *green = caller();
    tn__run_set bit = tn__run_bit(info->si_signo);

    if (green && (is_of_call(info, uc) ||
                  (is_of_cpu_time(info) && !(green->mask & bit))))
        tag(info, green);
}

bool tn__run_signal_is_tagged(const siginfo_t *info, int *ret_tid)
{
    const struct tagged *t = (const void *)info;

    *ret_tid = (int)t->tid;
    return t->tag == TAG && info->si_code != SI_TIMER;
}

/* ---- lists ---- */

static struct tn__run_signal *signal_of(struct tn__list *link)
{
    return TN_CONTAINER(link, struct tn__run_signal, link);
}

static bool is_of_timer(const siginfo_t *info, int id)
{
    return info->si_code == SI_TIMER && info->si_timerid == id;
}

/* A timer has one signal pending, which counts those that came after it. */
static bool merge(struct tn__list *list, const siginfo_t *info)
{
    for (struct tn__list *n = list->next; n != list; n = n->next) {
        siginfo_t *first = &signal_of(n)->info;
        int64_t overrun;

        if (!is_of_timer(first, info->si_timerid))
            continue;
        overrun = (int64_t)first->si_overrun + info->si_overrun + 1;
        first->si_overrun = overrun < INT32_MAX ? (int)overrun : INT32_MAX;
        return true;
    }
    return false;
}

bool tn__run_signal_stall(const siginfo_t *info)
{
    bool is_timers =
        info->si_code == SI_TIMER ||
        (info->si_code == SI_KERNEL && info->si_signo == SIGALRM);

    if (is_timers)
        stalled |= tn__run_bit(info->si_signo);
    return is_timers;
}

void tn__run_signal_go_on(const siginfo_t *info)
{
    tn__run_set bit = tn__run_bit(info->si_signo);

    if (TN_LIKELY(!(stalled & bit)))
        return;
    stalled &= ~bit;
    tn__run_first.has_new_mask = true;
    if (tn__run_here() == &tn__run_first)
        tn__run_first.is_alert = 1;
    else
        tn__run_nudge_first();
}

tn__run_set tn__run_signals_stalled(void)
{
    return stalled;
}

static long add(struct tn__list *list, tn__run_set *set, const siginfo_t *info)
{
    tn__run_set bit = tn__run_bit(info->si_signo);
    struct tn__run_signal *s;

    if (*set & bit)
        tn__run_signal_stall(info);
    if (info->si_code == SI_TIMER && (*set & bit) && merge(list, info))
        return 0;
    if ((*set & bit) && info->si_signo < 32)
        return 0; /* the classic signals do not queue */
    s = get_signal();
    if (!s)
        return -EAGAIN;
    s->info = *info;
    tn__list_insert(list, &s->link);
    *set |= bit;
    n_of_timers += info->si_code == SI_TIMER;
    return 0;
}

long tn__run_signal_post(struct tn__run_green *green, const siginfo_t *info)
{
    tn__run_set bit = tn__run_bit(info->si_signo);
    long r;

    tn__run_signal_displace(info->si_signo);
    r = green ? add(&green->signals, &green->pending, info)
              : add(&shared, &shared_set, info);
    if (!green)
        green = tn__run_signal_taker(info->si_signo);
    if (green && takes(green, bit))
        alert(green);
    return r;
}

/* Let the kernel keep it, for our kernel thread; of several any may come to
 * read it, so it is for the process then. False: it is for a list. */
static bool keep_in_kernel(const struct tn__run_green *green,
                           const siginfo_t *info)
{
    tn__run_set bit = tn__run_bit(info->si_signo);
    siginfo_t own = *info;

    if (!(tn__run.by_signalfd & tn__run_first.kernel_mask & bit))
        return false;
    tag(&own, green);
    if (TN_UNLIKELY(tn__run_is_many))
        return tn__raw3(SYS_rt_sigqueueinfo, tn__run.pid, info->si_signo,
                        (long)&own) == 0;
    return tn__raw4(SYS_rt_tgsigqueueinfo, tn__run.pid, tn__run.pid,
                    info->si_signo, (long)&own) == 0;
}

long tn__run_signal_send(struct tn__run_green *green, const siginfo_t *info)
{
    return keep_in_kernel(green, info) ? 0 : tn__run_signal_post(green, info);
}

static int first_of(tn__run_set found)
{
    if (!found)
        return 0;
    return __builtin_ctzll(found & FAULTS ? found & FAULTS : found) + 1;
}

int tn__run_signal_next(const struct tn__run_green *green, tn__run_set set)
{
    tn__run_set found = green->pending & set;

    return first_of(found ? found : shared_set & set);
}

int tn__run_signal_due(const struct tn__run_green *green, tn__run_set but)
{
    tn__run_set set = ~(green->mask | but), found = green->pending & set;
    tn__run_set left = found ? 0 : shared_set & set;

    for (; left; left &= left - 1) {
        int sig = __builtin_ctzll(left) + 1;

        if (tn__run_signal_taker(sig) == green)
            found |= tn__run_bit(sig);
    }
    return first_of(found);
}

static void put_back(struct tn__run_signal *s)
{
    n_of_timers -= s->info.si_code == SI_TIMER;
    tn__run_signal_go_on(&s->info);
    tn__list_remove(&s->link);
    tn__list_insert(&pool, &s->link);
}

/* Take the first `sig` off a list that has it. */
static void take(struct tn__list *list, tn__run_set *set, int sig,
                 siginfo_t *ret_info)
{
    struct tn__run_signal *found = NULL;
    bool has_more = false;

    for (struct tn__list *n = list->next; n != list && !has_more;
         n = n->next) {
        struct tn__run_signal *s = signal_of(n);

        if (s->info.si_signo != sig)
            continue;
        has_more = found;
        if (!found)
            found = s;
    }
    if (!has_more)
        *set &= ~tn__run_bit(sig);
    *ret_info = found->info;
    put_back(found);
}

bool tn__run_signal_take(struct tn__run_green *green, tn__run_set set,
                         siginfo_t *ret_info)
{
    int sig = tn__run_signal_next(green, set);

    if (sig == 0)
        return false;
    if (green->pending & tn__run_bit(sig) & set)
        take(&green->signals, &green->pending, sig, ret_info);
    else
        take(&shared, &shared_set, sig, ret_info);
    if (ret_info->si_code == SI_TIMER)
        tn__run_timer_taken(ret_info);
    return true;
}

void tn__run_signal_claim(struct tn__run_green *green, int sig)
{
    siginfo_t info;

    if (green->pending & tn__run_bit(sig))
        return;
    take(&shared, &shared_set, sig, &info);
    add(&green->signals, &green->pending, &info);
}

static void drop(struct tn__list *list, tn__run_set *set, tn__run_set which)
{
    siginfo_t info;

    while (*set & which)
        take(list, set, __builtin_ctzll(*set & which) + 1, &info);
}

void tn__run_signals_drop(struct tn__run_green *green)
{
    drop(&green->signals, &green->pending, ~(tn__run_set)0);
    tn__run_signals_retarget();
}

void tn__run_signal_discard(int sig)
{
    tn__run_set bit = tn__run_bit(sig);

    drop(&shared, &shared_set, bit);
    for (struct tn__list *n = tn__run.greens.next; n != &tn__run.greens;
         n = n->next) {
        struct tn__run_green *green =
            TN_CONTAINER(n, struct tn__run_green, all);

        drop(&green->signals, &green->pending, bit);
    }
}

void tn__run_signal_displace(int sig)
{
    static const int stops[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};

    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++)
        if (sig == SIGCONT)
            tn__run_signal_discard(stops[i]);
        else if (sig == stops[i])
            tn__run_signal_discard(SIGCONT);
}

static void drop_timer(struct tn__list *list, tn__run_set *set, int id)
{
    struct tn__list *n = list->next;

    *set = 0;
    while (n != list) {
        struct tn__run_signal *s = signal_of(n);

        n = n->next;
        if (is_of_timer(&s->info, id))
            put_back(s);
        else
            *set |= tn__run_bit(s->info.si_signo);
    }
}

void tn__run_signal_drop_timer(int id)
{
    if (n_of_timers == 0)
        return;
    drop_timer(&shared, &shared_set, id);
    for (struct tn__list *n = tn__run.greens.next; n != &tn__run.greens;
         n = n->next) {
        struct tn__run_green *green =
            TN_CONTAINER(n, struct tn__run_green, all);

        drop_timer(&green->signals, &green->pending, id);
    }
}
