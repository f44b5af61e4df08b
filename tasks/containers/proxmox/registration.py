"""Calls that register a container with the HA manager and storage replication. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tasks.containers.proxmox.api import Method, Value
from tasks.containers.proxmox.guests import Found
from tasks.containers.proxmox.wish import Ha, ProxmoxWish, Replication

Call = tuple[Method, str, Mapping[str, Value]]


def registrations(wish: ProxmoxWish, found: Found) -> Iterator[Call]:
    """What is to be called, in order; nothing where all is as wished."""
    yield from _ha(wish.ha, found)
    yield from _replication(wish.replication, found)


def _ha(wish: Ha | None, found: Found) -> Iterator[Call]:
    if wish == found.ha:
        return
    sid = f"ct:{found.guest.vmid}"
    if wish is None:
        yield "DELETE", f"/cluster/ha/resources/{sid}", {}
        return
    settings: dict[str, Value] = {"state": wish.state, "max_restart": wish.max_restart}
    if wish.group:
        settings["group"] = wish.group
    if found.ha is None:
        yield "POST", "/cluster/ha/resources", {"sid": sid, **settings}
        return
    if found.ha.group and not wish.group:
        settings["delete"] = "group"
    yield "PUT", f"/cluster/ha/resources/{sid}", settings


def _replication(wished: tuple[Replication, ...], found: Found) -> Iterator[Call]:
    """Jobs are known by their target: Proxmox VE has one for each at most."""
    by_target = {job.target: (name, job) for name, job in found.jobs.items()}
    for target, (name, _) in by_target.items():
        if target not in {job.target for job in wished}:
            yield "DELETE", f"/cluster/replication/{name}", {}
    free = (
        name for number in range(100) if (name := f"{found.guest.vmid}-{number}") not in found.jobs
    )
    for job in wished:
        if job.target not in by_target:
            settings: dict[str, Value] = {"id": next(free), "type": "local"}
            yield (
                "POST",
                "/cluster/replication",
                {**settings, "target": job.target, "schedule": job.schedule},
            )
        elif by_target[job.target][1].schedule != job.schedule:
            name = by_target[job.target][0]
            yield "PUT", f"/cluster/replication/{name}", {"schedule": job.schedule}
