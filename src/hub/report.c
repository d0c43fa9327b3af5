/* SPDX-License-Identifier: MIT */
/* hub/report.c - the picture of a deadlock: who waits on what. Made without
 * malloc, in a mapping that lives as long as the call. */
#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "hub/hub.h"
#include "hub/switch.h"

enum { REPORT_BYTES = 16384, LINES_MAX = 100 };

struct report {
    char *text;
    size_t n;
    int n_lines;
    uint64_t n_left_out;
};

static void add(struct report *r, const char *text)
{
    size_t n = strlen(text);

    if (r->n + n >= REPORT_BYTES)
        return;
    memcpy(r->text + r->n, text, n + 1);
    r->n += n;
}

static void add_number(struct report *r, uint64_t number)
{
    char digits[21];
    size_t at = sizeof digits;

    digits[--at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    add(r, digits + at);
}

static void add_greenlet(struct report *r, struct tn_greenlet *g)
{
    char name[TN__NAME_MAX];

    if (g->state != TN_GREENLET_WAITING && g->state != TN_GREENLET_PASSIVE)
        return;
    if (r->n_lines++ >= LINES_MAX) {
        r->n_left_out++;
        return;
    }
    tn_greenlet_name(g, name, sizeof name);
    add(r, "\n  ");
    add(r, name);
    if (g->state == TN_GREENLET_PASSIVE) {
        add(r, ": switched away");
        return;
    }
    add(r, ": waits in ");
    add(r, g->wait_what);
    if (g->wait_fd >= 0) {
        add(r, " on descriptor ");
        add_number(r, (uint64_t)g->wait_fd);
    }
}

static int add_stack(struct tn__stack *s, void *arg)
{
    struct tn_greenlet *g = (struct tn_greenlet *)(void *)s - 1;

    g = (struct tn_greenlet *)((uintptr_t)g & ~(uintptr_t)15);
    if (g->stack == s)
        add_greenlet(arg, g);
    return 0;
}

static void tell(struct tn_hub *h)
{
    struct report r = {tn__sys_map(REPORT_BYTES), 0, 0, 0};

    if (!r.text)
        return;
    add(&r, "nothing can wake any greenlet of this hub:");
    add_greenlet(&r, h->main);
    tn__stack_each(&h->stacks, add_stack, &r);
    if (r.n_left_out) {
        add(&r, "\n  and ");
        add_number(&r, r.n_left_out);
        add(&r, " more");
    }
    tn__hub_error(h, h->main, -EDEADLK, r.text);
    tn__sys_unmap(r.text, REPORT_BYTES);
}

bool tn__hub_deadlock(struct tn_hub *h)
{
    struct tn_greenlet *main = h->main;

    if (main->state == TN_GREENLET_WAITING)
        main->timed_out = TN__TIMED_DEADLOCK;
    else if (main->state == TN_GREENLET_PASSIVE)
        main->resume_value = -EDEADLK;
    else
        return false;
    tell(h);
    if (main->state == TN_GREENLET_PASSIVE)
        tn__hub_push(h, main);
    else
        tn__hub_wake(main);
    return true;
}
