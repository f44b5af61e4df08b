"""What a declared thing is: an address, a desired value, how it is asked after, how it differs.

Resources (resources) and facts are frozen; comparing them has no effect.
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import msgspec
from msgspec import Struct, StructMeta

from tasks.containers.base import ContainerFacts
from tasks.model.digests import digest
from tasks.model.plan import Action, AttributeChange


class Difference(Struct, frozen=True):
    """How a fact differs from what is desired.

    drift: what somebody must have done by hand where what is desired has not changed
    (`edited`, `removed`, `stopped` …). before, after: whole text contents where there are any.
    interrupts: what stops working meanwhile, empty for nothing. because: why, where it is neither
    a desired value that changed nor drift.
    """

    action: Action
    drift: str
    changes: tuple[AttributeChange, ...] = ()
    before: bytes | None = None
    after: bytes | None = None
    destructive: bool = False
    interrupts: str = ""
    because: str = ""


class Origin(Struct, frozen=True):
    """Where a desired value comes from: the configuration keys and the template that made it."""

    inputs: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Dotted configuration key → digest of its value."""
    template: str | None = None
    """Digest of the template and what it includes."""

    def merged(self, others: Iterable[Origin]) -> Origin:
        """This origin with the inputs of others added."""
        inputs = dict(self.inputs)
        for other in others:
            inputs.update(other.inputs)
        return Origin(inputs, self.template)


NO_ORIGIN = Origin()


class _AbstractStruct(StructMeta, ABCMeta):
    pass


class Resource(Struct, metaclass=_AbstractStruct, frozen=True, kw_only=True):
    """A desired thing. Subclasses add what is desired and how facts are compared with it.

    triggers: addresses; where one of those changes, this one is acted on again.
    follows: addresses; where one of those changes, that is why this one differs.
    otherwise: why it is another than before, where no key of the configuration has changed.
    serving: the same of the color that serves, where this one's color is to take over from it.
    destructive_inputs: configuration keys whose change loses data through this resource;
    destructive: any change of it does. holds_data: where it was deployed and is not there any more,
    so is the data. opened: addresses of what holds data; where one of those is made anew, this one
    is acted on again.
    """

    kind: ClassVar[str] = ""

    origin: Origin = NO_ORIGIN
    triggers: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    otherwise: str = ""
    serving: Resource | None = None
    destructive_inputs: tuple[str, ...] = ()
    destructive: bool = False
    holds_data: bool = False
    opened: tuple[str, ...] = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """What tells it from others of its kind: a path, a package's name …"""

    @property
    def address(self) -> str:
        return f"{self.kind}:{self.name}"

    @property
    def sensitive(self) -> bool:
        """Whether contents must never be shown."""
        return False

    def questions(self) -> tuple[tuple[str, ...], ...]:
        """What the observer is asked, each a kind of question and its arguments."""
        return ()

    @abstractmethod
    def desired(self) -> Mapping[str, Any]:
        """The desired value, JSON-ready and without secrets: what its digest is made of."""

    @abstractmethod
    def difference(self, facts: Facts) -> Difference | None:
        """How the facts differ from what is desired; None where they do not."""

    def fired(self) -> Difference:
        """What is to be done where only a trigger calls for it."""
        return Difference("run", "")


class FileFact(Struct, frozen=True):
    """type: `file`, `directory`, `link` or `other`. mode: octal, four digits. size: bytes.

    sha256 of a regular file; target of a link; content where it was asked for and differs.
    """

    type: str
    mode: str
    owner: str
    group: str
    size: int = 0
    sha256: str = ""
    target: str = ""
    content: bytes | None = None


HEALTH = "health"
"""Name of the change of what runs and does not answer as it should."""

NO_ANSWER = "does not answer"
WELL = ("well", "idle", "stopped", "unasked")
"""States of the probe `answers` of which there is nothing to say: that a unit is stopped is a state
of the unit, and what could not be asked is no fault of it."""


class UnitFact(Struct, frozen=True):
    """systemd's own words: LoadState, ActiveState, UnitFileState, NeedDaemonReload.

    files: paths of its file and drop-ins, as systemd has loaded them, without a package's.
    outdated: packages whose program or libraries it runs as they were before an update.
    """

    load: str
    active: str
    file: str
    stale: bool
    files: tuple[str, ...] = ()
    outdated: tuple[str, ...] = ()

    @property
    def up(self) -> bool:
        return self.active in ("active", "reloading")


class Facts(Struct, frozen=True):
    """What was found in one container in one round trip, by what was asked."""

    files: Mapping[str, FileFact] = msgspec.field(default_factory=dict)
    texts: Mapping[str, str] = msgspec.field(default_factory=dict)
    """First line of small files that hold one value."""
    packages: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Installed packages and their versions."""
    users: Mapping[str, str] = msgspec.field(default_factory=dict)
    """User → `home:shell`."""
    units: Mapping[str, UnitFact] = msgspec.field(default_factory=dict)
    unit_files: tuple[str, ...] = ()
    """Paths of unit files and drop-ins on disk, where systemd has loaded others."""
    probes: Mapping[tuple[str, ...], str] = msgspec.field(default_factory=dict)
    """Script and its arguments → the state it printed."""
    host: Mapping[str, str] = msgspec.field(default_factory=dict)
    """What was found on the host: address → state (artifacts, records)."""
    container: ContainerFacts | None = None

    def unwell(self, asked: tuple[str, ...]) -> str:
        """What the probe `answers` says is wrong, in a few words; empty where nothing is."""
        found = self.probes.get(("answers", *asked), "unasked")
        return "" if found in WELL else found

    def index(self) -> dict[str, str]:
        """What was found, by what was asked, in short: to tell what moved between two looks."""
        found = {
            f"file:{path}": " ".join((f.type, f.mode, f.owner, f.group, f.sha256, f.target))
            for path, f in self.files.items()
        }
        found.update((f"text:{path}", text) for path, text in self.texts.items())
        found.update((f"package:{name}", "installed") for name in self.packages)
        found.update((f"user:{name}", value) for name, value in self.users.items())
        found.update(
            # A service that fails and is tried again changes its state at every look.
            (
                f"unit:{name}",
                " ".join((u.load, "up" if u.up else "down", u.file, *u.files, *u.outdated)),
            )
            for name, u in self.units.items()
        )
        found.update((":".join(key), state) for key, state in self.probes.items())
        found.update(self.host)
        if self.container is not None:
            found["container"] = digest(
                [
                    self.container.exists,
                    self.container.running,
                    self.container.owner,
                    dict(self.container.attributes),
                ]
            )
        return found
