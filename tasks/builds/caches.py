"""What builds leave at their place: toolchains of those that are kept stay, and of the newest."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tasks.builds.workplace import Workplace, capture
from tasks.guest.runner import script_text
from tasks.progress import Progress

SCRIPT = "build-caches"
MOST_MB = 5000
"""Caches that are larger than this together are begun anew."""
SECONDS = 600.0


def note(workplace: Workplace, key: str, values: Mapping[str, str], *more: str) -> str:
    """Note which toolchains the build of this key has used; what is wrong with that, or nothing.

    more: folders in such that it has used besides those of its PATH.
    """
    store = f"{workplace.home}/toolchains/"
    paths = (*values["PATH"].split(":"), *more)
    used = [folder for folder in paths if folder.startswith(store)]
    folders = [f"{store}{folder.removeprefix(store).partition('/')[0]}" for folder in used]
    return _run(workplace, values, "note", key, workplace.tree, *folders)


def prune(
    workplace: Workplace, keys: Collection[str], values: Mapping[str, str], progress: Progress
) -> str:
    """Remove toolchains that no build of these keys has used, and caches that have become too
    large; what went, one a line. Kept builds need neither, so it never matters to one if not."""
    progress.step("tidying up after the build")
    return _run(workplace, values, "prune", str(MOST_MB), *sorted(keys))


def _run(workplace: Workplace, values: Mapping[str, str], action: str, *more: str) -> str:
    argv = ["/bin/sh", "-c", script_text(SCRIPT), "sh", action, workplace.home, *more]
    return capture(workplace, argv, environment=values, timeout=SECONDS)[1]
