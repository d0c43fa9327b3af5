/* SPDX-License-Identifier: MIT */
/* tendril/tendril.h - everything. See the single headers and tendril(7). */
#ifndef TN_TENDRIL_H
#define TN_TENDRIL_H

#include <tendril/base.h>
#include <tendril/channel.h>
#include <tendril/config.h>
#include <tendril/datagram.h>
#include <tendril/dns.h>
#include <tendril/event.h>
#include <tendril/file.h>
#include <tendril/greenlet.h>
#include <tendril/group.h>
#include <tendril/hub.h>
#include <tendril/hubs.h>
#include <tendril/local.h>
#include <tendril/lock.h>
#include <tendril/net.h>
#include <tendril/offload.h>
#include <tendril/patch.h>
#include <tendril/process.h>
#include <tendril/queue.h>
#include <tendril/result.h>
#include <tendril/scope.h>
#include <tendril/server.h>
#include <tendril/shared.h>
#include <tendril/signal.h>
#include <tendril/stream.h>
#include <tendril/timeout.h>
#include <tendril/tls.h>
#include <tendril/wait.h>
#include <tendril/watch.h>

#endif /* TN_TENDRIL_H */
