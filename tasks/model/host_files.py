"""Files of the host that an instance names: certificate, passwords, files of the user's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from tasks.errors import ResourceError, UsageError
from tasks.model.instance import Instance
from tasks.model.openpgp import public_keys
from tasks.secret import Secret

_ACME = "services.frontend.acme"
_CERTIFICATE = rb"(?s)-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----"


class HostFiles(Struct, frozen=True):
    """Contents of the host's files that an instance names; passwords without line end.

    extra: by path in the container, of the user's own files that have a source.
    """

    certificate: bytes | None = None
    key: Secret[bytes] | None = None
    database_password: Secret[bytes] | None = None
    admin_password: Secret[bytes] | None = None
    extra: Mapping[str, Secret[bytes]] = msgspec.field(default_factory=dict)
    service_secret: Secret[bytes] | None = None
    settings: Mapping[str, Secret[bytes]] = msgspec.field(default_factory=dict)
    """Values of Vikunja.secret_settings, by variable."""
    dns_credentials: Secret[bytes] | None = None
    eab: Secret[bytes] | None = None
    acme_authority: bytes | None = None
    """Of services.frontend.acme: None where it is not asked."""
    database_tls: Mapping[str, Secret[bytes]] = msgspec.field(default_factory=dict)
    """Of database.tls, by name in the container (layout.TLS_FILES)."""
    authorities: tuple[bytes, ...] = ()
    """Certificates of network.trusted_ca, one each, in PEM form; none twice."""
    apt_keys: tuple[bytes, ...] = ()
    """Of system.apt_sources, in their order."""


NO_HOST_FILES = HostFiles()


def read_host_files(instance: Instance) -> HostFiles:
    """Raises ResourceError for a file that cannot be read, UsageError for an unusable password."""
    frontend, database = instance.services.frontend, instance.database
    acme = frontend.acme
    asked = frontend.asks_authority
    credentials = acme.dns.credentials_file if asked and acme.challenge == "dns" else None
    return HostFiles(
        certificate=_certificates(instance, "services.frontend.ssl_cert", frontend.ssl_cert),
        key=_secret(_read(instance, "services.frontend.ssl_key", frontend.ssl_key)),
        database_password=_password(instance, "database.password_file", database.password_file),
        admin_password=_password(
            instance, "database.admin_password_file", database.admin_password_file
        ),
        database_tls=_database_tls(instance),
        apt_keys=tuple(
            _public_keys(instance, f"system.apt_sources[{index}].key_file", source.key_file)
            for index, source in enumerate(instance.system.apt_sources)
        ),
        service_secret=_password(instance, "vikunja.secret_file", instance.vikunja.secret_file),
        settings={
            name: value
            for name, (key, path) in instance.vikunja.secret_settings.items()
            if (value := _password(instance, key, path)) is not None
        },
        authorities=tuple(
            dict.fromkeys(
                certificate
                for path in instance.network.trusted_ca
                for certificate in _each(_read(instance, "network.trusted_ca", path) or b"")
            )
        ),
        extra={
            item.path: Secret(content)
            for item in instance.files
            if (content := _read(instance, "files", item.source)) is not None
        },
        dns_credentials=_secret(_read(instance, f"{_ACME}.dns.credentials_file", credentials)),
        eab=_secret(_read(instance, f"{_ACME}.eab_file", acme.eab_file if asked else None)),
        acme_authority=_read(instance, f"{_ACME}.ca_file", acme.ca_file if asked else None),
    )


def _public_keys(instance: Instance, key: str, path: Path) -> bytes:
    content = _read(instance, key, path) or b""
    try:
        return public_keys(content)
    except ValueError as error:
        raise UsageError(
            f"{key}: {path} {error}",
            where=instance.id,
            hint="Take the public key that the source is signed with, as it is published",
        ) from error


def _database_tls(instance: Instance) -> dict[str, Secret[bytes]]:
    tls = instance.database.tls
    found = {
        "db-ca": _certificates(instance, "database.tls.ca_file", tls.ca_file),
        "db-cert": _certificates(instance, "database.tls.cert_file", tls.cert_file),
        "db-key": _read(instance, "database.tls.key_file", tls.key_file),
    }
    return {name: Secret(content) for name, content in found.items() if content is not None}


def _secret(content: bytes | None) -> Secret[bytes] | None:
    return None if content is None else Secret(content)


def _read(instance: Instance, key: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise ResourceError(
            f"{key}: {path} cannot be read: {error.strerror}",
            where=instance.id,
            hint=f"Put the file there, or change {key} in {instance.source}",
        ) from error


def _certificates(instance: Instance, key: str, path: Path | None) -> bytes | None:
    """The certificates of a PEM file, which everybody may read, and nothing that stands beside
    them: it may be the private key."""
    content = _read(instance, key, path)
    if content is None:
        return None
    return b"".join(_each(content))


def _each(content: bytes) -> list[bytes]:
    return [b"%s\n" % found for found in re.findall(_CERTIFICATE, content)]


def _password(instance: Instance, key: str, path: Path | None) -> Secret[bytes] | None:
    content = _read(instance, key, path)
    if content is None:
        return None
    value = content.removesuffix(b"\n").removesuffix(b"\r")
    if not value or any(character < 32 for character in value):
        raise UsageError(
            f"{key}: {path} does not hold one line with a password",
            where=instance.id,
            hint="Write the password as the file's only line",
        )
    return Secret(value)
