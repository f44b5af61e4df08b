"""The configured instances, with whoever is to be told how their operations end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tasks.model.instance import Instance
from tasks.paths import host_paths


def load_watched(files: Sequence[Path], warn: Callable[[str], None]) -> tuple[Instance, ...]:
    """All instances of these files; from now on the end of each of their operations is told as
    they are configured. warn: where goes what could not be told. Raises ConfigError.
    """
    from tasks.config import load_instances

    instances = load_instances(files, memo=host_paths().readings)
    if any(instance.notifications.wanted for instance in instances):
        from tasks.notify import watch

        watch(instances, warn)
    return instances
