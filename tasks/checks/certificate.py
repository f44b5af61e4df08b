"""Whether the given certificate lasts and is for the domain."""

from __future__ import annotations

import re
import shutil
import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tasks.config.certificate import validity
from tasks.config.site_rules import is_address
from tasks.host.process import execute
from tasks.model.certificate_names import certificate_names
from tasks.model.finding import Finding, World

DAYS = 30
"""Fewer days left than these are a warning; an expired one is a configuration problem."""

_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def check(world: World) -> Iterator[Finding]:
    frontend = world.instance.services.frontend
    path = frontend.ssl_cert
    if not frontend.encrypts:
        yield world.ok("certificate", "none: connections are not encrypted here (tls: off)")
        return
    if frontend.asks_authority:
        names = ", ".join(certificate_names(world.instance))
        yield world.ok("certificate", f"for {names}, of {frontend.acme.server}, asked for by apply")
        return
    if path is None:
        yield world.ok("certificate", "self-signed, made by apply")
        return
    yield from evaluate(world, path, end_of(path), datetime.now(UTC), strangers(world, path))


def end_of(path: Path) -> datetime:
    """When the first certificate of a file ends; loading the configuration has judged the file."""
    found = _CERTIFICATE.findall(path.read_text())
    return validity(ssl.PEM_cert_to_DER_cert(found[0]))[1]


def strangers(world: World, path: Path) -> list[str]:
    """The names of the site that it is not for; none where openssl is not there to say."""
    if shutil.which("openssl") is None:
        return []
    network = world.instance.network
    return [name for name in (network.domain, *network.aliases) if not _names(path, name)]


def _names(path: Path, name: str) -> bool:
    kind = "-checkip" if is_address(name) else "-checkhost"
    argv = ["openssl", "x509", "-noout", kind, name, "-in", str(path)]
    return b"does NOT match" not in execute(argv, check=False).stdout


def evaluate(
    world: World, path: Path, end: datetime, now: datetime, strangers: Sequence[str]
) -> Iterator[Finding]:
    days = (end - now).days
    if strangers:
        what = f"{path} is not for {', '.join(strangers)}: browsers refuse it"
        yield world.warning("certificate", what, "Give one for every name of the site")
    if days < DAYS:
        what = f"{path} expires on {end:%Y-%m-%d}, in {days} days"
        yield world.warning("certificate", what, "Renew it, then: ./doit apply")
    elif not strangers:
        yield world.ok("certificate", f"{path} holds until {end:%Y-%m-%d}")
