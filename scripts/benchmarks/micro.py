"""The smallest benchmarks: one pair of calls, and threads that hand their blocks on."""

import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import callgrind
from launch import Failure, run
from programs import Program
from settings import Setting
from turns import shuffled
from workplace import Workplace

# Short, and in many processes: a core that is shared may be slow for all of one process's life.
PAIR_MILLISECONDS = 15
PAIR_SIZES = ("16", "64", "256", "1024")
PAIR_SETTINGS = (
    "plain",
    "null",
    "default",
    "exact",
    "heaptrack",
    "tcmalloc",
    "tcmalloc, sampling",
    "jemalloc",
    "jemalloc, sampling",
)

LARSON_GENERATIONS = "20"

# What calls.c can do, and how people call it.
CALLS = {
    "malloc": "malloc + free",
    "calloc": "calloc + free",
    "same": "realloc, same size",
    "growing": "realloc, growing",
}
CALLS_FEW, CALLS_MANY = 5_000, 25_000

# Best nanoseconds of a pair by setting and size.
Pairs = dict[str, dict[str, float]]


def pairs(
    place: Workplace, settings: dict[str, Setting], threads: int, turns: int
) -> Pairs:
    """The best nanoseconds of a malloc and its free, by setting and size."""
    command = (str(place.build("pair")), str(threads), str(PAIR_MILLISECONDS))
    program = Program(f"pair, {threads} threads", command)
    best: Pairs = {}
    for turn in range(turns):
        for setting in shuffled(usable(settings, PAIR_SETTINGS), f"{program.name} {turn}"):
            lines = run(place, setting, program).answer.decode().splitlines()
            known = best.setdefault(setting.name, {})
            for size, nanoseconds in (line.split() for line in lines):
                known[size] = min(known.get(size, float("inf")), float(nanoseconds))
    return best


def larson(
    place: Workplace, settings: dict[str, Setting], threads: int, turns: int
) -> dict[str, float]:
    """The most replacements in a second of wall time that any run made, by setting."""
    command = (str(place.build("larson")), str(threads), LARSON_GENERATIONS)
    program = Program(f"larson, {threads} threads", command)
    best: dict[str, float] = {}
    answers: set[bytes] = set()
    for turn in range(turns):
        for setting in shuffled(usable(settings, PAIR_SETTINGS), f"{program.name} {turn}"):
            answers.add(run(place, setting, program).answer)
            rate = float(last_line(place.folder / "errors"))
            best[setting.name] = max(best.get(setting.name, 0.0), rate)
    if len(answers) > 1:
        raise Failure(f"{program.name} answers differently under some setting")
    return best


def calls(
    place: Workplace, settings: dict[str, Setting], names: Iterable[str]
) -> dict[str, dict[str, float]]:
    """Instructions of one call by kind and setting, from the difference of two runs."""
    program = str(place.build("calls"))
    cells = [(kind, setting) for kind in CALLS for setting in usable(settings, names)]
    jobs = [
        partial(
            callgrind.instructions,
            place,
            setting,
            (program, kind, str(count)),
            callgrind.UNSAMPLED,
        )
        for kind, setting in cells
        for count in (CALLS_FEW, CALLS_MANY)
    ]
    results = callgrind.side_by_side(place, jobs)
    counts: dict[str, dict[str, float]] = {label: {} for label in CALLS.values()}
    for (kind, setting), few, many in zip(cells, results[::2], results[1::2], strict=True):
        if few is not None and many is not None:
            per_call = (many - few) / (CALLS_MANY - CALLS_FEW)
            counts[CALLS[kind]][setting.name] = per_call
    return counts


def usable(settings: dict[str, Setting], names: Iterable[str]) -> list[Setting]:
    """Those of the named settings that are installed."""
    return [settings[name] for name in names if settings[name].is_installed]


def last_line(file: Path) -> str:
    """The last line of what a program said."""
    return file.read_text().rstrip(os.linesep).splitlines()[-1]
