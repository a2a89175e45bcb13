"""Measures what memshim costs, side by side with the same program without it and with its peers."""

import argparse
import signal
import sys
from pathlib import Path

import readme
from launch import Failure
from plan import FULL, QUICK
from sections import APART, SECTIONS, Bench
from workplace import REPOSITORY, Workplace


def main() -> None:
    """Runs the sections that were asked for and prints them."""
    asked = arguments()
    # An end by a signal removes the temporary files as any other does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: ended by a signal"))
    plan = QUICK if asked.quick else FULL
    names = list(SECTIONS) if asked.section == "table" else [asked.section]
    try:
        with Workplace(asked.artefacts) as place:
            bench = Bench(place, plan, asked.only)
            text = bench.document(names)
    except Failure as failure:
        sys.exit(f"bench: {failure}")
    print(text)
    if asked.readme:
        readme.replace(REPOSITORY / "README.md", text)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    sections = ["table", *SECTIONS, *APART]
    parser.add_argument("section", nargs="?", default="table", choices=sections)
    parser.add_argument("--quick", action="store_true", help="fewer turns: 3 minutes, not 12")
    parser.add_argument("--readme", action="store_true", help="write the table into the README")
    parser.add_argument("--only", default="", metavar="TEXT", help="programs named like this")
    parser.add_argument("--artefacts", type=Path, required=True, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.readme and (asked.section != "table" or asked.only):
        parser.error("--readme takes the whole table")
    return asked


main()
