"""A bench from its command line to its exit code."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Callable
from typing import NoReturn

from bench.support.lab import said
from bench.support.measure import Void
from tasks.errors import DeployError


def run_bench(name: str, description: str, quick: str, measure: Callable[[bool], int]) -> int:
    """Measure as root, until it is done or cancelled. quick: what `--quick` does, which measure is
    told of. Returns the exit code."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help=quick)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupted)
    if os.geteuid() != 0:
        return _failed(name, "it starts containers and needs root")
    try:
        return measure(given.quick)
    except KeyboardInterrupt:
        return _failed(name, "cancelled", 20)
    except (Void, DeployError) as error:
        return _failed(name, str(error))


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _failed(name: str, why: str, code: int = 1) -> int:
    said(f"error: bench/{name}: {why}")
    return code
