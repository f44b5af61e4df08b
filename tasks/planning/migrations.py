"""Which migrations an update would run: the target's files against the database's own table.

Vikunja migrates when it starts, without a lock, mostly without a transaction, and cannot undo it.
What a version brings along are the files `pkg/migration/<14 digits>.go` of its tree; what a
database has been through are the ids in its table `migration`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tasks.builds import git
from tasks.desired.release import ReleaseTarget
from tasks.errors import DatabaseError, DeployError, UsageError
from tasks.model import archive as archives
from tasks.model import measured as measurements
from tasks.model.archive import Archive
from tasks.model.instance import Color, Instance
from tasks.model.plan import InstancePlan
from tasks.model.releases import Served
from tasks.model.update import PlannedUpdate, Version, WayBack
from tasks.paths import Paths
from tasks.resources.base import Facts, Resource
from tasks.resources.migration import (
    BackupBefore,
    Rehearsal,
    WriteFreeze,
    WriteThaw,
    recorded,
)
from tasks.resources.release import ActiveColor, HealthCheck, ReleaseLine

FOLDER = "pkg/migration"
FILE = re.compile(r"([0-9]{14})\.go")
ID = re.compile(r"[0-9]{14}")

WHOLE = (Rehearsal, BackupBefore, WriteFreeze, ActiveColor, HealthCheck, WriteThaw)
"""What an update that changes the database consists of."""


def ids_of(names: Iterable[str]) -> tuple[str, ...]:
    """The ids that files of these names stand for, oldest first."""
    return tuple(sorted(found[1] for name in names if (found := FILE.fullmatch(name))))


def pending(wanted: Iterable[str], found: Iterable[str]) -> tuple[str, ...]:
    """What the target would run, oldest first."""
    return tuple(sorted(set(wanted) - set(found)))


def beyond(wanted: Iterable[str], found: Iterable[str]) -> tuple[str, ...]:
    """What the database went through and the target does not know, oldest first.

    Ids older than all of the target's do not count: a version may fold its oldest ones into one.
    """
    known = set(wanted)
    if not known:
        return ()
    oldest = min(known)
    return tuple(sorted(i for i in set(found) - known if ID.fullmatch(i) and i > oldest))


def known(instance: Instance, target: ReleaseTarget, paths: Paths) -> tuple[str, ...] | None:
    """The migrations that a version brings along, oldest first; None where that cannot be known
    before it runs. Raises GitError or NetworkError."""
    if instance.git is None or target.commit is None:
        return None
    mirror = git.fetch(instance.git, target.commit, paths)
    return _in_tree(mirror, target.commit)


def _in_tree(mirror: Path, commit: str) -> tuple[str, ...]:
    return ids_of(git.files(mirror, commit, FOLDER))


def _in_release(instance: Instance, target: ReleaseTarget) -> tuple[str, ...] | None:
    """Of a published version, as far as somebody says; nobody of an archive of one's own."""
    release = instance.release
    if release is None or release.url is not None:
        return None
    from tasks.builds.digests import files_of

    names = files_of(release, target.version, FOLDER)
    return None if names is None else ids_of(names)


def planned(
    instance: Instance,
    target: ReleaseTarget,
    serving: ReleaseLine,
    facts: Facts,
    paths: Paths,
    served: Served | None = None,
) -> PlannedUpdate:
    """What is known of an update to the target. serving: the release that it takes over from.

    served: what is recorded of the target, where it has served before. Asks the remote for the
    target's files where they are not in the mirror yet, and of a published version the place that
    says its digests. Raises GitError or NetworkError.
    """
    commit = None if serving.commit == "-" else serving.commit
    before = Version(commit, serving.version)
    wanted = served.migrations if served else None
    version = target.version
    counts: tuple[int, int] | None = None
    if instance.git is not None and target.commit is not None:
        mirror = git.fetch(instance.git, target.commit, paths)
        version = version or git.describe(mirror, target.commit)
        wanted = _in_tree(mirror, target.commit)
        counts = git.apart(mirror, commit, target.commit) if commit else None
    elif wanted is None:
        wanted = _in_release(instance, target)
    found = recorded(facts, instance)
    both = wanted is not None and found is not None
    to_run = pending(wanted or (), found or ()) if both else None
    if wanted == () or found == frozenset():
        # No application of Vikunja's shape, or a database that nothing was ever in.
        to_run = ()
    measured = measurements.read(paths, instance.id)
    way_back, since = _way_back(instance, to_run, before)
    return PlannedUpdate(
        before=before,
        after=Version(target.commit, version),
        commits=counts[0] if counts else None,
        dropped=counts[1] if counts else None,
        pending=to_run,
        beyond=beyond(wanted or (), found or ()),
        mode=instance.update.migrations,
        write_stop_seconds=measured.write_stop,
        way_back=way_back,
        way_back_seconds=measured.rollback if way_back == "restore" else None,
        way_back_since=since,
        way_back_stop_seconds=measured.rollback_stop if way_back == "restore" else None,
    )


