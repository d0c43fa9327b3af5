/* SPDX-License-Identifier: MIT */
/* tests/support/virtual.h - exact times on the simulated loop. Sees private
 * headers: for programs linked with tendril_internal_dep. */
#ifndef TN_TESTS_VIRTUAL_H
#define TN_TESTS_VIRTUAL_H

#include <string.h>

#include "hub/hub.h"
#include "support/test.h"

#define MS 1000000

static inline bool is_virtual(void)
{
    return strcmp(tn_hub_loop_name(), "sim") == 0;
}

static inline void need_virtual_time(void)
{
    test_only_on("sim", "needs virtual time");
}

/* Move the clock, without a turn of the loop: timers up to then fire in the
 * turn that comes next, together with whatever is ready in it. */
static inline void virtual_jump(tn_time to)
{
    struct tn_hub *h = tn__hub_peek();

    TN_ASSERT(h && to >= h->loop.sim_now);
    h->loop.sim_now = to;
}

#endif /* TN_TESTS_VIRTUAL_H */
