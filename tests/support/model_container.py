"""A container in memory: what tasks.containers.base.Container promises, on a model machine.

It understands exactly the commands that the tool sends, by their text, and takes nothing else.
What it is made to do goes into the world's log, in the order in which it happens.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, wraps
from pathlib import Path
from threading import RLock
from typing import IO, Any, TypeVar

import model_land
import model_migration
import model_observe
import model_release
import model_scripts
import model_services
from model_machine import Answer, Database, Machine

from tasks.backup.cutover import ATTACHMENTS
from tasks.containers import spec_for
from tasks.containers.base import MARKER_PATH, Container, ContainerFacts, ContainerSpec
from tasks.databases import copier
from tasks.databases.base import script as database_script
from tasks.databases.trial import TRIALS
from tasks.databases.watchdog import RECOVER
from tasks.databases.write_freeze import FREEZE
from tasks.errors import DeployError, ResourceError
from tasks.execution import (
    database_copy,
    guest_changes,
    rehearsal,
    release_changes,
    switchover,
)
from tasks.execution.guest_changes import applying
from tasks.guest.runner import (
    LAND,
    LEFTOVERS,
    SCRIPTS,
    function_name,
    script_text,
    while_stopped,
)
from tasks.guest.websockets import WEBSOCKETS_ENDED
from tasks.host.process import Completed
from tasks.model.instance import Instance
from tasks.paths import Paths
from tasks.planning.refusals import LEFT
from tasks.progress import SILENT, Progress
from tasks.resources.migration import JOURNAL
from tasks.resources.observe import observer

RESTART_FIELDS = frozenset({"ip_address", "gateway", "bridge"})
ATTRIBUTES = (
    "name",
    "instance_id",
    "template",
    "hostname",
    "cpu_cores",
    "memory_mb",
    "bridge",
    "ip_address",
    "gateway",
    "ip6_address",
    "nameservers",
)


@dataclass
class Place:
    """One container of the world. owner: None where it is somebody else's, or not proven. lost:
    what is missing of the proof, where there is enough left of it to be put back."""

    spec: ContainerSpec
    owner: str | None
    machine: Machine = field(default_factory=Machine)
    running: bool = False
    lost: str | None = None


@dataclass
class World:
    """All containers of a host, and what was done to them.

    kill_at: the event at which the process kills itself; its state is in `kept` then. cancel_at:
    the one at which the user cancels. unheard_at: the command before which whoever stands by in a
    write-stop puts everything back, for it heard nothing for too long.
    """

    places: dict[str, Place] = field(default_factory=dict)
    servers: dict[tuple[str, str], Database] = field(default_factory=dict)
    """Databases outside that outlived a container."""
    log: list[tuple[str, str]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    round_trips: int = 0
    events: int = 0
    kill_at: int = 0
    cancel_at: int = 0
    unheard_at: int = 0
    kept: Path | None = None
    noticed: Callable[[], object] | None = None
    """Called at every moment at which a process can be killed."""
    refuses_certificate: str = ""
    """Why an authority gives no certificate, where it does not."""
    mutex: Any = field(default_factory=RLock)
    """Held by the thread that changes anything: a kill finds nothing half done."""

    def container_for(self, instance: Instance, paths: Paths) -> Container:
        """In the place of tasks.containers.container_for."""
        return ModelContainer(spec_for(instance), self)

    def event(self) -> None:
        """A moment at which a process can be killed."""
        with self.mutex:
            self.events += 1
            if self.noticed:
                self.noticed()
            if self.cancel_at and self.events == self.cancel_at:
                raise KeyboardInterrupt
            if self.kill_at and self.events == self.kill_at:
                self.keep()
                os.kill(os.getpid(), signal.SIGKILL)

    def keep(self) -> None:
        assert self.kept is not None
        self.kept.write_bytes(pickle.dumps((self.places, self.log, self.refusals, self.events)))

    def lose(self, name: str) -> None:
        """The container is gone; what is on servers outside stays."""
        machine = self.places.pop(name).machine
        for key, database in machine.databases.items():
            if ":" in key[0]:
                self.servers[key] = database

    def recall(self) -> None:
        """Take over what a process that has ended kept."""
        assert self.kept is not None
        kept = pickle.loads(self.kept.read_bytes())
        self.places, self.log, self.refusals, self.events = kept

    def record(self, address: str, how: str) -> None:
        with self.mutex:
            self.log.append((address, how))
            self.event()

    def refuse(self, what: str) -> AssertionError:
        """For a command that the tool must never send."""
        self.refusals.append(what)
        return AssertionError(what)


Method = TypeVar("Method", bound=Callable[..., Any])


def alone(method: Method) -> Method:
    """A container's method that nothing else is done to the world beside."""

    @wraps(method)
    def made(self: Any, *arguments: Any, **named: Any) -> Any:
        with self.world.mutex:
            return method(self, *arguments, **named)

    return made  # type: ignore[return-value]


