/* SPDX-License-Identifier: MIT */
/* cli/unwind_dw.c - backtraces by libdw.
 *
 * It is given the registers that the engine has told and reads the process's
 * memory without stopping it: what a thread that waits has on its stack stays.
 * A thread that was preempted lies below the frame of a signal, which has no
 * unwind information: there the registers are taken from the frame, and it
 * begins again. Frames of the engine are left out. */
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ucontext.h>

#include "cli/cli.h"
#include "cli/client.h"

enum { FRAMES_MAX = 200, SIGNAL_FRAMES_MAX = 8, WORD = sizeof(uint64_t) };

/* DWARF's numbers of registers. */
enum { D_RBX = 3, D_RBP = 6, D_RSP = 7, D_R12 = 12, D_RIP = 16, D_ALL = 17 };

struct walk {
    Dwfl *dwfl;
    pid_t pid;
    struct tn__cli_registers at; /* where to begin */
    int shown;
    bool is_signal; /* it has come to such a frame: begin again */
};

/* ---- what libdw asks for ---- */

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread)
{
    (void)dwfl;
    if (*thread)
        return 0;
    *thread = arg;
    return 1;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread)
{
    (void)dwfl;
    (void)tid;
    *thread = arg;
    return true;
}

static bool read_word(Dwfl *dwfl, Dwarf_Addr at, Dwarf_Word *word, void *arg)
{
    const struct walk *w = arg;
    uint64_t value;

    (void)dwfl;
    if (!tn__cli_read_memory(w->pid, at, &value, WORD))
        return false;
    *word = value;
    return true;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
    const struct tn__cli_registers *r = &((const struct walk *)arg)->at;
    Dwarf_Word all[D_ALL] = {0};

    all[D_RBX] = r->rbx;
    all[D_RBP] = r->rbp;
    all[D_RSP] = r->rsp;
    all[D_R12] = r->r12;
    all[D_R12 + 1] = r->r13;
    all[D_R12 + 2] = r->r14;
    all[D_R12 + 3] = r->r15;
    all[D_RIP] = r->rip;
    return dwfl_thread_state_registers(thread, 0, D_ALL, all);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
    .next_thread = next_thread,
    .get_thread = get_thread,
    .memory_read = read_word,
    .set_initial_registers = set_registers};

/* ---- frames ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool is_engine(const char *module)
{
    return strcmp(module, "libtendril-run.so") == 0;
}

/* A name that the program has given. */
static void print_name(const char *name)
{
    char text[256];

    snprintf(text, sizeof text, "%s", name);
    tn__cli_make_printable(text);
    fputs(text, stdout);
}

static void print_frame(struct walk *w, Dwarf_Addr pc, bool is_exact)
{
    Dwarf_Addr look = is_exact ? pc : pc - 1;
    Dwfl_Module *m = dwfl_addrmodule(w->dwfl, look);
    const char *path = NULL, *symbol = NULL;
    const char *module = "?";
    Dwarf_Addr start = 0;
    GElf_Off offset = 0;
    GElf_Sym sym;

    if (m) {
        dwfl_module_info(m, NULL, &start, NULL, NULL, NULL, &path, NULL);
        module = path ? base_name(path)
                      : base_name(dwfl_module_info(m, NULL, NULL, NULL, NULL,
                                                   NULL, NULL, NULL));
        symbol = dwfl_module_addrinfo(m, look, &offset, &sym, NULL, NULL, NULL);
    }
    if (is_engine(module))
        return;
    printf("  #%-2d 0x%012" PRIx64 "  ", w->shown++, (uint64_t)pc);
    print_name(symbol ? symbol : "?");
    if (symbol)
        printf("+0x%" PRIx64, (uint64_t)(offset + (pc - look)));
    if (!m) {
        puts("");
        return;
    }
    printf("  (");
    print_name(module);
    printf("+0x%" PRIx64 ")\n", (uint64_t)(pc - start));
}

/* The end of a handler: mov $15, %rax; syscall. */
static bool is_signal_return(const struct walk *w, Dwarf_Addr pc)
{
    static const unsigned char code[] = {0x48, 0xc7, 0xc0, 0x0f, 0,
                                         0,    0,    0x0f, 0x05};
    unsigned char found[sizeof code];

    return tn__cli_read_memory(w->pid, pc, found, sizeof found) &&
           memcmp(found, code, sizeof code) == 0;
}

