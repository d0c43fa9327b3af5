# SPDX-License-Identifier: MIT
"""micro - the benches of one process: switches, spawns, memory, sleeps."""

import functools

import peers
import process
import report

# Fields of a run that are shown beside its value.
EXTRA = ("flags_differ_ns", "batch_100_ns", "buffered_100_ns", "ping_pong_ns",
         "select_2_ns", "mutex_ns", "handed_over_ns", "map_ns",
         "bounded_100_ns", "blocking_ns", "by_64_ns", "p99_us",
         "nanosleep_p50_us", "nanosleep_p99_us", "wall_s", "peak_rss_mib",
         "mappings", "finished", "spawn_ns", "guarded",
         "per_second")

# A million greenlets take a while, and their memory does not vary.
MILLION_PAIRS = 3


def run_one(context, program, name):
    return process.run_json([context.program(program), name],
                            context.second_core)


def run_peer(context, who, name):
    return process.run_json(peers.command(context, who, name),
                            context.second_core)


def tendril_fields(runs, key, goal):
    """Ratios of tendril's line, for both ways to link it."""
    fields = {}
    ours = [run["value"] for run in runs["tendril"]]
    if "floor" in runs:
        floor = [run["value"] for run in runs["floor"]]
        fields.update(report.ratio_fields("ratio", ours, floor))
        if key in runs:
            shared = [run["value"] for run in runs[key]]
            fields["shared_value"] = report.median_interval(shared)[0]
            fields.update(report.ratio_fields("shared_ratio", shared, floor))
    if goal:
        fields["goal"] = goal
    return fields


def measure(context, name, goal, has_shared):
    """Floor, tendril, and tendril by its shared library, in turn."""
    if name == "parked_1000000" and context.pairs > MILLION_PAIRS:
        context = context.changed(pairs=MILLION_PAIRS)
    programs = {"floor": "bench_floor", "tendril": "bench_tendril"}
    if has_shared:
        programs["shared"] = "bench_tendril_shared"
    makers = {who: functools.partial(run_one, context, program, name)
              for who, program in programs.items()}
    rivals = peers.MICRO.get(name, ())
    makers.update((who, functools.partial(run_peer, context, who, name))
                  for who in rivals)
    runs = report.interleave(context, name, makers,
                             dict.fromkeys(rivals, peers.ROUNDS))
    for who in ("floor", "tendril", *rivals):
        if who not in runs:
            continue
        fields = report.medians(runs[who], EXTRA)
        if who == "tendril":
            fields.update(tendril_fields(runs, "shared", goal))
        elif who in rivals and "floor" in runs:
            fields.update(report.ratio_fields(
                "ratio", [run["value"] for run in runs[who]],
                [run["value"] for run in runs["floor"]]))
        report.line(name, who, runs[who][0]["unit"],
                    [run["value"] for run in runs[who]], **fields)


BENCHES = {
    "switch": (measure, ("ratio <= 1.05", True)),
    "yield_2": (measure, ("ratio <= 1.5", True)),
    "yield_100": (measure, ("ratio <= 1.6", True)),
    "yield_100000": (measure, ("ratio <= 1.4", True)),
    "spawn": (measure, ("value <= 15 ns", True)),
    "spawn_join": (measure, ("value <= 20 ns or ratio <= 2", True)),
    "channel": (measure, ("value <= 15 ns", True)),
    "semaphore": (measure, (None, True)),
    "event_1000": (measure, (None, True)),
    "pool": (measure, (None, True)),
    "queue": (measure, (None, True)),
    "offload": (measure, (None, True)),
    "dial_close": (measure, (None, True)),
    "file_pread": (measure, (None, True)),
    "parked_100000": (measure, ("value <= 4300 B", False)),
    "parked_1000000": (measure, ("all finish, peak within 5 GiB", False)),
    "sleep_100000": (measure, ("value <= 0.30 CPU s", False)),
    "sleep_100us": (measure, ("value <= 60 us", False)),
}
