"""What the programs of the table work on, made anew for each run of the benchmarks."""

import random
import subprocess
from pathlib import Path

from workplace import Workplace

JSON_LOOP = """
import json, sys
total = 0
for number in range(int(sys.argv[1])):
    total += len(json.loads(json.dumps({"k": list(range(200)), "n": number}))["k"])
print(total)
"""

PERL_WORDS = r"""
my (%count, $seed);
$seed = 1;
for my $number (1 .. $ARGV[0]) {
    $seed = ($seed * 1103515245 + 12345) % 2147483648;
    my $word = join '-', map { chr(97 + ($seed >> $_) % 26) x 3 } 3, 7, 11, 15;
    push @{ $count{$word} }, "at $number";
}
my @most = sort { @{ $count{$b} } <=> @{ $count{$a} } || $a cmp $b } keys %count;
print scalar(@most), " $most[0] ", join(' ', @{ $count{$most[0]} }[0 .. 2]), "\n";
"""


def written(file: Path, text: str) -> Path:
    """A text in a file; as an argument its line breaks would end heaptrack's record (1.4.0)."""
    file.write_text(text)
    return file


def sql(file: Path, rows: int) -> Path:
    """Inserts and an index, and a question whose answer depends on all rows."""
    text = f"""CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{rows})
INSERT INTO t SELECT i, 'row '||i, i*1.5 FROM n;
CREATE INDEX x ON t(b);
SELECT count(*), sum(c), min(b), max(b) FROM t;
"""
    return written(file, text)


def cpp(source: Path, header: str) -> Path:
    """A source that is nearly all header."""
    return written(source, f"#include <{header}>\nint main() {{}}\n")


def repository(folder: Path, commits: int) -> Path:
    """A repository of forty files, each commit of which changes three lines of three files."""
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", folder], check=True)
    generator = random.Random(commits)
    files = [[f"line {line} of file {file}" for line in range(200)] for file in range(40)]
    stream = []
    for commit in range(commits):
        who = f"A U Thor <author@example.org> {1_700_000_000 + commit} +0000"
        message = f"change {commit}\n"
        stream.append(f"commit refs/heads/main\ncommitter {who}\n{data(message)}")
        changed = range(40) if commit == 0 else generator.sample(range(40), 3)
        for file in changed:
            for _ in range(3):
                files[file][generator.randrange(200)] = f"changed by {commit}"
            text = "\n".join(files[file]) + "\n"
            stream.append(f"M 100644 inline file-{file}.txt\n{data(text)}")
    command = ["git", "--git-dir", str(folder), "fast-import", "--quiet"]
    subprocess.run(command, input="".join(stream).encode(), check=True)
    return folder


def data(text: str) -> str:
    """A piece of text as fast-import reads it."""
    return f"data {len(text.encode())}\n{text}\n"


def segment(place: Workplace) -> Path:
    """A segment of a finished program with every block of it."""
    inserts = sql(place.folder / "segment.sql", 20_000)
    shimmed = {"LD_PRELOAD": str(place.shim), "MEMSHIM_INTERVAL": "exact"}
    program = [str(place.build("factor")), "1000730021"]
    if Path("/usr/bin/sqlite3").exists():
        program = ["/usr/bin/sqlite3", ":memory:", f".read {inserts}"]
    environment = place.environment() | shimmed
    subprocess.run(program, env=environment, check=True, stdout=subprocess.DEVNULL)
    kept = place.folder / "kept.seg"
    place.segment_files()[-1].rename(kept)
    place.forget_segments()
    return kept
