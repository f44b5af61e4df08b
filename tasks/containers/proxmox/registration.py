"""Calls that register a container with the HA manager and storage replication. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tasks.containers.proxmox.affinity import NODE_AFFINITY, Affinities, canonical
from tasks.containers.proxmox.api import Method, Value
from tasks.containers.proxmox.desired import DesiredProxmox, Ha, Replication
from tasks.containers.proxmox.guests import Found
from tasks.errors import ResourceError

Call = tuple[Method, str, Mapping[str, Value]]

RULES = "/cluster/ha/rules"


def registrations(desired: DesiredProxmox, found: Found, *, rules: bool) -> Iterator[Call]:
    """What is to be called, in order; nothing where all is up to date.

    rules: the cluster has HA rules, no groups (see affinity). A change of a rule carries the
    digest of all of them as found: after it they are another's, so look again before the next.
    ResourceError before anything is called, where the desired group or rule is missing.
    """
    yield from _ha(desired.ha, found, rules)
    yield from _replication(desired.replication, found)


def require_group(desired: Ha | None, affinities: Affinities, *, rules: bool) -> None:
    """ResourceError where the desired group or rule is not there, and how to make it not said."""
    if desired is None or desired.group is None or desired.nodes:
        return
    if rules:
        there = [rule.name for rule in affinities.rules]
        known = affinities.rule(desired.group) is not None
    else:
        there = sorted(affinities.groups)
        known = desired.group in affinities.groups
    if not known:
        raise ResourceError(
            f"the cluster has no HA {'rule' if rules else 'group'} {desired.group}",
            hint=f"set proxmox.ha.nodes, and it is made, or proxmox.ha.group to one that is "
            f"there: {', '.join(there) or 'none is'}",
        )


def _ha(desired: Ha | None, found: Found, rules: bool) -> Iterator[Call]:
    if desired == found.ha:
        return
    sid = f"ct:{found.guest.vmid}"
    if desired is None:
        # Proxmox VE takes it out of the rules that name it, too.
        yield "DELETE", f"/cluster/ha/resources/{sid}", {}
        return
    require_group(desired, found.affinities, rules=rules)
    if not rules:
        yield from _group(desired, found)
    joining = list(_rules(desired, found, sid)) if rules else []
    yield from _resource(desired, found, sid, rules)
    yield from joining


def _group(desired: Ha, found: Found) -> Iterator[Call]:
    groups = found.affinities.groups
    nodes = ",".join(desired.nodes)
    if desired.group is None:
        return
    if desired.group not in groups:
        yield "POST", "/cluster/ha/groups", {"group": desired.group, "nodes": nodes}
    elif nodes and canonical(desired.nodes) != groups[desired.group]:
        yield "PUT", f"/cluster/ha/groups/{desired.group}", {"nodes": nodes}


def _resource(desired: Ha, found: Found, sid: str, rules: bool) -> Iterator[Call]:
    settings: dict[str, Value] = {"state": desired.state, "max_restart": desired.max_restart}
    has = found.ha
    if has is None:
        group = {"group": desired.group} if desired.group and not rules else {}
        yield "POST", "/cluster/ha/resources", {"sid": sid, **settings, **group}
        return
    same = (has.state, has.max_restart) == (desired.state, desired.max_restart)
    if not rules and has.group != desired.group:
        settings |= {"group": desired.group} if desired.group else {"delete": "group"}
    elif same:
        return
    yield "PUT", f"/cluster/ha/resources/{sid}", settings


def _rules(desired: Ha, found: Found, sid: str) -> Iterator[Call]:
    """A resource may be in one rule of this kind at most, and a rule needs a resource."""
    affinities = found.affinities
    kind = {"type": NODE_AFFINITY}
    digest = {"digest": affinities.digest} if affinities.digest else {}
    rule = affinities.rule(desired.group) if desired.group else None
    for one in affinities.naming(sid):
        others = [name for name in one.resources if name != sid]
        if one == rule:
            continue
        if others:
            left = {**kind, "resources": ",".join(others), **digest}
            yield "PUT", f"{RULES}/{one.name}", left
        else:
            yield "DELETE", f"{RULES}/{one.name}", {}
    nodes = {"nodes": ",".join(desired.nodes)} if desired.nodes else {}
    if rule is not None:
        resources = {} if sid in rule.resources else {"resources": [*rule.resources, sid]}
        other_nodes = nodes if canonical(desired.nodes) != rule.nodes else {}
        if resources or other_nodes:
            joined = {name: ",".join(value) for name, value in resources.items()}
            yield "PUT", f"{RULES}/{rule.name}", {**kind, **joined, **other_nodes, **digest}
    elif desired.group:
        yield "POST", RULES, {"rule": desired.group, **kind, "resources": sid, **nodes}


def _replication(desired: tuple[Replication, ...], found: Found) -> Iterator[Call]:
    """Jobs are known by their target: Proxmox VE has one for each at most."""
    by_target = {job.target: (name, job) for name, job in found.jobs.items()}
    for target, (name, _) in by_target.items():
        if target not in {job.target for job in desired}:
            yield "DELETE", f"/cluster/replication/{name}", {}
    free = (
        name for number in range(100) if (name := f"{found.guest.vmid}-{number}") not in found.jobs
    )
    for job in desired:
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
