from __future__ import annotations

import json
from multiprocessing import get_context
from typing import Any

import pytest
from killed_lines import KilledAnywhere
from msgspec.structs import replace

from tasks.errors import DeployError, ResourceError
from tasks.model import registry
from tasks.model.registry import Registered
from tasks.paths import Paths

PROXMOX = Registered(
    instance_id="vikunja-main",
    driver="proxmox",
    node="pve",
    container_id=100,
    container_name="vikunja-main",
    ip_address="192.168.1.100/24",
    domain="vikunja.example.com",
    created_at="2025-10-19T10:30:00Z",
    config="/etc/vikunja-deploy/main.yaml",
)
LXC = replace(
    PROXMOX,
    instance_id="vikunja-demo",
    driver="lxc",
    node=None,
    container_id=None,
    container_name="vikunja-demo",
    ip_address="10.77.0.2/24",
)


def test_what_is_added_is_found_by_id_until_it_is_removed(paths: Paths) -> None:
    assert registry.read(paths) == ()
    registry.add(paths, PROXMOX)
    registry.add(paths, LXC)
    assert registry.read(paths) == (LXC, PROXMOX)
    assert registry.find(paths, "vikunja-main") == PROXMOX
    registry.remove(paths, "vikunja-main")
    registry.remove(paths, "vikunja-main")
    assert registry.read(paths) == (LXC,)
    assert registry.find(paths, "vikunja-main") is None
    assert json.loads((paths.prefix / "var/lib/vikunja-deploy/instances.json").read_text()) == [
        {
            "instance_id": "vikunja-demo",
            "driver": "lxc",
            "node": None,
            "container_id": None,
            "container_name": "vikunja-demo",
            "ip_address": "10.77.0.2/24",
            "domain": "vikunja.example.com",
            "created_at": "2025-10-19T10:30:00Z",
            "config": "/etc/vikunja-deploy/main.yaml",
        }
    ]


def test_adding_again_updates_the_entry_and_keeps_when_it_was_made(paths: Paths) -> None:
    registry.add(paths, PROXMOX)
    moved = replace(PROXMOX, ip_address="192.168.1.101/24", created_at="2026-01-01T00:00:00Z")
    assert registry.add(paths, moved) == replace(moved, created_at=PROXMOX.created_at)
    assert registry.read(paths) == (replace(moved, created_at=PROXMOX.created_at),)


IDENTITY = "a1111111-2222-3333-4444-555555555555"


def test_what_a_container_is_known_by_comes_into_an_entry_of_its_driver_alone(
    paths: Paths,
) -> None:
    registry.note_container(paths, LXC.instance_id, "lxc", identity=IDENTITY, folder=7)
    assert registry.read(paths) == ()
    registry.add(paths, LXC)
    registry.note_container(paths, LXC.instance_id, "proxmox", identity=IDENTITY, container_id=9)
    assert registry.read(paths) == (LXC,)
    registry.note_container(paths, LXC.instance_id, "lxc", identity=IDENTITY, folder=7)
    noted = replace(LXC, identity=IDENTITY, folder=7)
    assert registry.find(paths, LXC.instance_id) == noted
    before = paths.registry.stat().st_ino
    registry.note_container(paths, LXC.instance_id, "lxc", identity=IDENTITY, folder=7)
    assert paths.registry.stat().st_ino == before
    registry.add(paths, PROXMOX)
    registry.note_container(
        paths, PROXMOX.instance_id, "proxmox", identity=IDENTITY, container_id=105
    )
    moved = replace(PROXMOX, identity=IDENTITY, container_id=105)
    assert registry.read(paths) == (noted, moved)


@pytest.mark.parametrize(
    ("field", "value"), [("identity", "mine"), ("identity", 1), ("folder", "7")]
)
def test_what_it_is_known_by_has_a_form(paths: Paths, field: str, value: object) -> None:
    registry.add(paths, LXC)
    (entry,) = json.loads(paths.registry.read_text())
    paths.registry.write_text(json.dumps([{**entry, field: value}]))
    with pytest.raises(DeployError, match=f"{field} cannot be"):
        registry.read(paths)


def test_what_another_process_wrote_is_read_anew(paths: Paths) -> None:
    registry.add(paths, LXC)
    assert registry.read(paths) == registry.read(paths) == (LXC,)
    text = paths.registry.read_text()
    paths.registry.write_text(text.replace("10.77.0.2", "10.77.0.3"))
    assert registry.read(paths)[0].ip_address == "10.77.0.3/24"
    paths.registry.unlink()
    assert registry.read(paths) == ()


