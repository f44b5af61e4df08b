"""What every driver of containers offers, and every container. Transport and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import Struct

from tasks.errors import ResourceError
from tasks.host.process import Completed
from tasks.model.instance import DHCP, is_asked
from tasks.progress import SILENT, Progress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tasks.model.finding import Concern, Finding
    from tasks.model.instance import DriverName, Instance, Placement
    from tasks.paths import Paths

GIVEN = "given_address"
"""Of the attributes: the address with prefix length that a DHCP server has given it, where it is
configured to ask for one and runs."""

GIVEN6 = "given_address6"
"""The same of the second one, of IPv6, by whichever way."""

MARKER_PATH = "/etc/vikunja-deploy"
"""In the container, root-owned: one line, the instance id. Part of the proof that it is ours."""


class ContainerSpec(Struct, frozen=True):
    """A container as desired.

    ip_address, ip6_address: with prefix length; the first may be DHCP, the second DHCP or AUTO,
    without a gateway. ip_address: empty for a container that is in no network.
    mac_address: lower case; None for one that the driver chooses. nameservers: empty means the
    host's own.
    template: a Debian suite (lxc) or template name (proxmox).
    more: attributes that only one driver has, by name; JSON-ready values.
    """

    name: str
    instance_id: str
    template: str
    hostname: str
    cpu_cores: int
    memory_mb: int
    disk_size_gb: int
    bridge: str
    ip_address: str
    gateway: str
    nameservers: tuple[str, ...] = ()
    more: Mapping[str, object] = msgspec.field(default_factory=dict)
    template_named: bool = True
    ip6_address: str | None = None
    gateway6: str | None = None
    mac_address: str | None = None

    @property
    def addresses(self) -> list[str]:
        """Those that are configured, with prefix length."""
        return [text for text in (self.ip_address, self.ip6_address) if text and not is_asked(text)]

    @property
    def asks(self) -> bool:
        """Whether it asks for its address."""
        return self.ip_address == DHCP

    @property
    def asks6(self) -> bool:
        """Whether its second address is what others give."""
        return is_asked(self.ip6_address)

    @property
    def gateways(self) -> list[str]:
        return [text for text in (self.gateway, self.gateway6) if text]

    def key_of(self, address: str) -> str:
        """The configuration key of one of its addresses."""
        return f"network.{'ip_address' if address == self.ip_address else 'ip6_address'}"


class Refusal(Struct, frozen=True):
    """Why something cannot be done to a container as it is. what, hint: as an error says them."""

    what: str
    hint: str


RECORDED, NOT_RECORDED = "recorded", "not recorded"
"""Of the attribute `identity`: whether registry and container have the same."""


def refuse(refusals: Mapping[str, Refusal], action: str, where: str) -> None:
    """ResourceError where the action is among those that are refused."""
    if action in refusals:
        raise ResourceError(refusals[action].what, where=where, hint=refusals[action].hint)


class ContainerFacts(Struct, frozen=True):
    """A container as found.

    owner: instance id that the driver's own records and the marker agree on; None where the
    container does not exist, is not proven ours, or is a copy of the one that the registry has.
    unproven: why that is so, and what to do. identity, folder: what the registry tells it from a
    copy by (see Registered), where it has that. attributes: current values of the fields of
    ContainerSpec, and of what is in its `more`, that the driver can observe, by name.
    hardware_address: of its interface, where that is not what follows from its name.
    pending: values that attributes take on at the next start, by name. refusals: by what would be
    done to it: `destroy`, `move`, `start`; and by the attribute that nothing changes.
    """

    exists: bool
    running: bool
    owner: str | None
    attributes: Mapping[str, object]
    pending: Mapping[str, object] = msgspec.field(default_factory=dict)
    refusals: Mapping[str, Refusal] = msgspec.field(default_factory=dict)
    unproven: Refusal | None = None
    identity: str | None = None
    folder: int | None = None
    hardware_address: str | None = None

    @property
    def template(self) -> str | None:
        """What it was made from; None where there is none, or nothing says it."""
        template = self.attributes.get("template")
        return template if isinstance(template, str) else None


class Runs(Protocol):
    """Where programs can be run: a container, or somewhere that is not ours."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        timeout: float = 60,
        check: bool = True,
    ) -> Completed:
        """Run argv as root in it, with a clean environment and working folder `/`.

        stdin: bytes or an open file with a descriptor. stdout: an open file that takes the
        output instead of Completed.stdout. timeout: seconds, then the command and its children in
        the container are killed and DeployError raised. check: a non-zero exit raises one with
        the last lines of stderr as evidence; the error names argv[0] only.
        """


