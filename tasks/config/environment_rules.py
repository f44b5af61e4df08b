"""Variables of the user's own that would contradict what the tool manages, or say nothing; pure.

Vikunja reads `VIKUNJA_DATABASE_PATH` as the key `database.path`, whatever the case of what comes
after the prefix, and the same key from `VIKUNJA_DATABASE_PATH_FILE`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tasks.config.finding import Finding, Key, value_at
from tasks.paths import TEMPLATES

PREFIX = "VIKUNJA_"

_NO_KEY = "Remove the line; there is no key for it yet."
_DATABASE = "is set from the section database; a backup would hold another one"
_TLS = "is set from database.tls: backups would connect otherwise"
_HERE = "is set by vikunja-deploy: backups take it from there"
_SECRET = "is a secret that vikunja-deploy makes and keeps in the container"
_BUCKET = "says where attachments are: backups have to know"
_REDIS = "is set from the section redis"
_LISTEN = "is set from services: nginx passes requests there"
_PROXY = "is set by vikunja-deploy: its own nginx is the only proxy in front"
_MOVE = (
    "What is there already is not taken along: before the next apply, ./doit stop, and move it to"
    " /var/lib/vikunja/{} in the container."
)
_LOG = "is not in a place that the application may write to"
_LOG_HINT = (
    "Remove the line: the log is in /var/log/vikunja of the container, as backend-blue.log and"
    " backend-green.log; with VIKUNJA_LOG_STANDARD: file it goes to /var/lib/vikunja/logs."
)

OWNED: Mapping[str, tuple[str, str]] = {
    "service.publicurl": (
        "is made of the site's name and port",
        "Use network.domain and services.frontend.ssl_port.",
    ),
    "service.interface": (_LISTEN, "Use services.backend.port_blue and port_green."),
    "service.unixsocket": (_LISTEN, "Use services.backend.port_blue and port_green."),
    "service.unixsocketmode": (_LISTEN, "Use services.backend.port_blue and port_green."),
    "service.rootpath": (_HERE, _NO_KEY),
    "service.secret": (_SECRET, "Use vikunja.secret_file."),
    "service.jwtsecret": (_SECRET, "Use vikunja.secret_file."),
    "service.ipextractionmethod": (_PROXY, _NO_KEY),
    "service.trustedproxies": (_PROXY, _NO_KEY),
    "database.type": (_DATABASE, "Use database.type."),
    "database.host": (_DATABASE, "Use database.host and database.port."),
    "database.database": (_DATABASE, "Use database.name."),
    "database.user": (_DATABASE, "Use database.user."),
    "database.password": (_DATABASE, "Use database.password_file."),
    "database.path": (_DATABASE, f"Use database.type. {_MOVE.format('vikunja.db')}"),
    "database.sslmode": (_TLS, "Use database.tls.mode."),
    "database.sslrootcert": (_TLS, "Use database.tls.ca_file."),
    "database.sslcert": (_TLS, "Use database.tls.cert_file."),
    "database.sslkey": (_TLS, "Use database.tls.key_file."),
    "database.tls": (_TLS, "Use database.tls.mode."),
    "database.schema": (_DATABASE, f"{_NO_KEY} What is in another schema is not taken along."),
    "files.basepath": (
        _HERE,
        "Use vikunja.files.path; with S3, vikunja.files.s3.prefix. What is there already is not"
        " taken along: before the next apply, ./doit stop, and move it to /var/lib/vikunja/files in"
        " the container, or to files in that path.",
    ),
    "files.type": ("would leave the attachments out of every backup", "Use vikunja.files.type."),
    **{
        f"files.s3.{name}": (_BUCKET, f"Use vikunja.files.s3.{key}.")
        for name, key in (
            ("endpoint", "endpoint"),
            ("bucket", "bucket"),
            ("region", "region"),
            ("accesskey", "access_key"),
            ("secretkey", "secret_file"),
            ("usepathstyle", "path_style"),
        )
    },
    "files.maxsize": (
        "is known to the application only: nginx would refuse what is larger",
        "Use vikunja.max_upload_mb.",
    ),
    "redis": (_REDIS, "Use redis.enabled and redis.port."),
    "keyvalue.type": (_REDIS, "Use redis.enabled."),
    "log.path": (_LOG, _LOG_HINT),
    "audit.logfile": (_LOG, _LOG_HINT),
    "autotls": (
        "would have the application listen where nginx does",
        "Use services.frontend.ssl_cert and ssl_key.",
    ),
}
"""Vikunja's keys, or sections, that the tool sets or takes for granted → what is wrong with another
value, and what to do instead. Those that the template sets from a key of the section `vikunja` need
no line here."""

_KEYED = re.compile(r"^VIKUNJA_(\w+)=\{\{.*?\bvikunja\.([\w.]*\w)", re.MULTILINE)

_KEYED_BESIDES = {
    "mailer_enabled": "mailer.host",
    "mailer_password": "mailer.password_file",
    "auth_openid_enabled": "auth.openid",
    "auth_openid_providers": "auth.openid",
    "auth_ldap_enabled": "auth.ldap.host",
    "auth_ldap_bindpassword": "auth.ldap.bind_password_file",
}
"""Of variables that the template does not set from one key."""

_SECTIONS = ("mailer.host", "auth.openid", "auth.ldap.host")
"""Keys without which their section says nothing. What an environment says then is not contradicted
by it, and holds: so it was before there were these sections."""

MASK = "(sensitive)"
"""As `tasks.model.redaction` has it, which no load of a sound file needs."""

_UNFILLED = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*([:?+-][^}]*)?\}")

_LITERAL = (*(("build", part) for part in ("frontend", "backend", "mcp")), ("backup", "after"))
"""Words of commands, which may be scripts of a shell's."""


