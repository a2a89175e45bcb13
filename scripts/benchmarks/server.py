"""Drives the redis server under test, and ends it."""

import os
import subprocess
import time

from workplace import Workplace

START_SECONDS = 60
REQUESTS = 32_000
KEYS = 40_000


def socket(place: Workplace) -> str:
    """Where the server listens: a file, so that no port of the machine is needed."""
    return str(place.folder / "redis.sock")


def command(place: Workplace) -> tuple[str, ...]:
    """The server, without anything that writes to disk or runs by the clock alone."""
    # A debug command gives the digest of all data, which is how runs are compared.
    quiet = ("--save", "", "--appendonly", "no", "--enable-debug-command", "local")
    return ("redis-server", "--port", "0", "--unixsocket", socket(place), *quiet)


def drive(place: Workplace) -> bytes:
    """Waits for the server, sends it a fixed load, and gives the digest of what it then holds."""
    wait_for(place)
    # One client, and keys of our own: redis-benchmark draws its keys from another seed each time.
    keys = (key * 7919 % KEYS for key in range(KEYS))
    fill = "".join(f"SET key:{key} {'value' * (key % 40)}end\r\n" for key in keys)
    client = ["redis-cli", "-s", socket(place), "--pipe"]
    subprocess.run(client, input=fill.encode(), check=True, stdout=subprocess.DEVNULL)
    load = ["-n", str(REQUESTS), "-c", "1", "-P", "32", "-d", "100", "-q"]
    tests = ["-t", "set,get,incr,lpush,hset,mset"]
    benchmark = ["redis-benchmark", "-s", socket(place), *load, *tests]
    subprocess.run(benchmark, check=True, stdout=subprocess.DEVNULL)
    answer = ask(place, "dbsize") + ask(place, "debug", "digest")
    ask(place, "shutdown", "nosave")
    return answer


def wait_for(place: Workplace) -> None:
    """Waits until the server answers."""
    end = time.monotonic() + START_SECONDS
    while ask(place, "ping") != b"PONG\n":
        if time.monotonic() > end:
            raise TimeoutError("redis-server does not answer")
        time.sleep(0.01)


def ask(place: Workplace, *question: str) -> bytes:
    """One answer of the server; nothing while it is not there."""
    if not os.path.exists(socket(place)):
        return b""
    client = ["redis-cli", "-s", socket(place), *question]
    return subprocess.run(client, capture_output=True, check=False).stdout
