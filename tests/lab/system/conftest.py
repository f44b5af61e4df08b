"""One container for all of these tests, and the sample application in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from system_lab import SAMPLE, VERSION, Inside, Site, release

from tasks.containers.lxc.container import LxcContainer
from tasks.host.packages import ensure
from tasks.paths import Paths

GO = ("golang-go", "gcc", "libc6-dev")
NODE = ("nodejs",)


@pytest.fixture(scope="session")
def inside(make_container: Callable[[str], LxcContainer], lab_paths: Paths) -> Inside:
    container = make_container("system")
    container.create()
    container.start()
    return Inside(container, lab_paths)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample application's tree, built."""
    ensure([*(() if shutil.which("go") else GO), *(() if shutil.which("node") else NODE)])
    tree = tmp_path_factory.mktemp("sample") / "tree"
    shutil.copytree(SAMPLE, tree)
    version = f"-s -w -X code.vikunja.io/api/pkg/version.Version={VERSION}"
    for folder, argv in (
        ("frontend", ["node", "build.mjs"]),
        ("mcp-server", ["node", "build.mjs"]),
        (".", ["go", "build", "-trimpath", "-tags", "osusergo", "-ldflags", version,
               "-o", "vikunja", "."]),
    ):  # fmt: skip
        environment = {**os.environ, "CGO_ENABLED": "1"}
        subprocess.run(argv, cwd=tree / folder, env=environment, check=True)
    return tree


@pytest.fixture(scope="session")
def site(inside: Inside, sample: Path) -> Site:
    """The sample application and its MCP server behind nginx, on blue, with SQLite and redis."""
    instance = inside.instance(
        redis={"enabled": True},
        services={"mcp": {"enabled": True}},
        vikunja={"registration": True, "environment": {"SAMPLE_VERSION": VERSION}},
    )
    inside.apply(instance)
    release(inside, sample)
    inside.apply(instance, "blue")
    return Site(inside, instance)
