"""Which run of the tests something on this machine belongs to, and whether that run still lives.

What a run makes carries its process in its name from the first moment on: folders the process id
and its start time, bridges and containers the process id alone.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from tasks.model.holder import start_time

FOLDER = re.compile(r"vkd-lab-(\d+)-(\d+)-[^-]*")
FORMER_FOLDER = re.compile(r"vkd-lab-[^-]*")
"""As it was made without a process in its name."""
BRIDGE = re.compile(r"vkd(?:dep|lab|bld|pve|lst|fgn)(\d+)b?")
MARK = "VKD_LAB_RUN"
"""In the environment of every process that a run starts."""


def our_mark() -> str:
    return f"{os.getpid()}-{start_time(os.getpid())}"


def temporary_folder(beside: Path | None = None) -> Path:
    """A folder of this run that everybody can enter; `beside` other temporary ones."""
    folder = Path(tempfile.mkdtemp(prefix=f"vkd-lab-{our_mark()}-", dir=beside))
    # Not as pytest's own: it is for its owner only, and root of a container is somebody else.
    folder.chmod(0o755)
    return folder


def lives(mark: str) -> bool:
    """Whether the process of a mark `pid-start` lives. A start time that is no number is unknown,
    and unknown is alive."""
    pid, _, start = mark.partition("-")
    now = start_time(int(pid))
    if now is None:
        return Path("/proc", pid).exists()
    return now == start or not start.isdecimal()


def any_lives(numbers: list[int]) -> bool:
    """Whether any process with one of these ids lives, whatever it is."""
    return any(start_time(number) not in (None, "zombie") for number in numbers)


def numbers_in(name: str) -> list[int]:
    """Every number of a name: one of them may be the process that made it."""
    return [int(number) for number in re.findall(r"\d+", name)]
