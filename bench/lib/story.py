# SPDX-License-Identifier: MIT
"""story - the echo servers of examples/story/ at 1 to 1,000 connections."""

import functools

import load
import process
import report

SERVERS = ("one_client", "threads", "select", "callbacks", "server")
ROUNDS = 5
FIELDS = ("cpu_us", "p50_us", "p99_us", "rss_pte_mib", "kernel_stack_kib")


def run_one(context, who, connections):
    command = [str(context.build / "examples" / "story" / f"story_{who}")]
    with process.Server(command, context.first_core) as server:
        return load.drive(context, "echo_client", server, connections)


def measure(context, name, connections):
    """Round trips per second, CPU and memory of each server."""
    context = context.changed(pairs=min(context.pairs, ROUNDS))
    runs = report.interleave(context, name, {
        who: functools.partial(run_one, context, who, connections)
        for who in SERVERS if connections == 1 or who != "one_client"})
    for who, found in runs.items():
        report.line(name, who, "1/s", [run["per_s"] for run in found],
                    **report.medians(found, FIELDS))


BENCHES = {f"story_{n}": (measure, (n,)) for n in (1, 64, 1000)}
