# SPDX-License-Identifier: MIT
"""echo - 64-byte messages in a closed loop: the server's CPU per round trip."""

import functools

import load
import peers
import process
import report

SERVERS = {"floor": "echo_epoll", "tendril": "echo_tendril",
           "libev": "echo_libev", "libuv": "echo_libuv"}
PEER_ROUNDS = 5
PEERS = {who: PEER_ROUNDS for who in ("libev", "libuv", *peers.ECHO)}
GOAL = "ratio <= 1.05, ratio_high <= 1.10, syscalls <= 2.2"


def make_server(context, who):
    if who in peers.ECHO:
        command = peers.command(context, who, "echo")
    else:
        command = [context.program(SERVERS[who], is_peer=who in PEERS)]
    return process.Server(command, context.first_core)


def run_one(context, who, connections):
    with make_server(context, who) as server:
        return load.drive(context, "echo_client", server, connections)


def cpu(runs):
    return [run["cpu_us"] for run in runs]


def measure(context, name, connections, goal):
    runs = report.interleave(context, name, {
        who: functools.partial(run_one, context, who, connections)
        for who in (*SERVERS, *peers.ECHO)}, PEERS)
    for who, found in runs.items():
        fields = report.medians(found, ("p50_us", "p99_us"))
        fields["rt_per_s"] = report.medians(found, ("per_s",))["per_s"]
        fields.update(load.syscall_fields(
            context, name, "echo_client",
            functools.partial(make_server, context, who), connections))
        if who != "floor" and "floor" in runs:
            fields.update(report.ratio_fields("ratio", cpu(found),
                                              cpu(runs["floor"])))
        if who == "tendril" and goal:
            fields["goal"] = goal
        report.line(name, who, "CPU us per round trip", cpu(found), **fields)


BENCHES = {
    "echo_1": (measure, (1, None)),
    "echo_64": (measure, (64, GOAL)),
    "echo_1000": (measure, (1000, GOAL)),
}
