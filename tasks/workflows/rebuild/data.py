"""What goes from the old container to the new one: what was made in it, attachments, the database.

An attachment never changes once it is there: nearly all of them are copied while the old container
serves, and in the write freeze only what came or went since.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence

from msgspec import Struct

from tasks.backup.cutover import RESTORED
from tasks.backup.running_instance import inside_run
from tasks.backup.source import STAGING
from tasks.backup.staged_proof import DIGESTS, DIGESTS_TIMEOUT, digests, prove_rows
from tasks.backup.take import STREAM_TIMEOUT
from tasks.containers.base import Container
from tasks.databases import Database, counts_in, database_for
from tasks.databases.write_freeze import SAVED
from tasks.desired import system
from tasks.errors import DeployError
from tasks.guest.runner import LAND, GuestScript, last_line_says, last_lines
from tasks.model.layout import ACME, ACME_HOME, SELF_SIGNED, attachments
from tasks.progress import Progress
from tasks.resources.base import Resource
from tasks.resources.landing import landing
from tasks.resources.system import Secret, User
from tasks.workflows.rebuild.site import RebuildSite

CARRY_OUT = GuestScript("carry-out", ("carry-out",), guard=False)
CARRY_IN = [
    "tar",
    "--extract",
    "--file=-",
    "--directory=/",
    "--same-owner",
    "--preserve-permissions",
]
_ATTACHMENTS = ("attachments-folder",)
LIST = GuestScript("attachment-list", (*_ATTACHMENTS, "attachment-list"), guard=False)
OUT = GuestScript("attachments-out", (*_ATTACHMENTS, "attachments-out"), guard=False)
IN = GuestScript("attachments-in", (*_ATTACHMENTS, "attachments-in"), guard=False)
GONE = GuestScript("attachments-gone", (*_ATTACHMENTS, "attachments-gone"), guard=False)

NOTED = "/var/lib/vikunja-deploy/noted"
DUMP = f"{STAGING}/backup-rebuild"
"""Folder of the dump, in either container; a backup removes what is left of it."""

NAMES = "/run/vikunja-deploy/attachments"
PUT = 'umask 077 && mkdir -p "${1%/*}" && cat >"$1"'
UNPACK = """umask 077
rm -rf "$1" && mkdir -p "$1" && exec tar --extract --file=- --directory="$1"
"""


class Copied(Struct, frozen=True):
    """attachments: how many there are. added, removed: of them, by the last copying. tables: rows
    of each."""

    attachments: int = 0
    added: int = 0
    removed: int = 0
    tables: Mapping[str, int] = {}

    @property
    def rows(self) -> int:
        return sum(self.tables.values())


def pour(source: Container, out: Sequence[str], target: Container, into: Sequence[str]) -> None:
    """Let a program in one container write what one in the other reads. Raises DeployError of the
    one that failed first."""
    failures: list[BaseException] = []
    reading, writing = os.pipe2(os.O_CLOEXEC)

    def run() -> None:
        with os.fdopen(writing, "wb", buffering=0) as output:
            try:
                source.run(out, stdout=output, timeout=STREAM_TIMEOUT)
            except BaseException as error:
                failures.append(error)

    thread = threading.Thread(target=run, name="pour")
    thread.start()
    try:
        with os.fdopen(reading, "rb", buffering=0) as stream:
            done = target.run(into, stdin=stream, timeout=STREAM_TIMEOUT, check=False)
    finally:
        thread.join()
    if failures:
        raise failures[0]
    if done.returncode != 0:
        raise DeployError(
            "what came from the old container could not be written in the new one",
            where=target.spec.name,
            evidence=last_lines(done.stderr),
            hint="Is its disk full? resources.disk_size_gb makes it larger.",
        )


def carry_made(site: RebuildSite, resources: Sequence[Resource]) -> None:
    """What was made in the old container and outlives it: secrets, by which sessions go on, and
    certificates, which browsers know, with what is needed to renew them.

    resources: all that is configured in it.
    """
    users = [one for one in resources if isinstance(one, User)]
    LAND.run(site.new, stdin=landing(users))
    made = [one.path for one in resources if isinstance(one, Secret)]
    kept = (*made, SELF_SIGNED, ACME, ACME_HOME, NOTED, f"{NOTED}.key")
    pour(site.old, CARRY_OUT.argv(*kept), site.new, CARRY_IN)


def configured_inside(site: RebuildSite) -> tuple[Resource, ...]:
    from tasks.planning.inputs import gather

    host_files = system.read_host_files(site.beside)
    return gather(site.beside, site.own, host_files).inside


# Attachments


def copy_attachments(site: RebuildSite) -> Copied:
    """Attachments in the new container are those of the old one, by name and size. Nothing is
    copied of what is in a bucket: both have it."""
    if site.instance.vikunja.files.in_bucket:
        return Copied()
    there, here = _listed(site.old), _listed(site.new)
    wanted = [name for name, size in there.items() if here.get(name) != size]
    gone = [name for name in here if name not in there]
    if wanted:
        names = b"".join(name + b"\0" for name in wanted)
        _send(site, names)
    if gone:
        GONE.run(site.new, stdin=b"".join(name + b"\0" for name in gone), timeout=STREAM_TIMEOUT)
    return Copied(len(there), len(wanted), len(gone))


def prove_attachments(site: RebuildSite) -> None:
    """Raise DeployError where one that both have differs, whatever its size says."""
    if site.instance.vikunja.files.in_bucket:
        return
    folder = attachments(site.instance)
    there, here = (
        digests(DIGESTS.run(one, folder, timeout=DIGESTS_TIMEOUT).stdout)
        for one in (site.old, site.new)
    )
    differ = sorted(name for name in here if name in there and here[name] != there[name])
    if differ:
        raise DeployError(
            f"{len(differ)} attachments arrived otherwise than they are",
            where=site.where,
            evidence=differ[:5],
        )


def _listed(container: Container) -> dict[bytes, int]:
    failure = last_line_says(DeployError, "attachments cannot be read", where=container.spec.name)
    said = LIST.run(container, failure=failure, timeout=STREAM_TIMEOUT).stdout
    words = (line.partition(b" ") for line in said.split(b"\0") if line)
    return {name: int(size) for size, _, name in words}


def _send(site: RebuildSite, names: bytes) -> None:
    """The names come through a file: both ends of the stream are taken."""
    site.old.run(["sh", "-c", PUT, "sh", NAMES], stdin=names)
    out = ["sh", "-c", 'names=$1 && shift && exec "$@" <"$names"', "sh", NAMES, *OUT.argv()]
    pour(site.old, out, site.new, IN.argv())
    site.old.run(["rm", "-f", NAMES])


# The database


def databases_of(site: RebuildSite) -> tuple[Database, Database]:
    """That of the old container and that of the new one."""
    serving = site.running
    return database_for(serving.instance, site.old, serving.color), database_for(
        site.beside, site.new
    )


def bring_database(site: RebuildSite, progress: Progress) -> Copied:
    """What the old database holds lies in the place RESTORED of the new container: every row of it
    is there. Raises DatabaseError."""
    source, target = databases_of(site)
    progress.step("Copying the database")
    source.dump(f"{DUMP}/database")
    out = ["tar", "--create", "--file=-", f"--directory={DUMP}", "database"]
    pour(site.old, out, site.new, ["sh", "-c", UNPACK, "sh", DUMP])
    progress.step("Loading the database")
    target.load(f"{DUMP}/database", RESTORED)
    listed = site.new.run(["cat", f"{DUMP}/database/tables.tsv"]).stdout
    return Copied(tables=counts_in(listed.decode()))


def counted(site: RebuildSite) -> Copied:
    """What there is while nobody writes."""
    return Copied(tables=databases_of(site)[0].counts())


def discard_database(site: RebuildSite) -> None:
    """Nothing is left of what was brought on trial."""
    databases_of(site)[1].drop(RESTORED)
    for container in (site.old, site.new):
        inside_run(container, "end", STAGING)


def activate_database(site: RebuildSite) -> None:
    """What was brought is the new container's database; nothing has it open."""
    databases_of(site)[1].swap(RESTORED, SAVED)


def prove_database(site: RebuildSite, copied: Copied, container: Container) -> None:
    """Raise DatabaseError where the new container has other rows than were frozen."""
    rows = database_for(site.instance, container).counts()
    prove_rows(copied.tables, rows, site.where)
