"""A drill: an archive brought back in a container made for it alone, proven, and thrown away.

    with operation(paths, instance.id, "drill") as op:
        drill(instance, archive, paths, op)

The container is `<instance>-drill`, on a bridge and subnet of its own where its driver makes
those, or where the caller says. Its records are in a folder of their own, so that it is in no
registry. What a killed drill left goes before the next begins.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tasks.backup.cutover import RESTORED
from tasks.backup.manifest import FILES, NAME
from tasks.backup.staging import UNPACKED, refuse_other_engine
from tasks.backup.verify import verify
from tasks.config.make import make_instance
from tasks.containers import container_for
from tasks.containers.base import Container
from tasks.containers.drivers import driver_of
from tasks.databases import database_for
from tasks.desired.release import ReleaseTarget
from tasks.errors import (
    DatabaseError,
    DeployError,
    RollbackFailedError,
    RolledBackError,
    UnhealthyError,
    UsageError,
)
from tasks.host.files import named
from tasks.model import last_drill
from tasks.model.archive import Archive, Contents
from tasks.model.instance import Instance
from tasks.model.last_drill import SUFFIX, LastDrill
from tasks.model.layout import OUTBOUND_SETTINGS
from tasks.model.operation_log import format_time, utc_now
from tasks.model.operations import Operation
from tasks.paths import Paths
from tasks.progress import SILENT, Progress
from tasks.workflows.restore import RestoreRequest, find_target, restore

if TYPE_CHECKING:
    from tasks.age import Key
    from tasks.planning.inspection import Inspection

DIGESTS = 'cd "$1" && find . -type f -print0 | xargs -0 -r sha256sum -z'
DIGESTS_TIMEOUT = 3600


class DrillNetwork(Struct, frozen=True):
    """Where the throw-away container is. address: with prefix length."""

    bridge: str
    address: str
    gateway: str


class DrillPaths(Paths, frozen=True, kw_only=True):
    """Paths whose records are the drill's own; containers, caches and locks are the host's."""

    own: Path

    @property
    def registry(self) -> Path:
        return self.own / "instances.json"

    @property
    def engine_database(self) -> Path:
        return self.own / "doit.db"

    @property
    def log_rotation(self) -> Path:
        return self.own / "log-rotation"

    def state(self, instance_id: str) -> Path:
        return self.own / "state"

    def health(self, instance_id: str) -> Path:
        return self.own / "health.json"

    def releases(self, instance_id: str) -> Path:
        return self.own / "releases.json"

    def applied(self, instance_id: str) -> Path:
        return self.own / "applied.json"

    def rendered(self, instance_id: str) -> Path:
        return self.own / "rendered"

    def last_backup(self, instance_id: str) -> Path:
        return self.own / "last-backup.json"

    def measured(self, instance_id: str) -> Path:
        return self.own / "measured.json"

    def lock(self, instance_id: str) -> Path:
        return self.own / "lock"

    def log(self, instance_id: str) -> Path:
        return self.own / "log"


def own_place(instance_id: str, prefix: Path) -> DrillNetwork:
    """A bridge and subnet that are this drill's alone: of 198.18.0.0/15, which nobody routes."""
    number = int(sha256(f"{prefix}:{instance_id}".encode()).hexdigest()[:6], 16)
    subnet = f"198.{18 + number // 256 % 2}.{number % 256}"
    return DrillNetwork(f"vkdr{number:06x}", f"{subnet}.2/24", f"{subnet}.1")


def throw_away(instance: Instance, place: DrillNetwork) -> Instance:
    """The instance's double: same application and engine, its own container, reaching nobody."""
    document: dict[str, Any] = deepcopy(dict(instance.document))
    document["deployment"]["instance_id"] = f"{instance.id}{SUFFIX}"
    document[instance.driver] |= driver_of(instance).double(instance, SUFFIX)
    document["network"] |= {
        "bridge": place.bridge,
        "ip_address": place.address,
        "gateway": place.gateway,
    }
    for name in ("host", "port", "password_file", "admin_user", "admin_password_file"):
        document["database"][name] = None
    quiet = {f"VIKUNJA_{name}": "false" for name in OUTBOUND_SETTINGS if name != "REDIS_ENABLED"}
    document["vikunja"]["environment"] = {**document["vikunja"]["environment"], **quiet}
    return make_instance(document, instance.source)


