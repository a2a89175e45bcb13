"""The sections of the table: what is measured for each, and the words around it."""

import sys
import time
from dataclasses import replace

import callgrind
import continuous
import detector
import go_latency
import go_read
import go_toolchains
import machine
import micro
import promises
import table
import turns
from plan import Plan
from programs import Program, all_programs
from settings import all_settings, valgrind
from workplace import Workplace

METHOD = """Every program does fixed work and gives the same answer under every setting, else the \
run fails.
Settings run in turns, in an order drawn for each turn, and CPU time is that of the kernel's \
accounting; a cell is the ratio of the medians, with the quartiles of its own runs.
`plain again` is the plain program measured twice: a difference smaller than its own is noise.
On a shared machine trust instruction counts first, then large ratios; the quartiles say how much \
of the rest is luck."""

CALLS_SETTINGS = ["plain", "default", "exact", "heaptrack"]


class Bench:
    """One run of the benchmarks."""

    def __init__(self, place: Workplace, plan: Plan, only: str) -> None:
        self.place = place
        self.plan = plan
        self.settings = all_settings(place)
        present, self.missing = all_programs(place)
        self.programs = [program for program in present if only in program.name]
        self.only = only

    def document(self, names: list[str]) -> str:
        """The sections, each under its heading."""
        head = f"Measured by `scripts/bench`: {machine.description()}."
        if any(name in SECTIONS for name in names):
            if not self.programs:
                raise SystemExit(f"bench: no program has a name with {self.only!r} in it")
            head += f"\n\n{METHOD}"
        parts = []
        for name in names:
            begin = time.monotonic()
            parts.append((SECTIONS | APART)[name](self))
            seconds = time.monotonic() - begin
            print(f"bench: {name} took {seconds:.0f} s", file=sys.stderr)
        return "\n\n".join([head, *parts])

    def measured(self, program: Program, left: int, deadline: float) -> turns.Outcome:
        """The runs of one program, in its share of the time that is left."""
        share = (deadline - time.monotonic()) / left
        settings = list(self.settings.values())
        return turns.measure(self.place, program, settings, self.plan.program_turns, share)


def program_section(bench: Bench) -> str:
    """CPU time and memory of whole programs."""
    deadline = time.monotonic() + bench.plan.program_seconds
    outcomes = {}
    for index, program in enumerate(bench.programs):
        left = len(bench.programs) - index
        outcomes[program.name] = bench.measured(program, left, deadline)
        print(f"bench: {program.name}", file=sys.stderr)
    runs = [len(outcome["plain"]) for outcome in outcomes.values()]
    number = f"{min(runs)} to {max(runs)}" if min(runs) < max(runs) else str(runs[0])
    missing = f" Not installed: {', '.join(bench.missing)}." if bench.missing else ""
    return f"""### CPU time of whole programs

Medians of {number} turns; exact and the allocators take part in every third, \
heaptrack and whole runs in every sixth.{missing}
`fastest` compares the one run of each that cost least, since company only ever adds.
Targets: memshim <= 1.02 on sqlite3, python3 on malloc and cc1plus, <= 1.12 where all is malloc.

{table.times(outcomes)}

### Exact mode against heaptrack

As their users run them: `memshim-reader run --interval exact` with its report, `heaptrack` with \
its interpreter and compressor, CPU of all processes.
`in the target` compares the two preloads alone; the target is at least x 5 for programs in bold, \
all processes counted.

{table.against_heaptrack(outcomes, bench.programs)}

### Memory

`whole` is the largest process of a profiler's whole run; segments are what they occupy.

{table.memory(outcomes)}"""


def valgrind_section(bench: Bench) -> str:
    """valgrind on one program only, the small variant of the first: it is very slow."""
    whole = next(program for program in bench.programs if program.small)
    program = replace(whole, command=whole.small)
    settings = [bench.settings["plain"], bench.settings["exact"], *valgrind()]
    outcome = turns.measure(bench.place, program, settings, 4, 60)
    cells = [
        f"{setting.name} {table.ratio(outcome, setting.name, 'plain', table.all_ms)}"
        for setting in settings[1:]
    ]
    return f"""### valgrind, on a smaller run of {whole.name}

CPU in multiples of plain: {", ".join(cells)}."""


def instruction_section(bench: Bench) -> str:
    """Instructions of one call and of whole programs."""
    if not callgrind.is_installed():
        return "### Instructions\n\nvalgrind is not installed."
    calls = micro.calls(bench.place, bench.settings, CALLS_SETTINGS)
    text = f"""### Instructions

By callgrind, `heaptrack` writing to the null device; calls are not sampled, except under `exact` \
and `heaptrack`.
Target: memshim adds <= 20 to a malloc and its free.

{table.calls(calls, CALLS_SETTINGS)}"""
    if not bench.plan.counted:
        return text
    counted = [bench.settings[name] for name in bench.plan.counted]
    counted = [setting for setting in counted if setting.is_installed]
    print("bench: calls", file=sys.stderr)
    counts = callgrind.of_programs(bench.place, bench.programs, counted)
    names = [setting.name for setting in counted]
    return f"{text}\n\n{table.instructions(counts, names)}"


def pair_section(bench: Bench) -> str:
    """Time of a pair, and of threads that replace blocks."""
    place, settings, plan = bench.place, bench.settings, bench.plan
    pairs = {
        threads: micro.pairs(place, settings, threads, plan.pair_turns) for threads in (1, 2)
    }
    larson = {
        threads: micro.larson(place, settings, threads, plan.larson_turns) for threads in (1, 2)
    }
    return f"""### One pair of calls, and threads

The best of many short batches and runs: what the machine can do when it is left alone.
`larson`: threads replace random blocks of 8 to 1000 bytes and hand them to their successors.
Targets: memshim <= +1.5 ns a pair; exact >= 0.7 of plain with 2 threads.

{table.pairs(pairs)}

{table.larson(larson)}"""


def promise_section(bench: Bench) -> str:
    """The single figures."""
    measured = promises.all_promises(bench.place, bench.settings, bench.plan.promise_turns)
    return f"""### Promises

{table.promises(measured)}"""


def detector_section(_: Bench) -> str:
    """The leak detector's errors; no time is measured."""
    return detector.table()


def continuous_section(bench: Bench) -> str:
    """A recorder and a server of twenty busy programs."""
    return continuous.section(bench.place, bench.plan.continuous_seconds)


def go_section(bench: Bench) -> str:
    """Every Go toolchain, what reading costs, and what a Go program notices of being read."""
    artefacts = bench.place.reader.parent
    is_quick = bench.plan.is_quick
    parts = [
        go_toolchains.section(artefacts, bench.only, is_quick),
        go_read.section(bench.place),
        go_latency.section(bench.place, bench.plan.go_rounds),
    ]
    return "\n\n".join(parts)


SECTIONS = {
    "programs": program_section,
    "valgrind": valgrind_section,
    "instructions": instruction_section,
    "pair": pair_section,
    "promises": promise_section,
}

# Sections that are printed when they are asked for, and are no part of the table.
APART = {"detector": detector_section, "continuous": continuous_section, "go": go_section}
