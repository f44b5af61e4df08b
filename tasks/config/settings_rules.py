"""What goes together among mail servers and ways to log in, and which versions know them; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.config.extra_files import OWNED_FOLDERS
from tasks.config.finding import Finding, Key, parse, value_at
from tasks.model.layout import DATA

Document = Mapping[str, Any]

_SYSTEM = (
    *("/bin", "/boot", "/etc", "/home", "/lib", "/lib64", "/root", "/sbin", "/tmp", "/usr"),
    *("/var/backups", "/var/cache", "/var/log", "/var/tmp"),
    *("/var/lib/vikunja-backup", "/var/lib/vikunja-deploy"),
)
"""Of the system's, kept from the application by its sandbox, or the tool's."""

_LOCAL = ("localhost", "127.0.0.1", "::1")


def notifications(document: Document) -> Iterator[Finding]:
    """Mail by a server needs one; a login needs both of its halves."""
    smtp = "notifications.smtp"
    if value_at(document, "notifications.mail") == "smtp" and not value_at(
        document, f"{smtp}.host"
    ):
        yield Finding(parse(f"{smtp}.host"), "is missing, mail: smtp needs it")
    yield from _halves(document, smtp, "user", "password_file")
    yield from _password_in_clear(document, smtp)


def settings(document: Document) -> Iterator[Finding]:
    """Of the application's own mail and logins."""
    mailer = "vikunja.mailer"
    yield from _needed(document, mailer, ("from",), ("user", "password_file", "from"))
    yield from _halves(document, mailer, "user", "password_file")
    yield from _password_in_clear(document, mailer)
    ldap = "vikunja.auth.ldap"
    needed = ("base_dn", "user_filter")
    yield from _needed(document, ldap, needed, (*needed, "bind_dn", "bind_password_file"))
    yield from _halves(document, ldap, "bind_dn", "bind_password_file")
    yield from _providers(document)
    yield from _nobody(document)
    yield from _attachments(document)


def _needed(
    document: Document, section: str, needed: tuple[str, ...], without: tuple[str, ...]
) -> Iterator[Finding]:
    """needed: keys that a host needs; without: those that say nothing without one."""
    found = value_at(document, section) or {}
    if "host" not in found:
        return
    if found["host"] is None:
        given = next((name for name in without if found.get(name) is not None), None)
        if given:
            yield Finding(parse(f"{section}.host"), f"is missing, {given} is given")
        return
    for name in needed:
        if name in found and found[name] is None:
            yield Finding(parse(f"{section}.{name}"), "is missing, host is given")


def _halves(document: Document, section: str, one: str, other: str) -> Iterator[Finding]:
    found = value_at(document, section) or {}
    if not {one, other} <= set(found) or bool(found[one]) == bool(found[other]):
        return
    given, missing = (one, other) if found[one] else (other, one)
    yield Finding(parse(f"{section}.{missing}"), f"is missing, {given} is given")


def _password_in_clear(document: Document, section: str) -> Iterator[Finding]:
    found = value_at(document, section) or {}
    if (
        found.get("password_file")
        and found.get("encryption") == "none"
        and found.get("host") not in _LOCAL
    ):
        yield Finding(
            parse(f"{section}.encryption"),
            "is none, and the password would travel in clear",
            "Write starttls or tls.",
        )


def _providers(document: Document) -> Iterator[Finding]:
    taken: dict[str, int] = {}
    for number, provider in enumerate(value_at(document, "vikunja.auth.openid") or ()):
        key = (provider or {}).get("key")
        at: Key = ("vikunja", "auth", "openid", number, "key")
        if key == "":
            what = "is missing: the name has no letter or digit that goes into an address"
            yield Finding(at, what, "Give one, such as login.")
        elif key in taken:
            what = f"{key} is the key of vikunja.auth.openid[{taken[key]}] already"
            yield Finding(at, what, "Give each provider a key of its own.")
        elif key is not None:
            taken[key] = number


def _nobody(document: Document) -> Iterator[Finding]:
    """Somebody has to be able to log in."""
    if value_at(document, "vikunja.auth.local") is not False:
        return
    if value_at(document, "vikunja.auth.openid") or value_at(document, "vikunja.auth.ldap.host"):
        return
    given = value_at(document, "vikunja.environment") or {}
    if any(name.upper().startswith(("VIKUNJA_AUTH_OPENID", "VIKUNJA_AUTH_LDAP")) for name in given):
        return
    yield Finding(
        ("vikunja", "auth", "local"),
        "is false, and another way to log in is missing",
        "Give vikunja.auth.openid or vikunja.auth.ldap, or remove the line.",
    )


def _attachments(document: Document) -> Iterator[Finding]:
    """A folder that stays and is nobody else's, or a bucket with all that it takes."""
    files = value_at(document, "vikunja.files") or {}
    path = files.get("path")
    if isinstance(path, str) and path != DATA and _is_taken(path):
        yield Finding(
            ("vikunja", "files", "path"),
            f"{path} is not for attachments: others manage it, or it is gone at the next start",
            "Choose a folder of their own, such as /srv/vikunja.",
        )
    bucket = files.get("s3") or {}
    for name in ("endpoint", "bucket", "access_key", "secret_file"):
        key: Key = ("vikunja", "files", "s3", name)
        if files.get("type") == "s3" and name in bucket and bucket[name] is None:
            yield Finding(key, "is missing, type s3 needs it")
        elif files.get("type") == "local" and bucket.get(name) is not None:
            what = "is only for type s3"
            yield Finding(key, what, "Write vikunja.files.type: s3, or remove the line.")


def _is_taken(path: str) -> bool:
    parts = path.split("/")
    return (
        ".." in parts
        or "." in parts
        or any(path == one or path.startswith(f"{one}/") for one in (*OWNED_FOLDERS, *_SYSTEM))
        # Of a folder above one that is managed, its content would be.
        or any(one.startswith(f"{path}/") for one in OWNED_FOLDERS)
    )
