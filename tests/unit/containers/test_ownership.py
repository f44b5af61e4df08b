"""Whose a container folder of plain LXC is, and what tells it from a copy of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from tasks.containers.base import NOT_RECORDED, RECORDED, ContainerSpec
from tasks.containers.lxc import config, facts
from tasks.containers.lxc.cgroup import Hierarchy, Layout
from tasks.containers.lxc.container import LxcContainer
from tasks.errors import ResourceError
from tasks.host import user_ids
from tasks.model import registry
from tasks.model.registry import Registered, new_identity
from tasks.paths import Paths

NAME = "vikunja-main"
SPEC = ContainerSpec(
    name=NAME,
    instance_id=NAME,
    template="bookworm",
    hostname=NAME,
    cpu_cores=2,
    memory_mb=2048,
    disk_size_gb=20,
    bridge="vkd0",
    ip_address="10.1.2.3/24",
    gateway="10.1.2.1",
)
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


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(tmp_path)
    made.lxc.mkdir(parents=True)
    return made


def box(paths: Paths, name: str = NAME) -> LxcContainer:
    return LxcContainer(replace(SPEC, name=name), paths)


def written(folder: Path, identity: str | None) -> None:
    """The configuration as the driver writes it."""
    settings = config.from_spec(SPEC, lower=Path("/b/bookworm-1"), bridge_mode="own", mtu=1500)
    text = config.render(
        replace(settings, identity=identity),
        folder=folder,
        lock=Path("/lock"),
        ids=user_ids.IdMap(os.getuid(), os.getgid()),
        layout=Layout(cpu=Hierarchy(Path("/c"), 2), memory=Hierarchy(Path("/c"), 2)),
        apparmor=False,
    )
    (folder / "config").write_text(text)


def make(paths: Paths, *, identity: str | None = None, recorded: bool = True) -> LxcContainer:
    """A container as `create` leaves it. identity None: as it left them before there were any."""
    made = box(paths)
    (made.folder / "upper/etc").mkdir(parents=True)
    (made.folder / "upper/etc/vikunja-deploy").write_text(f"{NAME}\n")
    written(made.folder, identity)
    if recorded:
        inode = made.folder.stat().st_ino if identity else None
        registry.add(paths, replace(ENTRY, identity=identity, folder=inode))
    return made


def copied(paths: Paths, name: str = "copy", *, at_home: bool = True) -> LxcContainer:
    """A copy of the folder by hand. at_home: with the paths in its configuration edited."""
    original, folder = paths.lxc / NAME, paths.lxc / name
    shutil.copytree(original, folder, symlinks=True)
    if at_home:
        file = folder / "config"
        file.write_text(file.read_text().replace(f"{original}", f"{folder}"))
    return box(paths, name)


def refused(container: LxcContainer) -> ResourceError:
    """What every change of it ends with, and that looking at it says the same."""
    seen = container.observe()
    assert seen.owner is None
    assert seen.unproven is not None
    for act in (container.configure, container.start, container.stop, container.destroy):
        with pytest.raises(ResourceError) as caught:
            act()
        assert (caught.value.what, caught.value.hint) == (seen.unproven.what, seen.unproven.hint)
        assert caught.value.exit_code == 4
    for refusing in (container.create, container.require_removable, container.retire):
        with pytest.raises(ResourceError, match="not proven ours"):
            refusing()
    assert "lost" not in seen.unproven.hint.replace("nothing in it is lost", "").replace(
        "nothing in them is lost", ""
    )
    return caught.value


@pytest.mark.parametrize("identity", [None, "a1111111-2222-3333-4444-555555555555"])
def test_a_copy_is_told_from_the_container_whoever_is_asked_for(
    paths: Paths, identity: str | None
) -> None:
    original = make(paths, identity=identity)
    unedited = copied(paths, "unedited", at_home=False)
    assert original.observe().owner == NAME
    assert "copy of" in refused(unedited).what
    assert f"set lxc.name to {NAME}" in refused(unedited).hint
    assert original.copies() == ("unedited",)


def test_the_recorded_container_goes_on_beside_a_copy_that_is_complete(paths: Paths) -> None:
    original = make(paths, identity=new_identity())
    copy = copied(paths)
    assert original.observe().owner == NAME
    original.require_removable()
    assert original.copies() == ("copy",)
    said = refused(copy)
    assert said.what == (
        "container copy is not proven ours: the recorded one of vikunja-main is vikunja-main, so "
        "this is a copy of it, or it under another name"
    )
    assert "Put lxc.name: vikunja-main back" in said.hint


def test_a_copy_in_the_place_of_the_container_is_refused_and_both_are_named(paths: Paths) -> None:
    make(paths, identity=new_identity())
    (paths.lxc / NAME).rename(paths.lxc / "aside")
    shutil.copytree(paths.lxc / "aside", paths.lxc / NAME)
    said = refused(box(paths))
    assert f"is {paths.lxc / 'aside'} now, and this is another in its place" in said.what
    with pytest.raises(ResourceError, match="another in its place"):
        box(paths).missing()


def test_without_a_recorded_identity_two_that_say_so_are_refused_and_both_named(
    paths: Paths,
) -> None:
    original = make(paths)
    copied(paths)
    said = refused(original)
    assert "vikunja-main and copy all say that they are vikunja-main's" in said.what
    assert "nothing in them is lost" in said.hint
    assert f"./doit apply --adopt {NAME}" in said.hint
    # The user says which it is; from then on it is known from the copy.
    assert original.missing() == "container vikunja-main becomes the recorded one"
    original.adopt()
    assert original.observe().owner == NAME
    assert original.missing() is None
    refused(box(paths, "copy"))


def test_two_that_no_registry_knows_are_refused_and_neither_is_adopted(paths: Paths) -> None:
    original = make(paths, identity=new_identity(), recorded=False)
    copied(paths)
    assert "--adopt" not in refused(original).hint
    with pytest.raises(ResourceError, match="the registry has none"):
        original.missing()


def test_one_that_was_made_before_there_were_identities_gets_one_with_the_next_apply(
    paths: Paths,
) -> None:
    original = make(paths)
    seen = original.observe()
    assert (seen.owner, seen.attributes["identity"]) == (NAME, NOT_RECORDED)
    settings = config.parse((original.folder / "config").read_text())
    assert settings is not None
    original.ownership.note(settings)
    entry = registry.find(paths, NAME)
    assert entry is not None
    # Killed here, it has its identity in the registry alone: it is still its own, and goes on.
    assert original.observe().owner == NAME
    assert original.observe().attributes["identity"] == NOT_RECORDED
    written(original.folder, entry.identity)
    assert original.observe().attributes["identity"] == RECORDED


def test_a_host_brought_back_from_a_backup_has_its_containers(paths: Paths) -> None:
    make(paths, identity=new_identity())
    (paths.lxc / NAME).rename(paths.lxc / ".before")
    shutil.copytree(paths.lxc / ".before", paths.lxc / NAME)
    shutil.rmtree(paths.lxc / ".before")
    seen = box(paths).observe()
    assert (seen.owner, seen.attributes["identity"]) == (NAME, NOT_RECORDED)
    box(paths).require_removable()


def test_another_life_of_the_instance_is_taken_up_only_by_being_adopted(paths: Paths) -> None:
    original = make(paths, identity=new_identity())
    written(original.folder, new_identity())
    said = refused(original)
    assert "another in its place" in said.what
    assert f"./doit apply --adopt {NAME}" in said.hint
    original.adopt()
    seen = original.observe()
    assert (seen.owner, seen.attributes["identity"]) == (NAME, RECORDED)


def test_where_the_recorded_container_is_gone_its_copy_is_not_taken_for_it(paths: Paths) -> None:
    make(paths, identity=new_identity())
    copied(paths)
    shutil.rmtree(paths.lxc / NAME)
    for name in (NAME, "another"):
        with pytest.raises(
            ResourceError, match="its recorded container vikunja-main is gone"
        ) as no:
            box(paths, name).observe()
        assert "copy" in no.value.what
    refused(box(paths, "copy"))
    assert box(paths, "copy").missing() == "container copy becomes the recorded one"
    box(paths, "copy").adopt()
    assert box(paths, "copy").observe().owner == NAME
    entry = registry.find(paths, NAME)
    assert entry is not None and entry.container_name == "copy"


def test_a_marker_that_was_removed_is_put_back_where_the_registry_has_the_container(
    paths: Paths,
) -> None:
    original = make(paths, identity=new_identity())
    marker = original.folder / "upper/etc/vikunja-deploy"
    marker.unlink()
    said = refused(original)
    assert said.what == (
        "container vikunja-main exists and is not proven ours: its configuration names "
        "vikunja-main, its marker /etc/vikunja-deploy is missing"
    )
    assert f"./doit apply --adopt {NAME}" in said.hint
    assert original.missing() == "container vikunja-main gets its /etc/vikunja-deploy back"
    original.adopt()
    assert marker.read_text() == f"{NAME}\n"
    assert original.observe().owner == NAME
    assert original.missing() is None


def test_what_keeps_it_from_being_adopted_is_named(paths: Paths) -> None:
    original = make(paths, identity=new_identity())
    copied(paths)
    (original.folder / "upper/etc/vikunja-deploy").unlink()
    with pytest.raises(ResourceError, match="copy says that it is vikunja-main's, too") as caught:
        original.missing()
    assert "move its folder out of" in caught.value.hint
    shutil.rmtree(paths.lxc / "copy")
    assert original.missing() == "container vikunja-main gets its /etc/vikunja-deploy back"


def test_a_configuration_that_lost_its_lines_gets_them_back(paths: Paths) -> None:
    original = make(paths, identity=new_identity())
    file = original.folder / "config"
    lines = [line for line in file.read_text().splitlines() if "vikunja-deploy: " not in line]
    file.write_text("\n".join(lines) + "\n")
    assert "its configuration names no instance" in refused(original).what
    original.adopt()
    seen = original.observe()
    assert (seen.owner, seen.attributes["identity"]) == (NAME, RECORDED)
    # Not made from something else by that: that would be a plan to replace it.
    assert seen.template == "bookworm"


@pytest.mark.parametrize("left", ["another's marker", "neither", "no entry", "another folder's"])
def test_what_too_little_speaks_for_is_not_adopted(paths: Paths, left: str) -> None:
    original = make(paths, identity=new_identity(), recorded=left != "no entry")
    marker, file = original.folder / "upper/etc/vikunja-deploy", original.folder / "config"
    marker.unlink()
    if left == "another's marker":
        marker.write_text("vikunja-other\n")
    elif left == "neither":
        file.write_text("lxc.uts.name = x\n")
    elif left == "another folder's":
        file.write_text(file.read_text().replace(f"{original.folder}", "/elsewhere"))
    before = file.read_text()
    with pytest.raises(ResourceError, match="not proven ours"):
        original.missing()
    with pytest.raises(ResourceError, match="not proven ours"):
        original.adopt()
    assert file.read_text() == before


def test_the_recorded_container_is_known_without_a_look_at_the_others(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = make(paths, identity=new_identity())
    copied(paths)
    monkeypatch.setattr("tasks.containers.lxc.network.configurations", lambda _: pytest.fail("all"))
    assert original.observe().attributes["identity"] == RECORDED


def test_a_registry_that_cannot_be_read_keeps_nobody_from_looking(paths: Paths) -> None:
    original = make(paths, identity=new_identity())
    paths.registry.write_text("{")
    assert original.observe().owner == NAME


def test_what_the_registry_has_is_in_the_facts(paths: Paths) -> None:
    identity = new_identity()
    seen = make(paths, identity=identity).observe()
    assert seen.identity == identity
    assert seen.folder == (paths.lxc / NAME).stat().st_ino
    assert facts.NOTHING.identity is None
