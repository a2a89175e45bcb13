"""Twenty busy programs, as a host has them: databases, interpreters and servers of our own."""

import os
import socket
import subprocess
import threading
import time
from pathlib import Path

from workplace import REPOSITORY, Workplace

# Parses, keeps a bounded cache, and rests half of the time.
SCRIPT = """
import json, random, time
text = json.dumps({"rows": [{"id": n, "name": "row %d" % n} for n in range(200)]})
cache = {}
while True:
    for number in range(10):
        cache[random.randrange(500)] = json.loads(text)["rows"][number]
    time.sleep(0.01)
"""

EACH = 5  # Programs of each of the four kinds.
PAUSE_SECONDS = 0.05  # Between two loads of a program that is driven.


class Busy:
    """The programs under the preload, with their load; all end with the block."""

    def __init__(self, place: Workplace) -> None:
        self.place = place
        self.programs: list[subprocess.Popen[bytes]] = []
        self.is_over = threading.Event()
        self.drivers: list[threading.Thread] = []

    def __enter__(self) -> "Busy":
        shop = self.shop()
        for number in range(EACH):
            self.start("python3", "-c", SCRIPT)
            self.start(str(shop))
            database = self.start("sqlite3", ":memory:", stdin=subprocess.PIPE)
            self.drive(database_load, database)
            path = self.place.folder / f"redis-{number}.sock"
            quiet = ("--port", "0", "--save", "", "--appendonly", "no")
            self.start("redis-server", "--unixsocket", str(path), *quiet)
            self.drive(server_load, path)
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        for driver in self.drivers:
            driver.join()
        for program in self.programs:
            program.kill()
            program.wait()

    def shop(self) -> Path:
        """The healthy shop of the demonstration."""
        program = self.place.folder / "shop"
        source = REPOSITORY / "scripts/demonstration/shop.c"
        subprocess.run(["gcc", "-g", "-O2", "-o", program, source], check=True)
        return program

    def start(self, *command: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Starts one program, with all settings of memshim left alone."""
        environment = self.place.environment() | {"LD_PRELOAD": str(self.place.shim)}
        silent = subprocess.DEVNULL
        program = subprocess.Popen(
            command, env=environment, stdin=stdin, stdout=silent, stderr=silent
        )
        self.programs.append(program)
        return program

    def drive(self, load: object, target: object) -> None:
        """Loads one program until the end."""
        driver = threading.Thread(target=load, args=(target, self.is_over))
        driver.start()
        self.drivers.append(driver)

    def check(self) -> None:
        """Fails if one has ended: an idle host costs nothing."""
        for program in self.programs:
            if program.poll() is not None:
                raise SystemExit(f"bench: {program.args} ended with {program.returncode}")

    def cpu_seconds(self) -> float:
        """The processor time of all so far."""
        return sum(cpu_seconds(program.pid) for program in self.programs)


def database_load(program: subprocess.Popen[bytes], is_over: threading.Event) -> None:
    """Inserts into a table of a bounded number of rows."""
    assert program.stdin
    program.stdin.write(b"create table t(k integer primary key, v);\n")
    batch = "".join(
        f"insert or replace into t values(abs(random()) % 20000, hex(randomblob({size})));\n"
        for size in range(20, 320, 2)
    )
    while not is_over.wait(PAUSE_SECONDS):
        program.stdin.write(batch.encode())
        program.stdin.flush()


def server_load(path: Path, is_over: threading.Event) -> None:
    """Sends commands in batches, as clients of a web page would."""
    with socket.socket(socket.AF_UNIX) as client:
        while not is_over.is_set():
            try:
                client.connect(str(path))
                break
            except OSError:
                time.sleep(PAUSE_SECONDS)
        turn = 0
        while not is_over.wait(PAUSE_SECONDS):
            turn += 1
            lines = []
            for number in range(200):
                key = (turn * 7919 + number * 104729) % 10000
                lines.append(f"SET key:{key} {'v' * (key % 700)}")
                lines.append(f"LPUSH list:{key % 100} {key}")
                lines.append(f"LTRIM list:{key % 100} 0 99")
            client.sendall("\r\n".join([*lines, ""]).encode())
            answered = 0
            while answered < len(lines):
                answered += client.recv(1 << 16).count(b"\n")


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and all its threads, dead ones included (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
