/* SPDX-License-Identifier: MIT */
/* hub/local.c - whose locals are whose: the current greenlet's, its tree's, and
 * what becomes of them at its end and at that of the hub.
 *
 * Most greenlets have none, and pay a test of tn_greenlet.marks at their end.
 *
 * A tree begins with a greenlet that main or the hub spawned. It gets an object
 * only when that greenlet spawns another, or sets a value: until then it is
 * marked as `tn__tree_unmade`, and a server's accept loop that spawns from main
 * pays nothing. The object counts the members that are alive. Main and the hub
 * belong to no tree and have NULL.
 *
 * Destructors of a greenlet's values run on it, before it counts as ended. All
 * others (of trees, of a key that is freed, at the end of the hub) run in the
 * place of the hub: the current greenlet is then the hub's own, so that a call
 * that would wait is refused. */
#include <errno.h>
#include <stdlib.h>

#include "greenlet/local.h"
#include "hub/hub.h"

struct tn__tree {
    uint32_t refs;             /* members alive */
    struct tn__locals *locals; /* owned; NULL: no values */
};

struct tn__tree tn__tree_unmade;

static int make_tree(struct tn_greenlet *g)
{
    struct tn__tree *tree = calloc(1, sizeof *tree);

    if (!tree)
        return -ENOMEM;
    TN_ASSERT(g->tree == &tn__tree_unmade);
    tree->refs = 1;
    g->tree = tree;
    g->marks |= TN__MARK_TREE;
    return 0;
}

int tn__tree_join(struct tn_greenlet *g, struct tn_greenlet *spawner)
{
    if (spawner->tree == &tn__tree_unmade) {
        int r = make_tree(spawner);

        if (r < 0)
            return r;
    }
    g->tree = spawner->tree;
    g->tree->refs++;
    g->marks |= TN__MARK_TREE;
    return 0;
}

/* End a table in the place of the hub. */
static void end_table(struct tn_hub *h, struct tn__locals **l)
{
    struct tn_greenlet *current = h->current;

    h->current = &h->hub_g;
    tn__locals_end(l);
    h->current = current;
}

void tn__tree_leave(struct tn_greenlet *g)
{
    struct tn__tree *tree = g->tree;

    TN_ASSERT(tree->refs > 0);
    g->marks &= (uint8_t)~TN__MARK_TREE;
    g->tree = NULL;
    if (--tree->refs > 0)
        return;
    if (tree->locals)
        end_table(g->hub, &tree->locals);
    free(tree);
}

void tn__hub_end_locals(struct tn_greenlet *g)
{
    if (g->locals)
        tn__locals_end(&g->locals);
    g->marks &= (uint8_t)~TN__MARK_LOCALS;
}

/* Those who own the tables never run again, but for the hub's own greenlet,
 * on which the destructors run. */
void tn__hub_drop_locals(struct tn_hub *h)
{
    while (!tn__list_is_empty(&h->locals)) {
        struct tn__locals *l =
            TN_CONTAINER(h->locals.next, struct tn__locals, link);

        end_table(h, l == h->hub_g.locals ? &h->hub_g.locals : &l);
    }
}

/* ---- for users ---- */

int tn_local_new(tn_local_fn destructor, tn_local *ret_key)
{
    return ret_key ? tn__local_key_new(destructor, ret_key) : -EINVAL;
}

/* Call it with each value that a greenlet or tree of this hub has. Tables come
 * and go meanwhile: those still to be looked at are on a list of their own. */
static void destroy_values(struct tn_hub *h, tn_local key, tn_local_fn fn)
{
    struct tn_greenlet *current = h->current;
    struct tn__list todo;

    tn__list_init(&todo);
    tn__list_insert(&h->locals, &todo);
    tn__list_remove(&h->locals);
    h->current = &h->hub_g;
    while (!tn__list_is_empty(&todo)) {
        struct tn__locals *l = TN_CONTAINER(todo.next, struct tn__locals, link);
        void *value = tn__locals_take(l, key);

        tn__list_remove(&l->link);
        tn__list_insert(&h->locals, &l->link);
        if (value)
            fn(value);
    }
    h->current = current;
}

int tn_local_free(tn_local key)
{
    struct tn_hub *h = tn__hub_peek();
    tn_local_fn destructor;
    int r = tn__local_key_free(key, &destructor);

    if (r == 0 && destructor && h)
        destroy_values(h, key, destructor);
    return r;
}

int tn_local_set(tn_local key, void *value)
{
    struct tn_hub *h;
    int r = tn__hub_self(&h);

    if (r < 0)
        return r;
    r = tn__locals_set(&h->current->locals, key, value, &h->locals);
    if (h->current->locals)
        h->current->marks |= TN__MARK_LOCALS;
    return r;
}

void *tn_local_get(tn_local key)
{
    struct tn_hub *h = tn__hub_peek();

    return h ? tn__locals_get(h->current->locals, key) : NULL;
}

int tn_tree_set(tn_local key, void *value)
{
    struct tn_hub *h = tn__hub_peek();
    struct tn_greenlet *g = h ? h->current : NULL;

    if (!g || !g->tree)
        return -EINVAL;
    if (g->tree == &tn__tree_unmade) {
        int r = make_tree(g);

        if (r < 0)
            return r;
    }
    return tn__locals_set(&g->tree->locals, key, value, &h->locals);
}

void *tn_tree_get(tn_local key)
{
    struct tn_hub *h = tn__hub_peek();

    if (!h || !h->current->tree)
        return NULL;
    return tn__locals_get(h->current->tree->locals, key);
}

void *tn_context(void)
{
    struct tn_hub *h = tn__hub_peek();

    return h ? h->current->context : NULL;
}

int tn_set_context(void *context)
{
    struct tn_hub *h;
    int r = tn__hub_self(&h);

    if (r < 0)
        return r;
    h->current->context = context;
    return 0;
}

uint64_t tn_greenlet_spawner(const tn_greenlet *g)
{
    return g ? g->spawner : 0;
}
