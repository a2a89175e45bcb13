"""Where a run of the benchmarks happens: its temporary folder, and the programs built into it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCES = Path(__file__).parent / "c"
REPOSITORY = Path(__file__).parent.parent.parent

# The compiler must not see that a block is never used, and leave the calls out.
KEEP_CALLS = [f"-fno-builtin-{name}" for name in ("malloc", "calloc", "realloc", "free")]

# Whatever the user has set for these would change what is measured.
FOREIGN = ("LD_PRELOAD", "MALLOC_CONF", "GLIBC_TUNABLES", "PYTHONMALLOC")


class Workplace:
    """A folder in memory, as segments are in use; it is removed at the end with all in it."""

    def __init__(self, artefacts: Path) -> None:
        in_memory = Path("/dev/shm")
        parent = in_memory if os.access(in_memory, os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="memshim-bench-", dir=parent))
        self.shim = artefacts / "libmemshim.so"
        self.reader = artefacts / "memshim-reader"
        self.launcher = self.build("launch", "-static")

    def __enter__(self) -> "Workplace":
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def build(self, name: str, *options: str) -> Path:
        """Compiles one of the C programs, unless it has been already."""
        program = self.folder / name
        if not program.exists():
            command = ["gcc", "-std=gnu11", "-O2", "-pthread", *KEEP_CALLS, *options]
            subprocess.run([*command, "-o", program, SOURCES / f"{name}.c"], check=True)
        return program

    def folder_for(self, name: str) -> Path:
        """A folder inside this one, made if it is not there."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def segments(self) -> Path:
        """Where the shims under test put their segments."""
        return self.folder_for("segments")

    def segment_files(self) -> list[Path]:
        """The segments of the last run, the oldest first."""
        files = self.segments.glob("memshim-*/*.seg")
        return sorted(files, key=lambda file: file.stat().st_mtime_ns)

    def forget_segments(self) -> int:
        """Removes all segments and gives the bytes that they really occupied."""
        used_bytes = sum(file.stat().st_blocks * 512 for file in self.segment_files())
        shutil.rmtree(self.segments)
        return used_bytes

    def environment(self) -> dict[str, str]:
        """The environment that all runs begin with."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in FOREIGN and not name.startswith("MEMSHIM_")
        }
        # Hash seeds and locales change how much a program allocates from run to run.
        fixed = {"PYTHONHASHSEED": "0", "PERL_HASH_SEED": "0", "LC_ALL": "C.UTF-8"}
        quiet = {"HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1", "DEBUGINFOD_URLS": ""}
        return {**kept, **fixed, **quiet, "MEMSHIM_DIR": str(self.segments)}
