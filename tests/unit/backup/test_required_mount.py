"""A folder of backups that has to be mounted, and is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from instance_samples import sample_instance

from tasks.backup import mount
from tasks.backup.take import folder_of
from tasks.checks import backup
from tasks.errors import ResourceError
from tasks.model.finding import World
from tasks.model.instance import Instance
from tasks.paths import Paths
from tasks.status.backups import inspect_backups


def configured(folder: Path, *, required: bool) -> Instance:
    return sample_instance(backup={"directory": str(folder), "require_mount": required})


@pytest.fixture
def unmounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the root's own file system, as far as anybody can tell."""
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == "/")
    return tmp_path / "nas" / "vikunja"


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A folder below a mount point."""
    point = Path("/dev/shm")
    assert os.path.ismount(point)
    yield point / "backups" / "vikunja"


def test_nothing_is_written_below_a_mount_point_that_is_bare(unmounted: Path) -> None:
    instance = configured(unmounted, required=True)
    for look in (folder_of, lambda one: inspect_backups(one, Paths(unmounted))):
        with pytest.raises(ResourceError, match="is not mounted") as raised:
            look(instance)
        assert raised.value.where == str(unmounted)
    assert not unmounted.parent.exists()


def test_check_says_it_before_anything_is_made(unmounted: Path) -> None:
    world = World(configured(unmounted, required=True), Paths(unmounted), lambda: None)
    with pytest.raises(ResourceError, match="is not mounted"):
        list(backup.check(world))


def test_what_is_mounted_or_needs_no_mount_is_taken(unmounted: Path) -> None:
    instance = configured(unmounted, required=False)
    assert folder_of(instance) == unmounted / instance.id


def test_a_folder_below_a_mount_point_is_mounted(mounted: Path, tmp_path: Path) -> None:
    assert mount.mount_point(mounted) == Path("/dev/shm")
    (tmp_path / "link").symlink_to(mounted.parent)
    assert mount.mount_point(tmp_path / "link" / "vikunja") == Path("/dev/shm")
    instance = configured(mounted, required=True)
    assert folder_of(instance) == mounted / instance.id
