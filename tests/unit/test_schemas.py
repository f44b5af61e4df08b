"""The records that the code writes, and the data model's own examples, against the schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator, ValidationError

from tasks.errors import BuildError
from tasks.model import registry, schemas
from tasks.model.lock import Lock
from tasks.model.operation_log import LEVELS, NOUNS, OPERATIONS
from tasks.model.operations import operation
from tasks.model.registry import Registered
from tasks.model.state import Status
from tasks.paths import SCHEMAS, Paths

NAME = "vikunja-main"
RECORDS = ("state", "lock", "registry", "operation-log", "health")

STATE = {
    "instance_id": "vikunja-main",
    "container_id": 100,
    "status": "running",
    "active_color": "blue",
    "last_operation": "update",
    "last_operation_time": "2025-10-19T10:30:00Z",
    "last_operation_status": "success",
    "deployed_version": "v0.23.0",
    "deployed_commit": "abc123def",
    "uptime_start": "2025-10-19T09:00:00Z",
}
LOCK = {
    "pid": "4711",
    "timestamp": "1729335600",
    "owner": "root@pve",
    "operation": "deploy",
}
ENTRY = {
    "instance_id": "vikunja-main",
    "driver": "proxmox",
    "node": "pve",
    "container_id": 100,
    "container_name": "vikunja-main",
    "ip_address": "192.168.1.100/24",
    "domain": "vikunja.example.com",
    "created_at": "2025-10-19T10:30:00Z",
    "config": "/etc/vikunja-deploy/main.yaml",
}
HEALTH: dict[str, Any] = {
    "instance_id": "vikunja-main",
    "timestamp": "2025-10-19T10:35:00Z",
    "overall_status": "healthy",
    "components": {
        "backend": {
            "status": "healthy",
            "response_time_ms": 45,
            "http_code": 200,
            "version": "v0.23.0",
            "uptime_seconds": 3600,
            "checks": {"database": "connected", "redis": "connected", "filesystem": "writable"},
        },
        "frontend": {
            "status": "healthy",
            "response_time_ms": 12,
            "http_code": 200,
            "nginx_status": "active",
        },
        "mcp": {
            "status": "healthy",
            "response_time_ms": 34,
            "http_code": 200,
            "version": "v1.0.0",
            "uptime_seconds": 3600,
        },
        "database": {"status": "healthy", "type": "postgresql", "size_mb": 50, "connections": 5},
    },
    "resources": {
        "cpu_percent": 15.2,
        "memory_used_mb": 512,
        "memory_available_mb": 3584,
        "disk_used_gb": 5,
        "disk_available_gb": 15,
    },
    "warnings": [],
    "errors": [],
}
LOG = """\
[2025-10-19T10:30:00Z] [INFO] [deploy] Starting deployment of vikunja-main
[2025-10-19T10:30:15Z] [INFO] [deploy] Created LXC container ID 100
[2025-10-19T10:31:00Z] [INFO] [deploy] Installed Go runtime v1.21.5
[2025-10-19T10:32:00Z] [INFO] [deploy] Cloned repository commit abc123def
[2025-10-19T10:33:00Z] [INFO] [deploy] Built backend successfully
[2025-10-19T10:34:00Z] [INFO] [deploy] Started backend service on port 3456 (blue)
[2025-10-19T10:34:30Z] [INFO] [deploy] Health check passed: backend
[2025-10-19T10:35:00Z] [SUCCESS] [deploy] Deployment completed in 5m 0s
"""


def schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    return loaded


def validate(name: str, value: object) -> None:
    Draft202012Validator(schema(name)).validate(value)


def folder_as_object(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text().removesuffix("\n") for file in folder.iterdir()}


@pytest.mark.parametrize("name", RECORDS)
def test_every_schema_is_one_of_the_2020_draft(name: str) -> None:
    loaded = schema(name)
    assert loaded["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(loaded)


@pytest.mark.parametrize("name", schemas.TITLES)
def test_a_records_schema_is_what_the_record_says(name: str) -> None:
    text = (SCHEMAS / f"{name}.schema.json").read_text("utf-8")
    assert text == schemas.text_of(name), "write it anew: python -m tasks.model.schemas"


def test_the_data_models_own_examples_are_valid() -> None:
    validate("state", STATE)
    validate("lock", LOCK)
    validate("health", HEALTH)
    for line in LOG.splitlines():
        validate("operation-log", line)


@pytest.mark.parametrize(
    ("name", "value", "field", "wrong"),
    [
        ("state", STATE, "status", "jumping"),
        ("state", STATE, "container_id", 99),
        ("state", STATE, "container_id", "100"),
        ("state", STATE, "last_operation_time", "yesterday"),
        ("state", STATE, "uptime_start", "2025-10-19 09:00"),
        ("state", STATE, "instance_id", "a/b"),
        ("state", STATE, "mood", "good"),
        ("lock", LOCK, "pid", 4711),
        ("lock", LOCK, "pid", "0"),
        ("lock", LOCK, "timestamp", "2025-10-19T10:30:00Z"),
        ("lock", LOCK, "owner", "root"),
        ("lock", LOCK, "operation", "dance"),
        ("lock", LOCK, "started", "5"),
        ("health", HEALTH, "overall_status", "fine"),
        ("health", HEALTH, "timestamp", "now"),
        ("health", HEALTH, "components", {"cellar": {}}),
        ("health", HEALTH, "warnings", ["text"]),
        ("registry", ENTRY, "driver", "docker"),
        ("registry", ENTRY, "ip_address", "192.168.1.100"),
        ("registry", ENTRY, "config", ""),
    ],
)
def test_a_wrong_record_is_invalid(
    name: str, value: dict[str, object], field: str, wrong: object
) -> None:
    changed: object = {**value, field: wrong}
    if name == "registry":
        validate(name, [value])
        changed = [changed]
    else:
        validate(name, value)
    with pytest.raises(ValidationError):
        validate(name, changed)


@pytest.mark.parametrize(("name", "value"), [("state", STATE), ("lock", LOCK), ("health", HEALTH)])
def test_no_field_may_be_missing(name: str, value: dict[str, object]) -> None:
    for field in value:
        with pytest.raises(ValidationError, match=f"'{field}' is a required property"):
            validate(name, {key: value[key] for key in value if key != field})


@pytest.mark.parametrize(
    "line",
    [
        "[2025-10-19T10:30:00] [INFO] [deploy] no zone",
        "[2025-10-19T10:30:00Z] [NOTE] [deploy] no level",
        "[2025-10-19T10:30:00Z] [INFO] [dance] no operation",
        "[2025-10-19T10:30:00Z] [INFO] [deploy] two\nlines",
    ],
)
def test_a_wrong_log_line_is_invalid(line: str) -> None:
    with pytest.raises(ValidationError):
        validate("operation-log", line)


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_every_operation_writes_is_valid(tmp_path: Path, name: Any) -> None:
    paths = Paths(tmp_path)
    with operation(paths, NAME, "deploy", container_id=100) as op:
        op.record(active_color="blue", deployed_version="v0.23.0", deployed_commit="abc123def")
    with pytest.raises(BuildError), operation(paths, NAME, name) as op:
        validate("state", json.loads(paths.state(NAME).read_text()))
        validate("lock", folder_as_object(paths.lock(NAME)))
        op.warn("first line\nsecond\x1b[0m line")
        raise BuildError("no", evidence=["a\tb"])
    validate("state", json.loads(paths.state(NAME).read_text()))
    lines = paths.log(NAME).read_text().splitlines()
    assert len(lines) == 6
    for line in lines:
        validate("operation-log", line)


def test_a_state_before_anything_is_known_is_valid(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    with operation(paths, NAME, "deploy"):
        validate("state", json.loads(paths.state(NAME).read_text()))
    with operation(paths, NAME, "stop"):
        pass
    validate("state", json.loads(paths.state(NAME).read_text()))


def test_the_registry_that_is_written_is_valid(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    registry.add(paths, Registered(**ENTRY))  # type: ignore[arg-type]
    registry.add(
        paths,
        Registered(
            instance_id="vikunja-demo",
            driver="lxc",
            node=None,
            container_id=None,
            container_name="vikunja-demo",
            ip_address="fd00::2/64",
            domain="demo.example.com",
            created_at="2025-10-19T10:30:00Z",
            config="/etc/vikunja-deploy/demo.yaml",
            identity=registry.new_identity(),
            folder=4711,
        ),
    )
    validate("registry", json.loads(paths.registry.read_text()))


def test_the_schemas_name_exactly_what_the_code_knows(tmp_path: Path) -> None:
    state = schema("state")["properties"]
    assert state["status"]["enum"] == sorted(get_args(Status))
    assert state["last_operation"]["enum"] == sorted(OPERATIONS)
    assert schema("lock")["properties"]["operation"]["enum"] == list(NOUNS)
    pattern = schema("operation-log")["pattern"]
    assert f"({'|'.join(LEVELS)})" in pattern
    assert f"({'|'.join(NOUNS)})" in pattern
    paths = Paths(tmp_path)
    with Lock.acquire(paths, NAME, "deploy"):
        files = set(folder_as_object(paths.lock(NAME)))
    assert files == set(schema("lock")["properties"])
    assert list(schema("registry")["items"]["properties"]) == list(Registered.__struct_fields__)
