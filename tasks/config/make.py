"""A valid document becomes an Instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tasks.model.instance import (
    Admin,
    Backend,
    Backup,
    Build,
    Connection,
    Database,
    Encrypt,
    ExtraFile,
    Frontend,
    Git,
    Ha,
    Instance,
    Lxc,
    Mcp,
    Mount,
    Network,
    Notifications,
    Proxmox,
    Redis,
    Release,
    Replication,
    Resources,
    Services,
    Smtp,
    Ssh,
    Update,
    Vikunja,
)

Document = Mapping[str, Any]


def make_instance(document: Document, source: Path) -> Instance:
    """document: valid, all defaults filled in, paths absolute. source: the file it came from."""
    lxc, proxmox = document.get("lxc"), document.get("proxmox")
    git, release = document.get("git"), document.get("release")
    return Instance(
        id=document["deployment"]["instance_id"],
        version=document["deployment"]["version"],
        proxmox=_proxmox(proxmox) if proxmox else None,
        lxc=Lxc(**lxc) if lxc else None,
        resources=Resources(**document["resources"]),
        network=_network(document["network"]),
        database=_database(document["database"]),
        redis=Redis(**document["redis"]),
        services=_services(document["services"]),
        vikunja=_vikunja(document["vikunja"]),
        git=Git(**git) if git else None,
        release=Release(**release) if release else None,
        build=_build(document["build"]),
        update=Update(**document["update"]),
        backup=_backup(document["backup"]),
        admin=Admin(**document["admin"]),
        notifications=_notifications(document["notifications"]),
        files=tuple(_extra_file(item) for item in document["files"]),
        source=source,
        document=document,
    )


def _proxmox(desired: Document) -> Proxmox:
    connection = desired["connection"]
    files = {name: _path(connection[name]) for name in ("token_file", "ca_file")}
    made = {
        "connection": Connection(**{**connection, **files}),
        "ssh": Ssh(**desired["ssh"]),
        "tags": tuple(desired["tags"]),
        "ssh_keys": tuple(desired["ssh_keys"]),
        "mounts": tuple(Mount(**item) for item in desired["mounts"]),
        "ha": _ha(desired["ha"]) if desired["ha"] is not None else None,
        "replication": tuple(Replication(**item) for item in desired["replication"]),
    }
    return Proxmox(**{**desired, **made})


def _ha(desired: Document) -> Ha:
    return Ha(**{**desired, "nodes": tuple(desired["nodes"])})


def _network(desired: Document) -> Network:
    return Network(**{**desired, "nameservers": tuple(desired["nameservers"])})


def _database(desired: Document) -> Database:
    files = {name: _path(desired[name]) for name in ("password_file", "admin_password_file")}
    return Database(**{**desired, **files})


def _services(desired: Document) -> Services:
    frontend = desired["frontend"]
    files = {name: _path(frontend[name]) for name in ("ssl_cert", "ssl_key")}
    return Services(
        backend=Backend(**desired["backend"]),
        mcp=Mcp(**desired["mcp"]),
        frontend=Frontend(**{**frontend, **files}),
    )


def _vikunja(desired: Document) -> Vikunja:
    """What the code reads; what only becomes a variable, the template has from the document."""
    return Vikunja(**{field.name: desired[field.name] for field in fields(Vikunja)})


def _build(desired: Document) -> Build:
    commands = {
        part: tuple(tuple(command) for command in desired[part])
        for part in ("backend", "frontend", "mcp")
    }
    return Build(**{**desired, **commands, "packages": tuple(desired["packages"])})


def _backup(desired: Document) -> Backup:
    encrypt = Encrypt(
        recipients=tuple(desired["encrypt"]["recipients"]),
        passphrase_file=_path(desired["encrypt"]["passphrase_file"]),
    )
    changed = {"directory": Path(desired["directory"]), "after": tuple(desired["after"])}
    return Backup(**{**desired, **changed, "encrypt": encrypt})


def _notifications(desired: Document) -> Notifications:
    smtp = Smtp(**{**desired["smtp"], "password_file": _path(desired["smtp"]["password_file"])})
    return Notifications(
        **{**desired, "smtp": smtp, "apprise_file": _path(desired["apprise_file"])},
    )


def _extra_file(desired: Document) -> ExtraFile:
    return ExtraFile(
        path=desired["path"],
        content=desired.get("content"),
        source=_path(desired.get("source")),
        # What its owner alone may read is not for a plan's reader either.
        secret=desired["secret"] or int(desired["mode"], 8) & 0o077 == 0,
        mode=desired["mode"].zfill(4),
        owner=desired["owner"],
        group=desired["group"],
    )


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
