# SPDX-License-Identifier: MIT
"""peers - the other libraries and languages that give the same figures."""

import pathlib

FOLDER = pathlib.Path(__file__).resolve().parent.parent
SYSTEM_PYTHON = "/usr/bin/python3"  # where python3-gevent installs

# They are slower to start or to run than tendril: fewer rounds will do.
ROUNDS = 5

# Who gives which micro bench; METHOD.md says what each line means.
MICRO = {
    "switch": ("boost", "gevent"),
    "yield_2": ("st", "go", "gevent"),
    "yield_100": ("st", "go", "gevent"),
    "yield_100000": ("st", "go"),
    "spawn": ("st", "go", "gevent"),
    "spawn_join": ("st", "go", "gevent"),
    "channel": ("go", "gevent"),
    "parked_100000": ("st", "go", "gevent"),
    "sleep_100000": ("st", "go", "gevent"),
}
ECHO = ("st", "go", "gevent")


def command(context, who, name):
    """How the peer `who` is told to do `name`."""
    if who == "gevent":
        return [SYSTEM_PYTHON, str(FOLDER / "peer_gevent.py"), name]
    if (who, name) == ("st", "echo"):
        return [context.program("echo_st", is_peer=True)]
    return [context.program(f"peer_{who}", is_peer=True), name]
