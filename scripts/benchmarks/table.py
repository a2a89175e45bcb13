"""The results as Markdown."""

from collections.abc import Callable, Iterable

from figures import Spread, gain, mebibytes
from launch import Run
from micro import PAIR_SETTINGS, PAIR_SIZES, Pairs
from programs import Program
from promises import Promise
from turns import Outcome

Outcomes = dict[str, Outcome]
Value = Callable[[Run], float]


def markdown(heading: list[str], rows: Iterable[list[str]]) -> str:
    """A table, or a line that says why there is none."""
    rows = list(rows)
    if not rows:
        return "Not measured here."
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def spread(outcome: Outcome, setting: str, value: Value) -> Spread | None:
    """The spread of one value of a program's runs under a setting, if it ran."""
    runs = outcome.get(setting)
    return Spread.of(map(value, runs)) if isinstance(runs, list) and runs else None


def reason(outcome: Outcome, setting: str) -> str:
    """What stands in a cell without a figure."""
    runs = outcome.get(setting)
    return runs if isinstance(runs, str) else "-"


def ratio(outcome: Outcome, setting: str, base: str, value: Value) -> str:
    """One cell: a median as a multiple of another, and its quartiles."""
    measured, plain = spread(outcome, setting, value), spread(outcome, base, value)
    return measured.over(plain) if measured and plain else reason(outcome, setting)


def least(outcome: Outcome, setting: str) -> str:
    """One cell: the run that cost the least, as a multiple of the plain program's least."""
    measured, plain = (spread(outcome, name, target_ms) for name in (setting, "plain"))
    return f"{measured.least / plain.least:.2f}" if measured and plain else "-"


def target_ms(run: Run) -> float:
    """CPU of the program itself."""
    return run.target_ms


def all_ms(run: Run) -> float:
    """CPU of every process."""
    return run.all_ms


def times(outcomes: Outcomes) -> str:
    """CPU time of the programs themselves, in multiples of the plain program."""
    columns = [
        ("plain again", "null", "plain"),
        ("memshim", "default", "plain"),
        ("memshim exact", "exact", "plain"),
        ("heaptrack, recording", "heaptrack", "plain"),
        ("tcmalloc sampling / without", "tcmalloc, sampling", "tcmalloc"),
        ("jemalloc sampling / without", "jemalloc, sampling", "jemalloc"),
    ]
    fastest = ["fastest: plain again", "fastest: memshim"]
    heading = ["program", "plain, ms", *(label for label, _, _ in columns), *fastest]
    rows = []
    for name, outcome in outcomes.items():
        plain = spread(outcome, "plain", target_ms)
        cells = [ratio(outcome, setting, base, target_ms) for _, setting, base in columns]
        cells += [least(outcome, setting) for setting in ("null", "default")]
        rows.append([name, f"{plain.median:.0f}" if plain else "-", *cells])
    return markdown(heading, rows)


def against_heaptrack(outcomes: Outcomes, programs: list[Program]) -> str:
    """Exact mode against heaptrack, as their users run them and inside the target."""
    heading = [
        "program",
        "memshim exact with report",
        "heaptrack with interpreter",
        "heaptrack recording, target + compressor",
        "added CPU, heaptrack / exact: all processes",
        "in the target",
    ]
    promised = {program.name for program in programs if program.is_promised}
    rows = []
    for name, outcome in outcomes.items():
        label = f"**{name}**" if name in promised else name
        rows.append(
            [
                label,
                ratio(outcome, "exact, whole", "plain", all_ms),
                ratio(outcome, "heaptrack, whole", "plain", all_ms),
                recording(outcome),
                gain_of(outcome, "heaptrack, whole", "exact, whole", all_ms),
                gain_of(outcome, "heaptrack", "exact", target_ms),
            ]
        )
    return markdown(heading, rows)


def recording(outcome: Outcome) -> str:
    """One cell: heaptrack's target, and apart from it the process that compresses its output."""
    target, whole, plain = (
        spread(outcome, name, value)
        for name, value in (("heaptrack", target_ms), ("heaptrack", all_ms), ("plain", target_ms))
    )
    if not (target and whole and plain):
        return reason(outcome, "heaptrack")
    helper = (whole.median - target.median) / plain.median
    return f"{target.median / plain.median:.2f} + {helper:.2f}"