@cache
def known_texts() -> dict[str, str]:
    """Text of each command the tool sends but observers and database scripts → its name."""
    scripts = (
        FREEZE,
        LAND,
        LEFTOVERS,
        database_copy.SCRIPT,
        guest_changes.CERTIFICATE,
        guest_changes.DRAIN,
        guest_changes.INSTALL,
        guest_changes.UNIT,
        rehearsal.LOOK,
        rehearsal.REHEARSE,
        release_changes.COPY_RELEASE,
        release_changes.RELEASE,
        release_changes.SITE,
        switchover.BACK,
        switchover.CONFIRM,
        switchover.FLIP,
        WEBSOCKETS_ENDED,
        *(
            applying(name, must_exist=one)
            for name in script_names()
            for one in (False, True)
            if not one or "MUST_EXIST" in script_text(name)
        ),
    )
    return {script.text: script.name for script in scripts}


@cache
def script_names() -> tuple[str, ...]:
    """Those that say a state, or bring it about."""
    found = sorted(path.stem for path in SCRIPTS.glob("*.sh"))
    return tuple(name for name in found if f"_{function_name(name)}() {{" in script_text(name))


def observer_probes(text: str) -> set[str] | None:
    """The probes that an observer's text brings; None where it is no observer."""
    bare = observer(()).text
    if not text.endswith(bare):
        return None
    rest = text.removesuffix(bare)
    found = set()
    # Some stand in front of others.
    for name in sorted(script_names(), key=lambda one: -len(script_text(one))):
        if script_text(name) in rest:
            rest = rest.replace(script_text(name), "", 1)
            found.add(function_name(name))
    return found if not rest.strip() else None


