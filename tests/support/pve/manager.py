"""The stand-in's HA manager at work: a moment after its resources differ from their states.

As the real one does: it starts again what was stopped by somebody else, and stops what was started;
`stop` that it was told makes `stopped` the state; a container that is locked, or cannot be brought
to its state as often as `max_restart` allows, is in error from then on, until its state is
`disabled`.
"""

from __future__ import annotations

import time

from pve.cluster import Cluster, Guest, Refused
from pve.containers import begin_halt, begin_migration, begin_start, unlocked
from pve.ha import manages

USER = "root@pam"

STATES = {"started": True, "enabled": True, "stopped": False, "disabled": False}
"""Whether a container runs in a state."""


def work(cluster: Cluster) -> None:
    """One round, where it is time for one. The caller has the cluster's lock."""
    if time.monotonic() < cluster.ha_round or not cluster.quorate:
        return
    cluster.ha_round = time.monotonic() + cluster.ha_pause
    for sid in list(cluster.ha):
        guest = cluster.guests.get(int(sid.removeprefix("ct:")))
        if guest is None or not manages(cluster, guest.vmid) or cluster.busy(guest.vmid):
            continue
        if cluster.nodes[guest.node].online:
            _bring(cluster, sid, guest)


def in_error(cluster: Cluster, sid: str) -> bool:
    return cluster.ha_tries.get(sid, 0) > int(cluster.ha[sid].get("max_restart", 1))


def _bring(cluster: Cluster, sid: str, guest: Guest) -> None:
    resource = cluster.ha[sid]
    command = cluster.ha_commands.pop(sid, None)
    if resource.get("state") == "disabled":
        cluster.ha_tries.pop(sid, None)
    if in_error(cluster, sid):
        return
    runs = STATES[str(resource.get("state", "started"))]
    if command and command[0] == "migrate":
        begin_migration(cluster, USER, guest, command[1])
        return
    if command and runs:
        resource["state"], runs = "stopped", False
    if guest.running == runs:
        cluster.ha_tries.pop(sid, None)
        return
    cluster.ha_tries[sid] = cluster.ha_tries.get(sid, 0) + 1
    try:
        unlocked(cluster, {"node": guest.node, "vmid": guest.vmid})
    except Refused:
        return
    if runs:
        begin_start(cluster, USER, guest)
    else:
        begin_halt(cluster, USER, guest, "vzshutdown")
