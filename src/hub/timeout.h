/* SPDX-License-Identifier: MIT */
/* hub/timeout.h - scopes and shields, as the rest of the hub sees them. */
#ifndef TN_HUB_TIMEOUT_H
#define TN_HUB_TIMEOUT_H

#include <tendril/timeout.h>

#include "hub/hub.h"

/* 0, or what stops a waiting call of `g`: -ECANCELED (a kill, or a cancel that
 * was raised), -ETIME (then `fired` of
 * the outermost expired scope is set, and of no other), -ENOMEM. */
int tn__timeout_interrupt(struct tn_hub *h, struct tn_greenlet *g);

/* The timer of a scope or shield has fired. */
void tn__timeout_expired(struct tn__timer *timer);

/* A scope that expires when it is raised, and then stops calls of its greenlet
 * with -ECANCELED. Raising one that was raised, or has ended: nothing. */
void tn__cancel_begin(tn_timeout *t);
void tn__cancel_raise(tn_timeout *t);
void tn__cancel_end(tn_timeout *t);

#endif /* TN_HUB_TIMEOUT_H */
