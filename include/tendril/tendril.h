/* SPDX-License-Identifier: MIT */
/* tendril/tendril.h - everything. See the single headers and tendril(7). */
#ifndef TN_TENDRIL_H
#define TN_TENDRIL_H

#include <tendril/base.h>
#include <tendril/greenlet.h>
#include <tendril/hub.h>
#include <tendril/net.h>
#include <tendril/server.h>
#include <tendril/timeout.h>

#endif /* TN_TENDRIL_H */
