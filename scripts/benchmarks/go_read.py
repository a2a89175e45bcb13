"""What reading the heap profile of a Go program costs, by how many call stacks it has."""

import os
import shutil
import subprocess

from launch import Failure
from workplace import REPOSITORY, Workplace

HEAD = """`read` takes the records out of the running program: all of them, then what is new and what \
changed, in a program that does nothing and in one where every stack has allocated since. \
`keep` also brings the segment up to date and writes it, which is most of it."""

PROGRAM = REPOSITORY / "tests" / "programs" / "go" / "many_stacks.go"


def section(place: Workplace) -> str:
    """The table, with the Go of the machine."""
    go = shutil.which("go")
    if go is None:
        raise Failure("there is no Go compiler")
    built = place.folder / "many_stacks"
    own = {
        "GO111MODULE": "off",
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOCACHE": str(place.folder_for("go-cache")),
    }
    subprocess.run([go, "build", "-o", built, PROGRAM], env=os.environ | own, check=True)
    bench = ["cargo", "bench", "--quiet", "--locked", "-p", "memshim-reader"]
    done = subprocess.run(
        [*bench, "--bench", "go_many_stacks", "--", built],
        cwd=REPOSITORY,
        env=os.environ | {"MEMSHIM_DIR": str(place.segments)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failure("the read-out of the Go program failed")
    return f"### Go's heap profile\n\n{HEAD}\n\n{done.stdout.strip()}"
