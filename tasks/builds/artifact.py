"""Artifacts: what a build leaves, found again by everything that went into it.

`<cache>/artifacts/<key>.tar` holds `backend/vikunja`, `frontend/…` and `mcp-server/…`;
`<key>.json` beside it says what it is. The record is written last: without one there is no
artifact, whatever else lies there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from tasks.builds.pace import Course
from tasks.conversion import convert
from tasks.errors import BuildError
from tasks.host import locks
from tasks.host.files import recalled
from tasks.model import pins
from tasks.model.instance import OLDEST_SUITE, Instance
from tasks.paths import Paths
from tasks.progress import SILENT, Progress

KEY = re.compile(r"[0-9a-f]{64}")
FORMAT = 1
"""Of the archive: a change here makes every artifact a new one."""


class Artifact(Struct, frozen=True):
    """A finished build.

    commit: 40 hex digits, None for a release archive. version: as the binary names itself.
    path: the tar. sha256: of the tar, hex. size: bytes. parts: of backend, frontend, mcp-server.
    published: the SHA-256 of the published archive that it was made of; None for any other.
    """

    key: str
    commit: str | None
    version: str
    path: Path
    sha256: str
    size: int
    parts: tuple[str, ...]
    published: str | None = None


def artifact_key(instance: Instance, commit: str | None, machine: str | None = None) -> str:
    """64 hex digits over everything that changes what a build leaves, and nothing else.

    commit: what `resolve` gave, None where the instance is deployed from a release. A channel is
    settled: its version is known.
    machine: as `uname -m` names it, this machine's by default.
    """
    inputs: dict[str, object] = {"format": FORMAT, "machine": machine or os.uname().machine}
    if instance.release and instance.release.url is None:
        # What it holds is pinned when it is first taken: without its pin it is not found.
        assert instance.release.version is not None
        inputs["published_version"] = instance.release.version
    elif instance.release:
        inputs |= {"release": instance.release.sha256, "version": instance.release.version}
    else:
        build = instance.build
        inputs |= {
            "commit": commit,
            "where": build.where,
            "toolchains": build.toolchains,
            "packages": sorted(set(build.packages)),
            "environment": dict(build.environment),
            "backend": build.backend,
            "frontend": build.frontend,
            "mcp": build.mcp if instance.services.mcp.enabled else None,
        }
        if instance.services.mcp.enabled:
            # It brings the Node that its container has not.
            inputs["runs_on"] = instance.suite
        # What is compiled on a release of Debian runs on that one and newer ones. The oldest has
        # none in its key: artifacts were made before there was another.
        if build.where == "container" and instance.suite != OLDEST_SUITE:
            inputs["suite"] = instance.suite
    canonical = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def archive_path(paths: Paths, key: str) -> Path:
    return paths.cache / "artifacts" / f"{key}.tar"


def record_path(paths: Paths, key: str) -> Path:
    return paths.cache / "artifacts" / f"{key}.json"


def log_path(paths: Paths, key: str) -> Path:
    """The build's log: every line of every command."""
    return paths.cache / "builds" / f"{key}.log"


def work_path(paths: Paths, key: str) -> Path:
    """Where a local build has its tree while it runs."""
    return paths.cache / "build" / key


def lock(paths: Paths, key: str, progress: Progress = SILENT) -> AbstractContextManager[int]:
    """Be the only one that makes this artifact."""
    folder = archive_path(paths, key).parent
    folder.mkdir(parents=True, exist_ok=True)
    return locks.locked(
        folder / f"{key}.lock",
        lambda: progress.step("waiting for another build of the same commit and settings"),
    )


def find(paths: Paths, key: str) -> Artifact | None:
    """The artifact of that key if there is a whole one. Reads the record, hashes nothing.

    One of a published release counts only while what it was made of is pinned: without its pin,
    its archive is to be taken and compared again. Raises DeployError where the pins are damaged.
    """
    path = archive_path(paths, key)
    record = recalled(record_path(paths, key), dict[str, object]) or {}
    try:
        artifact = convert({**record, "path": path}, Artifact)
        found = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError, msgspec.ValidationError):
        return None
    whole = artifact.key == key and artifact.size == found
    return artifact if whole and _is_pinned(paths, artifact) else None


