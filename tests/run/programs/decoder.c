/* SPDX-License-Identifier: MIT */
/* decoder - the engine's decoder against Zydis: at each byte of the text of the
 * libraries named, and for what is before each of their system calls.
 * Reports TAP. */
#include <Zydis/Zydis.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>

#include "run/decode.h"

enum { LONGEST = 15, BEFORE = 64 };

struct count {
    long n, n_wrong, n_sites, n_found;
};

static ZydisDecoder decoder;

static int peer(const uint8_t *at, ZydisDecodedInstruction *ret)
{
    return ZYAN_SUCCESS(
        ZydisDecoderDecodeInstruction(&decoder, NULL, at, LONGEST, ret));
}

static int leaves(const ZydisDecodedInstruction *z)
{
    switch (z->meta.category) {
    case ZYDIS_CATEGORY_COND_BR:
        return z->mnemonic != ZYDIS_MNEMONIC_XEND;
    case ZYDIS_CATEGORY_UNCOND_BR:
    case ZYDIS_CATEGORY_CALL:
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_INTERRUPT:
        return 1;
    default:
        return 0;
    }
}

static void report(const uint8_t *at, const char *what)
{
    printf("# %s:", what);
    for (int i = 0; i < LONGEST; i++)
        printf(" %02x", at[i]);
    printf("\n");
}

/* At any byte, also within instructions: what we know we know rightly. */
static void compare(const uint8_t *at, struct count *count)
{
    struct tn__run_insn ours;
    ZydisDecodedInstruction z;
    int is_relative;

    if (!tn__run_decode(at, LONGEST, &ours) || !peer(at, &z))
        return;
    count->n++;
    is_relative = (z.attributes & ZYDIS_ATTRIB_IS_RELATIVE) && !leaves(&z);
    if (ours.len == z.length && (ours.is_branch || !leaves(&z)) &&
        (ours.is_branch || ours.is_relative == is_relative))
        return;
    if (count->n_wrong++ < 10)
        report(at, "not as Zydis has it");
}

/* From one instruction to the next, as the program has them. */
static void sweep(const uint8_t *text, size_t bytes, struct count *count)
{
    uint8_t len_before = 0;

    for (size_t at = 0; at + LONGEST < bytes;) {
        struct tn__run_insn ours;
        ZydisDecodedInstruction z;

        if (!peer(text + at, &z)) {
            at++;
            len_before = 0;
            continue;
        }
        if (z.mnemonic == ZYDIS_MNEMONIC_SYSCALL && at > BEFORE) {
            count->n_sites++;
            if (tn__run_decode_before(text + at, BEFORE, &ours)) {
                count->n_found++;
                count->n_wrong += ours.len != len_before;
            }
        }
        len_before = z.length;
        at += z.length;
    }
}

static uint8_t *load(const char *path, size_t *ret_bytes)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long n;

    if (!file)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (n = ftell(file)) > 0) {
        rewind(file);
        bytes = malloc((size_t)n);
        *ret_bytes = bytes ? fread(bytes, 1, (size_t)n, file) : 0;
    }
    fclose(file);
    return bytes;
}

static int check(const char *path)
{
    struct count count = {0, 0, 0, 0};
    size_t n = 0;
    uint8_t *bytes = load(path, &n);
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)bytes;
    const Elf64_Shdr *s;

    if (!bytes || n < sizeof *header)
        return -1;
    s = (const Elf64_Shdr *)(const void *)(bytes + header->e_shoff);
    for (int i = 0; i < header->e_shnum; i++) {
        if (!(s[i].sh_flags & SHF_EXECINSTR) || s[i].sh_type != SHT_PROGBITS ||
            s[i].sh_size <= LONGEST)
            continue;
        for (size_t at = 0; at + LONGEST < s[i].sh_size; at++)
            compare(bytes + s[i].sh_offset + at, &count);
        sweep(bytes + s[i].sh_offset, s[i].sh_size, &count);
    }
    free(bytes);
    printf("# %s: %ld compared, %ld of %ld sites found\n", path, count.n,
           count.n_found, count.n_sites);
    return count.n > 0 && count.n_wrong == 0 &&
           count.n_found * 100 >= count.n_sites * 99;
}

int main(int argc, char **argv)
{
    int n_failed = 0;

    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64,
                     ZYDIS_STACK_WIDTH_64);
    printf("1..%d\n", argc - 1);
    for (int i = 1; i < argc; i++) {
        int r = check(argv[i]);

        if (r < 0)
            printf("ok %d - %s # SKIP cannot be read\n", i, argv[i]);
        else
            printf("%sok %d - %s\n", r ? "" : "not ", i, argv[i]);
        n_failed += r == 0;
    }
    return n_failed != 0;
}
