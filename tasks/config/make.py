"""A valid document becomes an Instance."""

from __future__ import annotations

from collections.abc import Mapping
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
        vikunja=Vikunja(**document["vikunja"]),
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


def _proxmox(wish: Document) -> Proxmox:
    connection = wish["connection"]
    files = {name: _path(connection[name]) for name in ("token_file", "ca_file")}
    made = {
        "connection": Connection(**{**connection, **files}),
        "ssh": Ssh(**wish["ssh"]),
        "tags": tuple(wish["tags"]),
        "ssh_keys": tuple(wish["ssh_keys"]),
        "mounts": tuple(Mount(**item) for item in wish["mounts"]),
        "ha": _ha(wish["ha"]) if wish["ha"] is not None else None,
        "replication": tuple(Replication(**item) for item in wish["replication"]),
    }
    return Proxmox(**{**wish, **made})


def _ha(wish: Document) -> Ha:
    return Ha(**{**wish, "nodes": tuple(wish["nodes"])})


def _network(wish: Document) -> Network:
    return Network(**{**wish, "nameservers": tuple(wish["nameservers"])})


def _database(wish: Document) -> Database:
    files = {name: _path(wish[name]) for name in ("password_file", "admin_password_file")}
    return Database(**{**wish, **files})


def _services(wish: Document) -> Services:
    frontend = wish["frontend"]
    files = {name: _path(frontend[name]) for name in ("ssl_cert", "ssl_key")}
    return Services(
        backend=Backend(**wish["backend"]),
        mcp=Mcp(**wish["mcp"]),
        frontend=Frontend(**{**frontend, **files}),
    )


def _build(wish: Document) -> Build:
    commands = {
        part: tuple(tuple(command) for command in wish[part])
        for part in ("backend", "frontend", "mcp")
    }
    return Build(**{**wish, **commands, "packages": tuple(wish["packages"])})


def _backup(wish: Document) -> Backup:
    encrypt = Encrypt(
        recipients=tuple(wish["encrypt"]["recipients"]),
        passphrase_file=_path(wish["encrypt"]["passphrase_file"]),
    )
    changed = {"directory": Path(wish["directory"]), "after": tuple(wish["after"])}
    return Backup(**{**wish, **changed, "encrypt": encrypt})


def _notifications(wish: Document) -> Notifications:
    smtp = Smtp(**{**wish["smtp"], "password_file": _path(wish["smtp"]["password_file"])})
    return Notifications(
        **{**wish, "smtp": smtp, "apprise_file": _path(wish["apprise_file"])},
    )


def _extra_file(wish: Document) -> ExtraFile:
    return ExtraFile(
        path=wish["path"],
        content=wish.get("content"),
        source=_path(wish.get("source")),
        # What its owner alone may read is not for a plan's reader either.
        secret=wish["secret"] or int(wish["mode"], 8) & 0o077 == 0,
        mode=wish["mode"].zfill(4),
        owner=wish["owner"],
        group=wish["group"],
    )


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
