/* SPDX-License-Identifier: MIT */
/* run/decode.h - how long an instruction is, and whether it can be moved. */
#ifndef TN_RUN_DECODE_H
#define TN_RUN_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tn__run_insn {
    uint8_t len;
    uint8_t disp_at;  /* where its 32-bit displacement is, if is_relative */
    bool is_relative; /* it has an operand relative to the program counter */
    bool is_branch;   /* it goes elsewhere, or into the kernel: cannot move */
};

/* Decode what is at `at`; at most `max` bytes are read. False: it is no
 * instruction of 64-bit user mode that we know, or it is longer. */
bool tn__run_decode(const uint8_t *at, size_t max, struct tn__run_insn *ret);

/* The instruction that ends at `end`, an address where one is known to begin.
 * The `before` bytes before `end` are readable code. False: cannot tell. */
bool tn__run_decode_before(const uint8_t *end, size_t before,
                           struct tn__run_insn *ret);

#endif /* TN_RUN_DECODE_H */
