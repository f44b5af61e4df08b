"""What a machine lacks is brought about before anything is made, or nothing is made."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from instance_samples import sample_instance

from tasks.containers import container_for, spec_for
from tasks.containers.lxc import PACKAGES, preparing
from tasks.containers.lxc.preflight import Lack, missing_packages
from tasks.desired import provisioning
from tasks.errors import ResourceError
from tasks.host import packages as machine
from tasks.model.plan import Action, PlanEntry
from tasks.paths import Paths
from tasks.progress import SILENT, Progress
from tasks.resources.base import Resource
from tasks.resources.container import DesiredContainer

Done = list[tuple[str, Sequence[str]]]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Done:
    """What is installed and configured, in order; nothing of it is done."""
    calls: Done = []

    def ensure(packages: Sequence[str], _: Progress = SILENT) -> list[str]:
        calls.append(("packages", packages))
        return list(packages)

    def ids() -> list[Path]:
        calls.append(("ids", ()))
        return []

    monkeypatch.setattr(machine, "ensure", ensure)
    monkeypatch.setattr(machine, "ensure_user_ids", ids)
    monkeypatch.setattr(preparing, "preflight", lambda _: [])
    return calls


def lack(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    there = shutil.which("sh")
    monkeypatch.setattr(shutil, "which", lambda name: None if name in programs else there)


def test_a_node_of_proxmox_ve_gets_mmdebstrap_alone(
    monkeypatch: pytest.MonkeyPatch, done: Done, tmp_path: Path
) -> None:
    lack(monkeypatch, "mmdebstrap")
    assert missing_packages() == ["mmdebstrap"]
    preparing.prepare_machine(Paths(tmp_path))
    assert done == [("packages", ["mmdebstrap"]), ("ids", ())]


def test_a_machine_without_lxc_gets_all_that_it_is_better_with(
    monkeypatch: pytest.MonkeyPatch, done: Done, tmp_path: Path
) -> None:
    lack(monkeypatch, "lxc-start", "lxc-attach", "newuidmap")
    preparing.prepare_machine(Paths(tmp_path))
    assert done[0] == ("packages", PACKAGES)


def test_nothing_is_asked_of_apt_where_all_is_there(
    monkeypatch: pytest.MonkeyPatch, done: Done, tmp_path: Path
) -> None:
    lack(monkeypatch)
    preparing.prepare_machine(Paths(tmp_path))
    assert done == [("ids", ())]


def test_what_cannot_be_brought_about_is_named(
    monkeypatch: pytest.MonkeyPatch, done: Done, tmp_path: Path
) -> None:
    lack(monkeypatch)
    kernel = Lack("the kernel has no overlay file system", "load the module overlay")
    other = Lack("another thing", "do that")
    monkeypatch.setattr(preparing, "preflight", lambda _: [kernel, other])
    with pytest.raises(ResourceError, match="the kernel has no overlay file system") as caught:
        preparing.prepare_machine(Paths(tmp_path))
    assert caught.value.hint == "load the module overlay; nothing of the instance was made"
    assert list(caught.value.evidence) == [str(other)]
    assert done == []


def test_what_is_only_better_with_it_keeps_nobody(
    monkeypatch: pytest.MonkeyPatch, done: Done, tmp_path: Path
) -> None:
    lack(monkeypatch)
    limits = Lack("no control groups", "mount them", needed=False)
    packages = Lack("packages are missing", "./doit apply", mended=True)
    monkeypatch.setattr(preparing, "preflight", lambda _: [limits, packages])
    preparing.prepare_machine(Paths(tmp_path))
    assert done == [("ids", ())]


def entry(step: str, action: Action, resource: Resource | None = None) -> PlanEntry:
    return PlanEntry("vikunja-main", step, "x:y", action, (), resource=resource)


SAMPLE = sample_instance()
CONTAINER = DesiredContainer(spec=spec_for(SAMPLE))
BUILD = entry("build", "create")


@pytest.mark.parametrize(
    ("where", "entries", "times"),
    [
        ("container", [entry("provision", "create", CONTAINER)], 1),
        ("container", [entry("provision", "replace", CONTAINER)], 1),
        ("container", [entry("provision", "update", CONTAINER)], 0),
        ("container", [entry("system", "create")], 0),
        # A builder is a container of its own.
        ("container", [BUILD], 1),
        ("container", [entry("provision", "create", CONTAINER), BUILD], 2),
        ("local", [BUILD], 0),
        ("local", [entry("provision", "create", CONTAINER), BUILD], 1),
    ],
)
def test_a_machine_is_prepared_for_what_a_plan_makes_on_it(
    monkeypatch: pytest.MonkeyPatch,
    done: Done,
    tmp_path: Path,
    where: str,
    entries: list[PlanEntry],
    times: int,
) -> None:
    lack(monkeypatch, "mmdebstrap")
    instance, paths = sample_instance(build={"where": where}), Paths(tmp_path)
    container = container_for(instance, paths)
    provisioning.prepare_machine(instance, container, entries, paths, SILENT)
    assert done == [("packages", ["mmdebstrap"]), ("ids", ())] * times
