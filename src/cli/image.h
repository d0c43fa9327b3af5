/* SPDX-License-Identifier: MIT */
/* cli/image.h - a file in memory, and what can be read from it if it is ELF.
 *
 * Every offset comes from the file and is checked: a broken file gives "no". */
#ifndef TN_CLI_IMAGE_H
#define TN_CLI_IMAGE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>

/* A file as it lies on disk. */
struct tn__cli_image {
    const unsigned char *at;
    size_t bytes;
};

/* 0, or a negative errno; -ENODATA: it is empty. */
int tn__cli_image_open(const char *path, struct tn__cli_image *ret_image);
void tn__cli_image_close(struct tn__cli_image *i);

/* The part, or NULL: the file is not so long. */
const void *tn__cli_image_part(const struct tn__cli_image *i, size_t at,
                               size_t bytes);
bool tn__cli_image_is_elf(const struct tn__cli_image *i);

/* ---- of a 64-bit ELF file ---- */

/* Of PT_INTERP, NUL-terminated; NULL: none. */
const char *tn__cli_elf_interpreter(const struct tn__cli_image *i);
bool tn__cli_elf_has_section(const struct tn__cli_image *i, const char *name);
/* A note of this owner and type. */
bool tn__cli_elf_has_note(const struct tn__cli_image *i, const char *owner,
                          unsigned type);
/* Among the names that the dynamic linker sees: symbols that it defines or
 * wants, and the libraries it needs. */
bool tn__cli_elf_has_name(const struct tn__cli_image *i, const char *name);
/* The first place of these bytes in its constants; NULL: none. */
const char *tn__cli_elf_constant(const struct tn__cli_image *i,
                                 const char *text, size_t bytes);

#endif /* TN_CLI_IMAGE_H */