def _is_pinned(paths: Paths, artifact: Artifact) -> bool:
    if artifact.published is None:
        return True
    taken = ((pin.version, pin.sha256) for pin in pins.read(paths))
    return (artifact.version, artifact.published) in taken


def verify(artifact: Artifact) -> None:
    """Read the whole archive; a damaged one leaves the cache, and is a BuildError."""
    try:
        with artifact.path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise BuildError(
            "the artifact is gone", where=str(artifact.path), hint="apply again: it is built anew"
        ) from error
    if found == artifact.sha256:
        return
    artifact.path.with_suffix(".json").unlink(missing_ok=True)
    artifact.path.unlink(missing_ok=True)
    raise BuildError(
        f"the artifact is damaged: its SHA-256 is {found}, its record says {artifact.sha256}",
        where=str(artifact.path),
        hint="it was put out of the cache; apply again and it is built anew. If it comes back, "
        "check the disk",
    )


def partial_path(paths: Paths, key: str) -> Path:
    """Where the archive is written before it is one."""
    folder = archive_path(paths, key).parent
    return folder / f".{key}.{os.getpid()}.partial"


def publish(
    paths: Paths,
    key: str,
    partial: Path,
    described: Artifact,
    seconds: float,
    course: Course | None = None,
) -> Artifact:
    """Make the finished, fsynced `partial` the artifact of its key: archive first, record last.

    course: what it took, for the next build of its repository.
    """
    record_file = record_path(paths, key)
    # An older record must not describe the new archive, not even for a moment.
    record_file.unlink(missing_ok=True)
    partial.replace(described.path)
    _sync_folder(described.path.parent)
    record = asdict(described) | {"built_at": int(time.time()), "seconds": round(seconds, 3)}
    del record["path"]
    if described.published is None:
        del record["published"]
    if course is not None:
        record |= msgspec.to_builtins(course)
    aside = partial.with_suffix(".record.partial")
    with aside.open("w") as file:
        json.dump(record, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    aside.replace(record_file)
    _sync_folder(record_file.parent)
    return described


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_partial(paths: Paths, key: str) -> None:
    """Remove what killed builds of this key left; the caller holds its lock."""
    folder = archive_path(paths, key).parent
    for left in folder.glob(f".{key}.*"):
        left.unlink(missing_ok=True)
    shutil.rmtree(work_path(paths, key), ignore_errors=True)
    if not record_path(paths, key).exists():
        archive_path(paths, key).unlink(missing_ok=True)


def sweep_abandoned(paths: Paths) -> None:
    """Remove what killed builds of any key left, where nobody is building it now."""
    folder = paths.cache / "artifacts"
    for key in keys(paths):
        with locks.tried(folder / f"{key}.lock") as mine:
            if mine:
                remove_partial(paths, key)


def keys(paths: Paths) -> set[str]:
    """Every key of which anything is in the cache."""
    folders = (paths.cache / "artifacts", paths.cache / "build")
    names = (entry.name for folder in folders if folder.is_dir() for entry in folder.iterdir())
    return {found[0] for name in names if (found := KEY.search(name))}


def prune(paths: Paths, keep_keys: Collection[str], keep: int = 3) -> tuple[str, ...]:
    """Remove artifacts and their logs but those of `keep_keys` and the `keep` newest others.

    Artifacts that are being built stay. Mirrors of repositories that are long out of use go as
    well. Gives the keys that were removed.
    """
    from tasks.builds.git import prune_mirrors

    prune_mirrors(paths)
    folder = paths.cache / "artifacts"
    others = [key for key in keys(paths) if key not in keep_keys]
    others.sort(key=lambda key: (_age(paths, key), key), reverse=True)
    removed = []
    for key in others[keep:]:
        lock_file = folder / f"{key}.lock"
        with locks.tried(lock_file) as mine:
            if not mine:
                continue
            record_path(paths, key).unlink(missing_ok=True)
            remove_partial(paths, key)
            log_path(paths, key).unlink(missing_ok=True)
            lock_file.unlink(missing_ok=True)
            removed.append(key)
    return tuple(removed)


def _age(paths: Paths, key: str) -> float:
    try:
        return record_path(paths, key).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def remove(paths: Paths, key: str) -> None:
    """Take an artifact and its build's log out of the cache. Gone already is success."""
    for path in (record_path(paths, key), archive_path(paths, key), log_path(paths, key)):
        path.unlink(missing_ok=True)
