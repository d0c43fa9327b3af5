/* SPDX-License-Identifier: MIT */
/* hub/switch.c - greenlets that switch to each other by hand, and what may be
 * asked of a greenlet. */
#include "hub/switch.h"

#include <errno.h>
#include <string.h>

#include "hub/timeout.h"

/* The hub, if the current greenlet may switch to `g`; NULL if not. */
static struct tn_hub *hub_for(const struct tn_greenlet *g)
{
    struct tn_hub *h = tn__hub_peek();

    if (TN_UNLIKELY(!g || !h || g->hub != h))
        return NULL;
    return g->state == TN_GREENLET_PASSIVE || g->state == TN_GREENLET_NEW
               ? h
               : NULL;
}

/* What ends a switch besides a plain resume. */
static int verdict(struct tn_hub *h, struct tn_greenlet *self)
{
    int r = self->switch_error;

    self->switch_error = 0;
    if (r)
        return r;
    return self->alert ? tn__timeout_interrupt(h, self) : 0;
}

static int switch_to(struct tn_hub *h, struct tn_greenlet *g, void *value,
                     void **ret_value)
{
    struct tn_greenlet *self = h->current;

    if (TN_UNLIKELY(self->alert)) {
        int r = tn__hub_alert(h, self, TN_FOREVER);

        if (r)
            return r;
    }
    if (TN_UNLIKELY(g->state == TN_GREENLET_NEW))
        h->n_alive++;
    self->state = TN_GREENLET_PASSIVE;
    g->value = value;
    g->back = self;
    tn__hub_switch(h, self, g);
    if (TN_UNLIKELY(self->switch_error || self->alert)) {
        int r = verdict(h, self);

        if (r)
            return r;
    }
    if (ret_value)
        *ret_value = self->value;
    return 0;
}

int tn_switch(tn_greenlet *g, void *value, void **ret_value)
{
    struct tn_hub *h = hub_for(g);

    if (TN_UNLIKELY(!h))
        return -EINVAL;
    return switch_to(h, g, value, ret_value);
}

int tn_throw(tn_greenlet *g, int error, void **ret_value)
{
    struct tn_hub *h = hub_for(g);
    int r;

    if (!h || error >= 0)
        return -EINVAL;
    if (g->state == TN_GREENLET_NEW) {
        h->n_alive++;
        tn__greenlet_end(h, g, error);
        return 0;
    }
    if (h->current->alert) {
        r = tn__hub_alert(h, h->current, TN_FOREVER);
        if (r)
            return r;
    }
    g->switch_error = error;
    return switch_to(h, g, NULL, ret_value);
}

int tn_yield(void)
{
    struct tn_hub *h = tn__hub_peek();
    int r;

    if (TN_UNLIKELY(!h)) {
        r = tn__hub_self(&h);
        if (r < 0)
            return r;
    }
    if (TN_UNLIKELY(h->current->alert)) {
        r = tn__hub_alert(h, h->current, TN_FOREVER);
        if (r)
            return r;
    }
    tn__hub_yield(h);
    return 0;
}

int tn_sleep(tn_time deadline)
{
    const uint8_t never = 0;
    struct tn_hub *h;
    int r;

    if (deadline == TN_NOWAIT)
        return tn_yield();
    r = tn__hub_self(&h);
    if (r < 0)
        return r;
    if (TN_UNLIKELY(h->current->alert)) {
        r = tn__hub_alert(h, h->current, deadline);
        if (r)
            return r;
    }
    r = tn__hub_park(h, &never, deadline, "tn_sleep", -1);
    if (r == -ETIME && !(h->current->alert &&
                         tn__timeout_interrupt(h, h->current)))
        return 0; /* its own deadline */
    return r;
}

/* ---- asking ---- */

tn_greenlet *tn_self(void)
{
    struct tn_hub *h;
    int r = tn__hub_self(&h);

    TN_ASSERT(r == 0);
    return h->current;
}

enum tn_greenlet_state tn_greenlet_state(const tn_greenlet *g)
{
    return (enum tn_greenlet_state)g->state;
}

int tn_greenlet_is_done(const tn_greenlet *g)
{
    return g->state == TN_GREENLET_DONE;
}

int tn_greenlet_result(const tn_greenlet *g)
{
    return g->state == TN_GREENLET_DONE ? g->result : -EAGAIN;
}

uint64_t tn_greenlet_id(const tn_greenlet *g)
{
    return g->id;
}

int tn_greenlet_set_name(tn_greenlet *g, const char *name)
{
    size_t n;

    if (!g || !name)
        return -EINVAL;
    n = strnlen(name, TN__NAME_MAX - 1);
    memcpy(g->name, name, n);
    g->name[n] = '\0';
    return 0;
}

/* "greenlet-" and the number, without stdio: also called from the handler that
 * reports an overflow. Returns the length. */
static size_t default_name(const tn_greenlet *g, char *text)
{
    static const char prefix[] = "greenlet-";
    char digits[20];
    size_t n = 0, at = sizeof prefix - 1;
    uint64_t id = g->id;

    if (g == g->hub->main || g == &g->hub->hub_g) {
        memcpy(text, g == g->hub->main ? "main" : "hub", 5);
        return strlen(text);
    }
    do {
        digits[n++] = (char)('0' + id % 10);
        id /= 10;
    } while (id);
    memcpy(text, prefix, at);
    while (n > 0)
        text[at++] = digits[--n];
    text[at] = '\0';
    return at;
}

size_t tn_greenlet_name(const tn_greenlet *g, char *buf, size_t size)
{
    char made[TN__NAME_MAX];
    const char *name = g->name;
    size_t n, copied;

    if (!name[0]) {
        default_name(g, made);
        name = made;
    }
    n = strlen(name);
    if (size > 0) {
        copied = n < size ? n : size - 1;
        memcpy(buf, name, copied);
        buf[copied] = '\0';
    }
    return n;
}

int tn_greenlet_stack(const tn_greenlet *g, void **ret_low, size_t *ret_bytes)
{
    if (!g || !g->stack)
        return -ENOENT;
    *ret_low = g->stack->low;
    *ret_bytes = (size_t)((char *)g->stack - g->stack->low);
    return 0;
}
