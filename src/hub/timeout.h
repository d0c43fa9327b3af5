/* SPDX-License-Identifier: MIT */
/* hub/timeout.h - scopes and shields, as the rest of the hub sees them. */
#ifndef TN_HUB_TIMEOUT_H
#define TN_HUB_TIMEOUT_H

#include <tendril/timeout.h>

#include "hub/hub.h"

/* 0, or what stops a waiting call of `g`: -ECANCELED, -ETIME (then `fired` of
 * the outermost expired scope is set, and of no other), -ENOMEM. */
int tn__timeout_interrupt(struct tn_hub *h, struct tn_greenlet *g);

/* The timer of a scope or shield has fired. */
void tn__timeout_expired(struct tn__timer *timer);

#endif /* TN_HUB_TIMEOUT_H */
