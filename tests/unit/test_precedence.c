/* SPDX-License-Identifier: MIT */
/* tests/unit/test_precedence.c - what ends a wait when several things are due,
 * for every call that waits and every combination, alone and in the same turn
 * of the loop, in each order, at each point (S18, S27, S51):
 *   at entry    kill, outermost expired scope, the operation, own deadline
 *   at wake-up  a result that happened, kill, outermost scope, own deadline
 * A close of the descriptor during the wait is a result. */
#include <stdio.h>

#include "support/virtual.h"
#include "support/waits.h"

enum { RESULT = 1, KILL = 2, OUTER = 4, INNER = 8, OWN = 16, N_SETS = 32 };

enum {
    CALL_FIRST = 1,   /* what happens by a callback is armed before the wait */
    RESULT_FIRST = 2, /* in it the result comes before the kill */
    CLOSES = 4        /* the result is a close */
};

struct trial {
    const struct wait_kind *kind;
    struct wait wait;
    int set, way;
    tn_time at;       /* when all of the set is due */
    tn_time deadline; /* of the call */
    tn_greenlet *g;
    struct tn__hub_call call;
    long r;       /* what the call returned */
    int fired[2]; /* of the outer scope and of the inner */
    long next;    /* what the next call returned */
};

static void verify(const struct trial *t, const char *what, long is,
                   long should_be)
{
    if (is != should_be)
        fail_msg("%s: %s%s%s%s%s%s way %d: %s is %ld, not %ld", t->kind->name,
                 t->set & RESULT ? "result " : "", t->set & KILL ? "kill " : "",
                 t->set & OUTER ? "outer " : "", t->set & INNER ? "inner " : "",
                 t->set & OWN ? "own " : "",
                 t->deadline == TN_NOWAIT ? "nowait " : "", t->way, what, is,
                 should_be);
}

static void verify_stop(const struct trial *t)
{
    bool is_killed = t->set & KILL;
    bool is_outer = !is_killed && (t->set & OUTER);
    bool is_inner = !is_killed && !is_outer && (t->set & INNER);

    verify(t, "outer.fired", t->fired[0], is_outer);
    verify(t, "inner.fired", t->fired[1], is_inner);
    if (t->set == OWN && !t->kind->satisfy)
        verify(t, "the sleep", t->r, 0);
    else
        verify(t, "the call", t->r, is_killed ? -ECANCELED : -ETIME);
}

static void verify_next(const struct trial *t)
{
    verify(t, "the next call", t->next,
           t->set & KILL              ? -ECANCELED
           : t->set & (OUTER | INNER) ? -ETIME
                                      : 0);
}

/* ---- what happens while it is parked ---- */

static int wait_in_scopes(void *arg)
{
    struct trial *t = arg;
    tn_timeout outer, inner;

    tn_timeout_begin(&outer, t->set & OUTER ? t->at : TN_FOREVER);
    tn_timeout_begin(&inner, t->set & INNER ? t->at : TN_FOREVER);
    t->r = t->kind->call(&t->wait, t->deadline);
    t->fired[0] = outer.fired;
    t->fired[1] = inner.fired;
    t->next = tn_yield();
    tn_timeout_end(&inner);
    tn_timeout_end(&outer);
    return 0;
}

static void give_result(struct trial *t)
{
    if (t->way & CLOSES) {
        assert_result(tn_close(t->wait.fds[0]), 0);
        t->wait.fds[0] = -1;
    } else {
        t->kind->satisfy(&t->wait);
    }
}

static bool is_seen_by_poll(const struct trial *t)
{
    return t->kind->is_descriptor && !(t->way & CLOSES);
}

static void happen(struct tn__hub_call *call)
{
    struct trial *t = TN_CONTAINER(call, struct trial, call);
    bool has_result = (t->set & RESULT) && !is_seen_by_poll(t);

    if (has_result && (t->way & RESULT_FIRST))
        give_result(t);
    if (t->set & KILL)
        assert_result(tn_kill(t->g, TN_NOWAIT), -EAGAIN);
    if (has_result && !(t->way & RESULT_FIRST))
        give_result(t);
}

static void arm(struct trial *t)
{
    struct tn_hub *h = tn__hub_peek();

    t->call = (struct tn__hub_call){.fn = happen};
    assert_result(tn__hub_call_at(h, &t->call, t->at), 0);
}

static void try_parked(const struct wait_kind *kind, int set, int way)
{
    struct trial t = {kind, {.fds = {-1, -1, -1, -1}}, set, way};

    kind->open(&t.wait);
    t.at = tn_after_ms(10);
    t.deadline = set & OWN ? t.at : TN_FOREVER;
    if (way & CALL_FIRST)
        arm(&t);
    t.g = spawn(wait_in_scopes, &t);
    settle();
    verify(&t, "the state", tn_greenlet_state(t.g), TN_GREENLET_WAITING);
    if (!(way & CALL_FIRST))
        arm(&t);
    if ((set & RESULT) && is_seen_by_poll(&t))
        give_result(&t);
    virtual_jump(t.at);
    assert_result(join(t.g), 0);
    if (set & RESULT)
        verify(&t, "the call", t.r, way & CLOSES ? kind->closed : kind->good);
    else
        verify_stop(&t);
    verify_next(&t);
    wait_end(&t.wait);
    settle();
}

