"""A builder container of this run's own; the small repositories are those of the unit tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from build_trees import Repository
from msgspec.structs import replace

from tasks.builds import prune
from tasks.builds.artifact import keys as keys_of
from tasks.builds.builder import builder_spec
from tasks.builds.git import mirror_path
from tasks.containers.base import ContainerSpec
from tasks.containers.lxc.container import LxcContainer
from tasks.model.instance import OLDEST_SUITE, Git
from tasks.paths import Paths


@pytest.fixture(scope="session")
def builder(lab_paths: Paths) -> Iterator[ContainerSpec]:
    """The builder that all tests here share; it starts from nothing and goes at the end.

    Of the oldest Debian, whose Go does not fetch its successors by itself.
    """
    number = os.getpid()
    spec = replace(
        builder_spec(OLDEST_SUITE),
        name=f"vkd-lab-builder-{number}",
        instance_id=f"vkd-lab-builder-{number}",
        bridge=f"vkdbld{number}",
        ip_address=f"10.77.{number % 200 + 2}.2/24",
        gateway=f"10.77.{number % 200 + 2}.1",
    )
    before = keys_of(lab_paths)
    yield spec
    LxcContainer(spec, lab_paths).destroy()
    (lab_paths.cache / f"{spec.name}.lock").unlink(missing_ok=True)
    prune(lab_paths, before, keep=0)


@pytest.fixture
def make_repository(tmp_path: Path, lab_paths: Paths) -> Iterator[Callable[[str], Repository]]:
    """A repository whose commits no other run has made, so that nothing is in the cache yet."""
    mirrors = []

    def make(name: str) -> Repository:
        repository = Repository(tmp_path / name)
        repository.commit({"unique": f"{os.getpid()} {os.urandom(8).hex()}"})
        mirrors.append(mirror_path(Git(repository.url, "main"), lab_paths))
        return repository

    yield make
    for mirror in mirrors:
        shutil.rmtree(mirror, ignore_errors=True)
        mirror.with_suffix(".lock").unlink(missing_ok=True)
