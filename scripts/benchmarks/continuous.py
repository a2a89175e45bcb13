"""What continuous profiling costs beside the programs: a recorder and a server of twenty."""

import statistics
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from busy import Busy, cpu_seconds
from workplace import Workplace

WARM_UP_SECONDS = 35  # The first scrape looks up names, the first look writes whole snapshots.
SCRAPE_SECONDS = 15  # Twice as often as deploy/prometheus asks.
LOOK_SECONDS = 30  # As `record` does by default.


@dataclass
class Watch:
    """One of the two readers, over the time that is measured."""

    name: str
    process: subprocess.Popen[bytes]
    begin_cpu_seconds: float = 0.0
    cpu_seconds: float = 0.0

    def begin(self) -> None:
        """From here on its time counts."""
        self.begin_cpu_seconds = cpu_seconds(self.process.pid)

    def end(self) -> None:
        """Up to here its time counts."""
        self.cpu_seconds = cpu_seconds(self.process.pid) - self.begin_cpu_seconds

    def memory_bytes(self, kind: str) -> int:
        """VmRSS or VmHWM."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(kind):
                return int(line.split()[1]) << 10
        raise SystemExit(f"bench: {self.name} has ended")


@dataclass
class Figures:
    """What one run gave."""

    seconds: float
    recorder: Watch
    server: Watch
    program_cpu_seconds: float
    disk_bytes: int
    first_scrape_seconds: float
    scrape_seconds: list[float] = field(default_factory=list)
    metrics_bytes: int = 0


def section(place: Workplace, seconds: float) -> str:
    """The table for docs/production.md."""
    recording = place.folder_for("recording")
    with Busy(place) as busy:
        recorder = start(place, "record", "--all", "--every", f"{LOOK_SECONDS}s", "-o", recording)
        server = start(place, "serve", "--listen", "127.0.0.1:0")
        try:
            return table(measure(busy, recorder, server, recording, seconds))
        finally:
            for watch in (recorder, server):
                watch.process.terminate()
                watch.process.wait()


def start(place: Workplace, *arguments: object) -> Watch:
    """Starts one of the readers."""
    command = [str(place.reader), *map(str, arguments)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=place.environment(), stdout=pipe)
    return Watch(str(arguments[0]), process)


def measure(
    busy: Busy, recorder: Watch, server: Watch, recording: Path, seconds: float
) -> Figures:
    """Scrapes in intervals, and looks at both readers before and after."""
    assert server.process.stdout
    url = server.process.stdout.readline().decode().split()[-1] + "metrics"
    first_seconds, _ = scrape(url)
    warm_end = time.monotonic() + WARM_UP_SECONDS
    while time.monotonic() < warm_end:
        time.sleep(SCRAPE_SECONDS)
        scrape(url)
    busy.check()
    begin, begin_bytes, begin_cpu = time.monotonic(), size(recording), busy.cpu_seconds()
    recorder.begin()
    server.begin()
    scrapes = []
    metrics_bytes = 0
    while time.monotonic() < begin + seconds:
        time.sleep(SCRAPE_SECONDS)
        taken, metrics_bytes = scrape(url)
        scrapes.append(taken)
        print(f"bench: {time.monotonic() - begin:.0f} of {seconds:.0f} s", file=sys.stderr)
    recorder.end()
    server.end()
    busy.check()
    return Figures(
        seconds=time.monotonic() - begin,
        recorder=recorder,
        server=server,
        program_cpu_seconds=busy.cpu_seconds() - begin_cpu,
        disk_bytes=size(recording) - begin_bytes,
        first_scrape_seconds=first_seconds,
        scrape_seconds=scrapes,
        metrics_bytes=metrics_bytes,
    )


def scrape(url: str) -> tuple[float, int]:
    """Asks for metrics as Prometheus does; gives the time and the length of the answer."""
    begin = time.monotonic()
    accept = {"Accept": "application/openmetrics-text;version=1.0.0"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=accept)) as answer:
        length = len(answer.read())
    return time.monotonic() - begin, length


def size(folder: Path) -> int:
    """Bytes of all files of a recording."""
    return sum(file.stat().st_size for file in folder.iterdir())


def table(figures: Figures) -> str:
    """One row a reader, one for both, and what else there is to say."""
    watches = [figures.recorder, figures.server]
    rows = [
        (watch.name, watch.cpu_seconds, watch.memory_bytes("VmRSS"), watch.memory_bytes("VmHWM"))
        for watch in watches
    ]
    total = ("both", *(sum(row[column] for row in rows) for column in (1, 2, 3)))
    lines = [
        f"| `{name}` | {cpu / figures.seconds:.2%} of a core | {rss / 2**20:.0f} MiB "
        f"| {most / 2**20:.0f} MiB |"
        for name, cpu, rss, most in [*rows, total]
    ]
    hourly = figures.disk_bytes / figures.seconds * 3600 / 2**20
    median = statistics.median(figures.scrape_seconds)
    body = "\n".join(lines).replace("`both`", "**both**")
    return f"""### Recorder and server of 20 busy programs

Over {figures.seconds:.0f} s, in which the programs (5 redis-server, 5 sqlite3, 5 python3, 5 shops) \
took {figures.program_cpu_seconds / figures.seconds:.1f} cores.
`record` looks every {LOOK_SECONDS} s, `serve` is scraped every {SCRAPE_SECONDS} s.
Targets: both together < 1 % of a core and < 100 MiB.

| | processor time | memory | at most |
| --- | --- | --- | --- |
{body}

| what else | figure |
| --- | --- |
| recorded in an hour, before rotation thins it out | {hourly:.1f} MiB |
| a scrape, median and longest of {len(figures.scrape_seconds)} | \
{median * 1e3:.0f} and {max(figures.scrape_seconds) * 1e3:.0f} ms |
| the first scrape, which looks up names | {figures.first_scrape_seconds * 1e3:.0f} ms |
| its answer | {figures.metrics_bytes / 1024:.0f} KiB |"""
