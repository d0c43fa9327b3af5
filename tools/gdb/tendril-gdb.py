# SPDX-License-Identifier: MIT
"""tools/gdb/tendril-gdb.py - gdb on a program under `tendril run`.

    gdb -x tendril-gdb.py -p PID
    gdb -x tendril-gdb.py --args tendril run PROGRAM ARGS

gdb knows the kernel's threads. Here are commands for the green ones:

    tendril threads           list them, and what they wait in
    tendril thread TID        show the backtrace of one
    tendril thread TID CMD    do any command in the place where it waits
    tendril thread all bt     the same for all

Each system call that traps is a SIGSYS, and the preemption timer's signal is
33: they go to the engine unseen.
"""

import gdb

STATES = {0: "new", 1: "ready", 2: "running", 3: "waiting"}
SAVED = ("r12", "r13", "r14", "r15", "rbx", "rbp", "rip")  # switch.S


def engine(expression):
    try:
        return gdb.parse_and_eval(expression)
    except gdb.error as error:
        raise gdb.GdbError(
            f"the engine of tendril is not there: {error}") from error


def green_threads():
    """All of them, as struct tn__run_green."""
    kind = gdb.lookup_type("struct tn__run_green")
    offset = [f for f in kind.fields() if f.name == "all"][0].bitpos // 8
    head = engine("&tn__run.greens")
    at = head["next"]
    while at != head:
        address = int(at) - offset
        yield gdb.Value(address).cast(kind.pointer()).dereference()
        at = at["next"]


def call_name(number):
    names = engine("tn__run_call_names")
    try:
        name = names[number]
        return name.string() if int(name) else f"call {number}"
    except (gdb.error, gdb.MemoryError):
        return f"call {number}"


def describe(green):
    state = int(green["g"]["state"])
    words = [STATES.get(state, str(state))]
    if state == 3 and int(green["call"]):
        words.append(f"in {call_name(int(green['call']['nr']))}")
        if int(green["g"]["wait_fd"]) >= 0:
            words.append(f"on descriptor {int(green['g']['wait_fd'])}")
    return " ".join(words)


def registers_of(green):
    """Where the program made its call, or where it left for the hub."""
    call = green["call"]
    if int(call) and int(call["uc"]):
        saved = call["uc"]["uc_mcontext"]["gregs"]
        order = ("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi",
                 "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip")
        values = {name: int(saved[i]) for i, name in enumerate(order)}
        return {name: values[name] for name in SAVED + ("rsp",)}
    words = green["g"]["sp"].cast(gdb.lookup_type("long").pointer())
    values = {name: int(words[1 + i]) for i, name in enumerate(SAVED)}
    values["rsp"] = int(green["g"]["sp"]) + 8 * 8
    return values


def kernel_thread_of(green):
    """gdb's thread on which it runs; with one hub there is only one."""
    if int(engine("tn__run_is_many")) == 0:
        return gdb.selected_thread()
    for i in range(int(engine("tn__run_n_cpus"))):
        cpu = engine(f"tn__run_cpus[{i}]")
        if int(cpu["turn"]["current"]) == int(green["g"].address):
            for thread in gdb.selected_inferior().threads():
                if thread.ptid[1] == int(cpu["tid"]):
                    return thread
    return gdb.selected_thread()


def within_running(green, command):
    """Do `command` in the kernel thread that `green` runs on."""
    before = gdb.selected_thread()
    kernel_thread_of(green).switch()
    try:
        gdb.execute(command)
    finally:
        before.switch()


def within(green, command):
    """Do `command` with the registers of `green`; they are put back."""
    if int(green["g"]["state"]) == 2:
        within_running(green, command)
        return
    gdb.execute("frame 0", to_string=True)
    before = {name: int(gdb.parse_and_eval(f"(long)${name}"))
              for name in SAVED + ("rsp",)}
    try:
        for name, value in registers_of(green).items():
            gdb.execute(f"set ${name} = {value}", to_string=True)
        gdb.execute(command)
    finally:
        gdb.execute("frame 0", to_string=True)
        for name, value in before.items():
            gdb.execute(f"set ${name} = {value}", to_string=True)


class Tendril(gdb.Command):
    """Commands for green threads: tendril threads, tendril thread."""

    def __init__(self):
        super().__init__("tendril", gdb.COMMAND_STACK, prefix=True)


class Threads(gdb.Command):
    """List the green threads: number, name, state."""

    def __init__(self):
        super().__init__("tendril threads", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for green in green_threads():
            name = green["name"].string()
            print(f"{int(green['tid'])}  {describe(green)}"
                  + (f'  "{name}"' if name else ""))


class Thread(gdb.Command):
    """Do a command, bt unless another is named, in a green thread.
tendril thread TID|all [COMMAND]"""

    def __init__(self):
        super().__init__("tendril thread", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        which, _, command = argument.strip().partition(" ")
        if which != "all" and not which.isdigit():
            raise gdb.GdbError("tendril thread TID|all [COMMAND]")
        found = [green for green in green_threads()
                 if which == "all" or int(green["tid"]) == int(which)]
        if not found:
            raise gdb.GdbError(f"there is no green thread {which}")
        for green in found:
            if which == "all":
                print(f"\n{int(green['tid'])}  {describe(green)}")
            within(green, command or "bt")


gdb.execute("handle SIGSYS SIG33 nostop noprint pass", to_string=True)
gdb.execute("set breakpoint pending on")
Tendril()
Threads()
Thread()
