"""Full disks of the host and of the container, under the commands of daily operation: the site
serves, what is wrong is told once, and with room again everything works."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from inside import Inside
from journey import Site
from small_disk import PAGE, SmallDisk, small_disk

from tasks.containers.lxc.container import LxcContainer
from tasks.model.holder import inspect

FULL = "No space left on device"
PAGES = 512

COMMANDS = (
    ("stop",),
    ("start",),
    ("restart",),
    ("backup",),
    ("drill",),
    ("restore", "--from", "latest", "--yes"),
    ("uninstall", "--yes"),
)


@pytest.fixture
def inside(deployed: Site) -> Inside:
    return Inside(deployed)


def serves(site: Site) -> bool:
    argv = ["curl", "-skf", "--max-time", "60", f"https://{site.address}/api/v1/tasks"]
    return subprocess.run(argv, stdout=subprocess.DEVNULL, check=False).returncode == 0


@contextmanager
def full(folder: Path, aside: Path) -> Iterator[SmallDisk]:
    """What is in the folder is on a disk of its own meanwhile, without a free page."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder, aside, symlinks=True)
    with small_disk(folder, PAGES) as disk:
        shutil.copytree(aside, folder, symlinks=True, dirs_exist_ok=True)
        for log in folder.glob("*.log"):
            # To the end of its last page.
            with log.open("ab") as file:
                file.write(b"-" * (-(log.stat().st_size + 1) % PAGE) + b"\n")
        disk.leave(0)
        yield disk
        disk.free()
        shutil.rmtree(aside)
        shutil.copytree(folder, aside, symlinks=True)
    shutil.copytree(aside, folder, symlinks=True, dirs_exist_ok=True)


def errors(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("error: ")]


@pytest.mark.parametrize("what", ["log", "lock", "state"])
def test_where_records_cannot_be_written_nothing_is_begun(
    deployed: Site, tmp_path: Path, what: str
) -> None:
    site = deployed
    before = site.document["backup"]
    site.edit({"backup": {"directory": str(tmp_path / "backups")}})
    site.run("backup")
    archives = sorted((tmp_path / "backups").rglob("*"))
    place: Path = getattr(site.paths, what)(site.id).parent
    with full(place, tmp_path / "aside") as disk:
        for command in COMMANDS:
            said = site.run(*command, code=1).stderr
            (reported,) = errors(said)
            assert FULL in reported and str(place) in reported
            assert f"Look at {place}: is its disk full" in said
            assert inspect(site.paths, site.id) is None
        assert serves(site)
        disk.free()
        site.run("start")
    assert sorted((tmp_path / "backups").rglob("*")) == archives
    assert not list(site.paths.library.rglob(".*.new"))
    (newest,) = json.loads(site.run("history", "--json", "--lines", "1").stdout)
    assert (newest["operation"], newest["outcome"]) == ("start", "success")
    site.edit({"backup": before})
    assert site.addresses() == []


def test_a_drill_that_finds_no_room_leaves_nothing(deployed: Site, tmp_path: Path) -> None:
    site = deployed
    before = site.document["backup"]
    site.edit({"backup": {"directory": str(tmp_path / "backups")}})
    site.run("backup")
    place = site.paths.drill(site.id).parent
    with small_disk(place, PAGES) as disk:
        disk.leave(0)
        said = site.run("drill", code=1).stderr
        (reported,) = errors(said)
        assert FULL in reported and str(place) in reported
        assert "is its disk full" in said
        assert disk.names() == []
    place.rmdir()
    assert [name for name, _ in LxcContainer.list_owned(site.paths) if site.id in name] == [site.id]
    assert serves(site)
    site.edit({"backup": before})


def test_a_restart_that_cannot_prepare_its_way_back_touches_nothing(
    deployed: Site, inside: Inside
) -> None:
    before = inside.shell("systemctl show -p MainPID vikunja-backend@blue.service")
    home = "/var/lib/vikunja-deploy"
    inside.shell(
        f"cp -a {home} /root/aside && mount -t tmpfs -o size=64k none {home} &&"
        f" cp -a /root/aside/. {home} && cat /dev/zero >{home}/filler 2>/dev/null || :"
    )
    try:
        said = deployed.run("restart", code=1).stderr
        (reported,) = errors(said)
        assert "the way back could not be prepared; what ran serves on" in reported
        assert "Is the container's disk full" in said
        assert serves(deployed)
    finally:
        inside.shell(f"umount {home}; rm -rf /root/aside")
    assert inside.shell("systemctl show -p MainPID vikunja-backend@blue.service") == before
    left = "ls /run/systemd/system/vikunja-standin-* 2>/dev/null || :"
    assert inside.shell(left) == ""
    deployed.run("restart")
    assert serves(deployed)
    assert deployed.addresses() == []