def environment(document: Mapping[str, Any]) -> Iterator[Finding]:
    """Variables of the application that are the tool's."""
    given = value_at(document, "vikunja.environment") or ()
    for name in given:
        if owned := _owned(name) or _trusted(document, name) or _keyed(name, document):
            yield Finding(("vikunja", "environment", name), *owned)
    for name in value_at(document, "vikunja.secret_files") or ():
        key = ("vikunja", "secret_files", name)
        if owned := _owned(name) or _keyed(name, document):
            yield Finding(key, *owned)
        elif name in given or f"{name}_FILE" in given:
            yield Finding(key, "is in vikunja.environment, too", "Remove it there.")


def _trusted(document: Mapping[str, Any], name: str) -> tuple[str, str] | None:
    """Vikunja knows a MySQL server's authority by a variable that is not its own."""
    ours = value_at(document, "database.type") == "mysql" and value_at(
        document, "database.tls.ca_file"
    )
    return (_TLS, "Use database.tls.ca_file.") if ours and name == "SSL_CERT_FILE" else None


def _owned(name: str) -> tuple[str, str] | None:
    if not name.startswith(PREFIX):
        return None
    words = name.removeprefix(PREFIX).lower()
    for key, found in OWNED.items():
        owned = key.replace(".", "_")
        # What goes on after a key is its file, or takes the key's place all the same.
        if words == owned or words.startswith(f"{owned}_"):
            return found
        if owned.startswith(f"{words}_"):
            return "is a section of Vikunja's settings, not a setting", "Remove the line."
    return None


def _keyed(name: str, document: Mapping[str, Any]) -> tuple[str, str] | None:
    """Of a variable that a key of the section `vikunja` stands for, where that key is given."""
    words = name.removeprefix(PREFIX).lower() if name.startswith(PREFIX) else ""
    for variable, own in keyed().items():
        if (words == variable or words.startswith(f"{variable}_")) and _given(own, document):
            return "has a key of its own", f"Use vikunja.{own}."
    return None


def _given(own: str, document: Mapping[str, Any]) -> bool:
    if "." not in own:
        # Always set.
        return True
    section = next((one for one in _SECTIONS if own.startswith(one.removesuffix("host"))), own)
    return value_at(document, f"vikunja.{section}") not in (None, [])


@cache
def keyed() -> Mapping[str, str]:
    """Variables that the template sets from a key of the section `vikunja`, in lower case and
    without prefix → that key's name."""
    text = (TEMPLATES / "env" / "vikunja.j2").read_text()
    found = {match[1].lower(): match[2] for match in _KEYED.finditer(text)}
    return {**found, **_KEYED_BESIDES}


def unfilled(document: Mapping[str, Any]) -> Iterator[Finding]:
    """Values that only stand for others: a `${NAME}` that was meant to be filled in, as compose
    files have it, and what plain archives hold in place of a secret."""
    yield from _unfilled(document, ())


def _unfilled(value: Any, key: Key) -> Iterator[Finding]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str | dict | list):
                yield from _unfilled(inner, (*key, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _unfilled(inner, (*key, index))
    elif not isinstance(value, str):
        return
    elif MASK in value:
        what = f"holds {MASK}, which stands for a secret that a plain archive does not hold"
        yield Finding(key, what, "Write the secret itself.")
    elif (found := _UNFILLED.search(value)) and not _may_hold(key):
        yield Finding(key, f"holds ${{{_name(found[0])}}}, and nothing fills that in", _hint(key))


def _may_hold(key: Key) -> bool:
    if key[0] == "files" and key[-1] == "content":
        return True
    if key[:2] in _LITERAL:
        return True
    # Vikunja fills in the names of files itself.
    in_vikunja = key[:2] == ("vikunja", "environment")
    return in_vikunja and str(key[-1]).upper().endswith("_FILE")


def _name(found: str) -> str:
    return re.split(r"[:?+}-]", found[2:], maxsplit=1)[0]


def _hint(key: Key) -> str:
    name = str(key[-1])
    if key[:2] == ("vikunja", "environment") and name.startswith(PREFIX):
        return f"Write the value itself, or name a file that holds it: {name}_FILE."
    return "Write the value itself."
