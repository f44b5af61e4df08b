"""nginx: its files, its certificate, its unit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from tasks.desired import acme
from tasks.desired.color import templated_file
from tasks.desired.rendering import Rendered, Templated, origin_of
from tasks.model.digests import digest
from tasks.model.host_files import HostFiles
from tasks.model.instance import COLORS, Instance
from tasks.model.layout import (
    GIVEN,
    GIVEN_NAMES,
    LOGS,
    PUBLIC_URL,
    SELF_SIGNED,
    TLS,
    UNITS,
    address,
    other_names,
    tls_folder,
    upstream,
)
from tasks.resources.base import Resource
from tasks.resources.files import Absent, File
from tasks.resources.system import Script, Unit
from tasks.secret import Secret as SecretValue

UNIT = "nginx.service"

FOLDERS = ("/etc/nginx/", f"{TLS}/")
"""Files below these are nginx's, also the user's own: it takes them up by a reload."""


NAMES = ("domain", "aliases", "ip_address", "ip6_address")
"""Keys below network: by what the site is asked."""


def templated(instance: Instance) -> Iterator[Templated]:
    yield Templated("nginx/nginx.conf.j2", "/etc/nginx/nginx.conf")
    folder = tls_folder(instance)
    names = (instance.network.domain, *other_names(instance))
    yield Templated(
        "nginx/vikunja.conf.j2",
        "/etc/nginx/conf.d/vikunja.conf",
        variables=(
            ("certificate", f"{folder}/certificate.pem"),
            ("key", f"{folder}/key.pem"),
            ("challenges", f"{acme.WEBROOT}/.well-known/acme-challenge"),
            ("suite", instance.suite),
            ("names", " ".join(f"[{name}]" if ":" in name else name for name in names)),
            ("public_url", instance.public_url),
            ("given_names", GIVEN_NAMES if instance.network.any_given else ""),
        ),
        keys=("network.aliases", "network.ip_address", "network.ip6_address", *PUBLIC_URL),
    )


def files(
    instance: Instance, rendered: Mapping[str, Rendered], host_files: HostFiles
) -> Iterator[File]:
    for item in templated(instance):
        yield templated_file(item, rendered)
    if host_files.certificate is not None and host_files.key is not None:
        origin = origin_of(instance, ["services.frontend.ssl_cert", "services.frontend.ssl_key"])
        pair: tuple[tuple[str, str, bytes | SecretValue[bytes], str], ...] = (
            ("certificate.pem", "ssl_cert", host_files.certificate, "0644"),
            ("key.pem", "ssl_key", host_files.key, "0640"),
        )
        for name, key, content, mode in pair:
            yield File(
                path=f"{TLS}/{name}",
                content=content,
                mode=mode,
                group="www-data",
                origin=origin,
                otherwise=f"services.frontend.{key}: the file changed",
            )


def site_answers(instance: Instance) -> tuple[str, ...]:
    """What the site is asked, as it answers to everybody: see Unit."""
    return ("site", instance.site_origin, address(instance))


def owns(path: str) -> bool:
    return path.startswith(FOLDERS)


def is_drop_in(path: str) -> bool:
    return path.startswith(f"{UNITS}/{UNIT}.d/")


def starts_with(path: str) -> bool:
    """Whether nginx takes the file up as it starts."""
    return owns(path) or is_drop_in(path)


def declare(
    instance: Instance,
    rendered: Mapping[str, Rendered],
    host_files: HostFiles,
    own: Iterable[File],
    upstreams: Iterable[File],
) -> tuple[Resource, ...]:
    """nginx as it is desired, in the order in which it is brought about. own: the user's own files,
    of which its drop-ins are there already; upstreams: what tells it where the colors are."""
    own = tuple(own)
    used = (
        *files(instance, rendered, host_files),
        *(one for one in own if owns(one.path)),
    )
    drop_ins = (one for one in own if is_drop_in(one.path))
    return (
        *upstreams,
        *used,
        # The package brings it.
        Absent(path="/etc/nginx/sites-enabled/default", triggers=("package:nginx",)),
        *_given_names(instance),
        *_certificate(instance),
        *acme.fallback(instance),
        _foreign_files(used),
        _unit(instance, rendered, (*used, *drop_ins)),
    )


def _foreign_files(files: Iterable[File]) -> Script:
    """What somebody else has put where nginx reads it, and keeps it from its next reload."""
    folder = "/etc/nginx/conf.d"
    ours = [file.path.removeprefix(f"{folder}/") for file in files if file.path.startswith(folder)]
    return Script(script="nginx-files", title=folder, arguments=(folder, *sorted(ours)))


def _given_names(instance: Instance) -> Iterator[Script | Absent]:
    """What others give is named in the container; what was, is no more once nothing is."""
    network = instance.network
    if not network.any_given:
        yield Absent(path=GIVEN_NAMES)
        return
    yield Script(
        script="given-names",
        title=GIVEN_NAMES,
        # What is given may be another one after a start.
        triggers=started(instance),
        # Of a fixed address of IPv4 the configuration says the name.
        arguments=(GIVEN_NAMES, *(("4", "6") if network.is_given else ("6",))),
        origin=origin_of(instance, ["network.ip_address", "network.ip6_address"]),
    )


def _certificate(instance: Instance) -> Iterator[Script]:
    given = (GIVEN,) if instance.network.any_given else ()
    if instance.services.frontend.self_signed:
        yield Script(
            script="self-signed-certificate",
            title=SELF_SIGNED,
            arguments=(SELF_SIGNED, instance.network.domain, *given, *other_names(instance)),
            triggers=started(instance),
            origin=origin_of(instance, [f"network.{key}" for key in NAMES]),
        )


def started(instance: Instance) -> tuple[str, ...]:
    """What the addresses that others give hang on."""
    return (f"running:{instance.container_name}",) if instance.network.any_given else ()


def _unit(instance: Instance, rendered: Mapping[str, Rendered], used: Iterable[File]) -> Unit:
    drop_in = f"{UNITS}/nginx.service.d/vikunja.conf"
    contents = {item.path: item.sha256 for item in used}
    triggers = [f"file:{path}" for path in (drop_in, *contents)]
    # Which of these there are in a plan changes with what serves: none is part of the revision.
    triggers += [f"file:{upstream(color)}" for color in COLORS]
    triggers.append("absent:/etc/nginx/sites-enabled/default")
    triggers += [f"directory:{LOGS}", f"log-files:{LOGS}"]
    if instance.services.frontend.self_signed:
        triggers.append(f"self-signed-certificate:{SELF_SIGNED}")
    if instance.network.any_given:
        triggers.append(f"given-names:{GIVEN_NAMES}")
    triggers += [one.address for one in acme.fallback(instance)]
    contents[drop_in] = hashlib.sha256(rendered[drop_in].content).hexdigest()
    return Unit(
        unit=UNIT,
        on_change="reload",
        answers=site_answers(instance),
        passes=True,
        interrupts="every request, for about 1 s",
        mounts=(LOGS,),
        revision=digest(contents),
        triggers=tuple(triggers),
        origin=origin_of(instance, ["network.domain"]),
    )
