"""Instruction counts: the figures that a busy machine cannot move."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

from programs import Program
from settings import Setting
from workplace import Workplace

LOADER = "/lib64/ld-linux-x86-64.so.2"
LIMIT_SECONDS = 600

# The draws of the default interval are made repeatable, and those of calls that must not be
# sampled are made so rare that none is.
SEEDED = {"MEMSHIM_SEED": "1"}
UNSAMPLED = {"MEMSHIM_INTERVAL": "1T"}

serial = count()


def is_installed() -> bool:
    """Whether there is a valgrind."""
    return shutil.which("valgrind") is not None


def instructions(
    place: Workplace, setting: Setting, command: Iterable[str], environment: dict[str, str]
) -> int | None:
    """The instructions of one run; nothing if the program fails under valgrind."""
    log = place.folder / f"callgrind-{next(serial)}"
    # The loader brings the preload in: heaptrack empties LD_PRELOAD in the shell that valgrind's
    # own start script is, and would be gone before the program starts.
    preload = ["--preload", str(setting.preload)] if setting.preload else []
    first, *rest = command
    program = [LOADER, *preload, shutil.which(first) or first, *rest]
    tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={log}"]
    if setting.pipe_variable:
        environment = environment | {setting.pipe_variable: "/dev/null"}
    ended = subprocess.run(
        [*tool, *program],
        env=place.environment() | environment | setting.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    collected = re.search(r"Collected : (\d+)", log.read_text())
    return int(collected[1]) if ended.returncode == 0 and collected else None


def of_programs(
    place: Workplace, programs: Iterable[Program], settings: Iterable[Setting]
) -> dict[str, dict[str, int | None]]:
    """The instructions of each program's small variant under each setting."""
    columns = list(settings)
    rows = [program for program in programs if program.small]
    jobs = [
        partial(instructions, place, setting, program.small, SEEDED | program.environment)
        for program in rows
        for setting in columns
    ]
    counts = iter(side_by_side(place, jobs))
    return {
        program.name: {setting.name: next(counts) for setting in columns} for program in rows
    }


def side_by_side(
    place: Workplace, jobs: Sequence[Callable[[], int | None]]
) -> list[int | None]:
    """Runs all jobs, as many at once as there are cores: counts do not depend on the company."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = [future.result() for future in [pool.submit(job) for job in jobs]]
    place.forget_segments()
    return results
