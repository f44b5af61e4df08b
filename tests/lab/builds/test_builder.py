"""The builder container, for real: made, used, fetching what it needs, killed, at rest."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from build_trees import Recorded, Repository, content, instance_of, members, package_json, shell
from msgspec.structs import replace

from tasks.builds import artifact_key, build, find, verify
from tasks.builds.artifact import log_path
from tasks.containers.base import ContainerSpec
from tasks.containers.lxc.container import LxcContainer
from tasks.errors import BuildError
from tasks.model.instance import Instance
from tasks.paths import Paths

ROOT = Path(__file__).parents[3]
PACKAGES = ("golang-go", "nodejs", "gcc", "libc6-dev", "libsqlite3-dev", "git")
MakeRepository = Callable[[str], Repository]


def in_container(repository: str, **settings: Any) -> Instance:
    defaults: Mapping[str, Any] = {
        "where": "container",
        "toolchains": "fetch",
        "packages": PACKAGES,
        "timeout_seconds": 1200,
    }
    return instance_of(repository, **{**defaults, **settings})


def at_rest(builder: ContainerSpec, paths: Paths) -> bool:
    facts = LxcContainer(builder, paths).observe()
    return facts.exists and not facts.running


def test_the_sample_is_built_with_what_debian_packages(
    builder: ContainerSpec, lab_paths: Paths, make_repository: MakeRepository
) -> None:
    repository = make_repository("sample")
    ignored = shutil.ignore_patterns("node_modules", "*_test.go")
    shutil.copytree(ROOT / "examples" / "sample", repository.path, dirs_exist_ok=True,
                    ignore=ignored)  # fmt: skip
    first_commit = repository.commit({})
    repository.git("tag", "v1.0.0")
    # As the demo builds it: with Debian's SQLite, which saves compiling it.
    flags = "-ldflags=-s -w -X code.vikunja.io/api/pkg/version.Version={version}"
    go = ("go", "build", "-trimpath", "-tags=osusergo,libsqlite3", flags, "-o", "vikunja", ".")
    instance = in_container(
        repository.url,
        mcp=True,
        frontend=(("node", "build.mjs"),),
        backend=(go,),
        mcp_commands=(("node", "build.mjs"),),
    )
    made = build(instance, first_commit, lab_paths, builder=builder)

    verify(made)
    assert made.version == "v1.0.0"
    assert made.parts == ("backend", "frontend", "mcp-server")
    names = members(made.path)
    assert {"frontend/index.html", "mcp-server/dist/index.js", "backend/vikunja"} <= set(names)
    assert b"v1.0.0" in content(made.path, "backend/vikunja")
    page, log = content(made.path, "frontend/index.html"), log_path(lab_paths, made.key).read_text()
    assert b'<meta name="version" content="v1.0.0">' in page
    assert "Puppeteer: no browser fetched\nCypress: no browser fetched\n" in log
    assert at_rest(builder, lab_paths)

    second = build(
        instance, repository.commit({"README.md": "changed"}), lab_paths, builder=builder
    )
    assert second.version.startswith("v1.0.0-1-g")
    assert find(lab_paths, made.key) == made


def test_builds_run_unprivileged_and_know_nothing_of_the_host(
    builder: ContainerSpec,
    lab_paths: Paths,
    make_repository: MakeRepository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VIKUNJA_CANARY", "secret-of-the-caller")
    repository = make_repository("who")
    commit = repository.commit({"a": "1"})
    script = shell("cp /bin/true vikunja; { id -un; pwd; hostname; env; } >> vikunja")

    made = build(in_container(repository.url, backend=(script,)), commit, lab_paths,
                 builder=builder)  # fmt: skip

    tail = content(made.path, "backend/vikunja").decode(errors="replace")
    assert f"builder\n/srv/build\n{builder.hostname}\n" in tail
    assert "secret-of-the-caller" not in tail
    assert "SUDO" not in tail


def test_newer_go_node_and_pnpm_are_fetched_for_a_tree_that_asks(
    builder: ContainerSpec, lab_paths: Paths, make_repository: MakeRepository
) -> None:
    repository = make_repository("modern")
    commit = repository.commit(
        {
            "go.mod": "module example.org/modern\n\ngo 1.26.4\n",
            "main.go": "package main\n\nfunc main() {}\n",
            "frontend/.nvmrc": "24.13.0\n",
            "frontend/package.json": package_json(
                packageManager="pnpm@10.28.1", engines={"node": ">=24.0.0"}
            ),
        }
    )
    report = shell(
        "mkdir dist; { node --version; pnpm --version; npm --version; } > dist/index.html"
    )
    instance = in_container(
        repository.url,
        frontend=(("pnpm", "install"), report),
        backend=(("go", "build", "-trimpath", "-o", "vikunja", "."),),
        # As the sample of the configuration has it.
        environment={"GOFLAGS": "-mod=readonly"},
    )
    progress = Recorded()

    made = build(instance, commit, lab_paths, progress, builder=builder)

    node, pnpm, npm = content(made.path, "frontend/index.html").decode().split()
    assert (node, pnpm) == ("v24.13.0", "10.28.1")
    assert npm.startswith("11.")
    assert b"go1.26.4" in content(made.path, "backend/vikunja")
    assert "getting go1.26.4.linux-amd64" in progress.texts or os.uname().machine != "x86_64"

    again = build(instance, repository.commit({"b": "2"}), lab_paths, builder=builder)
    assert again.commit != made.commit


def test_a_toolchain_that_was_left_half_fetched_and_read_only_is_fetched_after_all(
    builder: ContainerSpec, lab_paths: Paths, make_repository: MakeRepository
) -> None:
    """As a build with GOFLAGS of its own left it before those were added to the tool's."""
    repository = make_repository("read-only")
    wanted = "go1.22.12"
    fetched = f"golang.org/toolchain@v0.0.1-{wanted}.linux-amd64"
    partial = f"~/toolchains/{wanted}.linux-amd64.partial"
    left = shell(
        f"GOFLAGS= go mod download -json {fetched}; mkdir -p {partial}/x;"
        f" chmod -R a-w {partial}; cp /bin/true vikunja"
    )
    commit = repository.commit({"a": "1"})
    build(in_container(repository.url, backend=(left,)), commit, lab_paths, builder=builder)
    commit = repository.commit(
        {
            "go.mod": "module example.org/later\n\ngo 1.22.12\n",
            "main.go": "package main\n\nfunc main() {}\n",
        }
    )
    go = ("go", "build", "-o", "vikunja", ".")

    made = build(in_container(repository.url, backend=(go,)), commit, lab_paths, builder=builder)

    assert wanted.encode() in content(made.path, "backend/vikunja")


