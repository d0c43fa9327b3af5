/* SPDX-License-Identifier: MIT */
/* hub/switch.c - greenlets that switch to each other by hand, and what may be
 * asked of a greenlet. */
#include "hub/switch.h"

#include <errno.h>
#include <string.h>

#include "hub/timeout.h"

/* Also to one that was killed, or whose scope has expired: what it is sent is a
 * result, and its next call says the rest. */
void tn__hub_send(struct tn_greenlet *g, void *value)
{
    g->resume_value = 0;
    if (g->ret_value)
        *g->ret_value = value;
}

/* A PASSIVE one is resumed in its user's code, so what its tn_switch() returns
 * is decided here, and once more if more happens before it runs. */
void tn__hub_interrupt(struct tn_hub *h, struct tn_greenlet *g)
{
    int r;

    if (g->state != TN_GREENLET_PASSIVE &&
        !(g->state == TN_GREENLET_READY && g->resume_value == -ETIME)) {
        tn__hub_wake(g);
        return;
    }
    r = tn__timeout_interrupt(h, g);
    if (r == 0)
        return; /* a shield hides it */
    g->resume_value = r;
    if (g->state == TN_GREENLET_PASSIVE)
        tn__hub_push(h, g);
}

/* Why self_for() gave NULL. */
static int refusal(const struct tn_greenlet *g)
{
    return g && g->hub != tn__hub_peek() ? -EXDEV : -EINVAL;
}

/* The current greenlet, if it may switch to `g`; else NULL. */
static inline struct tn_greenlet *self_for(const struct tn_greenlet *g)
{
    struct tn_hub *h = tn__hub_peek();

    if (TN_UNLIKELY(!g || !h || g->hub != h))
        return NULL;
    if (TN_UNLIKELY(g->state != TN_GREENLET_PASSIVE &&
                    g->state != TN_GREENLET_NEW))
        return NULL;
    return h->current;
}

/* `self` is about to leave for `g`. */
static inline void set_out(struct tn_greenlet *self, struct tn_greenlet *g,
                           void **ret_value)
{
    self->state = TN_GREENLET_PASSIVE;
    self->ret_value = ret_value;
    if (TN_UNLIKELY(g->back != self || g->back_id != self->id)) {
        g->back = self;
        g->back_id = self->id;
        g->marks |= TN__MARK_BACK;
    }
}

static int leave_slow(struct tn_greenlet *self, struct tn_greenlet *g,
                      void **ret_value, bool is_throw)
{
    set_out(self, g, ret_value);
    if (self->hub->detour & TN__DETOUR_HOOK)
        tn__hub_call_hook(self->hub, g, is_throw);
    return tn__hub_switch_tail(self->hub, self, g);
}

/* What is not on the straight path of tn_switch(): the caller has an alert, the
 * target is new, or there may be a switch hook. */
static __attribute__((noinline)) int switch_slow(struct tn_greenlet *self,
                                                 struct tn_greenlet *g,
                                                 void *value, void **ret_value)
{
    if (self->alert) {
        int r = tn__hub_alert(self->hub, self, TN_FOREVER);

        if (r)
            return r;
    }
    if (g->state == TN_GREENLET_NEW)
        tn__greenlet_claim(self->hub, g);
    else
        tn__hub_send(g, value);
    return leave_slow(self, g, ret_value, false);
}

int tn_switch(tn_greenlet *g, void *value, void **ret_value)
{
    struct tn_greenlet *self = self_for(g);

    if (TN_UNLIKELY(!self))
        return refusal(g);
    if (TN_UNLIKELY(self->alert || g->state == TN_GREENLET_NEW))
        return switch_slow(self, g, value, ret_value);
    tn__hub_send(g, value);
    set_out(self, g, ret_value);
    return tn__hub_switch_tail(self->hub, self, g);
}

/* A new one has the error as its result, which goes to the parent that was set
 * for it, as if it had run and ended so. */
static int throw_at_new(struct tn_greenlet *self, struct tn_greenlet *g,
                        int error, void **ret_value)
{
    struct tn_hub *h = self->hub;
    struct tn_greenlet *parent = NULL;

    if ((g->marks & TN__MARK_PARENT) && self->alert) {
        int r = tn__hub_alert(h, self, TN_FOREVER);

        if (r)
            return r;
    }
    if (g->marks & TN__MARK_PARENT)
        parent = tn__parent_ancestor(g);
    tn__greenlet_claim(h, g);
    tn__greenlet_end(h, g, error);
    if (parent == self)
        return tn__parent_is_error(error) ? error : 0;
    if (!tn__parent_can_go_on(parent))
        return 0;
    tn__parent_tell(h, parent, error);
    return leave_slow(self, parent, ret_value, tn__parent_is_error(error));
}

int tn_throw(tn_greenlet *g, int error, void **ret_value)
{
    struct tn_greenlet *self = self_for(g);

    if (!self)
        return refusal(g);
    if (error >= 0)
        return -EINVAL;
    if (g->state == TN_GREENLET_NEW)
        return throw_at_new(self, g, error, ret_value);
    if (self->alert) {
        int r = tn__hub_alert(self->hub, self, TN_FOREVER);

        if (r)
            return r;
    }
    g->resume_value = error;
    return leave_slow(self, g, ret_value, true);
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

    return tn__hub_self(&h) < 0 ? NULL : h->current;
}

enum tn_greenlet_state tn_greenlet_state(const tn_greenlet *g)
{
    return g ? (enum tn_greenlet_state)g->state : TN_GREENLET_DONE;
}

int tn_greenlet_is_done(const tn_greenlet *g)
{
    return g && g->state == TN_GREENLET_DONE;
}

int tn_greenlet_result(const tn_greenlet *g)
{
    if (!g)
        return -EINVAL;
    return g->state == TN_GREENLET_DONE ? g->result : -EAGAIN;
}

uint64_t tn_greenlet_id(const tn_greenlet *g)
{
    return g ? g->id : 0;
}

int tn_greenlet_set_name(tn_greenlet *g, const char *name)
{
    size_t n;

    if (!g || !name)
        return -EINVAL;
    n = strnlen(name, TN__NAME_MAX - 1);
    g->marks |= TN__MARK_NAMED;
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

    if (g == g->hub->main) {
        memcpy(text, "main", 5);
        return 4;
    }
    if (g == &g->hub->hub_g) {
        memcpy(text, "hub", 4);
        return 3;
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
    const char *name = g ? g->name : "";
    size_t n, copied;

    if (g && !name[0]) {
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

int tn_greenlet_stack_used(const tn_greenlet *g, size_t *ret_bytes)
{
    if (!g || !ret_bytes)
        return -EINVAL;
    if (!g->stack)
        return -ENOENT;
    if (g->hub != tn__hub_peek())
        return -EXDEV;
    *ret_bytes = tn__stack_depth(&g->hub->stacks, g->stack);
    return *ret_bytes ? 0 : -ENOSYS;
}

int tn_greenlet_stack(const tn_greenlet *g, void **ret_low, size_t *ret_bytes)
{
    if (!g || !g->stack)
        return -ENOENT;
    *ret_low = g->stack->low;
    *ret_bytes = (size_t)((char *)g->stack - g->stack->low);
    return 0;
}
