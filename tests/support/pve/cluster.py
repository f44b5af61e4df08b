"""What a stand-in cluster holds: nodes, storages, containers, tasks that take time, and rights."""

from __future__ import annotations

import hashlib
import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pve.files import conf_text

Effect = Callable[["Task"], None]


class Refused(Exception):
    """A call's error: HTTP status, the status line's text, and what is wrong with parameters.

    delay: seconds until it is answered.
    """

    def __init__(
        self,
        status: int,
        text: str,
        errors: Mapping[str, str] | None = None,
        *,
        delay: float = 0,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.errors = dict(errors or {})
        self.delay = delay


class Failed(Exception):
    """A task's failure: its exit status."""


@dataclass
class Task:
    """ends: by time.monotonic. effect runs then, may write log lines, raises Failed."""

    upid: str
    node: str
    kind: str
    guest: int | None
    ends: float
    effect: Effect
    log: list[str] = field(default_factory=list)
    exit_status: str | None = None
    warnings: int = 0

    def warn(self, text: str) -> None:
        self.warnings += 1
        self.log.append(f"WARN: {text}")


@dataclass
class Guest:
    """config: as Proxmox VE gives it back. pending: what waits for a restart."""

    vmid: int
    node: str
    config: dict[str, str | int]
    pending: dict[str, str | int] = field(default_factory=dict)
    running: bool = False
    pool: str | None = None
    snapshots: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Of the configuration file."""
        return hashlib.sha1(conf_text(self).encode()).hexdigest()


@dataclass
class Storage:
    name: str
    content: str = "rootdir,vztmpl"
    total: int = 100 << 30
    used: int = 10 << 30
    active: bool = True
    shared: bool = False


@dataclass
class Node:
    name: str
    online: bool = True
    bridges: tuple[str, ...] = ("vmbr0",)
    mtu: int = 1500
    """Of each of its bridges."""
    storages: dict[str, Storage] = field(default_factory=dict)
    templates: list[str] = field(default_factory=list)
    available: list[str] = field(default_factory=list)


@dataclass
class Token:
    """An API token, or a user with a password. rights: path to privileges; None may everything,
    as root@pam's."""

    secret: str
    rights: Mapping[str, frozenset[str]] | None = None


@dataclass
class Injected:
    """An error that the next `times` calls meet whose `METHOD path` holds `where`."""

    where: str
    refusal: Refused
    times: int = 1


def _node(name: str) -> Node:
    return Node(
        name,
        storages={"local": Storage("local"), "local-lvm": Storage("local-lvm", "rootdir,images")},
        templates=[
            "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
            "local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst",
        ],
        available=[
            "debian-12-standard_12.7-1_amd64.tar.zst",
            "debian-12-standard_12.12-1_amd64.tar.zst",
            "debian-13-standard_13.1-2_amd64.tar.zst",
        ],
    )


class Backend:
    """What stands behind the containers; nothing, here. Each call may raise Failed."""

    def create(self, guest: Guest) -> None: ...

    def start(self, guest: Guest) -> None: ...

    def stop(self, guest: Guest) -> None: ...

    def destroy(self, guest: Guest) -> None: ...

    def change(self, guest: Guest) -> None:
        """Bring a container to its configuration, what waits for a start aside."""

    def interfaces(self, guest: Guest) -> list[dict[str, object]]:
        """Those of a running container, as the API shows them."""
        return []


class Cluster:
    """duration: seconds that a task takes. Calls of several threads come one after the other."""

    def __init__(
        self, nodes: Iterable[str] = ("pve",), *, version: int = 8, duration: float = 0.05
    ) -> None:
        self.nodes = {name: _node(name) for name in nodes}
        self.version = version
        self.duration = duration
        self.guests: dict[int, Guest] = {}
        self.tasks: dict[str, Task] = {}
        self.tokens: dict[str, Token] = {}
        self.users: dict[str, Token] = {}
        """User with realm → password and rights, for tickets."""
        self.seal = secrets.token_bytes(32)
        """What tickets are signed with."""
        self.pause: Callable[[float], None] = time.sleep
        self.machines: dict[int, str] = {}
        """Virtual machines: id → node."""
        self.ha: dict[str, dict[str, str | int]] = {}
        self.ha_pause = 0.1
        """Seconds between two rounds of the HA manager; of the real one it is ten."""
        self.ha_round = 0.0
        self.ha_commands: dict[str, list[str]] = {}
        """What the HA manager was told of a resource, and has not looked at yet."""
        self.ha_tries: dict[str, int] = {}
        """How often in a row a resource could not be brought to its state."""
        self.ha_groups: dict[str, dict[str, str | int]] = {}
        self.ha_rules: dict[str, dict[str, str | int]] = {}
        self.replication: dict[str, dict[str, str | int]] = {}
        self.options: dict[str, str] = {}
        """What datacenter.cfg says."""
        self.delays: Mapping[str, float] = {}
        """Seconds that a call of the contract takes beside what it does."""
        self.publish: Callable[[], None] = lambda: None
        self.stuck: set[int] = set()
        """Containers whose file systems do not grow with their disks; the task is well all the
        same."""
        self.full: set[str] = set()
        """Storages that turn out to be full in the middle of a move to them."""
        self.quorate = True
        self.backend = Backend()
        self.injected: list[Injected] = []
        self.calls: list[tuple[str, str, dict[str, str | int]]] = []
        self.lock = threading.RLock()
        self._numbers = itertools.count(1)

    def finish_due(self) -> None:
        """Let what is over by now take effect."""
        for task in list(self.tasks.values()):
            if task.exit_status is None and time.monotonic() >= task.ends:
                self._finish(task)

    def _finish(self, task: Task) -> None:
        try:
            task.effect(task)
        except Failed as failure:
            task.exit_status = str(failure)
            task.log.append(f"TASK ERROR: {failure}")
            return
        task.exit_status = f"WARNINGS: {task.warnings}" if task.warnings else "OK"
        task.log.append(f"TASK {task.exit_status}")

    def begin(
        self,
        node: str,
        kind: str,
        guest: int | None,
        user: str,
        effect: Effect,
        log: Iterable[str] = (),
        *,
        works: bool = True,
    ) -> str:
        """Start a task; its UPID. One at a time works on a container; works: this one does."""
        if works and guest is not None and self.busy(guest):
            raise Refused(
                500, f"can't lock file '/run/lock/lxc/pve-config-{guest}.lock' - got timeout"
            )
        number = next(self._numbers)
        upid = f"UPID:{node}:{number:08X}:{number:08X}:{int(time.time()):08X}:{kind}:"
        upid += f"{guest or ''}:{user}:"
        ends = time.monotonic() + self.duration
        of = guest if works else None
        self.tasks[upid] = Task(upid, node, kind, of, ends, effect, list(log))
        return upid

    def used(self, node: str, storage: str) -> int:
        """Bytes of a storage that are taken, by containers' root disks and by others."""
        disks = (
            str(guest.config["rootfs"])
            for guest in self.guests.values()
            if guest.node == node and "rootfs" in guest.config
        )
        mine = (disk for disk in disks if disk.partition(":")[0] == storage)
        sizes = sum(int(disk.rpartition("=")[2][:-1]) << 30 for disk in mine)
        return self.nodes[node].storages[storage].used + sizes

    def busy(self, guest: int) -> bool:
        return any(task.guest == guest and task.exit_status is None for task in self.tasks.values())

    def inject(self, where: str, status: int, text: str, times: int = 1) -> None:
        self.injected.append(Injected(where, Refused(status, text), times))

    def meet_injected(self, call: str) -> None:
        for injected in self.injected:
            if injected.times and injected.where in call:
                injected.times -= 1
                raise injected.refusal

    def guest(self, node: str, vmid: int) -> Guest:
        found = self.guests.get(vmid)
        if found is None or found.node != node:
            raise Refused(500, f"Configuration file 'nodes/{node}/lxc/{vmid}.conf' does not exist")
        return found
