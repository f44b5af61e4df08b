"""One build, from a commit to an artifact."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tasks.builds import artifact as store
from tasks.builds import caches, git, pack, recipe, runtime
from tasks.builds.artifact import Artifact
from tasks.builds.builder import builder_spec, builder_workplace
from tasks.builds.fetching import ready
from tasks.builds.local import local_workplace
from tasks.builds.making import collect, make, receive
from tasks.builds.pace import Course, Pace, PacedProgress, last_course, repository_digest
from tasks.builds.release_source import from_release
from tasks.builds.run import BuildRun
from tasks.builds.workplace import Workplace
from tasks.containers.base import ContainerSpec
from tasks.errors import BuildError
from tasks.model import pins, releases
from tasks.model.instance import Git, Instance
from tasks.model.pins import Pin
from tasks.paths import Paths
from tasks.progress import SILENT, Progress

MACHINES = {"x86_64": 62, "aarch64": 183, "armv7l": 40}
"""ELF's numbers of what `uname -m` says."""


def build(
    instance: Instance,
    commit: str | None,
    paths: Paths,
    progress: Progress = SILENT,
    *,
    builder: ContainerSpec | None = None,
) -> Artifact:
    """The artifact of the commit, from the cache where it is there and whole, else built now.

    commit: None for an instance that is deployed from a release. builder: another
    builder container than the usual one. Raises BuildError, GitError, NetworkError; nothing of
    a failed or killed build is ever taken as an artifact.
    """
    key = store.artifact_key(instance, commit)
    found = _usable(paths, key)
    if found:
        return found
    store.sweep_abandoned(paths)
    with store.lock(paths, key, progress):
        found = _usable(paths, key)
        if found:
            return found
        store.remove_partial(paths, key)
        if instance.release:
            return from_release(instance, key, paths, progress)
        assert instance.git is not None and commit is not None
        return _from_tree(instance, instance.git, commit, key, paths, progress, builder)


def _usable(paths: Paths, key: str) -> Artifact | None:
    found = store.find(paths, key)
    if found is None:
        return None
    try:
        store.verify(found)
    except BuildError:
        # It has left the cache by that; what was damaged is built again.
        return None
    return found


def _from_tree(
    instance: Instance,
    desired: Git,
    commit: str,
    key: str,
    paths: Paths,
    progress: Progress,
    builder: ContainerSpec | None,
) -> Artifact:
    begun = time.monotonic()
    repository = repository_digest(desired.repository)
    pace = Pace(last_course(paths, repository))
    paced = PacedProgress(progress, pace)
    pace.step("fetch")
    mirror = git.fetch(desired, commit, paths, paced)
    version = git.describe(mirror, commit)
    modified = git.commit_time(mirror, commit)

    def show(path: str) -> str | None:
        return git.show(mirror, commit, path)

    chosen = recipe.parts(instance, git.files(mirror, commit), show, version=version, commit=commit)
    fetch = instance.build.toolchains == "fetch"
    log = store.log_path(paths, key)
    log.parent.mkdir(parents=True, exist_ok=True)
    partial = store.partial_path(paths, key)
    pace.step("workplace")
    with paced.moving(), _workplace(instance, paths, key, paced, builder) as workplace:
        pace.step("toolchains")
        values = ready(
            workplace,
            recipe.asks_for(chosen, show),
            {"RELEASE_VERSION": version, "SOURCE_DATE_EPOCH": str(modified)}
            | dict(instance.build.environment),
            fetch=fetch,
            machine=os.uname().machine,
            progress=paced,
        )
        node = runtime.bring(instance, show, workplace, values, paced)
        pace.step("tree")
        paced.step("unpacking the tree")
        with git.tree(mirror, commit) as tree:
            receive(workplace, tree, values)
        with log.open("w", encoding="utf-8", buffering=1) as lines:
            lines.write(f"{commit} {version} in {workplace.name}\n")
            run = BuildRun(workplace, values, lines, log, instance.build.timeout_seconds, paced)
            made = tuple(make(run, part, show) for part in chosen)
        pace.step("packing")
        paced.step("packing")
        with pack.packing(partial, modified) as packer:
            for part, slim in zip(chosen, made, strict=True):
                collect(packer, workplace, part, slim, values)
            if node:
                runtime.take(packer, workplace, node, values)
        kept = {key, *releases.kept_by_all(paths)}
        with log.open("a", encoding="utf-8") as lines:
            lines.write(caches.note(workplace, key, values, node))
            lines.write(caches.prune(workplace, kept, values, paced))
    pace.step("")
    names = [part.name for part in chosen]
    ordered = tuple(name for name in ("backend", "frontend", "mcp-server") if name in names)
    course = Course(repository, pace.passed)
    seconds = time.monotonic() - begun
    return finish(paths, key, partial, commit, version, ordered, seconds, course)


def finish(
    paths: Paths,
    key: str,
    partial: Path,
    commit: str | None,
    version: str,
    parts: tuple[str, ...],
    seconds: float,
    course: Course | None = None,
    *,
    pin: Pin | None = None,
) -> Artifact:
    """Check the packed archive and make it the artifact of its key; refused, it is removed.

    course: of a build. pin: to be kept, of a published release.
    """
    try:
        check_binary(pack.first_bytes(partial, "backend/vikunja"), os.uname().machine)
        made = Artifact(
            key=key,
            commit=commit,
            version=version,
            path=store.archive_path(paths, key),
            sha256=pack.digest(partial),
            size=partial.stat().st_size,
            parts=parts,
            published=pin.sha256 if pin else None,
        )
        if pin is not None:
            pins.add(paths, pin)
        return store.publish(paths, key, partial, made, seconds, course)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def check_binary(head: bytes, machine: str) -> None:
    """Refuse what is no program for this machine. head: the first 20 bytes."""
    if not head.startswith(pack.ELF) or len(head) < 20:
        raise BuildError(
            "vikunja is not an executable program",
            hint="build.backend must leave the compiled binary as vikunja in the tree's root",
        )
    (found,) = struct.unpack("<H" if head[5] == 1 else ">H", head[18:20])
    if machine in MACHINES and found != MACHINES[machine]:
        raise BuildError(
            f"vikunja is a program for another kind of processor (ELF machine {found})",
            hint=f"this machine is {machine}: choose its archive, or leave GOARCH alone",
        )


@contextmanager
def _workplace(
    instance: Instance, paths: Paths, key: str, progress: Progress, builder: ContainerSpec | None
) -> Iterator[Workplace]:
    workplace: AbstractContextManager[Workplace]
    if instance.build.where == "local":
        workplace = local_workplace(paths, key, progress)
    else:
        spec = builder or builder_spec(instance.suite)
        workplace = builder_workplace(paths, instance.build.packages, progress, spec)
    with workplace as opened:
        yield opened