def test_packaged_toolchains_that_are_too_old_are_an_error_before_any_command(
    builder: ContainerSpec, lab_paths: Paths, make_repository: MakeRepository
) -> None:
    repository = make_repository("old")
    commit = repository.commit({"go.mod": "module x\n\ngo 1.26.4\n"})
    instance = in_container(repository.url, toolchains="packaged")

    with pytest.raises(BuildError, match=r"wants Go 1\.26\.4, .* has 1\.19"):
        build(instance, commit, lab_paths, builder=builder)
    assert not log_path(lab_paths, artifact_key(instance, commit)).exists()
    assert at_rest(builder, lab_paths)


def test_a_package_that_does_not_exist_is_named(
    builder: ContainerSpec, lab_paths: Paths, make_repository: MakeRepository
) -> None:
    repository = make_repository("package")
    commit = repository.commit({"a": "1"})
    instance = in_container(repository.url, packages=("no-such-package-at-all",))

    with pytest.raises(BuildError, match="no-such-package-at-all") as caught:
        build(instance, commit, lab_paths, builder=builder)
    assert any("no-such-package-at-all" in line for line in caught.value.evidence)
    assert at_rest(builder, lab_paths)


def test_a_command_over_its_time_is_ended_in_the_container(
    builder: ContainerSpec, lab_paths: Paths, make_repository: MakeRepository
) -> None:
    repository = make_repository("slow")
    commit = repository.commit({"a": "1"})
    slow = shell("echo started; sleep 6543210")

    with pytest.raises(BuildError, match="was ended after") as caught:
        build(
            in_container(repository.url, backend=(slow,), timeout_seconds=2),
            commit,
            lab_paths,
            builder=builder,
        )
    assert caught.value.evidence == ("started",)
    assert at_rest(builder, lab_paths)


CHILD = """
import pickle, sys
from tasks.builds import build
instance, commit, paths, builder = pickle.load(open(sys.argv[1], "rb"))
build(instance, commit, paths, builder=builder)
"""


def test_a_killed_build_is_cleaned_up_by_the_next_one(
    builder: ContainerSpec, lab_paths: Paths, make_repository: MakeRepository, tmp_path: Path
) -> None:
    repository = make_repository("killed")
    commit = repository.commit({"a": "1"})
    # What the next one is told by is there before this one is killed.
    first = "{ touch /home/builder/second; echo waiting; exec sleep 5432109; }"
    script = shell(f"test -e /home/builder/second || {first}; cp /bin/true vikunja")
    instance = in_container(repository.url, backend=(script,))
    plain = replace(
        instance,
        document={},
        build=replace(instance.build, environment={}),
        vikunja=replace(instance.vikunja, environment={}),
    )
    job = tmp_path / "job"
    job.write_bytes(pickle.dumps((plain, commit, lab_paths, builder)))
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(job)], env=dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    )
    log = log_path(lab_paths, artifact_key(instance, commit))
    end = time.monotonic() + 120
    while not (log.exists() and "waiting" in log.read_text()):
        assert time.monotonic() < end and child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert find(lab_paths, artifact_key(instance, commit)) is None
    assert LxcContainer(builder, lab_paths).observe().running

    made = build(instance, commit, lab_paths, builder=builder)

    verify(made)
    assert at_rest(builder, lab_paths)