def test_adding_the_same_again_does_not_write(paths: Paths) -> None:
    registry.add(paths, PROXMOX)
    before = paths.registry.stat()
    registry.add(paths, PROXMOX)
    assert paths.registry.stat().st_ino == before.st_ino


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (replace(PROXMOX, container_name="x", ip_address="10.0.0.1/8"), "container 100"),
        (replace(PROXMOX, node="pve2", container_name="x", ip_address="::1/64"), "container 100"),
        (
            replace(PROXMOX, container_id=101, ip_address="10.0.0.1/8"),
            "container name vikunja-main",
        ),
        (replace(PROXMOX, container_id=101, container_name="x"), "address 192.168.1.100"),
        (replace(LXC, ip_address="192.168.1.100/16"), "address 192.168.1.100"),
    ],
)
def test_what_belongs_to_another_instance_is_refused(
    paths: Paths, other: Registered, what: str
) -> None:
    registry.add(paths, PROXMOX)
    with pytest.raises(ResourceError) as caught:
        registry.add(paths, replace(other, instance_id="second"))
    assert str(caught.value) == f"second: {what} belongs to vikunja-main"
    assert caught.value.exit_code == 4
    assert registry.read(paths) == (PROXMOX,)


def test_containers_of_different_drivers_may_have_one_name(paths: Paths) -> None:
    registry.add(paths, PROXMOX)
    registry.add(paths, replace(LXC, container_name="vikunja-main"))
    assert len(registry.read(paths)) == 2


def test_two_containers_without_a_number_are_not_the_same_one(paths: Paths) -> None:
    registry.add(paths, LXC)
    registry.add(
        paths, replace(LXC, instance_id="b", container_name="b", ip_address="10.77.0.3/24")
    )
    assert len(registry.read(paths)) == 2


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("{}", "a list is expected"),
        ("[1]", "entry 1: an object is expected, not int"),
        ("[{", "not JSON at line 1 column 3: Expecting property name"),
    ],
)
def test_a_damaged_registry_is_an_error_that_says_what_to_do(
    paths: Paths, content: str, what: str
) -> None:
    paths.registry.parent.mkdir(parents=True)
    paths.registry.write_text(content)
    with pytest.raises(DeployError) as caught:
        registry.read(paths)
    assert str(caught.value).startswith(f"{paths.registry}: is damaged, {what}")
    assert caught.value.hint == (
        f"Move {paths.registry} aside: the next apply of each instance enters it again."
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [("ip_address", "somewhere"), ("driver", "docker"), ("container_id", "1"), ("domain", "")],
)
def test_a_wrong_field_of_an_entry_is_named(paths: Paths, field: str, value: str) -> None:
    registry.add(paths, LXC)
    registry.add(paths, PROXMOX)
    entries = json.loads(paths.registry.read_text())
    entries[1][field] = value
    paths.registry.write_text(json.dumps(entries))
    with pytest.raises(DeployError, match=f"entry 2: {field} cannot be {value!r}"):
        registry.find(paths, "vikunja-demo")


def _add_and_remove(paths: Paths, first: int) -> None:
    for number in range(first, first + 12):
        entry = replace(
            LXC,
            instance_id=f"instance-{number}",
            container_name=f"container-{number}",
            ip_address=f"10.1.{number // 250}.{number % 250 + 1}/16",
        )
        registry.add(paths, entry)
        if number % 2:
            registry.remove(paths, entry.instance_id)


def test_parallel_instances_do_not_lose_each_others_entries(paths: Paths) -> None:
    context = get_context("fork")
    children = [
        context.Process(target=_add_and_remove, args=(paths, first)) for first in range(0, 96, 12)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert {entry.instance_id for entry in registry.read(paths)} == {
        f"instance-{number}" for number in range(0, 96, 2)
    }


def _claim(paths: Paths, number: int, results: Any) -> None:
    entry = replace(LXC, instance_id=f"instance-{number}", container_name=f"container-{number}")
    try:
        registry.add(paths, entry)
        results.put("added")
    except ResourceError:
        results.put("refused")


def test_of_many_instances_wanting_one_address_one_gets_it(paths: Paths) -> None:
    context = get_context("fork")
    results = context.Queue()
    children = [context.Process(target=_claim, args=(paths, n, results)) for n in range(8)]
    for child in children:
        child.start()
    outcomes = sorted(results.get(timeout=30) for _ in children)
    for child in children:
        child.join(30)
    assert outcomes == ["added"] + ["refused"] * 7
    assert len(registry.read(paths)) == 1


def test_killed_at_any_line_it_leaves_the_entries_before_or_after(
    paths: Paths, killed_anywhere: KilledAnywhere
) -> None:
    registry.add(paths, LXC)
    seen = set()
    for _ in killed_anywhere(lambda: registry.add(paths, PROXMOX)):
        seen.add(registry.read(paths))
    assert seen == {(LXC,), (LXC, PROXMOX)}
