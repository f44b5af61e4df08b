"""What Proxmox VE would say no to, known before anything is begun. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.containers.base import Refusal
from tasks.containers.proxmox.parameters import Config, is_unprivileged


def refusals(vmid: int, node: str, config: Config, clones: Sequence[int]) -> dict[str, Refusal]:
    """By what would be done: `destroy`, `move` (of its disk), `start`; or by the attribute that no
    container which is there takes on.

    clones: ids of the containers whose disks are linked clones of its own.
    """
    found = {}
    if config.current.get("protection") == "1":
        found["destroy"] = Refusal(
            f"container {vmid} is protected",
            "To remove it with all that is in it, first apply proxmox.protection: false, "
            f"or `pct set {vmid} --protection 0` on node {node}",
        )
    elif clones:
        ids = ", ".join(str(clone) for clone in sorted(clones))
        found["destroy"] = Refusal(
            f"container {vmid} is what others are linked clones of: {ids}",
            "Make full clones of them, or keep it",
        )
    if config.snapshots:
        names = ", ".join(config.snapshots)
        found["move"] = Refusal(
            f"container {vmid} has snapshots, with which Proxmox VE moves no disk: {names}",
            "Put proxmox.storage back; or `pct delsnapshot` on node "
            f"{node}, which loses what only they hold",
        )
    if config.current.get("template") == "1":
        found["start"] = Refusal(
            f"container {vmid} has been made a template of Proxmox VE, which never runs",
            f"`pct clone {vmid} ID --full` on node {node} makes a container of it, which "
            "proxmox.container_id takes over",
        )
    if not is_unprivileged(config.current):
        path = f"/etc/pve/nodes/{node}/lxc/{vmid}.conf"
        found["unprivileged"] = Refusal(
            f"container {vmid} counts as privileged: `unprivileged: 1` is not in its configuration",
            f"Put the line back, on the node: {path}; nothing in it is lost by that. Where it was "
            "restored without: `pct restore` it again with --unprivileged 1, which loses what came "
            "after that archive.",
        )
    return found
