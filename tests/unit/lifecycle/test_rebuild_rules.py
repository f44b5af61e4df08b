"""What a rebuild refuses before anything is made, and which release it takes along."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from instance_samples import SECTIONS, sample_instance
from msgspec.structs import replace

from tasks import builds
from tasks.backup import running_instance
from tasks.backup.configuration import Gathered
from tasks.backup.running_instance import RunningInstance
from tasks.containers.base import NOT_RECORDED, RECORDED, ContainerFacts
from tasks.containers.lxc.container import LxcContainer
from tasks.containers.lxc.facts import NOTHING
from tasks.containers.proxmox.container import ProxmoxContainer
from tasks.errors import DeployError, ResourceError, UsageError
from tasks.model import registry
from tasks.model.application import Files
from tasks.model.instance import Instance
from tasks.model.plan import InstancePlan, PlanEntry
from tasks.model.registry import Registered
from tasks.paths import Paths
from tasks.planning.refusals import refuse_replacing
from tasks.workflows.drill_site import DrillNetwork
from tasks.workflows.rebuild import site as sites
from tasks.workflows.rebuild.deployment import same_release

IDENTITY = "11111111-2222-3333-4444-555555555555"
PVE = sample_instance(**SECTIONS["proxmox"])
AT = DrillNetwork("vikunja0", "10.98.0.9/24", "10.98.0.1")


def found(**changes: Any) -> ContainerFacts:
    facts = ContainerFacts(
        True, True, "vikunja-main", {"identity": RECORDED, "container_id": 105}, identity=IDENTITY
    )
    return replace(facts, **changes)


@pytest.fixture
def next_number(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.containers.proxmox import ProxmoxDriver

    monkeypatch.setattr(ProxmoxDriver, "next_number", lambda *_: 107)


@pytest.mark.usefixtures("next_number")
@pytest.mark.parametrize(
    ("instance", "network", "said"),
    [
        (
            PVE,
            None,
            "vikunja-main: a rebuild needs an address on the instance's network, until the old "
            "one's is free => Name one that is free: rebuild.address, or ./doit rebuild "
            "vikunja-main --address 192.0.2.9/24",
        ),
        (
            sample_instance(lxc=None, proxmox={"node": "pve", "container_id": 105}),
            AT,
            "vikunja-main: proxmox.container_id: 105 is the number of the container that is to be "
            "replaced, and both are there for a while => Set it to one that is free (the next is "
            "107), or take the key out.",
        ),
        (
            sample_instance(database={"type": "postgresql", "host": "/run/postgresql"}),
            None,
            "vikunja-main: database.host: its database is reached by a socket in the container, "
            "which a new one does not have => Do by hand what the docs say: docs/staying.md, "
            "Another Debian, another disk.",
        ),
    ],
)
def test_what_is_configured_may_let_no_second_container_be_made(
    instance: Instance, network: DrillNetwork | None, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        sites.refuse_configured(instance, network, found(), Paths(tmp_path))
    assert f"{caught.value} => {caught.value.hint}" == said


@pytest.mark.parametrize(
    "instance",
    [PVE, sample_instance(lxc=None, proxmox={"node": "pve", "container_id": 106})],
)
def test_another_number_or_none_is_made_beside(instance: Instance, tmp_path: Path) -> None:
    sites.refuse_configured(instance, AT, found(), Paths(tmp_path))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"exists": False, "running": False, "owner": None},
            "vikunja-main: there is no container that a new one could take the place of",
        ),
        (
            {"running": False},
            "vikunja-main: its container is stopped, and its data is copied while it runs",
        ),
        (
            {"identity": None},
            "vikunja-main: its container was made before containers were known by an identity",
        ),
        (
            {"attributes": {"identity": NOT_RECORDED}},
            "vikunja-main: its container was made before containers were known by an identity",
        ),
        (
            {"owner": "other"},
            "vikunja-main: container vikunja-main exists and belongs to instance other",
        ),
    ],
)
def test_what_is_there_may_be_no_container_to_copy_from(
    changes: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = found(attributes={"identity": RECORDED})
    monkeypatch.setattr(LxcContainer, "observe", lambda _: replace(facts, **changes))
    with pytest.raises(ResourceError) as caught:
        sites.find_site(sample_instance(), None, Paths(tmp_path))
    assert str(caught.value) == said


def serving(instance: Instance, version: str = "v1.0.0") -> RunningInstance:
    return RunningInstance(instance, "blue", version, None, Gathered({}, {}), 0)


@pytest.mark.parametrize(
    ("running", "said"),
    [
        (
            serving(sample_instance(), "unknown"),
            "vikunja-main: no application serves in its container",
        ),
        (
            serving(sample_instance(database={"type": "postgresql"})),
            "vikunja-main: database: another database is configured than the one that serves",
        ),
        (
            serving(
                replace(
                    sample_instance(),
                    vikunja=replace(sample_instance().vikunja, files=Files("/srv/files")),
                )
            ),
            "vikunja-main: vikunja.files: another place of attachments is configured than the one "
            "that serves",
        ),
    ],
)
def test_one_thing_is_done_after_the_other(
    running: RunningInstance, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = found(attributes={"identity": RECORDED})
    monkeypatch.setattr(LxcContainer, "observe", lambda _: facts)
    monkeypatch.setattr(running_instance, "find", lambda *_: running)
    with pytest.raises(DeployError) as caught:
        sites.find_site(sample_instance(), None, Paths(tmp_path))
    assert str(caught.value) == said


def there(*names: str, **changes: Any) -> Callable[[Any], ContainerFacts]:
    """What is observed of a container, where it has one of these names."""
    return lambda one: found(**changes) if one.spec.name in names else NOTHING


@pytest.mark.parametrize(
    ("others", "kept"),
    [((), "-old"), (("vikunja-main-old",), "-old2"), (("vikunja-main-old2",), "-old")],
)
def test_the_old_one_is_kept_by_a_name_that_no_other_container_has(
    others: tuple[str, ...], kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LxcContainer, "observe", there("vikunja-main", *others))
    monkeypatch.setattr(running_instance, "find", lambda *_: serving(sample_instance()))
    journal = sites.find_site(sample_instance(), None, Paths(tmp_path)).journal
    assert (journal.kept.name, journal.kept.owner) == (f"vikunja-main{kept}", f"vikunja-main{kept}")


def test_the_two_of_an_instance_and_what_is_kept_have_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = Paths(tmp_path)
    has = {"identity": RECORDED, "ip_address": "10.98.0.20/24", "hostname": "vikunja-main"}
    monkeypatch.setattr(LxcContainer, "observe", there("vikunja-main", attributes=has))
    monkeypatch.setattr(running_instance, "find", lambda *_: serving(sample_instance()))
    site = sites.find_site(sample_instance(), None, paths)
    journal = site.journal
    names = [one.name for one in (journal.old, journal.new, journal.kept)]
    assert names == ["vikunja-main", "vikunja-main-new", "vikunja-main-old"]
    # What it goes back to is what it was, whatever is configured by now.
    assert (journal.old.ip_address, journal.kept.ip_address) == ("10.98.0.20/24", "")
    assert (site.new.spec.instance_id, site.new.spec.more["autostart"]) == (
        "vikunja-main-new",
        False,
    )
    assert site.beside.network == site.instance.network
    assert sites.differences(site) == ["ip_address: 10.98.0.20/24 → 10.98.0.10/24"]
    entry = Registered(
        instance_id="vikunja-main-new",
        driver="lxc",
        node=None,
        container_id=None,
        container_name="x",
        ip_address="10.98.0.77/24",
        domain="x.example.com",
        created_at="2026-01-01T00:00:00Z",
        config="/x.yaml",
    )
    registry.add(paths, entry)
    with pytest.raises(UsageError, match="another instance is called vikunja-main-new, as a"):
        sites.find_site(sample_instance(), None, paths)


@pytest.mark.parametrize("number", [None, 106])
def test_the_new_one_gets_the_number_that_is_configured(
    number: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = sample_instance(lxc=None, proxmox={"node": "pve", "container_id": number})
    monkeypatch.setattr(ProxmoxContainer, "observe", there("vikunja-main"))
    monkeypatch.setattr(running_instance, "find", lambda *_: serving(instance))
    journal = sites.find_site(instance, AT, Paths(tmp_path)).journal
    assert (journal.old.container_id, journal.new.container_id) == (105, number)
    assert journal.kept.container_id == 105


def test_the_release_stays_and_its_build_is_one_for_the_new_debian() -> None:
    old, new = (sample_instance(lxc={"template": name}) for name in ("bookworm", "trixie"))
    target = same_release(new, "v1.0.0", "a" * 40)
    assert (target.commit, target.version) == ("a" * 40, "v1.0.0")
    assert target.key == builds.artifact_key(new, "a" * 40) != builds.artifact_key(old, "a" * 40)
    with pytest.raises(UsageError) as caught:
        same_release(new, "v0.9", None)
    assert str(caught.value) == (
        "vikunja-main: git: v0.9 serves, which does not come from what is configured now"
    )


def test_a_published_release_stays_whatever_its_channel_stands_for() -> None:
    instance = sample_instance(git=None, release={"channel": "stable"})
    target = same_release(instance, "v1.0.0", None)
    assert (target.commit, target.version) == (None, "v1.0.0")
    other = sample_instance(git=None, release={"version": "v1.0.0"})
    assert target.key == same_release(other, "v1.0.0", None).key


def test_no_step_replaces_a_container() -> None:
    entry = PlanEntry("vikunja-main", "provision", "container:vikunja-main", "replace", ())
    refuse_replacing(InstancePlan("vikunja-main", (replace(entry, action="update"),), {}, {}))
    with pytest.raises(UsageError) as caught:
        refuse_replacing(InstancePlan("vikunja-main", (entry,), {}, {}))
    assert str(caught.value) == (
        "vikunja-main: a new container takes the place of vikunja-main's, which no step does alone"
    )
    assert caught.value.hint == "./doit apply vikunja-main does it, or ./doit rebuild vikunja-main."
