"""The columns of the table: every way in which a program is run."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from workplace import Workplace

LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
HEAPTRACK_PRELOAD = Path("/usr/lib/heaptrack/libheaptrack_preload.so")
TCMALLOC = LIBRARIES / "libtcmalloc.so.4"
JEMALLOC = LIBRARIES / "libjemalloc.so.2"

SAMPLING_BYTES = 512 << 10
SAMPLING_EXPONENT = SAMPLING_BYTES.bit_length() - 1


@dataclass(frozen=True)
class Setting:
    """One way of running a program."""

    name: str
    preload: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)
    # What the user types before the program, where that is not only an environment.
    prefix: tuple[str, ...] = ()
    # A program that reads the pipe whose path `pipe_variable` tells the target.
    consumer: tuple[str, ...] = ()
    pipe_variable: str = ""
    # It takes part in every n-th turn: large effects need fewer runs than small ones, and most of
    # the time would go to the slowest.
    every: int = 1
    # Files without which it cannot run.
    needs: tuple[Path, ...] = ()
    # Whether it may fail without ending the benchmarks.
    is_peer: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether all that it needs is there."""
        files = self.needs + ((self.preload,) if self.preload else ())
        return all(file.exists() for file in files)


def all_settings(place: Workplace) -> dict[str, Setting]:
    """Every setting by its name; `plain` is first, and `null` is the same once more."""
    settings = [
        Setting("plain"),
        Setting("null"),
        *memshim(place),
        *heaptrack(place),
        *allocators(),
    ]
    return {setting.name: setting for setting in settings}


def memshim(place: Workplace) -> list[Setting]:
    """The shim alone at its default and exact, and exact as its user runs it, with the report."""
    exact = {"MEMSHIM_INTERVAL": "exact"}
    report = str(place.folder / "report.txt")
    run = (str(place.reader), "run", "--interval", "exact", "--output", report, "--")
    return [
        Setting("default", place.shim),
        Setting("exact", place.shim, exact, every=3),
        Setting("exact, whole", prefix=run, every=6),
    ]


def heaptrack(place: Workplace) -> list[Setting]:
    """heaptrack recording only, and as its user runs it, with interpreter and compression.

    Recording is put together here from the parts that its script would start, so that the target
    and the compressor are counted apart: Debian's 1.4.0 has no --record-only, and -r is this.
    """
    script = shutil.which("heaptrack") or "/usr/bin/heaptrack"
    compressor = "zstd" if shutil.which("zstd") else "gzip"
    return [
        Setting(
            "heaptrack",
            HEAPTRACK_PRELOAD,
            consumer=(compressor, "-c"),
            pipe_variable="DUMP_HEAPTRACK_OUTPUT",
            every=6,
            is_peer=True,
        ),
        Setting(
            "heaptrack, whole",
            prefix=(script, "-o", str(place.folder / "heaptrack")),
            every=6,
            is_peer=True,
            needs=(Path(script), HEAPTRACK_PRELOAD),
        ),
    ]


def allocators() -> list[Setting]:
    """The allocators that bring a sampling profiler, each with it and without."""
    sampling = {"TCMALLOC_SAMPLE_PARAMETER": str(SAMPLING_BYTES)}
    profile = {"MALLOC_CONF": f"prof:true,lg_prof_sample:{SAMPLING_EXPONENT}"}
    return [
        Setting("tcmalloc", TCMALLOC, every=3, is_peer=True),
        Setting("tcmalloc, sampling", TCMALLOC, sampling, every=3, is_peer=True),
        Setting("jemalloc", JEMALLOC, every=3, is_peer=True),
        Setting("jemalloc, sampling", JEMALLOC, profile, every=3, is_peer=True),
    ]


def valgrind() -> list[Setting]:
    """valgrind's heap profilers, which run the program on a simulated processor."""
    tool = shutil.which("valgrind") or "/usr/bin/valgrind"
    return [
        Setting(
            name,
            prefix=(tool, "--quiet", f"--tool={name}", f"--{name}-out-file=/dev/null"),
            needs=(Path(tool),),
            is_peer=True,
        )
        for name in ("massif", "dhat")
    ]
