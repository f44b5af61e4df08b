"""A container of plain LXC that takes another's place, killed before any line of it."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest
from killed_lines import killed_at, left_by_lines
from msgspec.structs import replace

from tasks.containers.base import ContainerSpec
from tasks.containers.lxc import config, handover, init, ownership
from tasks.containers.lxc.cgroup import Hierarchy, Layout
from tasks.containers.lxc.container import LxcContainer
from tasks.errors import ResourceError
from tasks.host import user_ids
from tasks.model import registry
from tasks.model.registry import Registered, new_identity
from tasks.paths import ROOT, Paths

NAME, BESIDE = "vikunja-main", "vikunja-main-new"
SPEC = ContainerSpec(
    name=NAME,
    instance_id=NAME,
    template="trixie",
    hostname=NAME,
    cpu_cores=2,
    memory_mb=2048,
    disk_size_gb=20,
    bridge="vkd0",
    ip_address="10.1.2.3/24",
    gateway="10.1.2.1",
)
NEW = replace(
    SPEC,
    name=BESIDE,
    instance_id=BESIDE,
    bridge="vkdr1",
    ip_address="198.18.1.2/24",
    gateway="198.18.1.1",
    more={"autostart": False},
)
PARTED = replace(NEW, name=f"{NAME}-old", instance_id=f"{NAME}-old", ip_address="", gateway="")
ENTRY = Registered(
    instance_id=NAME,
    driver="lxc",
    node=None,
    container_id=None,
    container_name=NAME,
    ip_address=SPEC.ip_address,
    domain="tasks.example.com",
    created_at="2026-01-01T00:00:00Z",
    config="/etc/vikunja-deploy/main.yaml",
)
LXC = ROOT / "tasks" / "containers" / "lxc"
WATCHED = (str(LXC / "handover.py"), str(LXC / "guest_files.py"))
"""Whatever is written is by these."""
IDENTITY = new_identity()
NEVER = 10**9


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return registered(tmp_path)


def registered(prefix: Path) -> Paths:
    """Where the instance is known, by an identity that no container has."""
    made = Paths(prefix)
    made.lxc.mkdir(parents=True)
    made.library.mkdir(parents=True)
    registry.add(made, replace(ENTRY, identity=new_identity(), folder=1))
    return made


@pytest.fixture(autouse=True)
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may give files to nobody else."""
    ids = user_ids.IdMap(os.getuid(), os.getgid())
    monkeypatch.setattr(handover, "read_idmap", lambda: ids)


def made(paths: Paths, spec: ContainerSpec = NEW) -> LxcContainer:
    """A stopped container as `create` leaves it."""
    container = LxcContainer(spec, paths)
    (container.folder / "upper/etc").mkdir(parents=True)
    (container.folder / "upper/etc/vikunja-deploy").write_text(f"{spec.instance_id}\n")
    settings = config.from_spec(spec, lower=Path("/b/trixie-1"), bridge_mode="own", mtu=1500)
    text = config.render(
        replace(settings, identity=IDENTITY),
        folder=container.folder,
        lock=Path("/lock"),
        ids=user_ids.IdMap(os.getuid(), os.getgid()),
        layout=Layout(cpu=Hierarchy(Path("/c"), 2), memory=Hierarchy(Path("/c"), 2)),
        apparmor=False,
    )
    (container.folder / "config").write_text(text)
    return container


def test_it_is_the_instance_s_then_by_name_address_and_registry(paths: Paths) -> None:
    new, real = made(paths), LxcContainer(SPEC, paths)
    new.become(real, IDENTITY)
    found = real.observe()
    assert (found.owner, found.identity) == (NAME, IDENTITY)
    assert found.attributes["ip_address"] == SPEC.ip_address
    assert found.attributes["autostart"] is True
    assert not new.folder.exists()
    recorded = registry.find(paths, NAME)
    assert recorded is not None
    assert (recorded.identity, recorded.folder) == (IDENTITY, real.folder.stat().st_ino)
    # Again is success.
    new.become(real, IDENTITY)
    assert real.observe().owner == NAME


def test_one_that_is_kept_is_in_no_network_and_comes_up_by_nobody(paths: Paths) -> None:
    new, old = made(paths), LxcContainer(PARTED, paths)
    new.become(old, IDENTITY)
    text = (old.folder / "config").read_text()
    assert "lxc.net.0.type = empty" in text and "lxc.start.auto = 0" in text
    assert "ipv4" not in text
    found = old.observe()
    assert (found.owner, found.attributes["ip_address"]) == (f"{NAME}-old", "")
    assert found.attributes["bridge"] == "vkdr1"
    old.become(new, IDENTITY)
    assert new.observe().attributes["ip_address"] == NEW.ip_address


@pytest.mark.parametrize("back", [False, True])
def test_killed_at_any_line_it_becomes_either_by_the_next(tmp_path: Path, back: bool) -> None:
    def pair(name: str) -> tuple[LxcContainer, LxcContainer]:
        here = registered(tmp_path / name)
        return made(here), LxcContainer(SPEC, here)

    new, real = pair("first")
    work = partial(new.become, real, IDENTITY)
    # Before a line that leaves what the one before it does, no kill is another.
    lines = [left.line for left in left_by_lines(WATCHED, new.paths.prefix, work)]
    assert len(lines) > 5
    for line in (*lines, NEVER):
        new, real = pair(f"{line}")
        died = killed_at(WATCHED, line, partial(new.become, real, IDENTITY))
        assert died == (line != NEVER)
        seen = [one for one in (new, real) if ownership.read(one.folder)]
        assert len(seen) == 1 and seen[0].known_as(IDENTITY)
        if back and new.known_as(IDENTITY):
            new.become(new, IDENTITY)
            assert new.observe().owner == BESIDE
        elif not back:
            new.become(real, IDENTITY)
            assert real.observe().owner == NAME


def test_what_is_in_the_way_or_another_is_left_as_it_is(paths: Paths) -> None:
    new, real = made(paths), LxcContainer(SPEC, paths)
    real.folder.mkdir()
    with pytest.raises(ResourceError, match="is there already: container vikunja-main-new cannot"):
        new.become(real, IDENTITY)
    real.folder.rmdir()
    with pytest.raises(ResourceError, match="there is no container vikunja-main-new that was made"):
        new.become(real, new_identity())
    assert new.observe().owner == BESIDE


def test_one_that_runs_becomes_no_other(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    new, real = made(paths), LxcContainer(SPEC, paths)
    monkeypatch.setattr(init, "running_init", lambda _: 1)
    with pytest.raises(ResourceError, match="runs and cannot become vikunja-main"):
        new.become(real, IDENTITY)
    new.become(new, IDENTITY)
    assert new.observe().owner == BESIDE
