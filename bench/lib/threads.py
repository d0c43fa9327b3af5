# SPDX-License-Identifier: MIT
"""threads - threaded servers as they are, native and under `tendril run`."""

import functools
import os
import pathlib
import statistics
import tempfile

import load
import process
import report

FIELDS = ("p50_us", "p99_us", "rss_pte_mib", "kernel_stack_kib",
          "kernel_threads", "errors")
FILES = {"1k": 1024, "64k": 65536}
ECHO_GOAL = "ratio >= 1.7, cpu_ratio >= 2.5"
PAIRS = 100
WORK = (0, 20000, 50000)  # steps of about a nanosecond
HTTP_WINDOWS = 2  # http.server drops connections for a second at a time


def command_of(context, who, command, *options):
    """As it is, or under `tendril run`."""
    if who != "tendril":
        return command
    tendril = context.build / "src" / "cli" / "tendril"
    if not tendril.exists():
        raise process.Failed(f"{tendril} is not there: build first")
    return [str(tendril), "run", *options, "--", *command]


def make_server(context, who, command):
    return process.Server(command_of(context, who, command))


def run_one(context, who, command, program, connections):
    with make_server(context, who, command) as server:
        return load.drive(context, program, server, connections)


def measure(context, name, command, program, connections, more):
    """Native and tendril in turn; more is what else the lines say."""
    runs = report.interleave(context, name, {
        who: functools.partial(run_one, context, who, command, program,
                               connections)
        for who in ("native", "tendril")})
    for who, found in runs.items():
        fields = {key: value for key, value in more.items()
                  if key != "goal" or who == "tendril"}
        fields.update(report.medians(found, FIELDS))
        fields["cpu_s_per_million"] = report.medians(
            found, ("cpu_us",))["cpu_us"]
        fields["memory_mib"] = memory(found)
        if who == "tendril" and "native" in runs:
            fields["memory_ratio"] = memory(found) / memory(runs["native"])
            fields.update(report.ratio_fields(
                "ratio", rates(found), rates(runs["native"])))
            fields.update(report.ratio_fields(
                "cpu_ratio", per_cpu(found), per_cpu(runs["native"])))
        report.line(name, who, "requests/s", rates(found), **fields)


def rates(runs):
    return [run["per_s"] for run in runs]


def memory(runs):
    """MiB of a server: its pages, page tables and kernel stacks."""
    return statistics.median(run["rss_pte_mib"] +
                             max(run["kernel_stack_kib"], 0) / 1024
                             for run in runs)


def per_cpu(runs):
    """Requests per CPU second."""
    return [1e6 / run["cpu_us"] for run in runs]


def measure_echo(context, name, connections, goal):
    measure(context, name, [context.program("echo_pthread")], "echo_client",
            connections, {"goal": goal} if goal else {})


def measure_http(context, name, connections, goal):
    """http.server with both versions of HTTP that it speaks."""
    if not os.access(context.python, os.X_OK):
        raise process.Skipped(f"{context.python} is not there")
    letters = bytes(ord("a") + i % 26 for i in range(max(FILES.values())))
    longer = context.changed(window_ms=context.window_ms * HTTP_WINDOWS)
    with tempfile.TemporaryDirectory() as folder:
        for file, size in FILES.items():
            pathlib.Path(folder, file).write_bytes(letters[:size])
        for version in ("HTTP/1.0", "HTTP/1.1"):
            command = [context.python, "-u", "-m", "http.server",
                       "--bind", "127.0.0.1", "--directory", folder,
                       "--protocol", version, "0"]
            measure(longer, name, command, "http_client", connections,
                    {"variant": version, "goal": goal})


def run_micro(context, who, name):
    return process.run_json(
        command_of(context, who, [context.program("micro_threads"), name]))


def measure_micro(context, name, goal, unit="ns"):
    """What threads cost in one process. Native ones may use every CPU."""
    runs = report.interleave(context, name, {
        who: functools.partial(run_micro, context, who, name)
        for who in ("native", "tendril")})
    for who, found in runs.items():
        fields = report.medians(found, ("cpu_ns",))
        values = [run["value"] for run in found]
        _, fields["low"], fields["high"] = report.median_interval(values)
        if who == "tendril":
            fields["goal"] = goal
        if who == "tendril" and "native" in runs:
            fields.update(report.ratio_fields(
                "ratio", values, [run["value"] for run in runs["native"]]))
        report.line(name, who, unit, values, **fields)


def run_pairs(context, hubs, work):
    command = [context.program("echo_pairs"), str(PAIRS), str(work),
               str(context.window_ms)]
    if hubs == "native":
        return process.run_json(command)
    return process.run_json(
        command_of(context, "tendril", command, f"--hubs={hubs}"))


def measure_hubs(context, name, goal):
    """Several hubs against one: the threads of one process ask each other."""
    for work in WORK:
        runs = report.interleave(context, name, {
            who: functools.partial(run_pairs, context, hubs, work)
            for who, hubs in (("native", "native"), ("one hub", "1"),
                              ("two hubs", "2"))})
        for who, found in runs.items():
            fields = {"variant": f"work {work}"}
            fields.update(report.medians(found, ("cpus",)))
            fields["cpu_s_per_million"] = report.medians(
                found, ("cpu_us",))["cpu_us"]
            if who == "two hubs" and "one hub" in runs:
                one = runs["one hub"]
                fields["goal"] = goal
                fields.update(report.ratio_fields("ratio", rates(found),
                                                  rates(one)))
                fields.update(report.ratio_fields("cpu_ratio", per_cpu(found),
                                                  per_cpu(one)))
            report.line(name, who, "requests/s", rates(found), **fields)


BENCHES = {
    "run_condvar": (measure_micro, ("value <= 100 ns",)),
    "run_create_join": (measure_micro, ("value <= 8000 ns",)),
    "run_echo_200": (measure_echo, (200, ECHO_GOAL)),
    "run_echo_2000": (measure_echo, (
        2000, ECHO_GOAL + ", no kernel stacks, <= 1/2 the memory")),
    "run_echo_8000": (measure_echo, (8000, ECHO_GOAL)),
    "run_hubs_2": (measure_hubs, ("ratio >= 1.6",)),
    "run_idle_threads": (measure_micro, ("ratio <= 0.5", "bytes")),
    "run_http_200": (measure_http, (200, "ratio >= 2.0")),
}
