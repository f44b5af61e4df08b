"""The files of this machine that a document names: there, readable, and what they should be."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.config.finding import Finding, Key, parse, value_at
from tasks.errors import UsageError
from tasks.model.openpgp import public_keys

_ZONES = Path("/usr/share/zoneinfo")
_LARGEST_SOURCE = 16 * 1024 * 1024
_ACCOUNT = re.compile(rb"\s*[!-~]+[ \t]*\r?\n\s*[A-Za-z0-9_=-]+\s*")
_PRESENT = "Give the file, or correct the path; relative ones start at the configuration's folder."


def host_file_findings(document: Mapping[str, Any]) -> Iterator[Finding]:
    """Reads the files; changes nothing. Findings never say what a password file holds or is."""
    for name in ("password_file", "admin_password_file"):
        path = value_at(document, f"database.{name}")
        if isinstance(path, str) and value_at(document, "database.type") != "sqlite":
            yield from _password_file(("database", name), Path(path))
    yield from _database_tls(document)
    yield from _apt_keys(document)
    secret = value_at(document, "vikunja.secret_file")
    if isinstance(secret, str):
        yield from _password_file(("vikunja", "secret_file"), Path(secret))
    yield from _setting_files(document)
    yield from _connection_files(document)
    passphrase = value_at(document, "backup.encrypt.passphrase_file")
    if isinstance(passphrase, str):
        yield from _password_file(("backup", "encrypt", "passphrase_file"), Path(passphrase))
    yield from _notification_files(document)
    yield from _certificate(document)
    yield from _acme_files(document)
    for index, path in enumerate(value_at(document, "network.trusted_ca") or ()):
        if isinstance(path, str):
            yield from _authority(("network", "trusted_ca", index), path)
    yield from _time_zone(value_at(document, "vikunja.timezone"))
    for index, item in enumerate(document.get("files") or ()):
        source = item.get("source") if isinstance(item, Mapping) else None
        if isinstance(source, str):
            found = _read(Path(source))
            if isinstance(found, str):
                yield Finding(("files", index, "source"), f"{source} {found}", _PRESENT)


def _password_file(key: Key, path: Path, what: str = "password") -> Iterator[Finding]:
    found = _read(path)
    if isinstance(found, str):
        yield Finding(key, f"the file {found}", _PRESENT)
        return
    content, mode = found
    if mode & 0o077:
        yield Finding(
            key,
            "the file is readable for others than its owner",
            "Close it: chmod 600 FILE",
        )
    lines = content.strip(b"\r\n").splitlines()
    if not lines:
        yield Finding(key, "the file is empty", f"Write the {what} into it, on one line.")
    elif len(lines) > 1:
        yield Finding(key, "the file holds more than one line", f"Only the {what} goes into it.")


def _setting_files(document: Mapping[str, Any]) -> Iterator[Finding]:
    """Of settings of the application whose values are secrets."""
    named: list[tuple[Key, object]] = [
        (("vikunja", "secret_files", name), path)
        for name, path in (value_at(document, "vikunja.secret_files") or {}).items()
    ]
    for key in (
        "vikunja.mailer.password_file",
        "vikunja.auth.ldap.bind_password_file",
        "vikunja.files.s3.secret_file",
    ):
        named.append((parse(key), value_at(document, key)))
    for number, provider in enumerate(value_at(document, "vikunja.auth.openid") or ()):
        key_of = ("vikunja", "auth", "openid", number, "client_secret_file")
        named.append((key_of, (provider or {}).get("client_secret_file")))
    for one, path in named:
        if isinstance(path, str):
            yield from _password_file(one, Path(path))


def _notification_files(document: Mapping[str, Any]) -> Iterator[Finding]:
    password = value_at(document, "notifications.smtp.password_file")
    if isinstance(password, str):
        yield from _password_file(("notifications", "smtp", "password_file"), Path(password))
    yield from _ping(value_at(document, "notifications.ping.url_file"))
    addresses = value_at(document, "notifications.apprise_file")
    if not isinstance(addresses, str):
        return
    key = ("notifications", "apprise_file")
    found = _read(Path(addresses))
    if isinstance(found, str):
        yield Finding(key, f"the file {found}", _PRESENT)
        return
    content, mode = found
    if mode & 0o077:
        what = "the file is readable for others than its owner"
        yield Finding(key, what, "Close it: chmod 600 FILE")
    if not any(line.strip() and not line.startswith(b"#") for line in content.splitlines()):
        yield Finding(key, "the file is empty", "Write an address a line, such as ntfy://TOPIC.")


def _ping(path: object) -> Iterator[Finding]:
    if not isinstance(path, str):
        return
    key = ("notifications", "ping", "url_file")
    found = list(_password_file(key, Path(path), "address"))
    yield from found
    if not found and not Path(path).read_text().startswith(("https://", "http://")):
        yield Finding(
            key, "the file holds no address", "Write one, such as https://hc-ping.com/UUID."
        )


def _connection_files(document: Mapping[str, Any]) -> Iterator[Finding]:
    """Of a token: that it is one, never what it is."""
    token = value_at(document, "proxmox.connection.token_file")
    if isinstance(token, str):
        from tasks.containers.proxmox.api_token import read_token

        try:
            read_token(Path(token))
        except UsageError as error:
            yield Finding(("proxmox", "connection", "token_file"), error.what, error.hint)
    authority = value_at(document, "proxmox.connection.ca_file")
    if isinstance(authority, str) and isinstance(found := _read(Path(authority)), str):
        yield Finding(("proxmox", "connection", "ca_file"), f"{authority} {found}", _PRESENT)


def _certificate(document: Mapping[str, Any]) -> Iterator[Finding]:
    contents: dict[str, bytes] = {}
    for name in ("ssl_cert", "ssl_key"):
        path = value_at(document, f"services.frontend.{name}")
        if not isinstance(path, str):
            continue
        found = _read(Path(path))
        if isinstance(found, str):
            yield Finding(("services", "frontend", name), f"{path} {found}", _PRESENT)
        else:
            contents[name], _ = found
    if contents:
        from tasks.config.certificate import certificate_findings

        yield from certificate_findings(document["services"]["frontend"], contents)


def _acme_files(document: Mapping[str, Any]) -> Iterator[Finding]:
    if value_at(document, "services.frontend.tls") != "acme":
        return
    section: Key = ("services", "frontend", "acme")
    acme = value_at(document, ".".join(map(str, section)))
    credentials = value_at(acme, "dns.credentials_file")
    if isinstance(credentials, str) and acme.get("challenge") == "dns":
        found = yield from _secret_content((*section, "dns", "credentials_file"), Path(credentials))
        if found is not None and not found.strip():
            what, hint = "the file is empty", "Write what certbot's plug-in wants into it."
            yield Finding((*section, "dns", "credentials_file"), what, hint)
    account = acme.get("eab_file")
    if isinstance(account, str):
        found = yield from _secret_content((*section, "eab_file"), Path(account))
        if found is not None and not _ACCOUNT.fullmatch(found):
            what = "the file does not hold two lines: the key's identifier, and the HMAC key"
            yield Finding((*section, "eab_file"), what, "Write both as the authority gives them.")
    if isinstance(acme.get("ca_file"), str):
        yield from _authority((*section, "ca_file"), acme["ca_file"])


def _secret_content(key: Key, path: Path) -> Generator[Finding, None, bytes | None]:
    """What a file holds that its owner alone may read; None where it cannot be had."""
    found = _read(path)
    if isinstance(found, str):
        yield Finding(key, f"the file {found}", _PRESENT)
        return None
    content, mode = found
    if mode & 0o077:
        what = "the file is readable for others than its owner"
        yield Finding(key, what, "Close it: chmod 600 FILE")
    return content


def _apt_keys(document: Mapping[str, Any]) -> Iterator[Finding]:
    for index, source in enumerate(value_at(document, "system.apt_sources") or ()):
        path = source.get("key_file") if isinstance(source, Mapping) else None
        if not isinstance(path, str):
            continue
        key: Key = ("system", "apt_sources", index, "key_file")
        found = _read(Path(path))
        if isinstance(found, str):
            yield Finding(key, f"{path} {found}", _PRESENT)
            continue
        try:
            public_keys(found[0])
        except ValueError as error:
            hint = "Take the public key that the source is signed with, as it is published."
            yield Finding(key, f"{path} {error}", hint)


def _database_tls(document: Mapping[str, Any]) -> Iterator[Finding]:
    section = value_at(document, "database.tls")
    contents: dict[str, bytes] = {}
    authority = value_at(document, "database.tls.ca_file")
    if isinstance(authority, str):
        yield from _authority(("database", "tls", "ca_file"), authority)
    for name in ("cert_file", "key_file"):
        path, key = value_at(document, f"database.tls.{name}"), ("database", "tls", name)
        if not isinstance(path, str):
            continue
        found = _read(Path(path))
        if isinstance(found, str):
            yield Finding(key, f"{path} {found}", _PRESENT)
            continue
        contents[name], mode = found
        if name == "key_file" and mode & 0o077:
            what = "the file is readable for others than its owner"
            yield Finding(key, what, "Close it: chmod 600 FILE")
    if contents:
        from tasks.config.certificate import DATABASE_CLIENT, certificate_findings

        yield from certificate_findings(section, contents, DATABASE_CLIENT)


def _authority(key: Key, path: str) -> Iterator[Finding]:
    found = _read(Path(path))
    if isinstance(found, str):
        yield Finding(key, f"{path} {found}", _PRESENT)
        return
    from tasks.config.certificate import authority_finding

    if finding := authority_finding(key, path, found[0]):
        yield finding


def _time_zone(zone: object) -> Iterator[Finding]:
    # A machine without zone files cannot tell.
    if not isinstance(zone, str) or not _ZONES.is_dir() or (_ZONES / zone).is_file():
        return
    from zoneinfo import available_timezones

    from tasks.config.suggest import nearest

    alike = nearest(zone, sorted(available_timezones()))
    guess = f", did you mean {alike}?" if alike else ", such as Europe/Berlin"
    yield Finding(("vikunja", "timezone"), f'"{zone}" is not a time zone{guess}')


def _read(path: Path) -> tuple[bytes, int] | str:
    """The file's bytes and mode, or in words why they cannot be had."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - of a descriptor
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                return "is no regular file"
            if found.st_size > _LARGEST_SOURCE:
                return f"is larger than {_LARGEST_SOURCE // 1024 // 1024} MB"
            return file.read(), stat.S_IMODE(found.st_mode)
    except FileNotFoundError:
        return "does not exist"
    except IsADirectoryError:
        return "is a folder"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