class ModelContainer:
    own_disk = False
    restart_pending = False

    def __init__(self, spec: ContainerSpec, world: World) -> None:
        self.spec = spec
        self.world = world
        self.round_trips = 0

    @property
    def _place(self) -> Place | None:
        return self.world.places.get(self.spec.name)

    def _ours(self, verb: str) -> Place:
        place = self._place
        if place is None:
            raise ResourceError(f"cannot {verb}: there is none", where=self.spec.name)
        if place.owner != self.spec.instance_id:
            raise ResourceError(f"cannot {verb}: it is not proven ours", where=self.spec.name)
        return place

    def observe(self) -> ContainerFacts:
        place = self._place
        if place is None:
            return ContainerFacts(False, False, None, {})
        attributes = {name: getattr(place.spec, name) for name in ATTRIBUTES}
        return ContainerFacts(True, place.running, place.owner, attributes)

    def copies(self) -> tuple[str, ...]:
        return tuple(
            name
            for name, place in self.world.places.items()
            if place.owner == self.spec.instance_id and name != self.spec.name
        )

    def missing(self) -> str | None:
        place = self._place
        if place is None or place.owner == self.spec.instance_id:
            return None
        if place.lost is None:
            raise ResourceError("too little speaks for it", where=self.spec.name)
        return f"container {self.spec.name} gets its {place.lost} back"

    @alone
    def adopt(self, progress: Progress = SILENT) -> None:
        if self.missing() is None:
            return
        place = self._place
        assert place is not None
        place.owner, place.lost = self.spec.instance_id, None
        self.world.record(f"container:{self.spec.name}", "adopt")

    def preflight(self, found: ContainerFacts) -> None:
        for place in self.world.places.values():
            if place.spec.name != self.spec.name and place.spec.ip_address == self.spec.ip_address:
                raise ResourceError(
                    f"the address {self.spec.ip_address} is taken by the container "
                    f"{place.spec.name}",
                    where=self.spec.name,
                )

    def prepare_machine(self, progress: Progress = SILENT) -> None:
        """A model needs nothing."""

    @alone
    def create(self, progress: Progress = SILENT) -> None:
        if self._place is not None:
            self._ours("create")
            return
        place = Place(self.spec, self.spec.instance_id)
        place.machine.databases.update(self.world.servers)
        place.machine.files.write(MARKER_PATH, f"{self.spec.instance_id}\n".encode())
        self.world.places[self.spec.name] = place
        self.world.record(f"container:{self.spec.name}", "create")

    @alone
    def configure(self, progress: Progress = SILENT) -> None:
        place = self._ours("configure")
        how = "none" if place.spec == self.spec else "update"
        place.spec = self.spec
        self.world.record(f"container:{self.spec.name}", how)

    def needs_restart(self, changed: frozenset[str]) -> frozenset[str]:
        return changed & RESTART_FIELDS

    @alone
    def start(self, progress: Progress = SILENT) -> None:
        place = self._ours("start")
        if not place.running:
            place.machine.boot()
            place.running = True
        self.world.record(f"running:{self.spec.name}", "start")

    @alone
    def stop(self, progress: Progress = SILENT) -> None:
        self._ours("stop").running = False
        self.world.record(f"running:{self.spec.name}", "stop")

    def require_removable(self, *, kept: bool = False) -> None:
        if self._place is not None:
            self._ours("destroy")

    def known_as(self, identity: str) -> bool:
        return False

    def become(self, other: Container, identity: str, progress: Progress = SILENT) -> None:
        raise self.world.refuse("a rebuild is nothing that a model container knows")

    def retire(self, progress: Progress = SILENT) -> None:
        self.stop(progress)

    @alone
    def destroy(self, progress: Progress = SILENT) -> None:
        if self._place is not None:
            self._ours("destroy")
            del self.world.places[self.spec.name]
        self.world.record(f"container:{self.spec.name}", "destroy")

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        timeout: float = 60,
        check: bool = True,
    ) -> Completed:
        place = self._place
        if place is None or not place.running:
            raise DeployError("does not run", where=self.spec.name)
        self.round_trips += 1
        self.world.round_trips += 1
        given = b"" if stdin is None else stdin if isinstance(stdin, bytes) else stdin.read()
        answer = self._run(place.machine, list(argv), given)
        if answer.returncode and check:
            lines = answer.stderr.decode().splitlines()[-5:]
            raise DeployError(f"{argv[0]} failed", where=self.spec.name, evidence=lines)
        return Completed(tuple(argv), answer.returncode, answer.stdout, answer.stderr)

    @alone
    def _run(self, machine: Machine, argv: list[str], given: bytes) -> Answer:
        self.world.event()
        if self.world.round_trips == self.world.unheard_at:
            model_migration.recover(machine, self.world.record)
        answer = self._answer(machine, argv, given)
        self.world.event()
        return answer

    def _answer(self, machine: Machine, argv: list[str], stdin: bytes) -> Answer:
        if argv == ["systemctl", "daemon-reload"]:
            machine.daemon_reload()
            self.world.record("systemd:unit-files", "run")
            return Answer()
        if argv[:2] == ["systemctl", "is-active"]:
            return Answer(b"active\n")
        if argv[0] == "systemd-run":
            if stdin.endswith(b"done\n"):
                return Answer()
            return model_migration.recover(machine, self.world.record)
        if argv[:4] == while_stopped([]):
            journal = (machine.files.content(JOURNAL) or b"").split()
            if journal[:1] not in ([b"stopping"], [b"saved"]):
                return Answer(stderr=b"what was there before serves again\n", returncode=7)
            argv = argv[4:]
        if argv[:2] == ["bash", "-c"]:
            if argv[2] == RECOVER.text:
                return model_migration.recover(machine, self.world.record)
            if argv[2] == ATTACHMENTS.text:
                # The model has no attachments.
                return Answer()
            if argv[2] == copier.COPY_ROWS.text:
                folder, action = argv[4:]
                return model_migration.copy_rows(machine, folder, action, self.world.record)
            engine, action, *arguments = argv[3:]
            if argv[2] == database_script(engine).text:  # type: ignore[arg-type]
                words = 2 if engine == "sqlite" else 7
                connection, arguments = arguments[:words], arguments[words:]
                return model_migration.database(machine, engine, action, connection, arguments)
        if argv[0] == "cat":
            content = machine.files.content(argv[1])
            return Answer(content or b"", returncode=1 if content is None else 0)
        if argv[:2] != ["sh", "-c"]:
            raise self.world.refuse(f"unknown command {argv}")
        text, arguments = argv[2], argv[4:]
        must_exist = "\nMUST_EXIST=yes\n" in text
        probes = observer_probes(text)
        if probes is not None:
            return model_observe.observe(machine, probes, stdin)
        record = self.world.record
        if text in {one.text for one in TRIALS.values()}:
            return model_scripts.trial(machine, arguments, stdin)
        if text == LEFT.text:
            return Answer(machine.attachments_left)
        if text not in known_texts():
            # The tool reads its scripts anew for every command: one may have been edited since.
            known_texts.cache_clear()
        match known_texts().get(text), arguments:
            case "leftovers", []:
                return Answer(returncode=75 if machine.works_for_ever else 0)
            case "land", []:
                return model_land.land(machine, stdin, record)
            case "install", names:
                return model_release.install(machine, names, record)
            case "release", [color, line]:
                return model_release.release(machine, color, line, stdin, record)
            case "copy-release", [color, other]:
                return model_release.copy_release(machine, color, other, record)
            case "unit", _:
                return model_services.unit(machine, arguments, record, self.world.event)
            case "site", [site, _]:
                return model_services.site(machine, site, record)
            case "flip", _:
                return model_services.flip(machine, arguments, record)
            case "confirm", [color]:
                return model_services.confirm(machine, color)
            case "back", [color, port, *units]:
                return model_services.back(machine, color, port, units)
            case "drain", [color, requests, uploads, websockets, unit]:
                return model_release.drain(machine, (requests, uploads, websockets), unit)
            case "websockets", [color, "7", "42"]:
                return model_release.websockets(machine, color)
            case "rehearse", _:
                return model_migration.rehearse(machine, arguments, record)
            case "database-move", _:
                return model_migration.database_move(machine, arguments, stdin, record)
            case "migrate", _:
                return model_migration.migrate(machine, arguments, record)
            case "acme-certificate", [folder, server, names]:
                if self.world.refuses_certificate:
                    return Answer(stderr=self.world.refuses_certificate.encode(), returncode=1)
                return model_scripts.give_certificate(machine, folder, server, names, record)
            case str(name), _:
                return model_scripts.run_script(machine, name, arguments, must_exist, record)
        raise self.world.refuse(f"unknown script {text[-200:]!r} {arguments}")
