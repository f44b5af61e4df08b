"""What keeps a plan from being done, found before anything of it is.

The session asks under the instance's lock, whichever way it came there; whoever shows a plan says
the same, so that a plan that would be refused says so.
"""

from __future__ import annotations

from collections.abc import Iterable

from tasks.containers.base import SILENT, Progress
from tasks.errors import BuildError, UsageError
from tasks.look import Look
from tasks.model.plan import Entry
from tasks.paths import Paths


def refuse(look: Look, paths: Paths, progress: Progress = SILENT) -> None:
    """Raise what must keep the plan of this look from beginning; nothing has been changed then.

    UsageError or DatabaseError for its migrations, or where the data would move to another database
    in parts; BuildError where its commit cannot be built here.
    """
    _refuse_parts(look)
    _refuse_missing_tools(look, paths, progress)


def refuse_loss(entries: Iterable[Entry]) -> None:
    """Raise UsageError where one of these loses data."""
    lost = [entry.full_address for entry in entries if entry.destructive]
    if lost:
        raise UsageError(
            f"data would be lost by {', '.join(lost)}",
            hint="Take a backup first; then: ./doit apply --allow-destroy",
        )


def _refuse_parts(look: Look) -> None:
    if look.plan.carry is not None:
        from tasks import carrying

        carrying.refuse(look.plan)
    if look.plan.update is not None:
        from tasks import migrations

        migrations.refuse(look.plan)


def _refuse_missing_tools(look: Look, paths: Paths, progress: Progress) -> None:
    building = any(entry.step == "build" for entry in look.plan.entries)
    if look.instance.git is None or not building:
        return
    from tasks import build
    from tasks.build.git import fetch

    assert look.target.commit is not None
    progress.step("looking at what the build needs")
    fetch(look.instance.git, look.target.commit, paths, progress)
    problems = build.check_toolchain(look.instance, look.target.commit, paths)
    if problems:
        raise BuildError(
            problems[0],
            where=look.instance.id,
            evidence=problems[1:],
            hint="See docs/building.md, section Toolchains; nothing was changed.",
        )
