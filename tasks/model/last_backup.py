"""When an instance's last backup was taken, as the host notes it.

    paths.last_backup(<instance>)   {"last_backup": "2025-10-19T10:30:00Z"}

The record in the container is compared with it: a kill between the two shows in the next plan,
and the next apply or backup mends it.
"""

from __future__ import annotations

from msgspec import Struct

from tasks.host.files import read_record, write_json
from tasks.paths import Paths


class LastBackup(Struct, frozen=True, forbid_unknown_fields=True):
    """last_backup: ISO 8601, UTC."""

    last_backup: str


def read(paths: Paths, instance_id: str) -> str | None:
    """ISO 8601, UTC; None before the first. Raises DeployError where the note is damaged."""
    path = paths.last_backup(instance_id)
    hint = f"Remove {path}: the next backup writes it anew."
    record = read_record(path, LastBackup, hint)
    return None if record is None else record.last_backup


def write(paths: Paths, instance_id: str, created_at: str) -> None:
    write_json(paths.last_backup(instance_id), {"last_backup": created_at})
