"""The promises that are about one figure each: start, one sample, memory of a large heap."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from figures import Spread, mebibytes
from launch import Run, run
from programs import Program
from settings import Setting
from stall import Stall, stalls
from turns import shuffled
from workplace import Workplace

STARTS = 200
LARGE_HEAP_GIB = 10

# depth.c adds main and three frames of the C library to the frames that it is asked for.
FRAMES, FRAMES_OF_START = 20, 4
SAMPLED_PAIRS = 1_000_000
SAMPLED_INTERVAL = "4K"


@dataclass(frozen=True)
class Promise:
    """One line of the table of promises."""

    what: str
    measured: str
    target: str


def all_promises(
    place: Workplace, settings: dict[str, Setting], turns: int
) -> list[Promise]:
    """Measures each promise."""
    stopped = [settings[name] for name in ("plain", "default", "exact", "heaptrack")]
    return [
        start(place, settings, STARTS if turns > 3 else STARTS // 4),
        *sampled_event(place, settings, turns),
        large_heap(place, settings),
        *waits(stalls(place, stopped)),
    ]


def start(place: Workplace, settings: dict[str, Setting], starts: int) -> Promise:
    """What is added to the shortest program there is, in wall and in CPU time."""
    program = Program("/bin/true", ("/bin/true",))
    runs: dict[str, list[Run]] = {"plain": [], "default": []}
    for turn in range(starts):
        for setting in shuffled([settings[name] for name in runs], f"start {turn}"):
            runs[setting.name].append(run(place, setting, program))

    def added_ms(value: Callable[[Run], float]) -> float:
        plain, default = (Spread.of(map(value, measured)).median for measured in runs.values())
        return default - plain

    wall_ms = added_ms(lambda one: one.wall_ms)
    cpu_ms = added_ms(lambda one: one.all_ms)
    measured = f"{wall_ms:.2f} ms ({cpu_ms:.2f} ms of CPU)"
    return Promise(f"added to the start of /bin/true, median of {starts}", measured, "<= 0.3 ms")


def sampled_event(
    place: Workplace, settings: dict[str, Setting], turns: int
) -> list[Promise]:
    """Time of one sampled block under a stack of twenty frames, all of it warm."""
    frames = str(FRAMES - FRAMES_OF_START)
    command = (str(place.build("depth")), frames, str(SAMPLED_PAIRS))
    program = Program(f"malloc loop, {FRAMES} frames", command)
    often = Setting("often", place.shim, {"MEMSHIM_INTERVAL": SAMPLED_INTERVAL})
    plain: list[float] = []
    shimmed: list[float] = []
    own: list[float] = []
    samples: list[float] = []
    for turn in range(turns):
        for setting in shuffled([settings["plain"], often], f"sampled {turn}"):
            if setting is not often:
                plain.append(run(place, setting, program).target_ms)
                continue
            result, facts = run_and_read(place, setting, program)
            shimmed.append(result.target_ms)
            own.append(facts["own_time_per_event_ns"])
            # Each sampled block took the slow path twice: at its birth and at its death.
            samples.append(facts["slow_calls"] / 2)
    added_us = (Spread.of(shimmed).median - Spread.of(plain).median) * 1000
    outside = added_us / Spread.of(samples).median
    inside = Spread.of(own)
    what = f"one sampled block at {FRAMES} frames, warm"
    quartiles = f"({inside.low / 1000:.2f}-{inside.high / 1000:.2f})"
    return [
        Promise(f"{what}: birth and death, from outside", f"{outside:.2f} us", ""),
        Promise(
            f"{what}: a call of the slow path, by its own clock",
            f"{inside.median / 1000:.2f} us {quartiles}",
            "<= 1.5 us",
        ),
    ]


def run_and_read(
    place: Workplace, setting: Setting, program: Program
) -> tuple[Run, dict[str, float]]:
    """Runs under the shim, and reads the segment before it is removed."""
    facts: dict[str, float] = {}

    def read(where: Workplace) -> None:
        facts.update(costs(where))

    return run(place, setting, program, before_forgetting=read), facts


def costs(place: Workplace) -> dict[str, float]:
    """The shim's own account of the last run."""
    segment = place.segment_files()[-1]
    command = [str(place.reader), "report", "--no-symbols", "--format", "json", str(segment)]
    answer = subprocess.run(command, check=True, capture_output=True).stdout
    sections = json.loads(answer)["sections"]
    return next(section["facts"] for section in sections if section["name"] == "own_cost")


def large_heap(place: Workplace, settings: dict[str, Setting]) -> Promise:
    """What the segment occupies when the program holds ten gibibytes."""
    command = (str(place.build("untouched")), str(LARGE_HEAP_GIB))
    result = run(place, settings["default"], Program("untouched", command))
    what = f"segment at {LARGE_HEAP_GIB} GiB live, default interval"
    return Promise(what, f"{mebibytes(result.segment_bytes)} MiB", "<= 16 MiB")


def waits(measured: list[Stall]) -> list[Promise]:
    """One line a setting; the plain program is what the others are to be compared with."""
    return [
        Promise(
            f"longest malloc + free, reader stopped for 4 s: {stall.setting}",
            f"{stall.longest_ms:.2f} ms ({stall.longest_own_ms:.2f} ms without waits for a core)",
            "" if stall.setting == "plain" else "<= plain + 1 ms",
        )
        for stall in measured
    ]
