"""What one round trip finds in a running container: units, colors, release, what was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from tasks.containers.base import Container
from tasks.desired import acme
from tasks.desired.record import DOCUMENT
from tasks.model import layout
from tasks.model.database_move import KeptDatabase
from tasks.model.instance import COLORS, Color, Instance
from tasks.resources.base import Facts
from tasks.resources.data_move import KEPT, database_address, kept_in
from tasks.resources.observe import Question, observe
from tasks.resources.release import GREEN_MARKER, active_color, binary, release_file, released
from tasks.status import measured, packages
from tasks.status.measured import Measured
from tasks.status.packages import Packages

ROUND_TRIP_SECONDS = 20.0
WITH_CONTENT = "0" * 64
"""A digest that no file has: the observer sends the content of what differs from it."""

TRIED, PAIR = f"{layout.ACME_HOME}/tried", f"{layout.ACME}/current"
RENEWAL: tuple[Question, ...] = (
    ("unit", acme.SERVICE),
    ("text", TRIED),
    ("file", "-", PAIR),
)
"""What is asked of the client that gets a certificate."""

STANDIN = "vikunja-standin-backend.service"
"""Serves while a restart starts the color anew; at rest, and gone, otherwise."""

BY_COLOR = ("vikunja-backend", "vikunja-mcp")


class Renewal(Struct, frozen=True):
    """What a certificate by ACME is at. tried: when an authority was asked last. failure: what came
    of it, empty where it went well. waiting: a certificate of its own making serves until then."""

    tried: datetime | None
    failure: str
    waiting: bool

    @property
    def well(self) -> bool:
        return self.tried is not None and not self.failure and not self.waiting


class Inside(Struct, frozen=True):
    """A running container's inside.

    units: unit → systemd's ActiveState, of every unit that may serve. serving: the color nginx
    passes requests to. recorded: the color that the record in the container names. version,
    commit: of the release in the serving color's folder, empty where there is none. measured:
    None where the container could not measure anything. releases: of each color that has one,
    version and commit. standin: one of a restart runs. kept: databases that
    are not in use any more. closed: everybody gets the page that says that it will be back.
    """

    units: Mapping[str, str]
    serving: Color
    recorded: Color | None
    version: str
    commit: str
    measured: Measured | None
    certificate_until: datetime | None = None
    releases: Mapping[Color, tuple[str, str]] = msgspec.field(default_factory=dict)
    standin: bool = False
    kept: tuple[KeptDatabase, ...] = ()
    closed: bool = False
    renewal: Renewal | None = None
    """None where the certificate does not come by ACME."""
    packages: Packages | None = None
    """None where nothing could be measured."""


def shared_units(instance: Instance) -> tuple[str, ...]:
    """The units that serve whichever color is active."""
    units = ["nginx.service"]
    if instance.database.inside and instance.database.type != "sqlite":
        name = "postgresql" if instance.database.type == "postgresql" else "mariadb"
        units.append(f"{name}.service")
    if layout.needs_redis(instance):
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
        *(("unit", unit) for unit in (*units, STANDIN)),
        ("file", "-", GREEN_MARKER),
        ("file", "-", layout.MAINTENANCE),
        ("text", KEPT),
        *(("text", release_file(color)) for color in COLORS),
        *(("file", "-", binary(color)) for color in COLORS),
        ("file", WITH_CONTENT, DOCUMENT),
        ("file", WITH_CONTENT, certificate_file(instance)),
        measured.question(instance),
        ("text", layout.UPDATES),
        *(RENEWAL if instance.services.frontend.asks_authority else ()),
    )


def certificate_file(instance: Instance) -> str:
    return f"{layout.tls_folder(instance)}/certificate.pem"


def look_inside(instance: Instance, container: Container) -> Inside:
    """One round trip."""
    facts = observe(
        container,
        questions(instance),
        beside=measured.needed_scripts(instance),
        timeout=ROUND_TRIP_SECONDS,
    )
    return build_plan(instance, facts)


def build_plan(instance: Instance, facts: Facts) -> Inside:
    """The observer's facts as what they mean. No effect."""
    serving = active_color(facts)
    release = released(facts, serving)
    record = facts.files.get(DOCUMENT)
    certificate = facts.files.get(certificate_file(instance))
    answer = facts.probes.get(measured.question(instance)[1:], "")
    figures = measured.parse(instance, answer)
    return Inside(
        units={
            name: unit.active
            for name, unit in facts.units.items()
            if name not in (STANDIN, acme.SERVICE)
        },
        serving=serving,
        recorded=recorded_color((record and record.content) or b""),
        version=release.version if release else "",
        commit=release.commit if release and release.commit != "-" else "",
        measured=figures,
        certificate_until=until((certificate and certificate.content) or b"")
        if instance.services.frontend.encrypts
        else None,
        releases={
            color: (line.version, line.commit.removeprefix("-"))
            for color in COLORS
            if (line := released(facts, color))
        },
        closed=layout.MAINTENANCE in facts.files,
        kept=kept_in(facts, database_address(instance)),
        renewal=renewal(facts) if instance.services.frontend.asks_authority else None,
        packages=None
        if figures is None
        else packages.parse(
            measured.by_name(answer),
            facts.texts.get(layout.UPDATES, ""),
            (package for unit in facts.units.values() for package in unit.outdated),
            instance.system.updates != "none",
        ),
        standin=(found := facts.units.get(STANDIN)) is not None and found.active == "active",
    )


def renewal(facts: Facts) -> Renewal:
    """How the last try of the ACME client went."""
    seconds, _, what = facts.texts.get(TRIED, "").partition(" ")
    pair, unit = facts.files.get(PAIR), facts.units.get(acme.SERVICE)
    failure = "" if what == "got" else what
    if not failure and unit is not None and unit.active == "failed":
        failure = "what came could not be put in place"
    return Renewal(
        tried=datetime.fromtimestamp(int(seconds), UTC) if seconds.isdecimal() else None,
        failure=failure,
        waiting=pair is None or pair.target == layout.SELF_SIGNED,
    )


def recorded_color(document: bytes) -> Color | None:
    """The color that deployment-config.yaml names. Reading all of it would cost importing yaml."""
    found = re.search(rb"^ +active_color: (blue|green)$", document, re.MULTILINE)
    if found is None:
        return None
    return "green" if found[1] == b"green" else "blue"


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
