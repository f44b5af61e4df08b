"""One cluster as one process sees it: one session, one way to each node, looks that all share.

Facts of all instances come in one look, however many ask at once: whoever asks gets a look that
began after the moment from which it wants to know, and only if there is none, a new one is taken.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.containers.proxmox.access import Local, OpenSsh
from tasks.containers.proxmox.api import open_session
from tasks.containers.proxmox.reach import Reach, reach_of
from tasks.containers.proxmox.remote import execute
from tasks.containers.proxmox.section import Proxmox
from tasks.containers.proxmox.view import (
    NO_NODE,
    Member,
    Seen,
    View,
    look_text,
    parse_seen,
    parse_view,
)
from tasks.errors import DeployError, NetworkError, ResourceError
from tasks.host.locks import locked
from tasks.host.process import last_lines
from tasks.paths import Paths

LOOK_LIMIT = 60
"""Seconds for a look at a node."""


class Cluster:
    """What is shared by all instances that reach Proxmox VE in the same way.

    looks: how often a node was looked at. session: of the API, opened by the first call.
    """

    def __init__(self, reach: Reach, paths: Paths) -> None:
        self.reach = reach
        self.paths = paths
        self.looks = 0
        self.session = open_session(reach.api)
        self._mutex = threading.Lock()
        self._view: tuple[float, View] | None = None
        self._seen: dict[str, tuple[float, Seen]] = {}
        self._at_node: dict[str, threading.Lock] = {}

    @property
    def is_node(self) -> bool:
        """Whether this machine is a node of Proxmox VE."""
        return (self.paths.cluster / ".members").exists()

    @property
    def entry(self) -> Local | OpenSsh:
        return self.reach.entry(is_node=self.is_node)

    def view(self, since: float) -> View:
        """The cluster as it was at some moment after `since`, by time.monotonic."""
        with self._mutex:
            if self._view is None or self._view[0] < since:
                began = time.monotonic()
                output = self._look(self.entry, "all")
                view = parse_view(output, self.entry.where)
                self._view = (began, view)
                self._seen[view.node] = (began, view.seen)
            return self._view[1]

    def seen(self, node: str, since: float) -> Seen:
        """What a node tells of itself, at some moment after `since`; NetworkError where it is not
        reached."""
        view = self.view(since)
        with self._mutex:
            at_node = self._at_node.setdefault(node, threading.Lock())
        with at_node:
            began, found = self._seen.get(node, (0.0, None))
            if found is None or began < since:
                began = time.monotonic()
                found = parse_seen(self._look(self.way_to(node, view), "running"))
                self._seen[node] = (began, found)
            return found

    def way_to(self, node: str, view: View) -> Local | OpenSsh:
        """How programs are started on a node."""
        member = view.members.get(node) or Member(node, True, "")
        return self.reach.node(member, self.entry, view.node)

    def _look(self, access: Local | OpenSsh, what: str) -> str:
        self.looks += 1
        argv = ["sh", "-c", look_text(), "look"]
        argv += [str(self.paths.cluster), str(self.paths.lxc), what, str(self.paths.prefix)]
        done = execute(access, argv, timeout=LOOK_LIMIT)
        if done.returncode == NO_NODE:
            raise ResourceError(
                "this machine is no node of Proxmox VE"
                if isinstance(access, Local)
                else f"{access.host} is no node of Proxmox VE",
                where=access.where,
                hint="where it is one, `systemctl status pve-cluster` says why; else set "
                "proxmox.connection to reach one from here: see docs/proxmox.md",
                evidence=[f"there is no {self.paths.cluster}/.members"],
            )
        if done.returncode != 0:
            raise DeployError(
                "the node could not be looked at",
                where=access.where,
                evidence=last_lines(done.stderr),
            )
        return done.stdout.decode(errors="surrogateescape")

    @contextmanager
    def creating(self, node: str) -> Iterator[None]:
        """One creation at a time on a node: Proxmox VE's own lock gives up after 10 s."""
        with locked(self.paths.run / f"create-{self._place}-{node}"):
            yield

    @contextmanager
    def registering(self) -> Iterator[None]:
        """One at a time changes a rule of the HA manager: it names containers of several."""
        with locked(self.paths.run / f"ha-{self._place}"):
            yield

    @property
    def _place(self) -> str:
        return (self.reach.connection.host or "local").replace("/", "_")

    def require_quorum(self, view: View) -> None:
        """NetworkError where the cluster would refuse every change."""
        if not view.quorate:
            raise NetworkError(
                "the cluster has no quorum: Proxmox VE refuses every change",
                where=self.entry.where,
                hint="`pvecm status` on a node shows who is missing; bring back most of the nodes",
            )


_CLUSTERS: dict[tuple[str, str], Cluster] = {}
_GUARD = threading.Lock()


def cluster_of(desired: Proxmox, paths: Paths) -> Cluster:
    """The cluster that a configuration names; the same for all that name it alike."""
    reach = reach_of(desired, paths)
    key = (repr(reach), str(paths.prefix))
    with _GUARD:
        return _CLUSTERS.setdefault(key, Cluster(reach, paths))