static bool is_possible(const struct wait_kind *kind, int set, int way)
{
    if ((set & RESULT) && !kind->satisfy)
        return false;
    if (kind->is_here && !kind->is_here())
        return false;
    return !(way & CLOSES) || kind->closed;
}

static void every_combination_in_one_turn_while_parked(void)
{
    need_virtual_time();
    for (size_t k = 0; k < n_wait_kinds; k++)
        for (int set = 1; set < N_SETS; set++)
            for (int way = 0; way < 8; way++)
                if (is_possible(&wait_kinds[k], set, way))
                    try_parked(&wait_kinds[k], set, way);
}

/* ---- what has happened before the call ---- */

static int call_after_all(void *arg)
{
    struct trial *t = arg;
    tn_timeout outer, inner;

    tn_timeout_begin(&outer, t->set & OUTER ? t->at : TN_FOREVER);
    tn_timeout_begin(&inner, t->set & INNER ? t->at : TN_FOREVER);
    assert_result(tn_sleep(t->at + MS), t->set & (OUTER | INNER) ? -ETIME : 0);
    outer.fired = inner.fired = 0;
    if (t->set & KILL)
        assert_result(tn_kill(tn_self(), TN_NOWAIT), 0);
    t->r = t->kind->call(&t->wait, t->deadline);
    t->fired[0] = outer.fired;
    t->fired[1] = inner.fired;
    t->next = tn_yield();
    tn_timeout_end(&inner);
    tn_timeout_end(&outer);
    return 0;
}

static void try_entry(const struct wait_kind *kind, int set, bool is_nowait)
{
    struct trial t = {kind, {.fds = {-1, -1, -1, -1}}, set, 0};

    kind->open(&t.wait);
    t.at = tn_after_ms(2);
    t.deadline = is_nowait ? TN_NOWAIT : set & OWN ? t.at : TN_FOREVER;
    if (set & RESULT)
        kind->satisfy(&t.wait);
    t.g = spawn(call_after_all, &t);
    assert_result(join(t.g), 0);
    if (set & (KILL | OUTER | INNER))
        verify_stop(&t);
    else if ((set & RESULT) || !kind->satisfy)
        verify(&t, "the call", t.r, kind->good);
    else
        verify(&t, "the call", t.r, is_nowait ? -EAGAIN : -ETIME);
    verify_next(&t);
    wait_end(&t.wait);
    settle();
}

static void every_combination_before_entry(void)
{
    for (size_t k = 0; k < n_wait_kinds; k++) {
        if (wait_kinds[k].good == -ECONNRESET)
            continue; /* there is no attempt yet that could have ended */
        for (int set = 0; set < N_SETS; set++) {
            if (!is_possible(&wait_kinds[k], set, 0))
                continue;
            if ((set & RESULT) && wait_kinds[k].is_never_at_once)
                continue;
            if (set)
                try_entry(&wait_kinds[k], set, false);
            try_entry(&wait_kinds[k], set & ~OWN, true);
        }
    }
}

/* ---- one thing alone, also on real time ---- */

static void try_alone(const struct wait_kind *kind, int set, int way)
{
    struct trial t = {kind, {.fds = {-1, -1, -1, -1}}, set, way};

    kind->open(&t.wait);
    t.at = tn_after_ms(set & (OUTER | INNER | OWN) ? 3 : 100000);
    t.deadline = set & OWN ? t.at : TN_FOREVER;
    t.g = spawn(wait_in_scopes, &t);
    settle();
    if (set & RESULT)
        give_result(&t);
    if (set & KILL)
        assert_result(tn_kill(t.g, TN_NOWAIT), -EAGAIN);
    assert_result(join(t.g), 0);
    if (set & RESULT)
        verify(&t, "the call", t.r, way & CLOSES ? kind->closed : kind->good);
    else
        verify_stop(&t);
    verify_next(&t);
    wait_end(&t.wait);
    settle();
}

static void each_thing_alone_while_parked(void)
{
    for (size_t k = 0; k < n_wait_kinds; k++) {
        for (int set = 1; set < N_SETS; set *= 2)
            if (is_possible(&wait_kinds[k], set, 0))
                try_alone(&wait_kinds[k], set, 0);
        if (wait_kinds[k].closed)
            try_alone(&wait_kinds[k], RESULT, CLOSES);
    }
}

/* A close and a kill at once, neither by the loop. */
static void a_close_counts_before_a_kill_in_each_order(void)
{
    for (size_t k = 0; k < n_wait_kinds; k++)
        if (wait_kinds[k].closed)
            try_alone(&wait_kinds[k], RESULT | KILL, CLOSES);
}

TEST_MAIN(TEST(every_combination_in_one_turn_while_parked),
          TEST(every_combination_before_entry),
          TEST(each_thing_alone_while_parked),
          TEST(a_close_counts_before_a_kill_in_each_order))
