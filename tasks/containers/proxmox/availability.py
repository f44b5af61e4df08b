"""Tells the HA manager and storage replication what is desired of a container."""

from __future__ import annotations

from collections.abc import Callable

from tasks.containers.proxmox.affinity import Affinities
from tasks.containers.proxmox.answers import Version
from tasks.containers.proxmox.api import Session, ask
from tasks.containers.proxmox.desired import DesiredProxmox, Ha
from tasks.containers.proxmox.guests import Found
from tasks.containers.proxmox.properties import parse_whole
from tasks.containers.proxmox.registration import RULES, registrations
from tasks.errors import DeployError

FIRST_WITH_RULES = 9

ROUNDS = 4
"""A rule that is left, one that is joined, and the rest: more looks than that are never needed."""


def uses_rules(session: Session, desired: Ha | None, affinities: Affinities) -> bool:
    """Whether the cluster has HA rules, no groups. It is asked only where nothing else tells."""
    if affinities.rules:
        return True
    if affinities.groups or desired is None or desired.group is None:
        return False
    version = ask(session, "/version", Version).version
    return (parse_whole(version.partition(".")[0]) or 0) >= FIRST_WITH_RULES


def register(session: Session, desired: DesiredProxmox, look: Callable[[], Found]) -> None:
    """Bring what both know of the container to what is desired.

    look: finds the container anew; a change of a rule makes what was known of all rules old.
    """
    for _ in range(ROUNDS):
        found = look()
        rules = uses_rules(session, desired.ha, found.affinities)
        changed_rule = False
        for method, path, parameters in list(registrations(desired, found, rules=rules)):
            session.call(method, path, parameters)
            changed_rule = path.startswith(RULES)
            if changed_rule:
                break
        if not changed_rule:
            return
    raise DeployError(
        f"HA has container {found.guest.vmid} differently after each change",
        hint="`ha-manager rules config` on a node shows the rules that name it",
    )
