/* SPDX-License-Identifier: MIT */
/* run/stub.c - what a rewritten site jumps to.
 *
 *     the displaced instruction, its displacement corrected
 *     lea     SITE+2(%rip), %rcx
 *     jmp     *entry(%rip)             tn__run_patched_entry
 *
 * A system call destroys rcx and r11, so nothing has to be saved up to here.
 *
 * Where it lies. The jump is 5 bytes long, the displaced instruction often
 * less. Its rest then lies on the system call instruction, which has to stay as
 * it is: so those bytes of the jump's displacement must be equal to what is
 * there (0f 05, for an instruction of 3 bytes). That leaves a window for the
 * stub, of 64 KiB, 16 MiB or 256 bytes, some distance away. If no page can be
 * had there, the site stays as it is.
 *
 * Nobody waits in a stub, and no signal handler sees one: up to its first
 * instruction, the program is as it was at the displaced one, and behind that
 * as it was at the system call, which is still there. tn__run_stub_leave()
 * puts it there. So stubs need no unwind information, which could only be
 * registered by calling into the program's unwinder. */
#include "run/patch.h"

#include <sys/mman.h>

enum {
    PAGES = 256, PAGE = 4096, SLOT = 64, SLOTS = PAGE / SLOT,
    TRIES = 128, NEAR = 1 << 20
};

#ifndef MAP_FIXED_NOREPLACE
# define MAP_FIXED_NOREPLACE 0x100000
#endif

struct slot {
    uint8_t code[40];
    long entry;  /* tn__run_patched_entry */
    long site;   /* the address of the system call instruction; 0: free */
    long len;    /* of the displaced instruction */
};

_Static_assert(sizeof(struct slot) == SLOT, "a page has a whole number");

static long pages[PAGES];
static int n_pages;

/* ---- writing ---- */

/* Have `n` bytes at `at` writable too; false: refused. */
static bool unlock(long at, size_t n)
{
    long page = at & -PAGE;

    return tn__raw3(SYS_mprotect, page, (at + (long)n - page + PAGE - 1) &
                    -PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0;
}

static void lock(long at, size_t n)
{
    long page = at & -PAGE;

    tn__raw3(SYS_mprotect, page, (at + (long)n - page + PAGE - 1) & -PAGE,
             PROT_READ | PROT_EXEC);
}

/* ---- finding a place ---- */

static struct slot *free_slot(long page, long low, long high)
{
    for (int i = 0; i < SLOTS; i++) {
        long at = page + (long)i * SLOT;
        struct slot *s = (struct slot *)at;

        if (at >= low && at <= high && s->site == 0)
            return s;
    }
    return NULL;
}

static struct slot *find_in_pages(long low, long high)
{
    for (int i = 0; i < n_pages; i++) {
        struct slot *s = NULL;

        if (pages[i] + PAGE > low && pages[i] <= high)
            s = free_slot(pages[i], low, high);
        if (s)
            return s;
    }
    return NULL;
}

static bool map_page(long at)
{
    long r;

    if (n_pages == PAGES)
        return false;
    r = tn__raw(SYS_mmap, at, PAGE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (r != at)
        return false;
    if (tn__raw3(SYS_mprotect, at, PAGE, PROT_READ | PROT_EXEC) != 0) {
        tn__raw3(SYS_munmap, at, PAGE, 0);
        return false;
    }
    pages[n_pages++] = at;
    return true;
}

/* A free slot whose address is from low to high. */
static struct slot *find(long low, long high, long site)
{
    struct slot *s = find_in_pages(low, high);
    long step = NEAR, at = (site & -PAGE) - NEAR;

    if (s)
        return s;
    if (high - low < (long)1 << 31) { /* a window: anywhere in it */
        step = -((high - low) / TRIES & -PAGE);
        step = step ? step : -PAGE;
        at = low & -PAGE;
    }
    for (int i = 0; i < TRIES && at <= high; i++, at -= step)
        if (at > 0 && at + PAGE > low && map_page(at)) {
            s = free_slot(at, low, high);
            if (s)
                return s;
        }
    return NULL;
}

/* ---- making ---- */

static void put32(uint8_t *to, long value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static int32_t get32(const uint8_t *from)
{
    return (int32_t)((uint32_t)from[0] | (uint32_t)from[1] << 8 |
                     (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24);
}

/* Where a stub may be, as from..to: the bytes of the jump that lie behind the
 * displaced instruction are those that are there. */
static void window(long site, int len, long *ret_low, long *ret_high)
{
    const uint8_t *p = (const uint8_t *)(site - len);
    long from = site - len + TN__RUN_JUMP_BYTES;
    int free_bytes = len - 1; /* of the displacement */
    uint8_t low[4] = {0, 0, 0, 0}, high[4] = {0xff, 0xff, 0xff, 0xff};

    if (free_bytes >= 4) {
        *ret_low = from - INT32_MAX + PAGE;
        *ret_high = from + INT32_MAX - PAGE;
        return;
    }
    for (int i = free_bytes; i < 4; i++)
        low[i] = high[i] = p[1 + i];
    *ret_low = from + get32(low);
    *ret_high = from + get32(high);
}

/* The displaced instruction as it must be at `to`. False: it cannot reach. */
static bool displace(long site, const struct tn__run_insn *insn, uint8_t *to)
{
    const uint8_t *from = (const uint8_t *)(site - insn->len);
    long moved = (long)to - (long)from, disp;

    for (int i = 0; i < insn->len; i++)
        to[i] = from[i];
    if (!insn->is_relative)
        return true;
    disp = get32(from + insn->disp_at) - moved;
    put32(to + insn->disp_at, disp);
    return disp == (int32_t)disp;
}

static bool fill(struct slot *s, long site, const struct tn__run_insn *insn)
{
    uint8_t *to = s->code;

    if (!displace(site, insn, to))
        return false;
    to += insn->len;
    *to++ = 0x48; /* lea disp(%rip), %rcx */
    *to++ = 0x8d;
    *to++ = 0x0d;
    put32(to, site + 2 - ((long)to + 4));
    to += 4;
    *to++ = 0xff; /* jmp *disp(%rip) */
    *to++ = 0x25;
    put32(to, (long)&s->entry - ((long)to + 4));
    s->entry = (long)tn__run_patched_entry;
    s->len = insn->len;
    s->site = site;
    return true;
}

long tn__run_stub_make(long site, const struct tn__run_insn *insn)
{
    struct slot *s;
    long low, high;
    bool is_made;

    window(site, insn->len, &low, &high);
    s = find(low, high, site);
    if (!s || !unlock((long)s, SLOT))
        return 0;
    is_made = fill(s, site, insn);
    lock((long)s, SLOT);
    return is_made ? (long)s : 0;
}

void tn__run_stub_drop(long stub)
{
    if (!unlock(stub, SLOT))
        return;
    ((struct slot *)stub)->site = 0;
    lock(stub, SLOT);
}

void tn__run_stub_jump(long from, long stub, uint8_t bytes[5])
{
    bytes[0] = 0xe9;
    put32(bytes + 1, stub - (from + TN__RUN_JUMP_BYTES));
}

void tn__run_stub_leave(struct tn__run_regs *regs)
{
    for (int i = 0; i < n_pages; i++) {
        const struct slot *s = (const struct slot *)(regs->rip & -SLOT);

        if ((regs->rip & -PAGE) != pages[i])
            continue;
        regs->rip = regs->rip == (long)s ? s->site - s->len : s->site;
        return;
    }
}
