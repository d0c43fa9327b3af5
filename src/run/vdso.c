/* SPDX-License-Identifier: MIT */
/* run/vdso.c - the clock, without a system call where the kernel offers that.
 *
 * libc's clock_gettime() sets errno and may make a system call from text that
 * traps, so the function is looked up in the vDSO itself: a small shared object
 * that the kernel has mapped, with a dynamic symbol table.
 *
 * It reads the CPU's counter. A program may have forbidden that to itself. */
#include "run/run.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

typedef long clock_fn(int clock, struct timespec *t);

static clock_fn *found;
static clock_fn *from_vdso; /* that, or NULL: to be asked of the kernel */

/* Where the things of interest are in the mapped object. */
struct object {
    const char *base;       /* address minus its linked address */
    const Elf64_Sym *symbols;
    const char *strings;
    uint32_t n_symbols;
};

static bool is_same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

/* Symbols in a GNU hash table: one more than the last index in any chain. */
static uint32_t count_gnu(const uint32_t *hash)
{
    const uint32_t *buckets = hash + 4 + (size_t)hash[2] * 2;
    const uint32_t *chain = buckets + hash[0];
    uint32_t last = 0;

    for (uint32_t i = 0; i < hash[0]; i++)
        if (buckets[i] > last)
            last = buckets[i];
    if (last < hash[1])
        return 0;
    while (!(chain[last - hash[1]] & 1))
        last++;
    return last + 1;
}

static void read_dynamic(const Elf64_Dyn *d, struct object *o)
{
    for (; d->d_tag != DT_NULL; d++) {
        const char *at = o->base + d->d_un.d_ptr;

        if (d->d_tag == DT_SYMTAB)
            o->symbols = (const Elf64_Sym *)at;
        else if (d->d_tag == DT_STRTAB)
            o->strings = at;
        else if (d->d_tag == DT_HASH)
            o->n_symbols = ((const uint32_t *)at)[1];
        else if (d->d_tag == DT_GNU_HASH && o->n_symbols == 0)
            o->n_symbols = count_gnu((const uint32_t *)at);
    }
}

static clock_fn *look_up(const Elf64_Ehdr *header, const char *name)
{
    const Elf64_Phdr *p =
        (const Elf64_Phdr *)((const char *)header + header->e_phoff);
    const Elf64_Dyn *dynamic = NULL;
    struct object o = {0};

    for (int i = 0; i < header->e_phnum; i++) {
        if (p[i].p_type == PT_LOAD && !o.base)
            o.base = (const char *)header + p[i].p_offset - p[i].p_vaddr;
        else if (p[i].p_type == PT_DYNAMIC)
            dynamic = (const Elf64_Dyn *)((const char *)header +
                                          p[i].p_offset);
    }
    if (!o.base || !dynamic)
        return NULL;
    read_dynamic(dynamic, &o);
    if (!o.symbols || !o.strings)
        return NULL;
    for (uint32_t i = 0; i < o.n_symbols; i++)
        if (o.symbols[i].st_shndx != SHN_UNDEF &&
            is_same(o.strings + o.symbols[i].st_name, name))
            return (clock_fn *)(o.base + o.symbols[i].st_value);
    return NULL;
}

void tn__run_vdso_init(void)
{
    const Elf64_Ehdr *header =
        (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);

    if (header)
        found = look_up(header, "__vdso_clock_gettime");
    tn__run_vdso_look();
}

void tn__run_vdso_look(void)
{
    int mode = PR_TSC_SIGSEGV;

    tn__raw(SYS_prctl, PR_GET_TSC, (long)&mode, 0, 0, 0, 0);
    from_vdso = mode == PR_TSC_ENABLE ? found : NULL;
}

void tn__run_vdso_leave(void)
{
    from_vdso = NULL;
}

int64_t tn__run_clock(int clock)
{
    struct timespec t = {0, 0};

    if (!from_vdso || from_vdso(clock, &t) != 0)
        tn__raw3(SYS_clock_gettime, clock, (long)&t, 0);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

tn_time tn__clock_now(void)
{
    return tn__run_clock(CLOCK_MONOTONIC);
}
