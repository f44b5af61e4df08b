"""A whole deployment on model containers: configuration file, repository, cache, plan and apply.

Everything but containers and builds is the real thing: the configuration is a file that is loaded
and judged, commits come from git, plans and applies go through the commands' own code.
"""

from __future__ import annotations

import copy
import hashlib
import io
import os
import pickle
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import pytest
import yaml
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from kept_folders import Kept, keep, lay
from model_container import World
from runs import our_mark

from tasks import builds
from tasks.builds import artifact as store
from tasks.builds.artifact import Artifact
from tasks.builds.published import archive_url, kind_of
from tasks.commands.apply import carry_out
from tasks.commands.plan import look_at, plan_of
from tasks.config import load_instances
from tasks.desired import rendering
from tasks.errors import DeployError
from tasks.model import pins
from tasks.model.archive import (
    BACKUP_VERSION,
    Archive,
    Contents,
    Trigger,
    sealed,
    sidecar_text,
)
from tasks.model.instance import Instance
from tasks.model.pins import Pin
from tasks.model.plan import Plan
from tasks.paths import PREFIX_VARIABLE, TEMPLATES, Paths
from tasks.planning.inspection import Inspection
from tasks.progress import SILENT, Progress

NAME = "vikunja-main"

BASE: dict[str, Any] = {
    "deployment": {"instance_id": NAME},
    "lxc": {},
    "network": {
        "ip_address": "10.99.0.10/24",
        "gateway": "10.99.0.1",
        "domain": "tasks.example.com",
    },
    "database": {"type": "sqlite"},
    "build": {"where": "local", "toolchains": "packaged"},
    "admin": {"email": "admin@example.com"},
}


COMMITTER = "committer Tester <tester@example.com> 1767225600 +0000"
"""The same at all times: so are commits."""


def _site_folder() -> Path:
    """A folder for a site. The next site has the same one when this one is gone: what is kept of a
    deployed one names its own files."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else Path(gettempdir())
    for number in count():
        folder = place / f"vkd-lab-{our_mark()}-site{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError


class Repository:
    """A bare git repository with branches `main` and `next`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name, content in _new_repository().items():
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        self._count = 2

    def commit(self, branch: str = "main", migrations: Sequence[str] = ()) -> str:
        """A commit after the branch's last one, with files of these migrations."""
        self._count += 1
        files = {f"pkg/migration/{name}.go": f"// {name}\n" for name in migrations}
        return _commit(self.path, branch, f"Change {self._count}", files)

    def reset(self, branch: str, back: int) -> str:
        """Set the branch so many commits back; where it is then."""
        commit = self._git("rev-parse", f"refs/heads/{branch}~{back}")
        self._git("update-ref", f"refs/heads/{branch}", commit)
        return commit

    def tag(self, commit: str, name: str) -> None:
        self._git("tag", name, commit)

    def _git(self, *arguments: str, stdin: str = "") -> str:
        return _git(f"--git-dir={self.path}", *arguments, stdin=stdin)


