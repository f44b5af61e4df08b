"""Small real repositories and instances that are built from them."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from instance_samples import sample_instance
from msgspec.structs import replace

from tasks.model.instance import Build, Git, Instance, Release

COMPILE = ("/bin/sh", "-c", 'cp /bin/true vikunja && printf %s "$RELEASE_VERSION" >> vikunja')
"""A backend build: a real ELF that exits 0 for `version`, with the version at its end."""


class Repository:
    """A git repository with work tree. Times are fixed, so equal contents give equal commits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def git(self, *arguments: str) -> str:
        identity = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (
                ("NAME", "Tester"),
                ("EMAIL", "tester@example.org"),
                ("DATE", "2025-01-02T03:04:05Z"),
            )
        }
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=dict(os.environ) | identity,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str], message: str = "change") -> str:
        for name, text in files.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")


def package_json(**fields: Any) -> str:
    return json.dumps({"name": "part", **fields})


def instance_of(
    repository: str = "",
    *,
    id: str = "vikunja-test",
    branch: str = "main",
    release: Release | None = None,
    mcp: bool = False,
    mcp_commands: tuple[tuple[str, ...], ...] = (),
    **build: Any,
) -> Instance:
    """An instance whose build settings are given; local and packaged unless said otherwise."""
    settings = Build(
        where="local",
        toolchains="packaged",
        packages=(),
        backend=(COMPILE,),
        frontend=(),
        mcp=mcp_commands,
        environment=MappingProxyType({}),
        timeout_seconds=60,
    )
    sample = sample_instance(lxc={"name": id, "template": "bookworm"})
    return replace(
        sample,
        id=id,
        services=replace(sample.services, mcp=replace(sample.services.mcp, enabled=mcp)),
        git=None if release else Git(repository, branch),
        release=release,
        build=replace(settings, **build),
    )


def release_of(**given: Any) -> Release:
    """A release with these keys, the others as where nothing is given but addresses."""
    nothing = {"channel": None, "version": None, "url": None, "sha256": None}
    nowhere = {"major": "ask", "mirror": "http://127.0.0.1:1", "digests": "none"}
    return Release(**{**nothing, **nowhere, **given})


class Recorded:
    """Progress that keeps what it was told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def step(self, text: str, fraction: float | None = None, since: float | None = None) -> None:
        self.texts.append(text)


def members(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(path) as archive:
        return {member.name: member for member in archive}


def content(path: Path, name: str) -> bytes:
    with tarfile.open(path) as archive:
        file = archive.extractfile(name)
        assert file is not None
        return file.read()


def shell(script: str) -> tuple[str, ...]:
    """A build command that is one line of shell."""
    return ("/bin/sh", "-c", script)
