"""How often the leak detector is right, on simulated programs with a known truth."""

import os
import subprocess

from launch import Failure
from workplace import REPOSITORY

HEAD = """Each program runs for an hour 200 times over, sampled at 512 KiB. `flagged` is the share of \
runs called a leak or a growing container, alone and as one of a hundred sites that are all \
tested; the bound is what a test holds the detector to, with fewer runs.
Mann and Kendall's test looks for a rising trend (1 %) in what is live at 60 moments."""


def table() -> str:
    """The simulation's table."""
    command = ["cargo", "bench", "--quiet", "--locked", "-p", "memshim-reader"]
    done = subprocess.run(
        [*command, "--profile", "dev", "--bench", "detector"],
        cwd=REPOSITORY,
        env=os.environ,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failure("the simulation of the leak detector failed")
    return f"### Leak detector\n\n{HEAD}\n\n{done.stdout.strip()}"
