# SPDX-License-Identifier: MIT
"""tls - bulk data and handshakes, beside OpenSSL on blocking sockets."""

import functools

import process
import report


def run_one(context, program, name):
    return process.run_json([context.program(program), name], None)


def measure(context, name, goal):
    """Both ends on OpenSSL alone, and both on tendril, in turn."""
    runs = report.interleave(context, name, {
        who: functools.partial(run_one, context, program, name)
        for who, program in {"floor": "tls_blocking",
                             "tendril": "tls_tendril"}.items()})
    for who, mine in runs.items():
        values = [run["value"] for run in mine]
        fields = {}
        if who == "tendril":
            if "floor" in runs:
                floor = [run["value"] for run in runs["floor"]]
                fields.update(report.ratio_fields("ratio", values, floor))
            fields["goal"] = goal
        report.line(name, who, mine[0]["unit"], values, **fields)


BENCHES = {
    "tls_bulk": (measure, ("ratio >= 0.95",)),
    "tls_handshake": (measure, ("none",)),
}