class Container(Runs, Protocol):
    """One container of one driver. Made from a ContainerSpec; making it touches nothing.

    Every method raises a tasks.errors.DeployError with what failed, the container's name as
    `where`, the evidence and a hint. Methods that change refuse a container that exists and is
    not proven ours (ResourceError) and can be called again after a kill at any point. own_disk:
    it has a disk of its own, with a file system.
    """

    own_disk: bool
    spec: ContainerSpec
    round_trips: int
    """How many processes were started in the container by this object."""

    @property
    def restart_pending(self) -> bool | None:
        """Whether the machine that it is on waits for a restart, as that one's packages say; None
        where nobody does."""

    def observe(self) -> ContainerFacts:
        """Facts from the host's side only: no process in the container, no change."""

    def prepare_machine(self, progress: Progress = SILENT) -> None:
        """Bring about what this machine needs for a container to be made; raise where that cannot
        be. Nothing of the instance is touched."""

    def preflight(self, found: ContainerFacts) -> None:
        """Raise what would keep a container that was found so from being made, or brought to the
        spec. No change, and nothing is asked of a container that needs neither."""

    def copies(self) -> tuple[str, ...]:
        """Names of other containers that say that they are the instance's. None is ever changed."""

    def missing(self) -> str | None:
        """What adopt would put right of the proof that the container is ours, in words. None where
        there is none to be had, or it is proven. ResourceError where too little of it is left."""

    def adopt(self, progress: Progress = SILENT) -> None:
        """Put right what `missing` says, and know the container by it from now on."""

    def create(self, progress: Progress = SILENT) -> None:
        """Make it, with the marker, not started. Nothing half made is ever taken as existing."""

    def configure(self, progress: Progress = SILENT) -> None:
        """Bring an existing container's attributes to the spec, in place, live where possible."""

    def needs_restart(self, changed: frozenset[str]) -> frozenset[str]:
        """Which of these changed ContainerSpec fields take effect only by a restart."""

    def start(self, progress: Progress = SILENT) -> None:
        """Start it and wait until its init has come up and its address answers routes."""

    def stop(self, progress: Progress = SILENT) -> None:
        """Shut it down cleanly, by force after a limit."""

    def retire(self, progress: Progress = SILENT) -> None:
        """Let nothing start it by itself, until configure brings that back, and stop it. Where that
        fails, what starts it by itself is as it was; it may be stopped."""

    def known_as(self, identity: str) -> bool:
        """Whether a container is in this place that was made with this identity, whatever else
        speaks for it or does not. No change."""

    def become(self, other: Container, identity: str, progress: Progress = SILENT) -> None:
        """Be `other` from now on: its instance's, with its name and network, which may be itself.

        It is stopped (or runs as what it is to be), and has this identity. Also where a kill has
        left it half way there; there already is success. `other` is of the same driver, and nothing
        else is in its place; of a spec without an address it is in no network.
        """

    def require_removable(self, *, kept: bool = False) -> None:
        """Raise what destroy would, before anything is changed. Gone already is removable.

        kept: it is only to be retired.
        """

    def destroy(self, progress: Progress = SILENT) -> None:
        """Remove it and everything that was made for it alone. Gone already is success."""


class DiskNeed(Struct, frozen=True):
    """Room that something takes. now: GB at the next apply; later: GB it may grow to."""

    path: Path
    what: str
    now: float
    later: float = 0.0