def drill(
    instance: Instance,
    archive: Archive,
    paths: Paths,
    operation: Operation,
    *,
    place: DrillNetwork | None = None,
    keys: Sequence[Key] = (),
    progress: Progress = SILENT,
) -> LastDrill:
    """Bring the archive back from nothing, prove it, note how long it took, leave nothing.

    Raises what failed; the instance itself is never touched.
    """
    if place is None and not driver_of(instance).makes_networks:
        raise UsageError(
            "a drill needs an address on the instance's network",
            where=instance.id,
            hint=f"Name one that is free: ./doit drill {instance.id} --address 192.0.2.9/24",
        )
    there = container_for(instance, paths).observe()
    instance = instance.made_from(there.template)
    double = throw_away(instance, place or own_place(instance.id, paths.prefix))
    own = DrillPaths(paths.prefix, own=paths.drill(instance.id))
    container = container_for(double, own)
    progress.step("Removing what an earlier drill left")
    _remove(container, own)
    begun = time.monotonic()
    try:
        expected = verify(archive, progress, keys).contents
        refuse_other_engine(expected, instance)
        _deploy(double, instance, paths, own, progress)
        operation.info(f"Made {double.container_name}; restoring {archive.name} into it")
        ready = time.monotonic()
        found = find_target(double, container, own)
        restored = restore(
            found,
            RestoreRequest(archive, expected, keys, allow_version=True, safety=False),
            own,
            operation,
            progress,
            prove=lambda contents: prove(double, container, contents),
        )
        ended = time.monotonic()
    except (RolledBackError, RollbackFailedError) as failure:
        # What was put back was the throw-away's own, which is nothing.
        raise UnhealthyError(
            f"{archive.name} is whole, but the application does not come up with it",
            where=instance.id,
            evidence=[failure.what, *failure.evidence],
            hint="A restore would put back what was there. Drill an older one: --from ARCHIVE",
        ) from failure
    finally:
        progress.step("Removing the throw-away container")
        _remove(container, own)
    contents = restored.contents
    went = LastDrill(
        drilled_at=format_time(utc_now()),
        archive=archive.name,
        version=found.running.version,
        rows=sum(contents.tables.values()),
        files=contents.files_count,
        restore_seconds=round(ended - ready, 1),
        total_seconds=round(ended - begun, 1),
    )
    last_drill.write(paths, instance.id, went)
    return went


def prove(instance: Instance, container: Container, contents: Contents) -> None:
    """Raise DatabaseError or DeployError where what was unpacked is not what the archive lists."""
    counted = database_for(instance, container).counts(RESTORED)
    if counted != contents.tables:
        names = sorted(counted.keys() | contents.tables.keys())
        raise DatabaseError(
            "the database has other rows than the archive lists",
            where=instance.id,
            evidence=[
                f"{name}: {contents.tables.get(name)} listed, {counted.get(name)} found"
                for name in names
                if counted.get(name) != contents.tables.get(name)
            ],
        )
    metadata = json.loads(container.run(["cat", f"{UNPACKED}/{NAME}"]).stdout)
    listed = {
        name: digest for name, digest in metadata["members"].items() if name.startswith(FILES)
    }
    argv = ["sh", "-c", DIGESTS, "sh", f"{UNPACKED}/files"]
    there = digests(container.run(argv, timeout=DIGESTS_TIMEOUT).stdout)
    if there != listed:
        differ = sorted({name for name, _ in there.items() ^ listed.items()})
        raise DeployError(
            f"{len(differ)} attachments are not as the archive lists them",
            where=instance.id,
            evidence=differ[:5],
        )


def digests(said: bytes) -> Mapping[str, str]:
    """Of `sha256sum -z`: digests by the names that they have in an archive."""
    found = {}
    for line in said.split(b"\0"):
        if line:
            digest, _, name = line.partition(b"  ./")
            found[FILES + name.decode(errors="surrogateescape")] = digest.decode()
    return found


def _deploy(
    double: Instance, instance: Instance, paths: Paths, own: Paths, progress: Progress
) -> None:
    """An apply of the double: with the release that serves, where one does."""
    from tasks.engine.instance_run import InstanceRun
    from tasks.engine.run import run_steps
    from tasks.engine.session import Session

    def inspect(double: Instance, own: Paths) -> Inspection:
        return _look(double, instance, paths, own)

    session = Session(own, lambda _: progress)
    run = InstanceRun(double, inspection=inspect(double, own), inspect=inspect)
    session.runs[double.id] = run
    try:
        session.begin(run, "deploy")
        run_steps([double], session)
    finally:
        session.close()
    if run.failure is not None:
        raise run.failure


def _look(double: Instance, instance: Instance, paths: Paths, own: Paths) -> Inspection:
    from tasks.planning import inspection as looking
    from tasks.resources.release import active_color, released

    real = container_for(instance, paths)
    if not real.observe().running:
        return looking.inspect(double, own)
    facts = looking.find(looking.gather(instance, paths), real, paths)
    serving = released(facts, active_color(facts))
    if serving is None:
        return looking.inspect(double, own)
    commit = None if serving.commit in ("", "-") else serving.commit
    target = ReleaseTarget(commit, serving.key, serving.version)
    sources, container = looking.gather(double, own), container_for(double, own)
    return looking.build_plan(
        sources, container, target, looking.find(sources, container, own), own
    )


def _remove(container: Container, own: DrillPaths) -> None:
    if container.observe().exists:
        container.destroy()
    with named(own.own, "cannot be removed"):
        if own.own.exists():
            rmtree(own.own)
        with suppress(OSError):
            # Of the last drill under way.
            own.own.parent.rmdir()
