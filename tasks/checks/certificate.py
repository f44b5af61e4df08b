"""Whether the given certificate lasts and is for the domain."""

from __future__ import annotations

import re
import shutil
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tasks.config.certificate import validity
from tasks.host.process import execute
from tasks.model.finding import Finding, World

DAYS = 30
"""Fewer days left than these are a warning; an expired one is a configuration problem."""

_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def check(world: World) -> Iterator[Finding]:
    path = world.instance.services.frontend.ssl_cert
    if path is None:
        yield world.ok("certificate", "self-signed, made by apply")
        return
    yield from evaluate(world, path, end_of(path), datetime.now(UTC), names(world, path))


def end_of(path: Path) -> datetime:
    """When the first certificate of a file ends; loading the configuration has judged the file."""
    found = _CERTIFICATE.findall(path.read_text())
    return validity(ssl.PEM_cert_to_DER_cert(found[0]))[1]


def names(world: World, path: Path) -> bool:
    """Whether it is for the domain; True where openssl is not there to say."""
    if shutil.which("openssl") is None:
        return True
    domain = world.instance.network.domain
    argv = ["openssl", "x509", "-noout", "-checkhost", domain, "-in", str(path)]
    return b"does NOT match" not in execute(argv, check=False).stdout


def evaluate(
    world: World, path: Path, end: datetime, now: datetime, matches: bool
) -> Iterator[Finding]:
    days = (end - now).days
    domain = world.instance.network.domain
    if not matches:
        what = f"{path} is not for {domain}: browsers refuse it"
        yield world.warning("certificate", what, "Give one for network.domain")
    if days < DAYS:
        what = f"{path} expires on {end:%Y-%m-%d}, in {days} days"
        yield world.warning("certificate", what, "Renew it, then: ./doit apply")
    elif matches:
        yield world.ok("certificate", f"{path} holds until {end:%Y-%m-%d}")
