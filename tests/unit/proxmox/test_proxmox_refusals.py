"""What Proxmox VE refuses is refused before anything is begun."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace
from pve.cluster import Guest
from pve.place import Place

from tasks.containers.proxmox.api import Method, Session
from tasks.containers.proxmox.conf import parse_conf
from tasks.containers.proxmox.lifecycle import Lifecycle
from tasks.containers.proxmox.parameters import Config
from tasks.containers.proxmox.privileges import missing, needs_to_remove
from tasks.containers.proxmox.refusals import refusals
from tasks.errors import ResourceError

CHANGING = ("POST", "PUT", "DELETE")


def changed(place: Place, act: Callable[[], None]) -> list[str]:
    """The calls that change something, of an act that is refused."""
    place.cluster.calls.clear()
    with pytest.raises(ResourceError):
        act()
    return [f"{method} {path}" for method, path, _ in place.cluster.calls if method in CHANGING]


def test_nothing_is_refused_of_an_ordinary_container() -> None:
    assert refusals(100, "pve", Config({"protection": "0", "unprivileged": "1"}), ()) == {}


def test_each_refusal_says_what_is_in_the_way() -> None:
    config = Config({"template": "1", "unprivileged": "1"}, snapshots=("before", "after"))
    found = refusals(100, "pve", config, (102, 101))
    assert {action: refusal.what for action, refusal in found.items()} == {
        "destroy": "container 100 is what others are linked clones of: 101, 102",
        "move": "container 100 has snapshots, with which Proxmox VE moves no disk: before, after",
        "start": "container 100 has been made a template of Proxmox VE, which never runs",
    }
    assert "loses what only they hold" in found["move"].hint
    protected = refusals(100, "pve", Config({"protection": "1"}), ())["destroy"]
    assert protected.what == "container 100 is protected"
    assert "remove it with all that is in it" in protected.hint


def test_snapshots_are_the_sections_of_a_configuration_that_are_not_pending() -> None:
    text = "cores: 2\n\n[pve:pending]\ncores: 4\n\n[before]\ncores: 1\n\n[after]\ncores: 1\n"
    found = parse_conf(text)
    assert (found.snapshots, found.coming["cores"]) == (("before", "after"), "4")


@pytest.mark.parametrize("state", ["protected", "cloned"])
def test_what_cannot_be_removed_is_not_even_stopped(
    place: Place, either: Lifecycle, state: str
) -> None:
    either.create()
    either.start()
    guest = place.cluster.guests[100]
    if state == "protected":
        guest.config["protection"] = 1
    else:
        guest.config["template"] = 1
        disk = "local:100/base-100-disk-0.raw/101/vm-101-disk-0.raw,size=20G"
        place.cluster.guests[101] = Guest(101, "pve", {"memory": 512, "rootfs": disk})
        found = either.find()
        assert found is not None
        seen = replace(found, clones=(101,))
        either = replace(either, finder=lambda: seen)
    assert changed(place, either.require_removable) == []
    assert changed(place, either.destroy) == []
    assert guest.running
    either.require_removable(kept=True)


def test_a_disk_with_snapshots_is_not_begun_to_be_moved(place: Place, either: Lifecycle) -> None:
    either.create()
    either.start()
    guest = place.cluster.guests[100]
    guest.snapshots.append("before")
    if either.finder is None:
        found = either.find()
        assert found is not None
        seen = replace(found, config=replace(found.config, snapshots=("before",)))
        either = replace(either, finder=lambda: seen)
    moving = replace(either, desired=replace(either.desired, storage="local-lvm"))
    assert changed(place, moving.move_disk) == []
    assert guest.running


def test_a_retired_container_is_started_by_nobody(place: Place, either: Lifecycle) -> None:
    either.create()
    either.start()
    cluster, guest = place.cluster, place.cluster.guests[100]
    assert guest.config["onboot"] == 1
    either.retire()
    assert (guest.running, guest.config["onboot"], cluster.ha) == (False, 0, {})
    either.retire()
    # And an apply brings it all back.
    either.configure()
    either.start()
    assert (guest.running, guest.config["onboot"]) == (True, 1)
    assert [one["state"] for one in cluster.ha.values()] == ["started"] * bool(either.desired.ha)


@dataclass
class Refusing:
    """A session of which one call is refused. That nothing else is changed before, is asked."""

    session: Session
    method: str
    part: str
    where: str = "pve"
    round_trips: int = 0

    def call(self, method: Method, path: str, parameters: Mapping[str, Any] = {}) -> Any:
        if method == self.method and self.part in path:
            raise ResourceError("Permission check failed")
        return self.session.call(method, path, parameters)


@pytest.mark.parametrize(
    ("method", "part"), [("PUT", "/config"), ("POST", "/status/shutdown"), ("DELETE", "/ha/")]
)
def test_a_retirement_that_is_refused_leaves_what_starts_the_container(
    place: Place, either: Lifecycle, method: str, part: str
) -> None:
    either.create()
    either.start()
    cluster, guest = place.cluster, place.cluster.guests[100]
    if (part == "/ha/") is not bool(either.desired.ha) and part != "/config":
        # A managed one is shut down by asking the manager, any other is none of the manager's.
        return
    refusing = replace(either, session=Refusing(either.session, method, part))
    with pytest.raises(ResourceError):
        refusing.retire()
    assert guest.config["onboot"] == 1
    assert bool(cluster.ha) is bool(either.desired.ha)
    # Refused before anything was done; else it may be down, and whoever asked starts it.
    assert guest.running or part == "/ha/"
    either.start()
    assert guest.running


def test_a_removal_takes_privileges_on_the_container_and_of_a_managed_one_on_the_cluster() -> None:
    granted = {"/vms": {"VM.Allocate": 1, "VM.Config.Options": 1, "VM.PowerMgmt": 1}}
    assert missing(needs_to_remove(100, managed=False), granted) == []
    (lacking,) = missing(needs_to_remove(100, managed=True), granted)
    assert (lacking.path, lacking.privileges) == ("/", ("Sys.Console",))
    (lacking,) = missing(needs_to_remove(100, managed=False), {"/vms/101": {"VM.Allocate": 1}})
    assert lacking.privileges == ("VM.Allocate", "VM.Config.Options", "VM.PowerMgmt")
