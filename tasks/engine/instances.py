"""The configured instances, with whoever is to be told how their operations end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tasks.errors import ConfigError
from tasks.model.instance import Instance
from tasks.paths import host_paths


def load_watched(files: Sequence[Path], warn: Callable[[str], None]) -> tuple[Instance, ...]:
    """All instances of these files; from now on the end of each of their operations is told as
    they are configured. warn: where goes what could not be told. Raises ConfigError.
    """
    instances, wrong = load_sound_watched(files, warn)
    if wrong is not None:
        raise wrong
    return instances


def load_sound_watched(
    files: Sequence[Path], warn: Callable[[str], None]
) -> tuple[tuple[Instance, ...], ConfigError | None]:
    """As load_watched, of the files that nothing is wrong with; beside them what is wrong with the
    others."""
    from tasks.config import load_sound

    instances, wrong = load_sound(files, memo=host_paths().readings)
    if any(instance.notifications.wanted for instance in instances):
        from tasks.notify import watch

        watch(instances, warn)
    return instances, wrong