class Driver(Protocol):
    """A kind of container: what differs from one kind to another, beside what a Container does.

    There is one object of each, in tasks.containers.drivers. Where nothing else is said, nothing is
    asked of the world, and nothing raised.
    """

    @property
    def name(self) -> DriverName: ...

    @property
    def section(self) -> type[Placement]:
        """The record of its section of the configuration."""

    keys: tuple[str, ...]
    """Configuration keys of its own that an existing container takes on, dotted."""

    moving: tuple[str, ...]
    """Attributes of its containers that they take on by a move, which stops them."""

    makes_networks: bool
    """A bridge that is not there is made for a container, on any subnet that is free."""

    def is_here(self) -> bool:
        """Whether this machine is made for it: `init` proposes the first such driver."""

    def more_of(self, instance: Instance) -> Mapping[str, object]:
        """What it compares of a container beyond a ContainerSpec's fields, by name; JSON-ready."""

    def container(self, spec: ContainerSpec, instance: Instance, paths: Paths) -> Container:
        """The instance's container, not yet looked at."""

    def named(self, name: str, instance_id: str, paths: Paths) -> Container | None:
        """A container of which no more is known, to be looked at or destroyed. None where a name
        and this machine do not suffice to find it."""

    def list_owned(self, paths: Paths) -> Sequence[tuple[str, str]]:
        """(name, instance id) of every container that says that it is an instance's, as far as
        this machine alone can tell."""

    def location(self, instance: Instance) -> tuple[str | None, int | None]:
        """Node and number of the container, as the configuration has them; for the registry."""

    def double(self, instance: Instance, suffix: str) -> Mapping[str, Any]:
        """What of its section of the configuration a container beside the instance's own has
        otherwise: a drill's, a rebuild's. Nobody keeps it alive, or from being removed."""

    def numbered(self, number: int | None) -> Mapping[str, Any]:
        """What of its section says that the container has this number; nothing where containers
        have but names."""

    def next_number(self, instance: Instance, paths: Paths) -> int | None:
        """A number that is free; None where containers have but names."""

    def check_machine(self, paths: Paths) -> Iterable[Finding]:
        """Whether this machine has what any container of it takes. Asks the machine."""

    def disk_needs(self, instances: Sequence[Instance], paths: Paths) -> Iterable[DiskNeed]:
        """Room on this machine that containers of these instances take. Asks the machine."""

    @property
    def reach_checks(self) -> tuple[tuple[str, Concern], ...]:
        """What is looked at before the container: whether it can be asked for; by topic."""

    @property
    def container_checks(self) -> tuple[tuple[str, Concern], ...]:
        """Whether all is there that the container takes, by topic, in order."""

    def grants(self, instances: Sequence[Instance]) -> Sequence[str]:
        """Commands that grant what these instances' credentials need; each once. ConfigError where
        a credential cannot be read."""

    def unfinished(self) -> Sequence[str]:
        """What threads of this process wait for and what runs on without them; a line each."""


class LocalDriver(Driver, Protocol):
    """A driver whose containers live on this machine, and are made from a spec alone."""

    packages: tuple[str, ...]
    """Debian packages that it needs here."""

    def from_spec(self, spec: ContainerSpec, paths: Paths) -> Container:
        """Of no instance in particular: a builder's."""


def refuse_foreign(instance_id: str, name: str, found: ContainerFacts) -> None:
    """Raise ResourceError where the name is taken by a container not proven ours."""
    if not found.exists or found.owner == instance_id:
        return
    if found.owner is None and found.unproven is not None:
        raise ResourceError(found.unproven.what, where=instance_id, hint=found.unproven.hint)
    whose = f"belongs to instance {found.owner}" if found.owner else "is not proven ours"
    number = found.attributes.get("container_id")
    what = "name" if number is None else "proxmox.container_id"
    raise ResourceError(
        f"container {number or name} exists and {whose}",
        where=instance_id,
        hint=f"Choose another {what} for this instance; that container is left as it is.",
    )