def _way_back(
    instance: Instance, to_run: tuple[str, ...] | None, before: Version
) -> tuple[WayBack, str | None]:
    """How a rollback would go, and of when the backup is that it would bring back; None for one
    that the update itself takes."""
    if to_run == ():
        return "instant", None
    if instance.update.migrations == "rehearse":
        return "restore", None
    found = backup_of(instance, before)
    return ("restore", found.created_at) if found else ("impossible", None)


def backup_of(instance: Instance, version: Version) -> Archive | None:
    """The newest backup of the instance when this version served it; None where there is none.

    Only sidecars are read: whether the archive is whole is for who takes it.
    """
    for archive in reversed(archives.archives(instance.backup.directory / instance.id)):
        try:
            said = archives.read_metadata(archive)
        except DeployError:
            # Nobody can tell of which version it is.
            continue
        if said is None or said.instance_id != instance.id:
            continue
        if (said.vikunja_commit, said.vikunja_version) == (version.commit, version.version):
            return archive
    return None


def around(
    update: PlannedUpdate, switching: tuple[Resource, ...], color: Color
) -> tuple[Resource, ...]:
    """The switch of an update that changes the database: tried before, and in a write-stop."""
    if update.beyond:
        # It is refused.
        return switching
    pending = update.pending
    return (
        Rehearsal(color=color, pending=pending, label=update.after.label),
        BackupBefore(pending=pending),
        WriteFreeze(color=color, pending=pending),
        *going_on(switching, color),
    )


def going_on(switching: tuple[Resource, ...], color: Color) -> tuple[Resource, ...]:
    """The switch of a version that starts in a write-stop, which ends once its page answers."""
    site = next(at for at, one in enumerate(switching) if isinstance(one, HealthCheck)) + 1
    return (*switching[:site], WriteThaw(color=color), *switching[site:])


def refuse_unfit(
    known: tuple[str, ...] | None, restored: Iterable[str], label: str, where: str
) -> None:
    """Raise DatabaseError where a database that is to come back is not the version's own.

    known: the migrations that the version brings along; None where nothing is known of them.
    """
    if known is None:
        return
    unknown, missing = beyond(known, restored), pending(known, restored)
    if not unknown and not missing:
        return
    what = f"does not know {shown(unknown)}" if unknown else f"would run {shown(missing)}"
    raise DatabaseError(
        f"the archive's database is not as {label} left it: {label} {what}",
        where=where,
        hint="Nothing was changed. Bring back another archive of that version: ./doit backups "
        f"{where}, then ./doit restore {where} --from ARCHIVE",
    )


def refuse(plan: InstancePlan) -> None:
    """Raise what must keep an update from beginning: UsageError where migrations are refused or
    the plan holds only a part of it, DatabaseError where the database is newer than the version
    that is to serve."""
    update, where = plan.update, plan.instance
    if update is None:
        return
    if update.beyond:
        raise DatabaseError(
            f"the database is newer than {update.after.label}: it has been through "
            f"{shown(update.beyond)}",
            where=where,
            hint="Migrations cannot be undone. Go back with ./doit rollback, or bring back a "
            "backup of that version: ./doit restore.",
        )
    if update.migrates and update.mode == "refuse":
        what = "may change" if update.pending is None else "changes"
        raise UsageError(
            f"{update.after.label} {what} the database, and update.migrations is refuse",
            where=where,
            hint="Set update.migrations to rehearse (tried on a copy first) or online.",
            evidence=[f"pending: {shown(update.pending)}"] if update.pending else (),
        )
    resources = [entry.resource for entry in plan.entries]
    steps = [any(isinstance(one, kind) for one in resources) for kind in WHOLE]
    if update.stops_writes and any(steps) and not all(steps):
        raise UsageError(
            "an update that changes the database is done as a whole",
            where=where,
            hint="Leave out --target.",
        )


def shown(ids: Iterable[str], most: int = 4) -> str:
    """`1 migration (20250901120000)`, long lists cut."""
    every = tuple(ids)
    names = ", ".join(every[:most]) + (" …" if len(every) > most else "")
    return f"{len(every)} migration{'' if len(every) == 1 else 's'} ({names})"
