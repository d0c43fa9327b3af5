/* SPDX-License-Identifier: MIT */
/* run/patch.h - the way in by rewritten system call sites. patch.c says how a
 * site is rewritten, stub.c what is in the stubs, patched.S and vectors.S how a
 * call arrives and what becomes of the vector registers. */
#ifndef TN_RUN_PATCH_H
#define TN_RUN_PATCH_H

#include "run/decode.h"
#include "run/run.h"

#pragma GCC visibility push(hidden)

/* Where a call's vector registers are kept while others run; 64-byte aligned,
 * tn__run_vectors_bytes[in_use] long. vectors.S and patched.S know the
 * offsets. */
struct tn__run_vectors {
    uint64_t saved;   /* 0: they are still in the registers; else the components
                       * that were saved, as XSAVE numbers them */
    uint32_t mxcsr;
    uint32_t in_use;  /* the components that there is room for */
    uint32_t unused[12];
    uint8_t area[];   /* 16 registers, or what XSAVEC writes */
};

_Static_assert(offsetof(struct tn__run_vectors, area) == 64,
               "vectors.S has it; XSAVEC wants it aligned");

/* What patched.S has pushed. */
struct tn__run_patched {
    long nr;
    long a[6];
    long rbx, r12, r13, r14, r15, rbp, pc, flags;
};

/* ---- vectors.S, vectors.c ---- */
enum { TN__RUN_COMPONENTS = 256 }; /* sets of those that we look after */
extern uint16_t tn__run_vectors_bytes[]; /* by the set that is in use */
extern unsigned long tn__run_vectors_mask;
/* False: this CPU cannot do it. */
bool tn__run_vectors_init(void);
/* To be called when in the engine and ->saved is not 0. */
void tn__run_vectors_load(const struct tn__run_vectors *v);

/* ---- patched.S ---- */
extern char tn__run_patched_entry[];

/* ---- patch.c ---- */
void tn__run_patch_init(void);
/* A call of the program has trapped. */
void tn__run_patch_trapped(const struct tn__run_call *c);
/* This memory has been unmapped, or mapped anew. */
void tn__run_patch_forget(long start, long end);
/* A call from a stub. False: make it by the trap. */
bool tn__run_patched(struct tn__run_patched *p, struct tn__run_vectors *v);
tn__run_fn tn__run_munmap, tn__run_mmap, tn__run_mprotect;

/* ---- stub.c ---- */
enum { TN__RUN_JUMP_BYTES = 5 };
/* Make a stub for the site at `site`, before which is `insn`, such that a jump
 * to it can be written over `insn`. Its address, or 0. */
long tn__run_stub_make(long site, const struct tn__run_insn *insn);
void tn__run_stub_drop(long stub);
/* The five bytes that are to be at the displaced instruction; the first `n` of
 * them differ from what is there. */
void tn__run_stub_jump(long from, long stub, uint8_t bytes[5]);
/* If the program was interrupted in a stub, put it where it was before. */
void tn__run_stub_leave(struct tn__run_regs *regs);

/* ---- maps.c ---- */
struct tn__run_range {
    long start, end;
};
/* The mapping of a file's text that holds `at`. False: none. */
bool tn__run_maps_text(long at, struct tn__run_range *ret);

#pragma GCC visibility pop

#endif /* TN_RUN_PATCH_H */