/* The registers that the frame of a signal at `at` will give back. */
static bool load_signal_frame(struct walk *w, uint64_t at)
{
    ucontext_t uc;
    const greg_t *g = uc.uc_mcontext.gregs;

    if (!tn__cli_read_memory(w->pid, at, &uc,
                             offsetof(ucontext_t, uc_mcontext) +
                                 sizeof uc.uc_mcontext.gregs))
        return false;
    w->at = (struct tn__cli_registers){.rbx = (uint64_t)g[REG_RBX],
                                       .rbp = (uint64_t)g[REG_RBP],
                                       .rsp = (uint64_t)g[REG_RSP],
                                       .r12 = (uint64_t)g[REG_R12],
                                       .r13 = (uint64_t)g[REG_R13],
                                       .r14 = (uint64_t)g[REG_R14],
                                       .r15 = (uint64_t)g[REG_R15],
                                       .rip = (uint64_t)g[REG_RIP]};
    return true;
}

static int on_frame(Dwfl_Frame *frame, void *arg)
{
    struct walk *w = arg;
    bool is_activation = true;
    Dwarf_Word sp;
    Dwarf_Addr pc;

    if (!dwfl_frame_pc(frame, &pc, &is_activation) || pc == 0)
        return DWARF_CB_ABORT;
    if (is_signal_return(w, pc)) {
        w->is_signal =
            dwfl_frame_reg(frame, D_RSP, &sp) == 0 && load_signal_frame(w, sp);
        return DWARF_CB_ABORT;
    }
    print_frame(w, pc, is_activation);
    return w->shown < FRAMES_MAX ? DWARF_CB_OK : DWARF_CB_ABORT;
}

static void print_stack(struct walk *w, const struct tn__cli_thread *t)
{
    if (!t->has_registers) {
        puts("  (it runs just now)");
        return;
    }
    w->at = t->at;
    w->shown = 0;
    for (int n = 0; n < SIGNAL_FRAMES_MAX; n++) {
        w->is_signal = false;
        dwfl_getthread_frames(w->dwfl, t->tid, on_frame, w);
        if (!w->is_signal)
            break;
    }
    if (w->shown == 0)
        puts("  (nothing of the program: it has not begun, or is ending)");
}

/* ---- the process ---- */

static int fail(const char *what)
{
    return tn__cli_fail(1, "%s: %s", what, dwfl_errmsg(-1));
}

static int attach(struct walk *w)
{
    int r = dwfl_linux_proc_report(w->dwfl, w->pid);

    if (r != 0)
        return r > 0
                   ? tn__cli_fail(1, "process %d: %s", (int)w->pid, strerror(r))
                   : fail("its mappings");
    if (dwfl_report_end(w->dwfl, NULL, NULL) != 0)
        return fail("its mappings");
    if (!dwfl_attach_state(w->dwfl, NULL, w->pid, &thread_callbacks, w))
        return fail("its memory");
    return 0;
}

/* That its memory can be read at all. */
static int check_memory(const struct tn__cli_process *p)
{
    char byte;

    for (size_t i = 0; i < p->n; i++) {
        const struct tn__cli_thread *t = &p->threads[i];

        if (t->has_registers &&
            !tn__cli_read_memory(p->pid, t->at.rsp, &byte, 1) && errno == EPERM)
            return tn__cli_fail(1,
                                "the memory of process %d may not be read: "
                                "be root, or see kernel.yama.ptrace_scope",
                                (int)p->pid);
    }
    return 0;
}

int tn__cli_unwind(const struct tn__cli_process *p, int tid,
                   void (*head)(const struct tn__cli_process *p,
                                const struct tn__cli_thread *t))
{
    static char *no_path = NULL;
    static const Dwfl_Callbacks callbacks = {
        .find_elf = dwfl_linux_proc_find_elf,
        .find_debuginfo = dwfl_standard_find_debuginfo,
        .debuginfo_path = &no_path};
    struct walk w = {.pid = p->pid};
    bool is_found = false;
    int r = check_memory(p);

    if (r != 0)
        return r;
    unsetenv("DEBUGINFOD_URLS"); /* nothing is to be fetched from anywhere */
    w.dwfl = dwfl_begin(&callbacks);
    if (!w.dwfl)
        return fail("libdw");
    r = attach(&w);
    for (size_t i = 0; r == 0 && i < p->n; i++) {
        if (tid && p->threads[i].tid != tid)
            continue;
        is_found = true;
        head(p, &p->threads[i]);
        print_stack(&w, &p->threads[i]);
    }
    dwfl_end(w.dwfl);
    if (r == 0 && !is_found)
        r = tn__cli_fail(1, "process %d has no green thread %d", (int)p->pid,
                         tid);
    return r;
}