def _git(*arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        ["git", *arguments], input=stdin, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def _commit(
    repository: Path, branch: str, message: str, files: Mapping[str, str], *, first: bool = False
) -> str:
    """A commit of these files alone, after the branch's last one unless it is the first."""
    lines = [f"commit refs/heads/{branch}", "mark :1", COMMITTER]
    lines += [f"data {len(message)}", message]
    lines += [] if first else [f"from refs/heads/{branch}^0"]
    lines += ["deleteall"]
    for name, text in files.items():
        lines += [f"M 100644 inline {name}", f"data {len(text)}", text]
    stream = "\n".join([*lines, "", "get-mark :1", ""])
    return _git(
        f"--git-dir={repository}", "fast-import", "--quiet", "--date-format=raw", stdin=stream
    )


@cache
def _new_repository() -> dict[str, bytes]:
    """The files of a repository with a first commit on each branch, as git makes them."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "repository.git"
        _git("init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(path))
        for count, branch in enumerate(("main", "next"), 1):
            _commit(path, branch, f"Change {count}", {}, first=True)
        return {
            str(file.relative_to(path)): file.read_bytes()
            for file in path.rglob("*")
            if file.is_file()
        }


def publish(paths: Paths, instance: Instance, commit: str | None) -> Artifact:
    """An artifact as a build leaves it, with a binary that names its version."""
    key = builds.artifact_key(instance, commit)
    version = f"v1.0.0-{(commit or '')[:8]}"
    if instance.release:
        assert instance.release.version is not None
        version = instance.release.version
    files = {"backend/vikunja": b"\x7fELF stand-in\nversion=" + version.encode() + b"\n"}
    if instance.services.mcp.enabled or instance.release:
        files["mcp-server/dist/index.js"] = f"// {key}\n".encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    path = store.archive_path(paths, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = store.partial_path(paths, key)
    partial.write_bytes(buffer.getvalue())
    published = None
    if instance.release and instance.release.url is None:
        # Its archive was pinned before.
        published = hashlib.sha256(version.encode()).hexdigest()
        url = archive_url(instance.release.mirror, version, kind_of())
        pins.add(paths, Pin(version, kind_of(), published, url, "2026-01-01T00:00:00Z", ""))
    made = Artifact(
        key=key,
        commit=commit,
        version=version,
        path=path,
        sha256=hashlib.sha256(buffer.getvalue()).hexdigest(),
        size=len(buffer.getvalue()),
        parts=("backend",),
        published=published,
    )
    return store.publish(paths, key, partial, made, 0.1)


class Site:
    """One instance: its document (written to config.yaml), its repository, its world."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder = folder
        self.paths = Paths(folder / "host")
        self.world = world
        self.repository = Repository(folder / "repository.git")
        self.config = folder / "config.yaml"
        self.templates = folder / "templates"
        self._containers: dict[bytes, str] = {}
        """Of each configuration, the name of its container."""
        self.document = copy.deepcopy(BASE)
        self.document["git"] = {"repository": str(self.repository.path), "branch": "main"}
        self.write()

    def write(self) -> None:
        self.config.write_text(yaml.safe_dump(self.document, sort_keys=False))

    def instances(self) -> tuple[Instance, ...]:
        return load_instances([self.config], memo=self.paths.readings)

    @property
    def instance(self) -> Instance:
        return self.instances()[0]

    def publish(self) -> Artifact:
        """Have the build that is configured now in the cache."""
        commit = builds.resolve(self.instance.git) if self.instance.git else None
        return publish(self.paths, self.instance, commit)

    def plan(self, targets: Sequence[str] = ()) -> tuple[Mapping[str, Inspection], Plan]:
        looks, failures = look_at(self.instances(), self.paths)
        for failure in failures.values():
            raise failure
        return looks, plan_of(looks, targets)

    def carry_out(self, looks: Mapping[str, Inspection], plan: Plan) -> dict[str, DeployError]:
        return carry_out(looks, plan, self.paths, whole=not plan.targets, allow_destroy=True)

    def apply(self) -> Plan:
        """Plan and do it, in as many rounds as a stopped container takes; the last plan."""
        for _ in range(3):
            looks, plan = self.plan()
            if plan.empty:
                break
            for failure in self.carry_out(looks, plan).values():
                raise failure
        return plan

    def deploy(self) -> None:
        """Apply. What came of it where all was the same is laid here as it was then: for tests that
        begin with it, not for those of how it comes about."""
        world = self.world
        before = frozenset(
            (name, one.mode, one.content) for name, one in keep(self.folder, UNKEPT).items()
        )
        there = pickle.dumps((world.places, world.servers, world.log, world.refusals))
        key = (self.folder, before, there)
        if key not in _DEPLOYED:
            self.apply()
            after = pickle.dumps((world.places, world.servers, world.log, world.refusals))
            _DEPLOYED[key] = keep(self.folder, UNKEPT), after
        files, after = _DEPLOYED[key]
        lay(self.folder, files, UNKEPT)
        world.places, world.servers, world.log, world.refusals = pickle.loads(after)

    def backup_sidecar(
        self, epoch: int, of: str = NAME, trigger: Trigger = "update", files: int = 0
    ) -> Archive:
        """What is left of a backup of what serves now where nobody looks into the archive."""
        green = self.machine.files.get("/etc/vikunja/active/green") is not None
        release = f"/opt/vikunja/backend/{'green' if green else 'blue'}/.release"
        _, version, commit, _ = self.machine.files.content(release).decode().split()
        archive = Archive(epoch, self.instance.backup.directory / NAME)
        archive.folder.mkdir(parents=True, exist_ok=True)
        archive.path.write_bytes(b"")
        contents = Contents(
            backup_version=BACKUP_VERSION,
            instance_id=of,
            created_at=archive.created_at,
            vikunja_version=version,
            vikunja_commit=None if commit == "-" else commit,
            database_type="sqlite",
            database_size_bytes=0,
            files_count=files,
            files_size_bytes=0,
            hostname="tasks.example.com",
            backup_trigger=trigger,
            tables={},
        )
        archive.sidecar.write_bytes(sidecar_text(sealed(contents, 0, "0" * 64)))
        return archive

    def edit_template(self, name: str, text: str) -> None:
        """Add a line to a template, as an update of the tool would."""
        with (self.templates / name).open("a") as file:
            file.write(text)
        forget_templates()

    @property
    def container(self) -> str:
        """The name of the instance's container."""
        text = self.config.read_bytes()
        if text not in self._containers:
            self._containers[text] = self.instance.container_name
        return self._containers[text]

    @property
    def place(self) -> Any:
        return self.world.places[self.container]

    @property
    def machine(self) -> Any:
        return self.place.machine


class Compiled(BytecodeCache):
    """Templates as they were compiled, by their names: every site has copies of its own. One of
    another source is compiled anew."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        return name

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.kept[bucket.key] = bucket.bytecode_to_string()


COMPILED = Compiled()


_DEPLOYED: dict[tuple[Any, ...], tuple[dict[str, Kept], bytes]] = {}
"""Of what there was before, what there was after it was deployed: files, and the world."""
UNKEPT = "templates"
"""In a site's folder: no apply writes there."""


def forget_templates() -> None:
    """A process reads a template once; a test's templates change between two of its plans."""
    rendering._file_digest.cache_clear()
    rendering._shared_files.cache_clear()
    rendering._template_digest.cache_clear()


@contextmanager
def model_site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = _site_folder()
    try:
        world = World(kept=folder / "world")
        site = Site(folder, world)
        monkeypatch.setenv(PREFIX_VARIABLE, str(site.paths.prefix))
        monkeypatch.setenv("VIKUNJA_DEPLOY_CONFIG", str(site.config))
        monkeypatch.setattr("tasks.planning.inspection.container_for", world.container_for)
        shutil.copytree(TEMPLATES, site.templates)
        monkeypatch.setattr(rendering, "TEMPLATES", site.templates)
        monkeypatch.setattr(rendering, "ROOT", folder)
        # What tests without a site have read is of other templates.
        forget_templates()
        rendering._environment.cache_clear()
        rendering._environment().bytecode_cache = COMPILED

        def built(
            instance: Instance, commit: str | None, paths: Paths, progress: Progress = SILENT
        ) -> Artifact:
            key = builds.artifact_key(instance, commit or None)
            with store.lock(paths, key):
                found = store.find(paths, key) or publish(paths, instance, commit or None)
            label = commit[:10] if commit else found.version
            world.record(f"artifact:{label}", "create")
            return found

        monkeypatch.setattr(builds, "build", built)

        def taken(*_: object, **__: object) -> None:
            world.record("backup:before-update", "run")

        monkeypatch.setattr("tasks.backup.take.take", taken)
        # What builds without tools needs none.
        monkeypatch.setattr(builds, "check_toolchain", lambda *_: [])
        yield site
    finally:
        rendering._environment.cache_clear()
        forget_templates()
        shutil.rmtree(folder)
