"""What the figures were measured on, in one line."""

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path


def description() -> str:
    """Date, processor, cores, system and C library."""
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    c_library = " ".join(platform.libc_ver())
    cores = os.cpu_count() or 1
    return f"{date}, {processor()}, {cores} cores, {distribution()}, {c_library}"


def processor() -> str:
    """The processor's name, as the kernel gives it."""
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def distribution() -> str:
    """The distribution's name."""
    return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
