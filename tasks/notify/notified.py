"""What was sent last of each topic: only failures are kept, for the recovery that follows."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.host.files import named, recalled, write_json
from tasks.paths import Paths


def read(paths: Paths, instance_id: str) -> dict[str, str]:
    """topic → when its failure was sent, ISO 8601. Nothing where the record is damaged: then a
    recovery is not sent, and the next failure writes it anew."""
    return recalled(paths.notified(instance_id), dict[str, str]) or {}


def write(paths: Paths, instance_id: str, failed: Mapping[str, str]) -> None:
    """Raises DeployError where it cannot be written."""
    if failed:
        write_json(paths.notified(instance_id), dict(failed))
        return
    path = paths.notified(instance_id)
    with named(path, "cannot be removed"):
        path.unlink(missing_ok=True)
