/* SPDX-License-Identifier: MIT */
/* run/decode.c - a decoder of x86-64 that knows lengths, branches and operands
 * relative to the program counter, and nothing else.
 *
 * Zydis knows all of it, but needs libc, vector registers and a library beside
 * us in every program. It is the test's judge instead: tests/run/decode
 * compares each length at each byte of the libraries that are installed.
 *
 * Backwards. x86 cannot be read backwards, but what ends at a known boundary
 * can be found: decode forward from each of many consecutive addresses before
 * it. No instruction is longer than 15 bytes, so real ones begin at some of
 * those, and the chain from there is the real one. If all chains that stay
 * valid agree on the last instruction, then that is the real one, whichever
 * they are. */
#include "run/decode.h"

enum { LEN_MAX = 15, START_MAX = 64, START_MIN = 32 };

/* What follows an opcode. */
enum {
    NONE = 0,
    M = 1,       /* ModRM */
    I8 = 2,      /* an immediate byte */
    IZ = 4,      /* one of 4 bytes; 2 with an operand size prefix */
    IV = 8,      /* as IZ; 8 with REX.W */
    I16 = 16,    /* one of 2 bytes */
    ADDR = 32,   /* an address of 8 bytes; 4 with an address size prefix */
    JUMP = 64,   /* leaves this place */
    BAD = 128
};

struct state {
    const uint8_t *at;
    size_t max, n; /* bytes there are, bytes taken */
    bool has_66, has_67, has_w;
};

static int next(struct state *s)
{
    return s->n < s->max && s->n < LEN_MAX ? s->at[s->n++] : -1;
}

static bool is_in(int value, int low, int high)
{
    return value >= low && value <= high;
}

/* The sixteen columns of opcodes 0xc0 to 0xff, after each other. */
static const uint8_t one_c0[64] = {
    M | I8, M | I8, JUMP | I16, JUMP, BAD, BAD, M | I8, M | IZ,
    I16 | I8, NONE, JUMP | I16, JUMP, JUMP, JUMP | I8, BAD, JUMP,
    M, M, M, M, BAD, BAD, BAD, NONE, M, M, M, M, M, M, M, M,
    JUMP | I8, JUMP | I8, JUMP | I8, JUMP | I8, I8, I8, I8, I8,
    JUMP | IV, JUMP | IV, BAD, JUMP | I8, NONE, NONE, NONE, NONE,
    BAD, JUMP, BAD, BAD, JUMP, NONE, M, M,
    NONE, NONE, NONE, NONE, NONE, NONE, M, M};

/* 0x60 to 0x6f, and 0x80 to 0x8f, 0x90 to 0x9f, 0xa0 to 0xaf. */
static const uint8_t one_60[16] = {
    BAD, BAD, BAD, M, BAD, BAD, BAD, BAD,
    IZ, M | IZ, I8, M | I8, NONE, NONE, NONE, NONE};
static const uint8_t one_80[48] = {
    M | I8, M | IZ, BAD, M | I8, M, M, M, M, M, M, M, M, M, M, M, M,
    NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
    NONE, NONE, BAD, NONE, NONE, NONE, NONE, NONE,
    ADDR, ADDR, ADDR, ADDR, NONE, NONE, NONE, NONE,
    I8, IZ, NONE, NONE, NONE, NONE, NONE, NONE};

static int one_byte(int op)
{
    static const uint8_t arithmetic[8] = {M, M, M, M, I8, IZ, BAD, BAD};

    if (op < 0x40)
        return arithmetic[op & 7];
    if (op < 0x50)
        return BAD; /* REX was taken before */
    if (op < 0x60)
        return NONE;
    if (op < 0x70)
        return one_60[op - 0x60];
    if (op < 0x80)
        return JUMP | I8;
    if (op < 0xb0)
        return one_80[op - 0x80];
    if (op < 0xb8)
        return I8;
    return op < 0xc0 ? IV : one_c0[op - 0xc0];
}

