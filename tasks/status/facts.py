"""What one look tells of an instance: the host's records, its container, what answers in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from tasks import services
from tasks.containers import container_for
from tasks.containers.base import Container, ContainerFacts, ContainerSpec
from tasks.errors import DeployError
from tasks.model import registry
from tasks.model import state as states
from tasks.model.holder import LockInfo, inspect
from tasks.model.instance import COLORS, Color, Instance
from tasks.model.registry import Registered
from tasks.model.state import State
from tasks.paths import Paths
from tasks.record import DOCUMENT
from tasks.resources.base import Facts
from tasks.resources.observe import Question, observe
from tasks.resources.release import (
    GREEN_MARKER,
    active_color,
    binary,
    release_file,
    released,
)

Place = Literal["running", "stopped", "absent", "foreign", "unknown"]
"""Of a container; foreign: its name is taken by one not proven ours; unknown: not looked at."""

ROUND_TRIP_SECONDS = 20.0
WITH_CONTENT = "0" * 64
"""A digest that no file has: the observer sends the content of what differs from it."""

BY_COLOR = ("vikunja-backend", "vikunja-mcp")


@dataclass(frozen=True)
class Answer:
    """What the active colour's backend said, asked once.

    code: HTTP status of /health, 0 where no answer came, then error says why. version: as
    /api/v1/info names it, empty where it names none.
    """

    code: int
    version: str = ""
    error: str = ""

    @property
    def healthy(self) -> bool:
        return self.code == 200


@dataclass(frozen=True)
class Inside:
    """What one round trip found in a running container.

    units: unit → systemd's ActiveState, of every unit that may serve. serving: the colour nginx
    passes requests to. recorded: the colour that the record in the container names. version,
    commit: of the release in the serving colour's folder, empty where there is none.
    """

    units: Mapping[str, str]
    serving: Color
    recorded: Color | None
    version: str
    commit: str
    answer: Answer
    certificate_until: datetime | None = None


@dataclass(frozen=True)
class Standing:
    """An instance at one moment.

    configured: in the configuration that was loaded; where not, only the host's records and the
    container's place are known. address: without prefix length. problems: what could not be
    looked at.
    """

    instance_id: str
    configured: bool
    container_name: str
    container: Place
    address: str
    url: str
    state: State | None = None
    lock: LockInfo | None = None
    inside: Inside | None = None
    config: str = ""
    problems: tuple[DeployError, ...] = ()

    @property
    def locked(self) -> bool:
        return self.lock is not None and self.lock.holder != "dead"

    @property
    def interrupted(self) -> bool:
        """Whether its last operation was killed."""
        return (
            self.state is not None and not self.locked and states.recover(self.state) != self.state
        )


def look(instance: Instance, paths: Paths) -> Standing:
    """Look at a configured instance: one round trip to its container, no change, no lock.

    What cannot be looked at is in `problems`; nothing is raised for it.
    """
    standing = Standing(
        instance.id,
        configured=True,
        container_name=instance.container_name,
        container="unknown",
        address=services.address(instance),
        url=instance.public_url,
        config=str(instance.source),
    )
    standing = with_records(standing, paths)
    try:
        container = container_for(instance, paths)
        found = container.observe()
        standing = replace(standing, container=place(found, instance.id))
        if standing.container == "running":
            standing = replace(standing, inside=look_inside(instance, container))
    except DeployError as problem:
        return with_problem(standing, problem)
    return standing


def look_from_outside(instance_id: str, paths: Paths) -> Standing:
    """What the host's records tell of an instance that no loaded configuration has."""
    standing = Standing(instance_id, False, "", "unknown", "", "")
    try:
        entry = registry.find(paths, instance_id)
    except DeployError as problem:
        return with_records(with_problem(standing, problem), paths)
    if entry is not None:
        standing = replace(
            standing,
            container_name=entry.container_name,
            container=place_of(entry, paths),
            address=entry.ip_address.partition("/")[0],
            url=f"https://{entry.domain}",
            config=entry.config,
        )
    return with_records(standing, paths)


def with_problem(standing: Standing, problem: DeployError) -> Standing:
    return replace(standing, problems=(*standing.problems, problem))


def with_records(standing: Standing, paths: Paths) -> Standing:
    """The standing with state and lock, of one moment: no operation began or ended between."""
    name = standing.instance_id
    try:
        lock = inspect(paths, name)
        while True:
            state = states.read(paths, name)
            again = inspect(paths, name)
            if again is lock or (again and lock and again.same_holder(lock)):
                return replace(standing, state=state, lock=again)
            lock = again
    except DeployError as problem:
        return with_problem(standing, problem)


