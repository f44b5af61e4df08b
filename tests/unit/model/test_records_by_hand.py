"""Records that somebody edited, or that a disk damaged: what they say, or a DeployError."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from damage import altered

from tasks.errors import DeployError
from tasks.model import (
    applied,
    database_move,
    health,
    last_backup,
    last_drill,
    measured,
    plan,
    registry,
    releases,
)
from tasks.model import cluster_lock as clusters
from tasks.paths import Paths

NAME = "vikunja-main"
WHEN = "2025-10-19T10:30:00Z"

LOCATED = {"type": "mysql", "host": "db", "port": 3306, "name": "vikunja", "user": "u"}

RECORDS: dict[str, tuple[Callable[[Paths], Path], Any, Callable[[Paths], object]]] = {
    "applied": (
        lambda paths: paths.applied(NAME),
        {
            "created_at": WHEN,
            "updated_at": WHEN,
            "configuration": {"git.branch": "ab"},
            "resources": {
                "file:/a": {
                    "digest": "ab",
                    "inputs": {"git.branch": "ab"},
                    "template": "a.j2",
                    "pending": True,
                }
            },
        },
        lambda paths: applied.read(paths, NAME),
    ),
    "releases": (
        lambda paths: paths.releases(NAME),
        {
            "served": [
                {"key": "k", "commit": "a" * 40, "version": "v1", "migrations": ["1", "2"]},
            ],
            "current": "k",
            "tried": ["t"],
        },
        lambda paths: releases.read(paths, NAME),
    ),
    "measured": (
        lambda paths: paths.measured(NAME),
        {"write_stop": 1.5, "way_back": 2, "database_move": None},
        lambda paths: measured.read(paths, NAME),
    ),
    "last backup": (
        lambda paths: paths.last_backup(NAME),
        {"last_backup": WHEN},
        lambda paths: last_backup.read(paths, NAME),
    ),
    "last drill": (
        lambda paths: paths.last_drill(NAME),
        {
            "drilled_at": WHEN,
            "archive": "1.tar.gz",
            "version": "v1",
            "rows": 1,
            "files": 2,
            "restore_seconds": 1.5,
            "total_seconds": 3,
        },
        lambda paths: last_drill.read(paths, NAME),
    ),
    "registry": (
        lambda paths: paths.registry,
        [
            {
                "instance_id": NAME,
                "driver": "proxmox",
                "node": "pve",
                "container_id": 100,
                "container_name": NAME,
                "ip_address": "192.0.2.10/24",
                "domain": "vikunja.example.com",
                "created_at": WHEN,
                "config": "/etc/main.yaml",
            }
        ],
        lambda paths: registry.read(paths),
    ),
    "health": (
        lambda paths: paths.health(NAME),
        {"instance_id": NAME, "timestamp": WHEN, "overall_status": "healthy", "components": {}},
        lambda paths: health.fresh(health.read(paths, NAME) or {}, datetime.now(UTC)),
    ),
    "history of health": (
        lambda paths: paths.health_history(NAME),
        {"time": WHEN, "status": "healthy", "ms": {"backend": 12}},
        lambda paths: health.history(paths, NAME),
    ),
    "members of the cluster": (
        lambda paths: paths.cluster / ".members",
        {"nodename": "pve", "cluster": {"name": "lab", "quorate": 1}, "nodelist": {}},
        clusters.node_of,
    ),
    "databases kept": (
        lambda paths: paths.prefix / "kept",
        [{"database": LOCATED, "since": WHEN}],
        lambda paths: database_move.read_kept((paths.prefix / "kept").read_text(errors="replace")),
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_lacks_something_or_holds_something_odd_is_understood_or_refused(
    paths: Paths, name: str
) -> None:
    path_of, record, read = RECORDS[name]
    path = path_of(paths)
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [json.dumps(other) for other in altered(record)]
    for text in [json.dumps(record), *texts, "", "{", "[" * 100_000, "\udcff"]:
        path.write_bytes(text.encode(errors="surrogateescape"))
        try:
            found = read(paths)
        except DeployError as error:
            assert str(path) in str(error)
        else:
            for one in found if isinstance(found, tuple) else (found,):
                if isinstance(one, msgspec.Struct):
                    # Each of its fields is what it says that it is.
                    msgspec.convert(msgspec.to_builtins(one), type(one))


SAVED: dict[str, Any] = {
    "format": plan.FORMAT,
    "targets": [],
    "instances": [
        {
            "instance": NAME,
            "configuration": {"git.branch": "ab"},
            "observed": {"file:/a": "cd"},
            "entries": [],
        }
    ],
}


def test_a_saved_plan_that_somebody_edited_is_stale_or_none(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    for other in altered(SAVED):
        file.write_text(json.dumps(other))
        try:
            saved = plan.read_saved(file)
            plan.refuse_if_stale(saved, plan.Plan((), ()), "plan again")
            for one in saved["instances"]:
                plan.moved(one, SAVED["instances"][0])
        except DeployError:
            pass
