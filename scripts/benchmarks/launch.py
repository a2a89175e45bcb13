"""One run of one program under one setting, and what it cost."""

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from programs import Program
from settings import Setting
from workplace import Workplace

LIMIT_SECONDS = 300


class Failure(Exception):
    """A program ended with an error, or did something else than without a profiler."""


@dataclass(frozen=True)
class Run:
    """The costs of one run, and what the program answered."""

    target_ms: float  # CPU of the program and of the children that it waited for
    all_ms: float  # CPU of every process, the profiler's own included
    wall_ms: float
    peak_bytes: int
    segment_bytes: int
    answer: bytes


def run(
    place: Workplace,
    setting: Setting,
    program: Program,
    before_forgetting: Callable[[Workplace], None] | None = None,
) -> Run:
    """Runs the program; raises `Failure` if it ends with anything but success.

    Its segments are removed, after `before_forgetting` has looked at them.
    """
    # A run that failed may have left some.
    place.forget_segments()
    environment = place.environment() | program.environment | setting.environment
    pipe = place.folder / "pipe"
    consumer = None
    if setting.consumer:
        os.mkfifo(pipe)
        environment[setting.pipe_variable] = str(pipe)
        consumer = start_consumer(place, setting, pipe)
    try:
        answer, status, target_ns, all_ns, wall_ns, peak_kib = observe(
            place, setting, program, environment
        )
    finally:
        if consumer:
            end_of_pipe(pipe)
            consumer.wait(LIMIT_SECONDS)
    if consumer:
        all_ns += figures_of(place.folder / "consumer")[2]
    if status != 0:
        raise Failure(f"{program.name} under {setting.name}: wait status {status}")
    if before_forgetting:
        before_forgetting(place)
    return Run(
        target_ms=target_ns / 1e6,
        all_ms=all_ns / 1e6,
        wall_ms=wall_ns / 1e6,
        peak_bytes=peak_kib << 10,
        segment_bytes=place.forget_segments(),
        answer=answer_of(program, answer),
    )


def observe(
    place: Workplace, setting: Setting, program: Program, environment: dict[str, str]
) -> tuple[bytes, int, int, int, int, int]:
    """Lets the launcher run it; gives the standard output and the launcher's five figures."""
    result = place.folder / "result"
    preload = str(setting.preload or "-")
    command = [str(place.launcher), str(result), preload, *setting.prefix, *program.command]
    output = place.folder / "output"
    with output.open("wb") as stdout, (place.folder / "errors").open("wb") as stderr:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            process_group=0,
        )
        try:
            answer = program.drive(place) if program.drive else b""
            process.wait(LIMIT_SECONDS)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, (OSError, subprocess.SubprocessError)):
                raise Failure(f"{program.name} under {setting.name}: {error}") from error
            raise
    return (answer or output.read_bytes(), *figures_of(result))


def figures_of(result: Path) -> tuple[int, int, int, int, int]:
    """The launcher's line: status, CPU of the target, CPU of all, wall time, peak in KiB."""
    status, target_ns, all_ns, wall_ns, peak_kib = map(int, result.read_text().split())
    return status, target_ns, all_ns, wall_ns, peak_kib


def start_consumer(place: Workplace, setting: Setting, pipe: Path) -> subprocess.Popen[bytes]:
    """Starts the program that takes what the target's profiler writes."""
    # The shell waits inside open until the target opens the other end; we must not.
    command = ["sh", "-c", 'exec "$@" <"$0"', str(pipe), *setting.consumer]
    launcher = [str(place.launcher), str(place.folder / "consumer"), "-"]
    environment = place.environment()
    recorded = (place.folder / "recorded").open("wb")
    with recorded:
        return subprocess.Popen([*launcher, *command], env=environment, stdout=recorded)


def end_of_pipe(pipe: Path) -> None:
    """Lets a consumer whose target never opened the pipe see its end."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        pass  # Nobody reads any more: the usual case.
    pipe.unlink()


def answer_of(program: Program, output: bytes) -> bytes:
    """What the program answered: a file where it writes one, else its standard output."""
    if program.output is None:
        return output
    answer = program.output.read_bytes()
    program.output.unlink()
    return answer