def place(found: ContainerFacts, instance_id: str) -> Place:
    if not found.exists:
        return "absent"
    if found.owner != instance_id:
        return "foreign"
    return "running" if found.running else "stopped"


def place_of(entry: Registered, paths: Paths) -> Place:
    """Where the container of a registered instance stands, as far as this machine can tell."""
    if entry.driver != "lxc":
        return "unknown"
    from tasks.containers.lxc.driver import LxcContainer

    name, owner = entry.container_name, entry.instance_id
    spec = ContainerSpec(name, owner, "", owner, 0, 0, 0, "", entry.ip_address, "")
    return place(LxcContainer(spec, paths).observe(), owner)


def shared_units(instance: Instance) -> tuple[str, ...]:
    """The units that serve whichever colour is active."""
    units = ["nginx.service"]
    if instance.database.inside and instance.database.type != "sqlite":
        name = "postgresql" if instance.database.type == "postgresql" else "mariadb"
        units.append(f"{name}.service")
    if services.needs_redis(instance):
        units.append("redis-server.service")
    return tuple(units)


def color_units(instance: Instance, color: Color) -> tuple[str, ...]:
    names = BY_COLOR if instance.services.mcp.enabled else BY_COLOR[:1]
    return tuple(f"{name}@{color}.service" for name in names)


def questions(instance: Instance) -> tuple[Question, ...]:
    """Everything that a look at the running container asks."""
    units = [
        *shared_units(instance),
        *(u for color in COLORS for u in color_units(instance, color)),
    ]
    return (
        *(("unit", unit) for unit in units),
        ("file", "-", GREEN_MARKER),
        *(("text", release_file(color)) for color in COLORS),
        *(("file", "-", binary(color)) for color in COLORS),
        ("file", WITH_CONTENT, DOCUMENT),
        ("file", WITH_CONTENT, certificate_file(instance)),
        ("probe", "backend-answer", *backend_ports(instance)),
    )


def backend_ports(instance: Instance) -> tuple[str, ...]:
    return tuple(str(instance.backend_port(color)) for color in COLORS)


def certificate_file(instance: Instance) -> str:
    return f"{services.tls_folder(instance)}/certificate.pem"


def look_inside(instance: Instance, container: Container) -> Inside:
    """One round trip."""
    return conclude(instance, observe(container, questions(instance), timeout=ROUND_TRIP_SECONDS))


def conclude(instance: Instance, facts: Facts) -> Inside:
    """The observer's facts as what they mean. No effect."""
    serving = active_color(facts)
    release = released(facts, serving)
    record = facts.files.get(DOCUMENT)
    certificate = facts.files.get(certificate_file(instance))
    return Inside(
        units={name: unit.active for name, unit in facts.units.items()},
        serving=serving,
        recorded=recorded_color((record and record.content) or b""),
        version=release.version if release else "",
        commit=release.commit if release and release.commit != "-" else "",
        answer=parse_answer(facts.probes.get(("backend-answer", *backend_ports(instance)), "")),
        certificate_until=until((certificate and certificate.content) or b""),
    )


def recorded_color(document: bytes) -> Color | None:
    """The colour that deployment-config.yaml names. Reading all of it would cost importing yaml."""
    found = re.search(rb"^ +active_color: (blue|green)$", document, re.MULTILINE)
    if found is None:
        return None
    return "green" if found[1] == b"green" else "blue"


def parse_answer(text: str) -> Answer:
    """`200 {…}` or `000 Connection refused`; empty where the container could not ask."""
    code, _, rest = text.partition(" ")
    if not code.isdigit():
        return Answer(0, error="nothing could be asked: curl is missing in the container")
    if int(code) == 0:
        return Answer(0, error=rest)
    try:
        info = json.loads(rest)
    except ValueError:
        info = None
    version = info.get("version") if isinstance(info, dict) else None
    return Answer(int(code), version if isinstance(version, str) else "")


def until(pem: bytes) -> datetime | None:
    """When a certificate ends; None where this is none."""
    found = re.search(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", pem, re.DOTALL)
    if found is None:
        return None
    import ssl

    from tasks.config.certificate import validity

    try:
        return validity(ssl.PEM_cert_to_DER_cert(found[0].decode("ascii")))[1]
    except (ValueError, IndexError):
        return None
