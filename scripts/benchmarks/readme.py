"""Puts the table into the README, between two marker comments, and changes nothing else."""

from pathlib import Path

BEGIN = "<!-- bench: begin, written by scripts/bench --readme -->"
END = "<!-- bench: end -->"


def replace(readme: Path, text: str) -> None:
    """Replaces what stands between the markers; without them nothing is written."""
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"bench: {readme.name} has no place for the table: {BEGIN} ... {END}")
    readme.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