/* After 0x0f: 0x00 to 0x3f, and 0x70 to 0x7f, 0xa0 to 0xcf. */
static const uint8_t two_00[64] = {
    M, M, M, M, BAD, JUMP, NONE, JUMP, NONE, NONE, BAD, JUMP, BAD, M, NONE,
    M | I8, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, M, M, M, M, M, M, M, M,
    NONE, NONE, NONE, NONE, JUMP, JUMP, BAD, NONE,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD};
static const uint8_t two_70[16] = {
    M | I8, M | I8, M | I8, M | I8, M, M, M, NONE,
    M, M, BAD, BAD, M, M, M, M};
static const uint8_t two_a0[48] = {
    NONE, NONE, NONE, M, M | I8, M, BAD, BAD,
    NONE, NONE, JUMP, M, M | I8, M, M, M,
    M, M, M, M, M, M, M, M, M, M, M | I8, M, M, M, M, M,
    M, M, M | I8, M, M | I8, M | I8, M | I8, M,
    NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE};

static int two_byte(int op)
{
    if (op < 0x40)
        return two_00[op];
    if (is_in(op, 0x70, 0x7f))
        return two_70[op - 0x70];
    if (is_in(op, 0x80, 0x8f))
        return JUMP | IV;
    if (is_in(op, 0xa0, 0xcf))
        return two_a0[op - 0xa0];
    return M;
}

/* What follows the opcode `op` of the map 1 (0x0f), 2 (0x0f38), 3 (0x0f3a). */
static int of_map(int map, int op)
{
    if (map == 1)
        return two_byte(op);
    if (map == 2 || map == 5 || map == 6)
        return M;
    return map == 3 ? M | I8 : BAD;
}

/* VEX (c4, c5) and EVEX (62) prefixes, up to the opcode. */
static int extended(struct state *s, int prefix)
{
    int map, op;

    if (prefix == 0xc5) {
        map = 1;
        if (next(s) < 0)
            return BAD;
    } else {
        int first = next(s);

        map = prefix == 0x62 ? first & 7 : first & 31;
        if (first < 0 || (prefix == 0x62 && (first & 8)) || next(s) < 0 ||
            (prefix == 0x62 && next(s) < 0))
            return BAD;
        if (prefix == 0xc4 && map > 3)
            return BAD;
    }
    op = next(s);
    map = op < 0 ? BAD : of_map(map, op);
    return map & JUMP ? BAD : map; /* none of these branches */
}

static int after_prefixes(struct state *s, int op, int *ret_op)
{
    *ret_op = -1;
    if (op == 0xc4 || op == 0xc5 || op == 0x62)
        return extended(s, op);
    if (op != 0x0f) {
        *ret_op = op;
        return one_byte(op);
    }
    op = next(s);
    if (op == 0x38 || op == 0x3a)
        return next(s) < 0 ? BAD : op == 0x38 ? M : M | I8;
    return op < 0 ? BAD : two_byte(op);
}

/* Groups whose operand depends on the middle field of ModRM. */
static int refine(int op, int what, int modrm)
{
    int reg = modrm >> 3 & 7;

    if (op == 0xf6)
        return reg < 2 ? what | I8 : what;
    if (op == 0xf7)
        return reg < 2 ? what | IZ : what;
    if (op == 0xff)
        return is_in(reg, 2, 5) ? what | JUMP : reg == 7 ? BAD : what;
    if (op == 0xfe || op == 0x8f) /* the latter, else: XOP */
        return reg == 0 || (op == 0xfe && reg == 1) ? what : BAD;
    if ((op == 0xc6 || op == 0xc7) && reg != 0) /* xabort, xbegin */
        return reg == 7 && modrm == 0xf8 ? what | JUMP : BAD;
    return what;
}

