"""From what was found to a configuration; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.imports.found import Found
from tasks.imports.settings import Placed, place_settings, spelled
from tasks.imports.site import domain_of, place_database, place_site, public_url


def place(found: Found, answers: Mapping[str, Any], instance_id: str) -> Placed:
    """answers: what the configuration has of somebody's own answers, by section."""
    placed = Placed(document={name: dict(section) for name, section in answers.items()})
    domain = domain_of(found)
    if domain and answers.get("network", {}).get("domain") == domain:
        url, front = public_url(found), found.front
        where = f"{url.origin}: service.publicurl" if url else front.file if front else ""
        placed.origins["network.domain"] = where
    place_site(found, placed)
    place_database(found, placed)
    place_settings(found, placed, instance_id)
    for name, path in found.unreadable:
        placed.leave_out(spelled(name), f"{path}, which holds its value, is not there.")
    if found.database.type == "sqlite" and found.database.size is None:
        placed.leave_out("the database", f"{found.database.path} is not there.")
    if not found.files.bucket and found.files.there is None:
        placed.leave_out("the attachments", f"{found.files.folder} is not there.")
    return placed
