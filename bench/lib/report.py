# SPDX-License-Identifier: MIT
"""report - medians, intervals, and the lines that are printed."""

import json
import math
import statistics
import sys

import process


def note(text):
    """Progress, and why something is missing."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def median_interval(values):
    """(median, low, high): the 95 % interval of the median, distribution-free.

    By order statistics: the narrowest pair of symmetric ranks that holds the
    median with at least 95 %. Fewer than 6 values cannot reach that; then it is
    the least and the greatest.
    """
    ordered = sorted(values)
    n = len(ordered)
    rank = 0
    below = 0.0  # probability that the median lies below ordered[rank]
    for i in range(n // 2):
        below += math.comb(n, i) / 2 ** n
        if 2 * below > 0.05:
            break
        rank = i
    return statistics.median(ordered), ordered[rank], ordered[n - 1 - rank]


def rounded(value):
    """Four significant digits for what is below 10,000."""
    if not isinstance(value, float):
        return value
    if abs(value) >= 1000:
        return round(value, 1)
    return float(f"{value:.4g}")


def line(bench, who, unit, values, **fields):
    """Print a figure: the median of its runs, their spread, and the rest."""
    shown = {"bench": bench, "who": who,
             "value": statistics.median(values), "unit": unit,
             "min": min(values), "max": max(values), "runs": len(values)}
    shown.update(fields)
    print(json.dumps({key: rounded(value) for key, value in shown.items()
                      if value is not None}), flush=True)


def ratio_fields(name, ours, theirs):
    """The fields of a ratio, pair by pair."""
    ratios = [mine / other for mine, other in zip(ours, theirs) if other]
    if not ratios:
        return {}
    middle, low, high = median_interval(ratios)
    return {name: middle, f"{name}_low": low, f"{name}_high": high}


def medians(runs, fields):
    """The median of each field over the runs that have it."""
    found = {}
    for field in fields:
        values = [run[field] for run in runs if run.get(field) is not None]
        if not values:
            continue
        if isinstance(values[0], bool):
            found[field] = all(values)
        else:
            found[field] = statistics.median(values)
    return found


def interleave(context, bench, makers, fewer=None):
    """Run each maker once per round; {who: [runs]}, without the skipped.

    makers is {who: function}; one named in `fewer` runs in so many rounds only.
    One whose run is skipped, or fails, runs no more and gets no line; the
    others go on. Rounds alternate in direction, so that nobody is always first.
    """
    runs = {who: [] for who in makers}
    gone = set()
    for turn in range(context.pairs):
        note(f"{bench}: round {turn + 1} of {context.pairs}")
        order = list(makers)
        for who in order if turn % 2 == 0 else reversed(order):
            if who in gone or turn >= (fewer or {}).get(who, context.pairs):
                continue
            try:
                runs[who].append(makers[who]())
            except process.Skipped as reason:
                note(f"{bench}: no figure of {who}: {reason}")
                gone.add(who)
            except process.Failed as reason:
                note(f"{bench}: {who} FAILED: {reason}")
                gone.add(who)
                context.failures.append(f"{bench} {who}")
    return {who: found for who, found in runs.items()
            if found and who not in gone}


def guarded(measure, context, bench, *arguments):
    """Measure one bench; a failure is noted and kept in the context."""
    try:
        measure(context, bench, *arguments)
    except process.Skipped as reason:
        note(f"{bench}: skipped: {reason}")
    except process.Failed as reason:
        note(f"{bench}: FAILED: {reason}")
        context.failures.append(bench)
