"""How long a program waits when the process that reads its profile is stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from launch import run
from programs import Program
from settings import Setting
from workplace import Workplace

STOPPED_SECONDS = 4
# The program outlives the stop at both ends, on a busy machine too.
PROGRAM_SECONDS = STOPPED_SECONDS + 3
LIMIT_SECONDS = 2


@dataclass(frozen=True)
class Stall:
    """The longest pair of calls under one setting."""

    setting: str
    longest_ms: float
    # Without the pairs that only waited for a core.
    longest_own_ms: float


def stalls(place: Workplace, settings: list[Setting]) -> list[Stall]:
    """The longest malloc and free under each setting, its reader stopped meanwhile."""
    return [stall(place, setting) for setting in settings if setting.is_installed]


def stall(place: Workplace, setting: Setting) -> Stall:
    """The longest malloc and free of a program whose reader is stopped for four seconds."""
    command = (str(place.build("stall")), str(PROGRAM_SECONDS))
    if setting.preload == place.shim:
        drive: Callable[[Workplace], bytes] | None = stop_a_reader
    else:
        drive = stop_the_consumer if setting.consumer else None
    answer = run(place, setting, Program("stall", command, drive=drive)).answer
    longest_ns, longest_own_ns = map(int, answer.split())
    return Stall(setting.name, longest_ns / 1e6, longest_own_ns / 1e6)


def stop_a_reader(place: Workplace) -> bytes:
    """Starts a report on the running program and stops it while it holds the segment open."""
    await_that(lambda: place.segment_files() != [])
    command = [str(place.reader), "report", str(place.segment_files()[-1])]
    while True:
        reader = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while reader.poll() is None:
            if any("memshim-" in path and ".seg" in path for path in open_files(reader.pid)):
                stop_for_a_while(reader.pid)
                reader.wait()
                return b""


def stop_the_consumer(place: Workplace) -> bytes:
    """Stops the process at the other end of the target's pipe."""
    pipe = str(place.folder / "pipe")
    found: list[int] = []

    def look() -> bool:
        found[:] = [
            pid for pid in processes() if is_consumer(pid) and pipe in open_files(pid)
        ]
        return found != []

    await_that(look)
    stop_for_a_while(found[0])
    return b""


def stop_for_a_while(pid: int) -> None:
    """Stops a process, and lets it go on after the time that the promise names."""
    os.kill(pid, signal.SIGSTOP)
    time.sleep(STOPPED_SECONDS)
    os.kill(pid, signal.SIGCONT)


def await_that(is_so: Callable[[], bool]) -> None:
    """Waits for a condition, for a while."""
    end = time.monotonic() + LIMIT_SECONDS
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError("a process of the stall benchmark did not start")
        time.sleep(0.001)


def processes() -> list[int]:
    """All processes there are."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def is_consumer(pid: int) -> bool:
    """Whether it is the compressor, not the target that holds the pipe open too."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() in ("zstd", "gzip")
    except OSError:
        return False


def open_files(pid: int) -> list[str]:
    """The paths of a process's open files; none when it is gone."""
    folder = f"/proc/{pid}/fd"
    paths = []
    try:
        for name in os.listdir(folder):
            paths.append(os.readlink(f"{folder}/{name}"))
    except OSError:
        pass  # It ended, or closed a file, while we looked.
    return paths
