"""The recorded document: data-model.md's names, the schema it promises, no secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from configuration_samples import BASE
from hypothesis import given
from hypothesis import strategies as st

from tasks.config import flatten, load_instances
from tasks.config.document import DeploymentFacts, deployment_document, value_at
from tasks.config.schema import DEPLOYMENT_SCHEMA, config_schema
from tasks.model.instance import Instance

FACTS = DeploymentFacts(
    container_id=100,
    created_at="2025-10-19T10:30:00Z",
    updated_at="2025-10-20T10:30:00Z",
    active_color="green",
    version_blue="v1.0.0",
    version_green="v1.1.0",
    mcp_version_blue=None,
    mcp_version_green="v0.1.0",
    deployed_commit="0123456789abcdef0123456789abcdef01234567",
    last_backup=None,
)

NOTHING_YET = DeploymentFacts(
    None, "2025-10-19T10:30:00Z", "2025-10-19T10:30:00Z", "blue", *[None] * 6
)

DATA_MODEL = {
    "deployment": {"version", "instance_id", "created_at", "updated_at"},
    "proxmox": {"node", "container_id", "template"},
    "resources": {"cpu_cores", "memory_mb", "disk_size_gb"},
    "network": {"bridge", "ip_address", "gateway", "domain"},
    "database": {"type", "host", "port", "name", "user", "password_file"},
    "git": {"repository", "branch", "deployed_commit"},
    "backup": {"directory", "retention_count", "last_backup"},
    "admin": {"email"},
}
COLORED = {"port_blue", "port_green", "active_color", "version_blue", "version_green"}
DATA_MODEL_SERVICES = {
    "backend": COLORED,
    "mcp": COLORED,
    "frontend": {"port", "ssl_port", "ssl_cert", "ssl_key"},
}

LXC = BASE.replace("proxmox:\n  node: pve\n", "lxc:\n")
RELEASE = BASE.replace(
    "git:\n  repository: https://git.example.com/vikunja.git\n",
    f"release: {{url: 'https://example.com/v.zip', sha256: {'a' * 64}, version: v1}}\n",
)
EXTRAS = (
    BASE.replace("type: sqlite", "type: postgresql\n  password_file: password")
    + "vikunja: {environment: {VIKUNJA_MAILER_PASSWORD: canary-1}}\n"
    + "build: {environment: {TOKEN: canary-2}}\n"
    + "files: [{path: /etc/motd, content: canary-3}]\n"
)


def instance_of(folder: Path, text: str) -> Instance:
    (folder / "config.yaml").write_text(text)
    return load_instances([Path("config.yaml")])[0]


@pytest.mark.parametrize("text", [BASE, LXC, RELEASE, EXTRAS], ids=["pve", "lxc", "zip", "extras"])
@pytest.mark.parametrize("facts", [FACTS, NOTHING_YET], ids=["all facts", "no facts"])
def test_the_document_fits_its_schema(folder: Path, text: str, facts: DeploymentFacts) -> None:
    schema = json.loads(DEPLOYMENT_SCHEMA.read_text())
    document = deployment_document(instance_of(folder, text), facts)

    jsonschema.Draft202012Validator(schema).validate(document)
    assert json.loads(json.dumps(document)) == document


def test_the_document_has_every_field_of_the_data_model(folder: Path) -> None:
    document = deployment_document(instance_of(folder, BASE), FACTS)

    for section, names in DATA_MODEL.items():
        assert names <= set(document[section]), section
    for service, names in DATA_MODEL_SERVICES.items():
        assert names <= set(document["services"][service]), service


def test_desired_and_facts_are_where_the_data_model_has_them(folder: Path) -> None:
    document = deployment_document(instance_of(folder, BASE), FACTS)

    assert document["proxmox"] == {
        "node": "pve",
        "container_id": 100,
        "template": "debian-13-standard",
    }
    assert document["services"]["backend"] == {
        "port_blue": 3456,
        "port_green": 3457,
        "active_color": "green",
        "version_blue": "v1.0.0",
        "version_green": "v1.1.0",
    }
    assert document["services"]["mcp"]["active_color"] == "green"
    assert document["services"]["mcp"]["version_green"] == "v0.1.0"
    assert document["git"]["deployed_commit"] == FACTS.deployed_commit
    assert document["deployment"]["updated_at"] == "2025-10-20T10:30:00Z"
    assert document["backup"]["last_backup"] is None


def test_plain_lxc_has_neither_node_nor_container_id(folder: Path) -> None:
    document = deployment_document(instance_of(folder, LXC), NOTHING_YET)

    assert document["proxmox"] == {"node": None, "container_id": None, "template": "trixie"}
    assert document["lxc"] == {"name": "vikunja-main", "template": "trixie"}


def test_a_release_archive_has_neither_repository_nor_branch(folder: Path) -> None:
    document = deployment_document(instance_of(folder, RELEASE), NOTHING_YET)

    assert document["git"] == {"repository": None, "branch": None, "deployed_commit": None}
    assert document["release"]["version"] == "v1"


def test_the_document_holds_no_secrets_but_the_path_of_the_password(folder: Path) -> None:
    document = deployment_document(instance_of(folder, EXTRAS), FACTS)

    assert document["database"]["password_file"] == str(folder / "password")
    assert "canary" not in json.dumps(document)
    assert "correct horse" not in json.dumps(document)


def test_the_document_holds_no_key_that_is_part_of_an_address(folder: Path) -> None:
    text = RELEASE.replace("v.zip", "v.zip?token=canary")
    assert instance_of(folder, text).document["release"]["url"].endswith("canary")

    document = deployment_document(instance_of(folder, text), FACTS)

    assert document["release"]["url"] == "https://example.com/v.zip?token=(sensitive)"


def test_the_recorded_schema_is_a_valid_schema_without_anything_remote() -> None:
    for schema in (config_schema(), json.loads(DEPLOYMENT_SCHEMA.read_text())):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert "$ref" not in json.dumps(schema)


def test_flatten_gives_dotted_leaves() -> None:
    document = {
        "a": {"b": {"c": 1}, "d": [1, {"e": 2}]},
        "f": {},
        "g": None,
        "vikunja": {"environment": {"A": "b"}},
    }

    assert flatten(document) == {
        "a.b.c": 1,
        "a.d": [1, {"e": 2}],
        "f": {},
        "g": None,
        "vikunja.environment": {"A": "b"},
    }


NAMES = st.text("abc_", min_size=1, max_size=4)
DOCUMENTS: st.SearchStrategy[Mapping[str, Any]] = st.recursive(
    st.none() | st.integers() | st.lists(st.integers()),
    lambda inner: st.dictionaries(NAMES, inner, max_size=4),
).map(lambda value: value if isinstance(value, dict) else {"a": value})


@given(DOCUMENTS)
def test_value_at_finds_every_flattened_leaf(document: Mapping[str, Any]) -> None:
    for key, value in flatten(document).items():
        assert value_at(document, key) == value


def test_value_at_is_none_where_nothing_is() -> None:
    assert value_at({"a": {"b": 1}}, "a.c") is None
    assert value_at({"a": 1}, "a.b.c") is None
