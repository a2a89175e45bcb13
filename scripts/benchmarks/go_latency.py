"""What a busy Go program notices of being read, by its own clock."""

import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from busy import cpu_seconds
from figures import Spread
from launch import Failure
from workplace import REPOSITORY, Workplace

PHASE_SECONDS = 1.5

# What happens beside the program in a phase: the milliseconds between two read-outs, none for no
# reader; a loop that touches nothing shows what it costs that somebody else has a core.
PLAIN = "nobody"
PHASES: dict[str, int | None] = {
    PLAIN: None,
    "nobody, again": None,
    "a loop on the other core": None,
    "read every 0.5 s, as `run` does": 500,
    "read without a pause": 0,
}
LOOP = "a loop on the other core"


@dataclass(frozen=True)
class Phase:
    """What the program said of one phase: work done in a second, what a piece cost and took."""

    per_second: float
    cpu_ns: float
    p50_ns: int
    p99_ns: int
    longest_ns: int


@dataclass
class Readings:
    """What the readers of one kind said, all phases together."""

    count: int = 0
    longest_ns: int = 0
    medians_ns: tuple[int, ...] = ()


def section(place: Workplace, rounds: int) -> str:
    """The table; every phase of a round runs once, in an order that is drawn."""
    if shutil.which("go") is None:
        return "### A Go program that is read\n\nGo is not installed."
    program, reader = built(place)
    phases: dict[str, list[Phase]] = {name: [] for name in PHASES}
    readings = {name: Readings() for name, pause_ms in PHASES.items() if pause_ms is not None}
    draw = random.Random(1)
    pipe = subprocess.PIPE
    with subprocess.Popen([program], stdin=pipe, stdout=pipe, text=True) as process:
        # So that its profile is on from here, whoever reads.
        measured(process, [*reader, str(process.pid), "500"], Readings(), 0.5)
        for number in range(rounds):
            for name in draw.sample(list(PHASES), len(PHASES)):
                phases[name].append(phase(process, reader, name, readings))
            print(f"bench: round {number + 1} of {rounds}", file=sys.stderr)
        assert process.stdin
        process.stdin.close()
    return table(phases, readings)


def built(place: Workplace) -> tuple[Path, list[str]]:
    """The program and the command that reads it."""
    program = place.folder / "worker"
    source = REPOSITORY / "scripts/benchmarks/go/worker.go"
    fixed = {"GO111MODULE": "off", "GOFLAGS": "", "CGO_ENABLED": "0"}
    cache = {"GOCACHE": str(place.folder_for("go-cache"))}
    environment = place.environment() | fixed | cache
    subprocess.run(["go", "build", "-o", program, source], env=environment, check=True)
    bench = ["cargo", "bench", "--quiet", "--locked", "-p", "memshim-reader"]
    reader = [*bench, "--bench", "go_reader", "--no-run", "--message-format", "json"]
    done = subprocess.run(reader, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    [found] = [
        line.split('"executable":"')[1].split('"')[0]
        for line in done.stdout.splitlines()
        if '"name":"go_reader"' in line and '"executable":"' in line
    ]
    return program, [found]


def phase(
    process: subprocess.Popen[str], reader: list[str], name: str, readings: dict[str, Readings]
) -> Phase:
    """One phase of the program."""
    pause_ms = PHASES[name]
    if pause_ms is not None:
        command = [*reader, str(process.pid), str(pause_ms)]
        return measured(process, command, readings[name], PHASE_SECONDS)
    if name == LOOP:
        loop = "import sys, threading; print('ready', flush=True)\n"
        loop += "threading.Thread(target=lambda: (sys.stdin.read(), over.append(1))).start()\n"
        command = [sys.executable, "-c", f"over = []\n{loop}while not over: pass\nprint('0 0 0')"]
        return measured(process, command, Readings(), PHASE_SECONDS)
    return asked(process, PHASE_SECONDS)


def measured(
    process: subprocess.Popen[str], command: list[str], readings: Readings, seconds: float
) -> Phase:
    """What the program says of the time in which a command runs beside it."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as beside:
        assert beside.stdin and beside.stdout
        if beside.stdout.readline() != "ready\n":
            raise Failure("the reader of the Go program did not start")
        said = asked(process, seconds)
        beside.stdin.close()
        count, median_ns, longest_ns = map(int, beside.stdout.readline().split())
    readings.count += count
    readings.longest_ns = max(readings.longest_ns, longest_ns)
    readings.medians_ns += (median_ns,)
    return said


def asked(process: subprocess.Popen[str], seconds: float) -> Phase:
    """What the program says of some seconds from now on."""
    answer(process)
    begin, begin_cpu = time.monotonic(), cpu_seconds(process.pid)
    time.sleep(seconds)
    count, p50_ns, p99_ns, longest_ns = answer(process)
    taken, cpu = time.monotonic() - begin, cpu_seconds(process.pid) - begin_cpu
    return Phase(count / taken, cpu * 1e9 / count, p50_ns, p99_ns, longest_ns)


def answer(process: subprocess.Popen[str]) -> tuple[int, int, int, int]:
    """Asks the program."""
    assert process.stdin and process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    count, p50_ns, p99_ns, longest_ns = map(int, process.stdout.readline().split())
    return count, p50_ns, p99_ns, longest_ns


def table(phases: dict[str, list[Phase]], readings: dict[str, Readings]) -> str:
    """Each phase as a multiple of the plain one in the same round."""
    plain = phases[PLAIN]
    rows = []
    for name, list_of in phases.items():
        cells = [f"| {name}"]
        for figure in ("per_second", "cpu_ns", "p50_ns", "p99_ns", "longest_ns"):
            pairs = zip(list_of, plain, strict=True)
            ratios = Spread.of(getattr(here, figure) / getattr(base, figure) for here, base in pairs)
            if name == PLAIN:
                cells.append(absolute(figure, Spread.of(getattr(it, figure) for it in plain)))
            else:
                cells.append(f"{ratios.median:.2f} ({ratios.low:.2f}-{ratios.high:.2f})")
        rows.append(" | ".join(cells) + " |")
    said = [
        f"{name}: {read.count} read-outs, {Spread.of(read.medians_ns).median / 1e3:.0f} us at the "
        f"median, {read.longest_ns / 1e6:.1f} ms at most."
        for name, read in readings.items()
    ]
    body, words = "\n".join(rows), "\n".join(said)
    return f"""### A Go program that is read

One goroutine does pieces of work that allocate, and notes how long each takes; its heap profile is \
on all the time, at 64 KiB.
Phases of {PHASE_SECONDS} s take turns, {len(plain)} of each; a cell is the median of the ratios to \
the plain phase of the same round, with their quartiles.
{words}

| beside it | pieces | processor time of one | p50 | p99 | longest |
| --- | --- | --- | --- | --- | --- |
{body}"""


def absolute(figure: str, spread: Spread) -> str:
    """A figure of the plain phase with its unit."""
    if figure == "per_second":
        return f"{spread.median:.0f} a second"
    return f"{spread.median / 1e3:.2f} us"
