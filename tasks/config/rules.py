"""What the schema cannot say, of one document with its defaults; pure.

Every rule takes documents out of which values with a finding of their own have been taken, and
says nothing about what is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from tasks.config.database_rules import database
from tasks.config.environment_rules import environment
from tasks.config.extra_files import extra_files
from tasks.config.finding import Finding, Key, has_login, parse, value_at
from tasks.config.network_rules import network
from tasks.config.proxmox_rules import proxmox
from tasks.config.release_rules import release
from tasks.config.settings_rules import notifications, settings
from tasks.config.site_rules import site

Document = Mapping[str, Any]

_PLACEHOLDER = re.compile(r"(?<![{$])\{([A-Za-z_]+)\}(?!\})")
_SCP_LIKE = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9._-]+:\S+")
_SCHEMES = ("https://", "http://", "ssh://", "git://", "git+ssh://", "file://")


def rule_findings(document: Document, given: Collection[Key]) -> list[Finding]:
    """given: the keys that the file itself holds, rather than the defaults."""
    found = [finding for rule in _RULES for finding in rule(document)]
    return [
        *found,
        *database(document, given),
        *ports(document, given),
        *release(document, given),
    ]


def ports(document: Document, given: Collection[Key]) -> Iterator[Finding]:
    """No two of what runs in the container listen on the same port."""
    names = [
        "services.backend.port_blue",
        "services.backend.port_green",
        "services.mcp.port_blue",
        "services.mcp.port_green",
        "services.frontend.port",
        "services.frontend.ssl_port",
    ]
    if value_at(document, "redis.enabled") is True:
        names.append("redis.port")
    if not value_at(document, "database.host"):
        names.append("database.port")
    taken: dict[int, str] = {}
    # Of a default and a port that is given, the given one is what can be changed.
    for name in sorted(names, key=lambda name: parse(name) in given):
        port = value_at(document, name)
        if port is None:
            continue
        if port in taken:
            yield Finding(
                parse(name),
                f"{port} is the port of {taken[port]} already",
                "Choose one that nothing else in the container uses.",
            )
        else:
            taken[port] = name


def components(document: Document) -> Iterator[Finding]:
    wants_mcp = value_at(document, "services.mcp.enabled") is True
    if wants_mcp and value_at(document, "redis.enabled") is False:
        yield Finding(
            parse("services.mcp.enabled"),
            "the MCP server needs redis",
            "Set redis.enabled: true as well.",
        )
    frontend = value_at(document, "services.frontend")
    if not isinstance(frontend, Mapping) or not {"ssl_cert", "ssl_key"} <= set(frontend):
        return
    for name, other in (("ssl_cert", "ssl_key"), ("ssl_key", "ssl_cert")):
        if frontend[name] and not frontend[other]:
            yield Finding(
                ("services", "frontend", other),
                f"is missing, {name} is given",
                "Give both, or neither for a self-signed certificate.",
            )


def repository(document: Document) -> Iterator[Finding]:
    address = value_at(document, "git.repository")
    if isinstance(address, str):
        yield from _repository(address)


def _repository(address: str) -> Iterator[Finding]:
    key = ("git", "repository")
    from tasks.model.redaction import masked

    over_http = address.startswith(("http://", "https://"))
    if (over_http and has_login(address)) or masked(address) != address:
        yield Finding(
            key,
            "holds a password" if not over_http else "holds a user name or password",
            "Keep it in git's credential helper, or use an ssh address.",
        )
    elif not address.startswith(("/", *_SCHEMES)) and not _SCP_LIKE.fullmatch(address):
        yield Finding(
            key,
            "is not the address of a repository",
            "Such as https://HOST/PATH.git, git@HOST:PATH.git, or ./FOLDER for a local one.",
        )


def apt_sources(document: Document) -> Iterator[Finding]:
    """Further sources of packages: nothing secret in an address, which everybody may read."""
    for index, source in enumerate(value_at(document, "system.apt_sources") or ()):
        if not isinstance(source, Mapping):
            continue
        for number, uri in enumerate(source.get("uris") or ()):
            if isinstance(uri, str) and has_login(uri):
                yield Finding(
                    ("system", "apt_sources", index, "uris", number),
                    "holds a user name or password",
                    "Write it without; files: can lay a file of /etc/apt/auth.conf.d with them.",
                )
        suites = [one for one in source.get("suites") or () if isinstance(one, str)]
        if len({one.endswith("/") for one in suites}) > 1:
            yield Finding(
                ("system", "apt_sources", index, "suites"),
                "has some that end with / and some that do not",
                "Write a source for each of the two forms.",
            )


def updates(document: Document) -> Iterator[Finding]:
    """A window of time that has a length."""
    window = value_at(document, "system.updates_window")
    if isinstance(window, str):
        first, _, last = window.rpartition(" ")[2].partition("-")
        if first == last:
            yield Finding(
                ("system", "updates_window"),
                f"begins and ends at {first}",
                "Give it an end: 00:00-23:59 is all of the day.",
            )


def commands(document: Document) -> Iterator[Finding]:
    """Braces in build commands hold one of the two placeholders."""
    for part in ("frontend", "backend", "mcp"):
        for number, command in enumerate(value_at(document, f"build.{part}") or ()):
            for index, word in enumerate(command or ()):
                for name in _PLACEHOLDER.findall(word or ""):
                    if name not in ("version", "commit"):
                        yield Finding(
                            ("build", part, number, index),
                            f"{{{name}}} is no placeholder",
                            "There are {version} and {commit}.",
                        )


def backups(document: Document) -> Iterator[Finding]:
    """One kind of encryption, and a second target that is a program with known placeholders."""
    if value_at(document, "backup.encrypt.recipients") and value_at(
        document, "backup.encrypt.passphrase_file"
    ):
        yield Finding(
            ("backup", "encrypt", "passphrase_file"),
            "does not go with recipients",
            "Give one of the two: the format allows no archive for both.",
        )
    from tasks.age.keys import parse_recipient

    for index, text in enumerate(value_at(document, "backup.encrypt.recipients") or ()):
        try:
            if text is not None:
                parse_recipient(text)
        except ValueError as error:
            yield Finding(("backup", "encrypt", "recipients", index), f"is {error}")
    command = value_at(document, "backup.after") or ()
    if command and not command[0]:
        yield Finding(("backup", "after", 0), "is empty, it is the program to run")
    for index, word in enumerate(command):
        for name in _PLACEHOLDER.findall(word or ""):
            if name not in ("archive", "folder", "instance"):
                yield Finding(
                    ("backup", "after", index),
                    f"{{{name}}} is no placeholder",
                    "There are {archive}, {folder} and {instance}.",
                )


_RULES: tuple[Callable[[Document], Iterator[Finding]], ...] = (
    network,
    site,
    proxmox,
    components,
    repository,
    apt_sources,
    updates,
    commands,
    backups,
    notifications,
    settings,
    environment,
    extra_files,
)
