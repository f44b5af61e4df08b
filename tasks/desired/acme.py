"""The certificate of an authority that is asked by ACME: its client, certbot, and what renews it.

certbot has no root rights, and nginx never sees its folder: whatever it gets is checked, and put
where nginx reads it, by a script of ours (templates/acme/install.sh.j2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tasks.desired.color import revision_of, templated_file
from tasks.desired.rendering import Rendered, Templated, origin_of
from tasks.model.certificate_names import certificate_names
from tasks.model.host_files import HostFiles
from tasks.model.instance import Instance
from tasks.model.layout import ACME, ACME_HOME, SELF_SIGNED, UNITS
from tasks.resources.base import Resource
from tasks.resources.files import Directory, File
from tasks.resources.system import Package, Script, Unit, User

USER = "vikunja-acme"
CONFIGURATION = "/etc/vikunja/acme"
CREDENTIALS = f"{CONFIGURATION}/dns-credentials"
EAB = f"{CONFIGURATION}/eab"
AUTHORITY = f"{CONFIGURATION}/authority.pem"
WEBROOT = "/run/vikunja-acme"
SERVICE, TIMER = "vikunja-acme.service", "vikunja-acme.timer"
_SECTION = "services.frontend.acme"
NAMES = ("network.domain", "network.aliases", f"{_SECTION}.server", f"{_SECTION}.ca_file")
"""Keys that say what the certificate is for, and whose it is."""

SECONDS = 600
"""How long an apply waits for a certificate, beside the time that records may take to be seen."""


def names(instance: Instance) -> str:
    """As certbot takes them."""
    return ",".join(certificate_names(instance))


def templated(instance: Instance) -> Iterator[Templated]:
    if not instance.services.frontend.asks_authority:
        return
    variables = (
        ("home", ACME_HOME),
        ("names", names(instance)),
        ("webroot", WEBROOT),
        ("settings", f"{CONFIGURATION}/certbot.ini"),
        ("credentials", CREDENTIALS),
        ("eab", EAB),
        ("authority", AUTHORITY),
        ("folder", ACME),
    )
    for template, path, mode in (
        ("certbot.ini", f"{CONFIGURATION}/certbot.ini", "0644"),
        ("get.sh", "/usr/local/lib/vikunja/acme-get", "0755"),
        ("install.sh", "/usr/local/lib/vikunja/acme-install", "0755"),
        ("service", f"{UNITS}/{SERVICE}", "0644"),
        ("timer", f"{UNITS}/{TIMER}", "0644"),
    ):
        yield Templated(f"acme/{template}.j2", path, mode, variables=variables, keys=NAMES[:2])


def packages(instance: Instance) -> Iterator[Package]:
    frontend = instance.services.frontend
    if not frontend.asks_authority:
        return
    yield Package(package="certbot", origin=origin_of(instance, ["services.frontend.tls"]))
    if frontend.acme.challenge == "dns":
        origin = origin_of(instance, [f"{_SECTION}.challenge", f"{_SECTION}.dns.provider"])
        yield Package(package=f"python3-certbot-dns-{frontend.acme.dns.provider}", origin=origin)


def declare(
    instance: Instance, rendered: Mapping[str, Rendered], host_files: HostFiles
) -> Iterator[Resource]:
    """Everything but the units' start, in the order in which it is brought about."""
    if not instance.services.frontend.asks_authority:
        return
    origin = origin_of(instance, ["services.frontend.tls"])
    yield User(user=USER, home=ACME_HOME, origin=origin)
    yield Directory(path=ACME_HOME, mode="0700", owner=USER, group=USER, origin=origin)
    yield Directory(path=CONFIGURATION, origin=origin)
    yield Directory(path=ACME, mode="0750", group="www-data", origin=origin)
    for path, key, content, mode in (
        (CREDENTIALS, "dns.credentials_file", host_files.dns_credentials, "0600"),
        (EAB, "eab_file", host_files.eab, "0600"),
        (AUTHORITY, "ca_file", host_files.acme_authority, "0644"),
    ):
        if content is not None:
            yield File(
                path=path,
                content=content,
                mode=mode,
                owner=USER,
                group=USER,
                origin=origin_of(instance, [f"{_SECTION}.{key}"]),
                otherwise=f"{_SECTION}.{key}: the file changed",
            )
    for item in templated(instance):
        yield templated_file(item, rendered)


def timer(instance: Instance, rendered: Mapping[str, Rendered]) -> Iterator[Unit]:
    if instance.services.frontend.asks_authority:
        path = f"{UNITS}/{TIMER}"
        yield Unit(
            unit=TIMER,
            revision=revision_of(rendered, [path]),
            triggers=(f"file:{path}",),
            origin=origin_of(instance, ["services.frontend.tls"]),
        )


def fallback(instance: Instance) -> Iterator[Script]:
    """What nginx serves with until there is a certificate."""
    if instance.services.frontend.asks_authority:
        yield Script(
            script="acme-fallback",
            title=ACME,
            arguments=(ACME, SELF_SIGNED),
            origin=origin_of(instance, ["services.frontend.tls"]),
        )


def certificate(instance: Instance) -> tuple[Script, ...]:
    """The certificate itself. It comes last: what is to prove whose the names are has to serve."""
    frontend = instance.services.frontend
    if not frontend.asks_authority:
        return ()
    return (
        Script(
            script="acme-certificate",
            title=ACME,
            arguments=(ACME, frontend.acme.server, names(instance)),
            timeout=SECONDS + (frontend.acme.dns.propagation_seconds or 0),
            origin=origin_of(instance, ["services.frontend.tls", *NAMES]),
        ),
    )