/* Take the bytes that ModRM says: SIB and displacement. False: too long. */
static bool take_operand(struct state *s, int modrm, struct tn__run_insn *ret)
{
    int mod = modrm >> 6, base = modrm & 7;
    size_t bytes = mod == 1 ? 1 : mod == 2 ? 4 : 0;

    if (mod == 3)
        return true;
    if (base == 4) {
        int sib = next(s);

        if (sib < 0)
            return false;
        if (mod == 0 && (sib & 7) == 5)
            bytes = 4;
    } else if (mod == 0 && base == 5) {
        bytes = 4;
        ret->is_relative = true;
        ret->disp_at = (uint8_t)s->n;
    }
    s->n += bytes;
    return true;
}

static size_t immediate(const struct state *s, int what)
{
    size_t n = 0;

    if (what & I8)
        n += 1;
    if (what & I16)
        n += 2;
    if (what & IZ)
        n += s->has_66 && !s->has_w ? 2 : 4;
    if ((what & (IV | JUMP)) == IV)
        n += s->has_w ? 8 : s->has_66 ? 2 : 4;
    if ((what & (IV | JUMP)) == (IV | JUMP))
        n += 4; /* a relative branch: of 4 bytes always */
    if (what & ADDR)
        n += s->has_67 ? 4 : 8;
    return n;
}

/* The first byte that is no prefix. */
static int take_prefixes(struct state *s)
{
    for (;;) {
        int b = next(s);

        if (is_in(b, 0x40, 0x4f)) {
            s->has_w = b & 8;
            b = next(s);
            /* Followed by another prefix it does not count. */
            if (!is_in(b, 0x40, 0x4f) && b != 0x66 && b != 0x67 &&
                !is_in(b, 0xf2, 0xf3) && b != 0xf0 && (b & ~0x18) != 0x26 &&
                !is_in(b, 0x64, 0x65))
                return b;
            s->n -= b >= 0;
            s->has_w = false;
            continue;
        }
        if (b == 0x66)
            s->has_66 = true;
        else if (b == 0x67)
            s->has_67 = true;
        else if (!is_in(b, 0xf2, 0xf3) && b != 0xf0 && (b & ~0x18) != 0x26 &&
                 !is_in(b, 0x64, 0x65))
            return b;
    }
}

bool tn__run_decode(const uint8_t *at, size_t max, struct tn__run_insn *ret)
{
    struct state s = {.at = at, .max = max};
    int op = take_prefixes(&s), modrm, what;

    *ret = (struct tn__run_insn){0};
    if (op < 0)
        return false;
    what = after_prefixes(&s, op, &op);
    if (what & BAD)
        return false;
    if (what & M) {
        modrm = next(&s);
        if (modrm < 0)
            return false;
        what = refine(op, what, modrm);
        if ((what & BAD) || !take_operand(&s, modrm, ret))
            return false;
    }
    s.n += immediate(&s, what);
    if (s.n > max || s.n > LEN_MAX)
        return false;
    ret->is_branch = what & JUMP;
    ret->len = (uint8_t)s.n;
    return true;
}

/* Decode from `at` up to `end`. False: something on the way is invalid. The
 * last one is 0 bytes long if no boundary falls on `end`. */
static bool follow(const uint8_t *at, const uint8_t *end,
                   struct tn__run_insn *ret)
{
    while (at < end) {
        /* One may reach beyond `end`, where nothing is known to be mapped
         * but the two bytes of a system call. */
        if (!tn__run_decode(at, (size_t)(end - at) + 2, ret)) {
            if (end - at >= LEN_MAX)
                return false;
            break;
        }
        at += ret->len;
    }
    if (at != end)
        ret->len = 0;
    return true;
}

bool tn__run_decode_before(const uint8_t *end, size_t before,
                           struct tn__run_insn *ret)
{
    struct tn__run_insn last = {0};
    bool is_found = false;

    if (before < START_MIN + LEN_MAX)
        return false;
    if (before > START_MAX)
        before = START_MAX;
    for (const uint8_t *at = end - before; at <= end - START_MIN; at++) {
        struct tn__run_insn one;

        if (!follow(at, end, &one))
            continue;
        if (one.len == 0 || (is_found && one.len != last.len))
            return false;
        last = one;
        is_found = true;
    }
    *ret = last;
    return is_found;
}
