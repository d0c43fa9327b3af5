/* SPDX-License-Identifier: MIT */
/* tests/unit/layer_list.c - the ring through its head. */
#include "base/list.h"

#include "support/test.h"

static int length(const struct tn__list *head)
{
    int n = 0;

    for (const struct tn__list *l = head->next; l != head; l = l->next) {
        assert_ptr_equal(l->next->prev, l);
        n++;
    }
    return n;
}

static void nodes_keep_their_order(void)
{
    struct tn__list head, a, b, c;

    tn__list_init(&head);
    assert_true(tn__list_is_empty(&head));
    tn__list_insert(&head, &a);
    tn__list_insert(&head, &c);
    tn__list_insert(&c, &b); /* before c */
    assert_int_equal(length(&head), 3);
    assert_ptr_equal(head.next, &a);
    assert_ptr_equal(a.next, &b);
    assert_ptr_equal(head.prev, &c);
}

static void taking_off_twice_is_harmless(void)
{
    struct tn__list head, a, b;

    tn__list_init(&head);
    tn__list_insert(&head, &a);
    tn__list_insert(&head, &b);
    tn__list_remove(&a);
    tn__list_remove(&a);
    assert_int_equal(length(&head), 1);
    assert_true(tn__list_is_empty(&a));
    tn__list_remove(&b);
    assert_true(tn__list_is_empty(&head));
}

TEST_MAIN(TEST_BARE(nodes_keep_their_order),
          TEST_BARE(taking_off_twice_is_harmless))
