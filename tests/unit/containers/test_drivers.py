"""The drivers are behind one interface, and nothing outside asks which one an instance has."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any, get_args

import pytest
from instance_samples import SECTIONS, sample_instance
from jsonschema import Draft202012Validator

from tasks.config.document import DeploymentFacts, deployment_document
from tasks.config.schema import DEPLOYMENT_SCHEMA
from tasks.config.schema import keys as configuration_keys
from tasks.containers import container_for, spec_for
from tasks.containers.drivers import DRIVERS, by_driver, driver_named, driver_of
from tasks.model.instance import DriverName
from tasks.paths import ROOT, Paths

WHEN = "2025-10-19T10:30:00Z"

ROOMS = ("containers", "config")
"""That of the drivers, and that of their sections in the configuration."""

ASKS = re.compile(
    r"\.(lxc|proxmox)\b|driver [!=]= \"|containers import .*\b(lxc|proxmox)\b",
)
FOLDER = re.compile(r"paths\.lxc\b")
"""Where this machine keeps containers, whoever they are of."""

EACH = pytest.mark.parametrize("name", DRIVERS)


def test_nothing_outside_asks_which_driver_an_instance_has() -> None:
    rooms = [room for room in (ROOT / "tasks").iterdir() if room.name not in ROOMS]
    modules = [module for room in rooms for module in (room, *room.rglob("*.py"))]
    asking = [
        f"{module.relative_to(ROOT)}: {line.strip()}"
        for module in (ROOT / "dodo.py", *modules)
        if module.suffix == ".py"
        for line in module.read_text().splitlines()
        if ASKS.search(FOLDER.sub("", line))
    ]
    assert asking == []


def test_each_driver_that_a_configuration_can_name_is_in_the_table() -> None:
    assert sorted(DRIVERS) == sorted(get_args(DriverName)) == sorted(SECTIONS)
    assert [driver_named(name).name for name in DRIVERS] == list(DRIVERS)


@EACH
def test_the_keys_of_a_driver_are_keys_of_its_own_section(name: DriverName) -> None:
    known = {".".join(map(str, key)) for key, _ in configuration_keys()}
    keys = driver_named(name).keys
    assert set(keys) <= known
    assert all(key.startswith(f"{name}.") for key in keys)


@EACH
def test_an_instance_has_the_driver_of_its_section(name: DriverName, paths: Paths) -> None:
    instance = sample_instance(**SECTIONS[name])
    assert driver_of(instance) is driver_named(name)
    container = container_for(instance, paths)
    assert container.spec == spec_for(instance)
    assert by_driver([instance]) == [(driver_named(name), [instance])]


@EACH
def test_a_drill_changes_only_what_the_section_of_a_driver_has(name: DriverName) -> None:
    instance = sample_instance(**SECTIONS[name])
    assert driver_of(instance).double(instance, "-drill").keys() <= instance.document[name].keys()


@EACH
def test_what_the_container_is_told_of_its_driver_fits_the_schema(name: DriverName) -> None:
    schema = json.loads(DEPLOYMENT_SCHEMA.read_bytes())
    facts = DeploymentFacts(None, WHEN, WHEN, "blue", *[None] * 6)
    document = deployment_document(sample_instance(**SECTIONS[name]), facts)
    Draft202012Validator(schema).validate(document)
    assert document[name].keys() >= {"template"}


def test_a_container_of_plain_lxc_loads_no_code_of_another_driver() -> None:
    code = (
        "import sys; from instance_samples import SECTIONS, sample_instance\n"
        "from tasks.containers import container_for; from tasks.paths import host_paths\n"
        "container_for(sample_instance(), host_paths())\n"
        "print(*(name for name in sys.modules if name.startswith('tasks.containers.')))"
    )
    support = ROOT / "tests" / "support"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(support)!r})\n{code}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.split(".")[2] for name in done.stdout.split()}
    assert "lxc" in loaded
    assert not loaded & (DRIVERS.keys() - {"lxc"})


@pytest.fixture
def paths(tmp_path: Any) -> Paths:
    return Paths(tmp_path)
