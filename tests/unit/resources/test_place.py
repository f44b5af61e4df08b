"""What a plan says of the container itself: in place, at a restart, by a move, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tasks.containers.base import ContainerFacts, ContainerSpec, Refusal
from tasks.errors import ResourceError
from tasks.model.plan import AttributeChange
from tasks.resources.base import Difference, Facts
from tasks.resources.container import (
    FILE_SYSTEM,
    HOST_NAME,
    MTU,
    RESOLVERS,
    ContainerRunning,
    DesiredContainer,
    ReplacedContainer,
)

SPEC = ContainerSpec(
    name="vikunja-main",
    instance_id="vikunja-main",
    template="debian-12-standard",
    hostname="vikunja-main",
    cpu_cores=2,
    memory_mb=2048,
    disk_size_gb=20,
    bridge="vmbr0",
    ip_address="192.0.2.10/24",
    gateway="192.0.2.1",
    nameservers=("192.0.2.53",),
    more={"node": "pve", "onboot": True, "vlan": None, "mounts[/srv].size_gb": 50},
)
DESIRED = DesiredContainer(
    spec=SPEC, restarting=frozenset({"nameservers"}), moving=("node", "storage")
)
AS_DESIRED: dict[str, Any] = {
    "template": "debian-12-standard",
    "disk_size_gb": 20,
    "nameservers": ("192.0.2.53",),
    "node": "pve",
    "onboot": True,
    "vlan": None,
    "mounts[/srv].size_gb": 50,
    "container_id": 100,
}


def found(pending: Any = None, **changes: Any) -> Facts:
    attributes = {**AS_DESIRED, **changes}
    return Facts(container=ContainerFacts(True, True, "vikunja-main", attributes, pending or {}))


def test_what_nothing_is_desired_about_is_no_difference() -> None:
    assert DESIRED.difference(found()) is None
    assert DESIRED.difference(found(container_id=101)) is None


def test_values_are_said_in_words() -> None:
    difference = DESIRED.difference(found(onboot=False, vlan=20))
    assert difference is not None
    said = {change.name: (change.before, change.after) for change in difference.changes}
    assert said == {"onboot": ("no", "yes"), "vlan": ("20", "none")}
    assert (difference.action, difference.interrupts) == ("update", "")


@pytest.mark.parametrize(
    ("action", "changes", "running"),
    [
        ("move", {"storage": "a"}, True),
        ("start", {}, False),
    ],
)
def test_what_the_container_s_place_would_refuse_is_refused_by_the_plan(
    action: str, changes: dict[str, Any], running: bool
) -> None:
    spec = replace(SPEC, more={**SPEC.more, "storage": "b"})
    desired = DesiredContainer(spec=spec)
    attributes = {**AS_DESIRED, "storage": "b", **changes}
    refusals = {action: Refusal("it is in the way", "Do so.")}
    facts = ContainerFacts(True, running, "vikunja-main", attributes, refusals=refusals)
    for resource in (desired, ContainerRunning(container=desired)):
        if action == "start" and resource is desired:
            assert resource.difference(Facts(container=facts)) is None
            continue
        with pytest.raises(ResourceError, match="it is in the way") as caught:
            resource.difference(Facts(container=facts))
        assert (caught.value.where, caught.value.hint) == ("vikunja-main", "Do so.")
    # Where nothing of the kind is to be done, nothing is in the way.
    assert desired.difference(Facts(container=replace(facts, attributes=AS_DESIRED))) is None


def test_a_pending_value_is_shown_beside_the_one_that_holds() -> None:
    facts = found({"nameservers": ("192.0.2.53",)}, nameservers=())
    difference = DESIRED.difference(facts)
    assert difference is not None
    (change,) = difference.changes
    assert (change.before, change.after) == ("as the host (pending: 192.0.2.53)", "192.0.2.53")
    restart = ContainerRunning(container=DESIRED).difference(facts)
    assert restart is not None
    assert restart.interrupts == "the site, while it restarts"


@pytest.mark.parametrize(
    ("has", "desired", "restarts"),
    [
        # Proxmox VE changes a fixed address of what runs; nobody in it asks before its next start.
        ({"ip_address": "192.0.2.9/24"}, {}, False),
        ({"ip_address": "192.0.2.9/24"}, {"ip_address": "dhcp", "gateway": ""}, True),
        ({"ip_address": "dhcp"}, {}, True),
        ({"ip6_address": None}, {"ip6_address": "2001:db8::1/64"}, False),
        ({"ip6_address": "2001:db8::1/64"}, {"ip6_address": "auto"}, True),
        ({"ip6_address": "auto"}, {}, True),
    ],
)
def test_who_asks_for_an_address_does_so_from_a_start_on(
    has: dict[str, Any], desired: dict[str, Any], restarts: bool
) -> None:
    container = replace(DESIRED, spec=replace(SPEC, **desired))
    facts = found(**has)
    assert container.difference(facts) is not None
    difference = ContainerRunning(container=container).difference(facts)
    assert (difference is not None) is restarts
    assert difference is None or difference.interrupts == "the site, while it restarts"


def test_another_node_is_a_move_and_destroys_nothing() -> None:
    difference = DESIRED.difference(found(node="pve2"))
    assert difference is not None
    assert (difference.action, difference.destructive) == ("update", False)
    assert difference.interrupts == "the site, while the container moves"


@pytest.mark.parametrize("container", [None, ContainerFacts(False, False, None, {})])
def test_a_container_that_is_not_there_is_shown_by_what_tells_it(
    container: ContainerFacts | None,
) -> None:
    difference = DESIRED.difference(Facts(container=container))
    assert difference is not None
    assert (difference.action, difference.drift) == ("create", "removed")
    assert [(change.name, change.before, change.after) for change in difference.changes] == [
        ("template", None, "debian-12-standard"),
        ("cpu_cores", None, "2"),
        ("memory_mb", None, "2048"),
        ("disk_size_gb", None, "20"),
        ("ip_address", None, "192.0.2.10/24"),
        ("node", None, "pve"),
    ]


RUNNING = ContainerRunning(container=DESIRED)


def state(before: str, after: str) -> tuple[AttributeChange, ...]:
    return (AttributeChange("state", before, after),)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (found(), None),
        # Nothing of what is desired that takes effect by a restart.
        (found(onboot=False), None),
        (Facts(), Difference("create", "stopped")),
        (Facts(container=ContainerFacts(False, True, None, {})), Difference("create", "stopped")),
        (
            Facts(container=ContainerFacts(True, False, "vikunja-main", AS_DESIRED)),
            Difference("update", "stopped", state("stopped", "running")),
        ),
        (found(template="trixie"), Difference("run", "", state("running", "started anew"))),
        (
            found(nameservers=()),
            Difference(
                "run", "", state("running", "restarted"), interrupts="the site, while it restarts"
            ),
        ),
    ],
)
def test_the_container_runs_and_is_restarted_where_a_change_needs_that(
    facts: Facts, expected: Difference | None
) -> None:
    assert RUNNING.difference(facts) == expected


@pytest.mark.parametrize(
    ("changes", "drift"),
    [
        ({"vlan": 20, "onboot": False}, "onboot, vlan changed"),
        ({"identity": "unknown"}, "identity not noted"),
        ({"identity": "unknown", "vlan": 20}, "vlan changed, identity not noted"),
    ],
)
def test_what_differs_is_named_in_order(changes: dict[str, Any], drift: str) -> None:
    spec = replace(SPEC, more={**SPEC.more, "identity": "recorded"})
    difference = replace(DESIRED, spec=spec).difference(
        found(**{"identity": "recorded", **changes})
    )
    assert difference is not None
    assert (difference.action, difference.drift) == ("update", drift)


@pytest.mark.parametrize("name", ["disk_size_gb", "mounts[/srv].size_gb"])
def test_a_disk_grows_and_never_shrinks(name: str) -> None:
    grown = DESIRED.difference(found(**{name: 10}))
    assert grown is not None
    assert grown.action == "update"
    with pytest.raises(ResourceError, match="a disk of 99 GiB cannot shrink") as caught:
        DESIRED.difference(found(**{name: 99}))
    assert caught.value.where == "vikunja-main"
    assert caught.value.hint == (
        "Set it to 99 or more; a smaller disk needs a new container, which ./doit rebuild "
        "vikunja-main makes."
    )


def test_a_mount_point_that_is_not_there_is_made() -> None:
    made = DESIRED.difference(found(**{"mounts[/srv].size_gb": None}))
    assert made is not None
    assert made.changes[0].before == "none"


def test_another_template_is_another_container() -> None:
    difference = DESIRED.difference(found(template="debian-11-standard"))
    assert difference is not None
    # Its data goes over, and it is kept for some days.
    assert (difference.action, difference.destructive) == ("replace", False)
    assert difference.drift == "template changed"
    assert difference.interrupts == (
        "the site, for some seconds, once all is copied to a new container"
    )


def test_an_old_container_goes_once_its_time_is_over() -> None:
    old = ReplacedContainer(container="vikunja-main-old")
    assert old.difference(Facts()) is None
    assert old.difference(Facts(host={old.address: "kept until 2026-12-07"})) is None
    difference = old.difference(Facts(host={old.address: "over since 2026-12-07"}))
    assert difference is not None
    assert (difference.action, difference.destructive) == ("delete", False)
    assert difference.because == ("another took its place, and it was to be kept until 2026-12-07")


def test_the_usual_template_is_only_for_new_containers() -> None:
    unnamed = replace(DESIRED, spec=replace(SPEC, template_named=False))
    assert unnamed.difference(found(template="debian-11-standard")) is None


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        # 20 GiB less what ext4 keeps for itself.
        ("ext2/ext3 5116564 4096", None),
        ("ext2/ext3 4866048 4096", "18.6 (its file system, on a disk of 20)"),
        # Of a pool with little left.
        ("zfs 2500000 4096", None),
        ("btrfs 2500000 4096", None),
        ("ext2/ext3", None),
        ("", None),
        ("a lot", None),
    ],
)
def test_a_file_system_that_stayed_behind_its_disk_is_a_difference(
    answer: str, shown: str | None
) -> None:
    desired = replace(DESIRED, own_disk=True)
    inside = (HOST_NAME, RESOLVERS)
    assert desired.questions() == ((*FILE_SYSTEM, "/"), (*FILE_SYSTEM, "/srv"), *inside)
    assert DESIRED.questions() == inside
    facts = replace(found(), probes={(*FILE_SYSTEM[1:], "/"): answer})
    difference = desired.difference(facts)
    if shown is None:
        assert difference is None
    else:
        assert difference is not None
        (change,) = difference.changes
        assert (change.name, change.before, change.after) == ("disk_size_gb", shown, "20")


def test_the_file_systems_of_further_disks_are_looked_at_too() -> None:
    probes = {(*FILE_SYSTEM[1:], "/srv"): "ext2/ext3 4980000 4096"}
    difference = replace(DESIRED, own_disk=True).difference(replace(found(), probes=probes))
    assert difference is not None
    (change,) = difference.changes
    shown = "19.0 (its file system, on a disk of 50)"
    assert (change.name, change.before, change.after) == ("mounts[/srv].size_gb", shown, "50")


@pytest.mark.parametrize(("has", "differs"), [("1500", True), ("1400", False), ("", False)])
def test_an_mtu_that_is_not_in_effect_calls_for_a_restart(has: str, differs: bool) -> None:
    spec = replace(SPEC, more={**SPEC.more, "mtu": 1400})
    running = ContainerRunning(container=DesiredContainer(spec=spec))
    assert running.questions() == (MTU,)
    facts = replace(found(mtu=1400), texts={MTU[1]: has} if has else {})
    difference = running.difference(facts)
    assert (difference is not None) == differs
    if difference is not None:
        assert difference.action == "run"
        assert difference.changes == (
            AttributeChange("mtu", "1500, until it is restarted", "1400"),
        )
        assert difference.drift == ""
        assert difference.interrupts == "the site, while it restarts"


def test_a_container_that_was_given_another_name_is_named_again_where_we_name_it() -> None:
    texts = {HOST_NAME[1]: "other", RESOLVERS[1]: "nameserver 192.0.2.53"}
    renamed = replace(found(hostname="vikunja-main"), texts=texts)
    assert DESIRED.difference(renamed) is None
    more = {**SPEC.more, "/etc/hostname": "as written", "/etc/hosts": "as written"}
    ours = replace(DESIRED, spec=replace(SPEC, more=more))
    assert HOST_NAME in ours.questions()
    difference = ours.difference(renamed)
    assert difference is not None
    assert [(c.name, c.before, c.after) for c in difference.changes] == [
        ("hostname", "other", "vikunja-main")
    ]
    edited = ours.difference(found(**{"/etc/hosts": "edited"}))
    assert edited is not None
    assert (edited.drift, edited.interrupts) == ("/etc/hosts changed", "")


def test_name_servers_that_were_emptied_inside_come_back_with_a_restart() -> None:
    emptied = replace(found(), texts={HOST_NAME[1]: "vikunja-main"})
    difference = DESIRED.difference(emptied)
    assert difference is not None
    assert [(c.name, c.before, c.after) for c in difference.changes] == [
        ("nameservers", "none in the container", "192.0.2.53")
    ]
    started = ContainerRunning(container=DESIRED).difference(emptied)
    assert started is not None and started.interrupts == "the site, while it restarts"
    # Whose driver writes them at once looks at the file itself.
    live = replace(DESIRED, restarting=frozenset())
    assert live.questions() == ()
    assert live.difference(emptied) is None
    # Nothing was looked at.
    assert DESIRED.difference(found()) is None
