/* SPDX-License-Identifier: MIT */
/* cli/unwind_none.c - built without libdw: where each green thread is, without
 * the calls that led there. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/client.h"

int tn__cli_unwind(const struct tn__cli_process *p, int tid,
                   void (*head)(const struct tn__cli_process *p,
                                const struct tn__cli_thread *t))
{
    bool is_found = false;

    for (size_t i = 0; i < p->n; i++) {
        const struct tn__cli_thread *t = &p->threads[i];

        if (tid && t->tid != tid)
            continue;
        is_found = true;
        head(p, t);
        if (t->has_registers)
            printf("  #0  0x%" PRIx64 "\n", t->at.rip);
    }
    if (!is_found)
        return tn__cli_fail(1, "process %d has no green thread %d", (int)p->pid,
                            tid);
    return tn__cli_fail(1, "this command was built without libdw: no calls "
                           "are shown");
}
