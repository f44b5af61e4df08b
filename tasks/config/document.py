"""The document of data-model.md's Deployment Configuration: desired and recorded facts; pure.

Its schema is `schemas/deployment-config.schema.json`. It holds no secrets: the application's
environment, the build and the user's own files, which may, stay out of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from tasks.config.finding import value_at
from tasks.model.instance import Color, Instance
from tasks.model.redaction import masked

OPEN_MAPPINGS = frozenset({"vikunja.environment", "vikunja.secret_files", "build.environment"})
"""Mappings with names of the user's own: one value each, as a whole."""


_BACKUP = (
    "directory",
    "retention_count",
    "keep_daily",
    "keep_weekly",
    "keep_monthly",
    "level",
    "encrypt",
)


class DeploymentFacts(Struct, frozen=True):
    """What is so, as against what is desired. Times: ISO 8601 in UTC (`2025-10-19T10:30:00Z`).

    None: there is none (yet). container_id: of Proxmox VE. versions: what the color answers with.
    """

    container_id: int | None
    created_at: str
    updated_at: str
    active_color: Color
    version_blue: str | None
    version_green: str | None
    mcp_version_blue: str | None
    mcp_version_green: str | None
    deployed_commit: str | None
    last_backup: str | None


def deployment_document(instance: Instance, facts: DeploymentFacts) -> dict[str, Any]:
    """Plain data, ready for YAML: /etc/vikunja/deployment-config.yaml in the container.

    `proxmox` is always there, with neither node nor container id where another driver has the
    container; of a release archive `git` has neither repository nor branch.
    """
    desired = instance.document
    proxmox = desired.get("proxmox") or {"node": None}
    git = desired.get("git") or {"repository": None, "branch": None}
    services = desired["services"]
    document = {
        "deployment": {
            **desired["deployment"],
            "created_at": facts.created_at,
            "updated_at": facts.updated_at,
        },
        "proxmox": {
            "node": proxmox["node"],
            "container_id": facts.container_id,
            "template": instance.template,
        },
        "resources": dict(desired["resources"]),
        "network": dict(desired["network"]),
        "database": _database(desired["database"]),
        "redis": dict(desired["redis"]),
        "services": {
            "backend": {
                **services["backend"],
                "active_color": facts.active_color,
                "version_blue": facts.version_blue,
                "version_green": facts.version_green,
            },
            "mcp": {
                **services["mcp"],
                "active_color": facts.active_color,
                "version_blue": facts.mcp_version_blue,
                "version_green": facts.mcp_version_green,
            },
            "frontend": dict(services["frontend"]),
        },
        "vikunja": {
            name: value for name, value in desired["vikunja"].items() if name != "environment"
        },
        "git": {**git, "deployed_commit": facts.deployed_commit or None},
        "backup": {
            **{name: desired["backup"][name] for name in _BACKUP},
            "last_backup": facts.last_backup,
        },
        "admin": dict(desired["admin"]),
    }
    if instance.driver not in document:
        section = desired[instance.driver]
        document[instance.driver] = {**section, "template": instance.template}
    if "release" in desired:
        document["release"] = dict(desired["release"])
    # It is for root and the application's group to read, and in plain archives.
    shown: dict[str, Any] = without_secrets(document)
    return shown


def _database(section: Mapping[str, Any]) -> dict[str, Any]:
    """Where nothing is said of TLS, as it was before there was such a section."""
    said = section["tls"]["mode"] is not None
    return {name: value for name, value in section.items() if said or name != "tls"}


def without_secrets(value: Any) -> Any:
    """Plain data with what is secret by its form masked in every text of it."""
    if isinstance(value, Mapping):
        return {name: without_secrets(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(inner) for inner in value]
    return masked(value) if isinstance(value, str) else value


def flatten(document: Mapping[str, Any]) -> dict[str, object]:
    """Dotted key → value of every leaf; lists, empty sections and OPEN_MAPPINGS are leaves.

    `{"network": {"domain": "a.b"}}` → `{"network.domain": "a.b"}`; `value_at` gives one of them.
    """
    return dict(_leaves(document, ""))


def _leaves(section: Mapping[str, Any], above: str) -> Iterator[tuple[str, object]]:
    for name, value in section.items():
        key = f"{above}{name}"
        if isinstance(value, Mapping) and value and key not in OPEN_MAPPINGS:
            yield from _leaves(value, f"{key}.")
        else:
            yield key, value


__all__ = ["DeploymentFacts", "deployment_document", "flatten", "value_at"]
