"""Runs a program under all settings in turns: a slow spell of the machine hits all alike."""

import random
import sys
import time
from collections.abc import Callable
from functools import partial

from launch import Failure, Run, run
from programs import Program
from settings import Setting
from workplace import Workplace

# Only the first of these has the slow settings in it, so that the others cost little.
LEAST_TURNS = 3

# Runs of one program by setting; a setting that failed has a text in their place.
Outcome = dict[str, list[Run] | str]


def measure(
    place: Workplace, program: Program, settings: list[Setting], turns: int, budget_s: float
) -> Outcome:
    """Runs the program under every setting, in an order drawn for each turn.

    It stops early when the time is used up, but never before every setting has run, and those
    of which small differences are expected a few times.
    """
    end = time.monotonic() + budget_s
    outcome: Outcome = {}
    # The first run warms the page cache, and is what all others are compared with.
    expected = run(place, settings[0], program).answer
    if not expected:
        raise Failure(f"{program.name} gives no answer that could be compared")
    for turn in range(turns):
        if turn >= LEAST_TURNS and time.monotonic() > end:
            break
        due = [setting for setting in settings if turn % setting.every == 0]
        for setting in shuffled(due, f"{program.name} {turn}"):
            note(outcome, setting, partial(one, place, setting, program, expected))
    return outcome


def shuffled(settings: list[Setting], seed: str) -> list[Setting]:
    """The settings in an order that is drawn, but is the same in every run of the benchmarks."""
    order = settings.copy()
    random.Random(seed).shuffle(order)
    return order


def note(outcome: Outcome, setting: Setting, attempt: Callable[[], Run]) -> None:
    """Keeps a run; a peer that fails has its column say so, anything else ends the benchmarks."""
    if not setting.is_installed:
        outcome[setting.name] = "not installed"
        return
    runs = outcome.setdefault(setting.name, [])
    if isinstance(runs, str):
        return
    try:
        runs.append(attempt())
    except Failure as failure:
        if not setting.is_peer:
            raise
        print(f"bench: {failure}", file=sys.stderr)
        outcome[setting.name] = "failed"


def one(place: Workplace, setting: Setting, program: Program, expected: bytes) -> Run:
    """One run, whose answer must be the expected one."""
    result = run(place, setting, program)
    # A profiler's script says things of its own before and after the program's answer.
    is_same = expected in result.answer if setting.prefix else expected == result.answer
    if not is_same:
        raise Failure(f"{program.name} answers differently under {setting.name}")
    return result