def gain_of(outcome: Outcome, peer: str, ours: str, value: Value) -> str:
    """One cell: how many times more the peer adds."""
    measured = [spread(outcome, setting, value) for setting in (peer, ours, "plain")]
    if any(one is None for one in measured):
        return reason(outcome, peer)
    return gain(*[one for one in measured if one])


def memory(outcomes: Outcomes) -> str:
    """Peak memory of the target, and the segment beside it."""
    settings = ["plain", "default", "exact", "heaptrack", "heaptrack, whole"]
    heading = ["program, peak RSS in MiB", *settings, "segment, default", "segment, exact"]

    def cell(outcome: Outcome, setting: str, value: Value) -> str:
        measured = spread(outcome, setting, value)
        return mebibytes(measured.median) if measured else reason(outcome, setting)

    rows = []
    for name, outcome in outcomes.items():
        peaks = [cell(outcome, setting, lambda run: run.peak_bytes) for setting in settings]
        segments = [
            cell(outcome, setting, lambda run: run.segment_bytes)
            for setting in ("default", "exact")
        ]
        rows.append([name, *peaks, *segments])
    return markdown(heading, rows)


def instructions(counts: dict[str, dict[str, int | None]], settings: list[str]) -> str:
    """Instructions of the programs' small variants, in multiples of the plain one's."""
    others = [setting for setting in settings if setting != "plain"]
    compared = {"exact", "heaptrack"} <= set(settings)
    heading = ["program, smaller", "plain, M", *others]
    heading += ["added, heaptrack / exact"] if compared else []
    rows = []
    for name, count in counts.items():
        plain = count.get("plain")
        if plain is None:
            continue
        cells = [f"{plain / 1e6:.1f}"]
        for setting in others:
            value = count.get(setting)
            cells.append(f"{value / plain:.3f}" if value else "-")
        if compared:
            peer, ours = count.get("heaptrack"), count.get("exact")
            cells.append(f"x {(peer - plain) / (ours - plain):.1f}" if peer and ours else "-")
        rows.append([name, *cells])
    return markdown(heading, rows)


def calls(counts: dict[str, dict[str, float]], settings: list[str]) -> str:
    """Instructions of one call, not sampled."""
    rows = []
    for label, count in counts.items():
        cells = [f"{count[name]:.1f}" if name in count else "-" for name in settings]
        added = count.get("default", 0) - count.get("plain", 0)
        rows.append([label, *cells, f"{added:+.1f}"])
    return markdown(["instructions a call", *settings, "memshim adds"], rows)


def pairs(measured: dict[int, Pairs]) -> str:
    """Nanoseconds of a malloc and its free."""
    names = [name for name in PAIR_SETTINGS if any(name in best for best in measured.values())]
    rows = []
    for threads, best in measured.items():
        for size in PAIR_SIZES:
            cells = [f"{best[name][size]:.2f}" if name in best else "-" for name in names]
            rows.append([f"{size} B, {threads} thread{'s' * (threads > 1)}", *cells])
    return markdown(["ns a pair, best batch", *names], rows)


def larson(measured: dict[int, dict[str, float]]) -> str:
    """Replacements in a second."""
    names = [name for name in PAIR_SETTINGS if any(name in rates for rates in measured.values())]
    rows = []
    for threads, rates in measured.items():
        label = f"{threads} thread{'s' * (threads > 1)}"
        plain = rates.get("plain")
        cells = []
        for name in names:
            rate = rates.get(name)
            cells.append(
                f"{rate / 1e6:.2f} ({rate / plain:.2f})"
                if rate and plain
                else "-"
            )
        rows.append([label, *cells])
    return markdown(["larson, M replacements/s, best run (of plain)", *names], rows)


def promises(measured: list[Promise]) -> str:
    """What was promised, and what was measured."""
    return markdown(
        ["promise", "measured", "target"],
        [[one.what, one.measured, one.target] for one in measured],
    )
