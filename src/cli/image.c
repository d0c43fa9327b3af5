/* SPDX-License-Identifier: MIT */
/* cli/image.c - reads ELF files, trusting nothing in them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/image.h"

int tn__cli_image_open(const char *path, struct tn__cli_image *ret_image)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *at;
    int r = 0;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    if (st.st_size <= 0) {
        close(fd);
        return -ENODATA;
    }
    at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        r = -errno;
    else
        *ret_image = (struct tn__cli_image){at, (size_t)st.st_size};
    close(fd);
    return r;
}

void tn__cli_image_close(struct tn__cli_image *i)
{
    munmap((void *)i->at, i->bytes);
}

const void *tn__cli_image_part(const struct tn__cli_image *i, size_t at,
                               size_t bytes)
{
    return at <= i->bytes && bytes <= i->bytes - at ? i->at + at : NULL;
}

bool tn__cli_image_is_elf(const struct tn__cli_image *i)
{
    return i->bytes > SELFMAG && memcmp(i->at, ELFMAG, SELFMAG) == 0;
}

/* The next program header of `type` after number *at; NULL: no more. */
static const Elf64_Phdr *next_segment(const struct tn__cli_image *i,
                                      unsigned type, int *at)
{
    const Elf64_Ehdr *h = tn__cli_image_part(i, 0, sizeof *h);

    while (h && *at < h->e_phnum) {
        const Elf64_Phdr *p = tn__cli_image_part(
            i, h->e_phoff + (size_t)(*at)++ * sizeof *p, sizeof *p);

        if (p && p->p_type == type)
            return p;
    }
    return NULL;
}

static const Elf64_Shdr *find_section(const struct tn__cli_image *i,
                                      const char *name)
{
    const Elf64_Ehdr *h = tn__cli_image_part(i, 0, sizeof *h);
    size_t room = strlen(name) + 1;
    const Elf64_Shdr *names;

    if (!h || !h->e_shoff)
        return NULL;
    names = tn__cli_image_part(
        i, h->e_shoff + (size_t)h->e_shstrndx * sizeof *names, sizeof *names);
    for (int n = 0; names && n < h->e_shnum; n++) {
        const Elf64_Shdr *s = tn__cli_image_part(
            i, h->e_shoff + (size_t)n * sizeof *s, sizeof *s);
        const char *text =
            s ? tn__cli_image_part(i, names->sh_offset + s->sh_name, room)
              : NULL;

        if (text && memcmp(text, name, room) == 0)
            return s;
    }
    return NULL;
}

bool tn__cli_elf_has_section(const struct tn__cli_image *i, const char *name)
{
    return find_section(i, name);
}

const char *tn__cli_elf_interpreter(const struct tn__cli_image *i)
{
    int at = 0;
    const Elf64_Phdr *p = next_segment(i, PT_INTERP, &at);
    const char *name =
        p ? tn__cli_image_part(i, p->p_offset, p->p_filesz) : NULL;

    return name && memchr(name, '\0', p->p_filesz) ? name : NULL;
}

static size_t padded(size_t bytes)
{
    return (bytes + 3) & ~(size_t)3;
}

bool tn__cli_elf_has_note(const struct tn__cli_image *i, const char *owner,
                          unsigned type)
{
    size_t room = strlen(owner) + 1;
    const Elf64_Phdr *p;
    int n = 0;

    while ((p = next_segment(i, PT_NOTE, &n))) {
        size_t at = p->p_offset, end = at + p->p_filesz;

        while (at < end) {
            const Elf64_Nhdr *h = tn__cli_image_part(i, at, sizeof *h);
            const char *name =
                h ? tn__cli_image_part(i, at + sizeof *h, h->n_namesz) : NULL;

            if (!name)
                break;
            if (h->n_type == type && h->n_namesz >= room &&
                memcmp(name, owner, room) == 0)
                return true;
            at += sizeof *h + padded(h->n_namesz) + padded(h->n_descsz);
        }
    }
    return false;
}

/* Where the file has what will be at this address; 0: nowhere. */
static size_t offset_of(const struct tn__cli_image *i, Elf64_Addr address)
{
    const Elf64_Phdr *p;
    int n = 0;

    while ((p = next_segment(i, PT_LOAD, &n)))
        if (address >= p->p_vaddr && address - p->p_vaddr < p->p_filesz)
            return p->p_offset + (address - p->p_vaddr);
    return 0;
}

bool tn__cli_elf_has_name(const struct tn__cli_image *i, const char *name)
{
    int n = 0;
    const Elf64_Phdr *p = next_segment(i, PT_DYNAMIC, &n);
    Elf64_Addr address = 0;
    size_t bytes = 0, at = 0;
    const void *names;

    for (; p && at + sizeof(Elf64_Dyn) <= p->p_filesz;
         at += sizeof(Elf64_Dyn)) {
        const Elf64_Dyn *d = tn__cli_image_part(i, p->p_offset + at, sizeof *d);

        if (!d || d->d_tag == DT_NULL)
            break;
        if (d->d_tag == DT_STRTAB)
            address = d->d_un.d_ptr;
        if (d->d_tag == DT_STRSZ)
            bytes = d->d_un.d_val;
    }
    at = offset_of(i, address);
    names = at ? tn__cli_image_part(i, at, bytes) : NULL;
    /* A name may be the end of a longer one: linkers merge them. */
    return names && memmem(names, bytes, name, strlen(name) + 1);
}

const char *tn__cli_elf_constant(const struct tn__cli_image *i,
                                 const char *text, size_t bytes)
{
    const Elf64_Shdr *s = find_section(i, ".rodata");
    const void *at = s ? tn__cli_image_part(i, s->sh_offset, s->sh_size) : NULL;

    return at ? memmem(at, s->sh_size, text, bytes)
              : memmem(i->at, i->bytes, text, bytes);
}
