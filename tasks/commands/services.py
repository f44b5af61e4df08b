"""What `start`, `stop` and `restart` share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tasks.commands.base import load, only
from tasks.output import console

DONE = {"start": "serves", "stop": "stopped", "restart": "restarted"}


def serve(
    work: Callable[..., None], options: Mapping[str, Any], arguments: Sequence[str], name: str
) -> int:
    """Do it to the one instance, and say so. Returns the exit code."""
    from tasks.output.plan_text import duration
    from tasks.paths import host_paths

    instance = only(load(options, arguments), arguments, name)
    begun = time.monotonic()
    work(instance, host_paths(), console.Lines(), console.warning)
    took = duration(time.monotonic() - begun)
    url = "" if name == "stop" else f": {instance.public_url}"
    console.result(f"{instance.id}: {DONE[name]} after {took}{url}")
    if name == "stop":
        console.note(f"./doit start {instance.id} starts it again; so does ./doit apply.")
    return 0
