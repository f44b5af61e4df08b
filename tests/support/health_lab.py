"""What status finds in the container of these tests."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from system_lab import VERSION, Site

from tasks.model.instance import Instance
from tasks.model.state import State
from tasks.status.facts import Standing
from tasks.status.guest_facts import Inside, look_inside
from tasks.status.notes import notes

NOW = datetime(2025, 10, 19, 12, 0, 0, tzinfo=UTC)
LIMIT_SECONDS = 60


def standing(instance: Instance, inside: Inside) -> Standing:
    time = "2025-10-19T11:00:00Z"
    state = State(
        instance.id, None, "running", "blue", "deploy", time, "success", VERSION, None, time
    )
    return Standing(
        instance.id,
        configured=True,
        container_name=instance.container_name,
        container="running",
        addresses=(),
        url="",
        state=state,
        inside=inside,
        database_type=instance.database.type,
    )


def look(site: Site) -> Inside:
    return look_inside(site.instance, site.inside.container)


def findings(site: Site) -> dict[str, list[str]]:
    """Component → what is wrong with it and the hint, in one line each."""
    found: dict[str, list[str]] = {}
    for note in notes(standing(site.instance, look(site)), NOW):
        if note.level == "unhealthy" and note.component != "resources":
            found.setdefault(note.component, []).append(f"{note.what} → {note.hint}")
    return found


def wait_until_well(site: Site) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while found := findings(site):
        assert time.monotonic() < deadline, f"never well again: {found}"
