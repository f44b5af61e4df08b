"""Containers of Proxmox VE, from the node that holds them: tasks.containers.base.Container.

What is done to a container goes through the API (lifecycle); programs in it are started by the
node itself (inside). It is ours where three things name the same instance: a tag and the notes,
which every step asks for, and the marker, which every program in it is started through and which
a running container is asked for before it is changed, stopped or destroyed.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tasks.containers.base import SILENT, Completed, ContainerFacts, ContainerSpec, Progress
from tasks.containers.lxc import boot
from tasks.containers.proxmox.api import Session
from tasks.containers.proxmox.guests import NOTHING, Found, Guest, require_ours
from tasks.containers.proxmox.inside import Inside
from tasks.containers.proxmox.lifecycle import Lifecycle
from tasks.containers.proxmox.parameters import RESTART_FIELDS
from tasks.containers.proxmox.properties import is_unmarked, marked
from tasks.containers.proxmox.wish import ProxmoxWish
from tasks.errors import ResourceError

LXC_PATH = Path("/var/lib/lxc")


def this_node() -> str:
    """The name of this machine as a node of Proxmox VE: its host name, without a domain."""
    return socket.gethostname().partition(".")[0]


class ProxmoxContainer:
    """One container of Proxmox VE. See tasks.containers.base.Container.

    node: of this machine; programs can be run in containers that are on it.
    """

    limits_disk = True

    def __init__(
        self,
        spec: ContainerSpec,
        wish: ProxmoxWish,
        session: Session,
        *,
        node: str | None = None,
        lxc_path: Path = LXC_PATH,
    ) -> None:
        self.spec = spec
        self.round_trips = 0
        self._session = session
        self._lifecycle = Lifecycle(spec, wish, session)
        self._node = node or this_node()
        self._lxc_path = lxc_path
        self._guest: Guest | None = None

    def _find(self) -> Found | None:
        found = self._lifecycle.find()
        self._guest = found.guest if found and found.owner == self.spec.instance_id else None
        return found

    def observe(self) -> ContainerFacts:
        found = self._find()
        return found.facts if found else NOTHING

    def create(self, progress: Progress = SILENT) -> None:
        self._lifecycle.create(progress)

    def configure(self, progress: Progress = SILENT) -> None:
        self._prove_marker()
        self._lifecycle.configure(progress)

    def needs_restart(self, changed: frozenset[str]) -> frozenset[str]:
        return changed & RESTART_FIELDS

    def start(self, progress: Progress = SILENT) -> None:
        self._lifecycle.start(progress)
        found = self._lifecycle.require("start")
        inside = self._inside(found.guest)
        notes = found.config.current.get("description", "")
        if is_unmarked(notes):
            inside.mark()
            given = {"description": marked(notes), "digest": found.config.digest}
            self._session.call("PUT", f"{found.guest.path}/config", given)
        self._guest = found.guest
        argv = ["sh", "-c", boot.WAIT_FOR_SYSTEM, "sh", self.spec.gateway]
        waited = self.run(argv, timeout=boot.BOOT_LIMIT, check=False)
        failed = boot.judge(waited, self.spec.gateway, self.spec.name)
        degraded = f", degraded: {' '.join(failed)} failed" if failed else ""
        progress.step(f"container up{degraded}", 1.0)

    def stop(self, progress: Progress = SILENT) -> None:
        self._prove_marker()
        self._lifecycle.stop(progress)

    def destroy(self, progress: Progress = SILENT) -> None:
        self._prove_marker()
        self._guest = None
        self._lifecycle.destroy(progress)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        timeout: float = 60,
        check: bool = True,
    ) -> Completed:
        inside = self._inside(self._guest or self._ours("run a command in"))
        self.round_trips += 1
        return inside.run(argv, stdin=stdin, stdout=stdout, timeout=timeout, check=check)

    def _prove_marker(self) -> None:
        """Ask a running container for its marker; a stopped one has no way to answer."""
        found = self._find()
        if found is None or not found.running or self._guest is None:
            return
        if not is_unmarked(found.config.current.get("description", "")):
            self._inside(self._guest).run(["true"])

    def _ours(self, action: str) -> Guest:
        found = self._find()
        if found is None:
            raise ResourceError(
                f"there is no container to {action}",
                where=self.spec.name,
                hint="`./doit apply` creates it",
            )
        require_ours(found, self.spec)
        return found.guest

    def _inside(self, guest: Guest) -> Inside:
        if guest.node != self._node:
            raise ResourceError(
                f"container {guest.vmid} is on node {guest.node}, this is {self._node}: programs "
                "in it are started by its own node",
                where=self.spec.name,
                hint=f"run this on {guest.node}",
            )
        return Inside(guest.vmid, self.spec.instance_id, self.spec.name, self._lxc_path)
