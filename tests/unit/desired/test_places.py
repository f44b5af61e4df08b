"""Containers of an instance beside its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from instance_samples import SECTIONS, sample_instance
from msgspec.structs import replace

from tasks.desired import places, record
from tasks.model import rebuild as rebuilds
from tasks.model.instance import DriverName, Rebuilding
from tasks.model.rebuild import Place, Replaced
from tasks.paths import Paths
from tasks.resources.base import Facts
from tasks.resources.container import ReplacedContainer

OLD = Place("vikunja-main-old", "vikunja-main-old", 105, "vikunja-main-old", "vikunja0", "", "")
REPLACED = Replaced(OLD, "11111111-2222-3333-4444-555555555555", "bookworm", "2026-01-01T00:00:00Z")


@pytest.mark.parametrize("driver", SECTIONS)
def test_one_that_is_not_the_instance_s_is_started_by_nobody(
    driver: DriverName, tmp_path: Path
) -> None:
    instance = sample_instance(**SECTIONS[driver])
    kept = places.container_at(instance, OLD, Paths(tmp_path)).spec
    assert (kept.name, kept.instance_id, kept.ip_address) == (OLD.name, OLD.owner, "")
    assert kept.more["autostart" if driver == "lxc" else "onboot"] is False
    place = replace(OLD, name=instance.container_name, owner=instance.id, ip_address="10.98.0.9/24")
    own = places.container_at(instance, place, Paths(tmp_path)).spec
    assert own.more["autostart" if driver == "lxc" else "onboot"] is True
    assert own.ip_address == "10.98.0.9/24"


def test_the_number_is_the_one_of_the_place() -> None:
    instance = sample_instance(**SECTIONS["proxmox"])
    assert places.numbered(instance, 105).document["proxmox"]["container_id"] == 105
    assert places.numbered(sample_instance(), None) == sample_instance()


@pytest.mark.parametrize(
    ("days", "said"), [(0, "over since 2026-01-01"), (36500, "kept until 2125-12-08")]
)
def test_what_is_kept_is_desired_to_be_gone_once_its_time_is_over(
    tmp_path: Path, days: int, said: str
) -> None:
    paths = Paths(tmp_path)
    rebuilds.keep(paths, "vikunja-main", REPLACED)
    instance = replace(sample_instance(), rebuild=Rebuilding(days, None))
    facts = Facts(host=record.observe(instance, paths))
    assert facts.host["replaced-container:vikunja-main-old"] == said
    (desired,) = places.declare(facts)
    assert desired == ReplacedContainer(container="vikunja-main-old")
    assert (desired.difference(facts) is None) == (days > 0)
