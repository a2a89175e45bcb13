"""The programs of the table: fixed work, the same answer in every run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import inputs
import server
from workplace import Workplace

# A product of two primes whose continued fraction is long enough to be worth timing.
LONG_NUMBER = "492225430498956023"
SHORT_NUMBER = "453457171934359"


@dataclass(frozen=True)
class Program:
    """One row of the table."""

    name: str
    command: tuple[str, ...]
    # The same with less work, for callgrind, which is fifty times slower; empty to leave it out.
    small: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    # The file that holds its answer, where that is not its standard output.
    output: Path | None = None
    # Uses the program while it runs, ends it, and gives the answer; for servers.
    drive: Callable[[Workplace], bytes] | None = None
    # Whether the promise about heaptrack's cost is made for it.
    is_promised: bool = False


def all_programs(place: Workplace) -> tuple[list[Program], list[str]]:
    """Every program that this machine has, ready to run, and the names of the missing ones."""
    makers = [
        (("sqlite3",), sqlite),
        (("python3",), python_on_malloc),
        (("python3",), python),
        (("g++",), compiler),
        (("redis-server", "redis-benchmark", "redis-cli"), redis),
        (("git",), git_log),
        (("perl",), perl),
    ]
    present = [make(place) for tools, make in makers if all(map(shutil.which, tools))]
    missing = [tool for tools, _ in makers for tool in tools if not shutil.which(tool)]
    own = [factoring(place), loop(place, 3), loop(place, 15), reader(place)]
    return present + own, missing


def sqlite(place: Workplace) -> Program:
    """Inserts into a table in memory, then an index: small blocks, freed soon."""

    def command(rows: int) -> tuple[str, ...]:
        script = inputs.sql(place.folder / f"insert-{rows}.sql", rows)
        return ("sqlite3", ":memory:", f".read {script}")

    return Program(
        "sqlite3, inserts and an index", command(200_000), command(20_000), is_promised=True
    )


def python_on_malloc(place: Workplace) -> Program:
    """Python with each of its objects a block of malloc's."""
    plain = python(place)
    return Program(
        "python3 json, on malloc",
        plain.command,
        plain.small,
        {"PYTHONMALLOC": "malloc"},
        is_promised=True,
    )


def python(place: Workplace) -> Program:
    """Python as it is usually run, with its own arenas for small objects."""
    script = inputs.written(place.folder / "loop.py", inputs.JSON_LOOP)

    # The executable itself: a launcher script in its place would be a second process.
    def command(rounds: int) -> tuple[str, ...]:
        return (os.path.realpath(sys.executable), "-S", str(script), str(rounds))

    return Program("python3 json", command(4000), command(200))


def compiler(place: Workplace) -> Program:
    """The C++ compiler proper on large headers, without the driver around it."""
    assembly = place.folder / "compiled.s"

    def command(source: Path) -> tuple[str, ...]:
        proper = answer_of("g++", "-print-prog-name=cc1plus")
        machine = ("-imultiarch", answer_of("g++", "-print-multiarch"))
        options = ("-quiet", "-D_GNU_SOURCE", "-O0", "-o", str(assembly))
        return (proper, *machine, *options, str(source))

    large = inputs.cpp(place.folder / "large.cpp", "regex")
    small = inputs.cpp(place.folder / "small.cpp", "utility")
    return Program(
        "cc1plus -O0", command(large), command(small), output=assembly, is_promised=True
    )


def redis(place: Workplace) -> Program:
    """A server while a client of another process drives it."""
    return Program("redis-server", server.command(place), drive=server.drive)


def git_log(place: Workplace) -> Program:
    """The history of a repository with all its differences."""
    large = inputs.repository(place.folder / "large.git", 1000)
    small = inputs.repository(place.folder / "small.git", 50)

    def command(repository: Path) -> tuple[str, ...]:
        return ("git", "--no-pager", "--git-dir", str(repository), "log", "-p", "--stat", "main")

    return Program("git log -p", command(large), command(small))


def perl(place: Workplace) -> Program:
    """Strings and hashes in perl."""
    script = inputs.written(place.folder / "words.pl", inputs.PERL_WORDS)

    def command(words: int) -> tuple[str, ...]:
        return ("perl", str(script), str(words))

    return Program("perl, words in a hash", command(25_000), command(3_000))


def factoring(place: Workplace) -> Program:
    """Nothing but malloc, from many sites: each number of the computation is a block."""
    program = str(place.build("factor"))
    return Program(
        "factoring, a block a number",
        (program, LONG_NUMBER),
        (program, SHORT_NUMBER),
        is_promised=True,
    )


def loop(place: Workplace, frames: int) -> Program:
    """Nothing but malloc, from one site under a stack of so many frames of its own."""
    program = str(place.build("depth"))

    def command(pairs: int) -> tuple[str, ...]:
        return (program, str(frames), str(pairs))

    name = f"malloc loop, {frames} calls deep"
    return Program(name, command(3_000_000), command(300_000), is_promised=True)


def reader(place: Workplace) -> Program:
    """A Rust program: memshim's own reader on a segment made here once."""
    segment = inputs.segment(place)

    def command(report: str) -> tuple[str, ...]:
        return (str(place.reader), report, "--format", "json", str(segment))

    return Program("memshim-reader (Rust)", command("sites"), command("sizes"))


def answer_of(*command: str) -> str:
    """One line that a tool answers."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
