"""Random drifts: what people, crashes and other programs do behind the tool's back.

Each takes a site that has been applied once, and says in a few words what it did; empty where
there is nothing that it could do it to.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

import msgspec
from model_files import Node
from model_machine import DOCUMENT, GREEN, NOLOGIN, Machine, Refused, User
from model_scripts import LATER
from model_site import NAME, Site

from tasks.model.layout import MAINTENANCE

Drift = Callable[[Site, Random], str]
Inside = Callable[[Machine, Random, list[str]], str]

MANAGED: tuple[str, ...] = (
    "/etc/vikunja",
    "/etc/nginx",
    "/etc/systemd",
    "/etc/redis",
    "/etc/logrotate.d",
)
MANAGED += ("/usr/local/lib/vikunja", "/etc/tmpfiles.d", "/etc/mysql", "/srv", "/etc/motd")


def names_in(site: Site, *kinds: str) -> list[str]:
    """Names of what was applied, of these kinds."""
    from tasks.model import applied

    known = applied.read(site.paths, NAME).resources
    split = [address.partition(":") for address in known]
    return sorted(name for kind, _, name in split if kind in kinds)


def inside(*kinds: str) -> Callable[[Inside], Drift]:
    """A drift of the machine, with the names of applied things of these kinds."""

    def made(drift: Inside) -> Drift:
        def drifted(site: Site, random: Random) -> str:
            place = site.world.places.get(site.container)
            if place is None:
                return ""
            names = [n for n in names_in(site, *kinds) if _is_there(place.machine, kinds, n)]
            return drift(place.machine, random, names) if names or not kinds else ""

        return drifted

    return made


def _is_there(machine: Machine, kinds: tuple[str, ...], name: str) -> bool:
    if kinds == ("unit",):
        return machine.load_state(name) != "not-found"
    return kinds == ("package",) or machine.files.get(name) is not None


@inside("file")
def edited(machine: Machine, random: Random, names: list[str]) -> str:
    path = random.choice(names)
    node = machine.files.get(path)
    assert node is not None
    if node.type != "file":
        return ""
    machine.files.put(path, replace(node, content=node.content + b"# by hand\n"))
    return f"{path} edited"


@inside("file", "secret", "directory")
def attributes(machine: Machine, random: Random, names: list[str]) -> str:
    path = random.choice(names)
    name, value = random.choice([("mode", "0777"), ("owner", "www-data"), ("group", "adm")])
    attribute: Any = {name: value}
    machine.files.change(path, **attribute)
    return f"{path} has {name} {value}"


@inside("file", "secret")
def deleted(machine: Machine, random: Random, names: list[str]) -> str:
    path = random.choice(names)
    machine.files.remove(path)
    return f"{path} deleted"


@inside("directory")
def folder_deleted(machine: Machine, random: Random, names: list[str]) -> str:
    path = random.choice(names)
    machine.files.remove(path)
    return f"{path} deleted with all in it"


@inside("file", "secret")
def another_type(machine: Machine, random: Random, names: list[str]) -> str:
    path = random.choice(names)
    how = random.choice(["a link to nowhere", "a link to its copy", "a folder"])
    if how == "a link to its copy":
        machine.files.move(path, f"{path}.copy")
        machine.files.put(path, Node("link", target=f"{path}.copy"))
        return f"{path} is {how}"
    machine.files.remove(path)
    if how == "a folder":
        machine.files.make_folders(f"{path}/below")
    else:
        machine.files.put(path, Node("link", target="/nowhere"))
    return f"{path} is {how}"


@inside("directory")
def folder_replaced(machine: Machine, random: Random, names: list[str]) -> str:
    path = random.choice(names)
    if random.random() < 0.5:
        machine.files.remove(path)
        machine.files.write(path, b"no folder\n")
        return f"{path} is a file"
    machine.files.move(path, f"/srv/moved{machine.files.clock}")
    machine.files.put(path, Node("link", target=f"/srv/moved{machine.files.clock}"))
    return f"{path} moved and linked"


@inside("secret")
def secret_emptied(machine: Machine, random: Random, names: list[str]) -> str:
    path = random.choice(names)
    node = machine.files.get(path)
    assert node is not None
    machine.files.put(path, replace(node, type="file", content=b"", target=""))
    return f"{path} emptied"


@inside("secret")
def secret_edited(machine: Machine, random: Random, names: list[str]) -> str:
    path = random.choice(names)
    node = machine.files.get(path)
    if node is None or node.type != "file" or path not in machine.noted:
        return ""
    machine.files.put(path, replace(node, content=f"{random.random()}\n".encode()))
    return f"{path} has another value"


@inside("unit")
def unit_stopped(machine: Machine, random: Random, names: list[str]) -> str:
    name = random.choice(names)
    how = random.choice(["stopped", "failed", "disabled", "masked"])
    unit = machine.unit(name)
    if how in ("stopped", "masked"):
        machine.stop(name)
    elif how == "failed":
        unit.active, unit.running, unit.hangs = "failed", None, False
    if how == "disabled":
        unit.enabled = False
    if how == "masked":
        machine.files.put(f"/etc/systemd/system/{name}", Node("link", target="/dev/null"))
    return f"{name} {how}"


@inside("unit")
def unit_overridden(machine: Machine, random: Random, names: list[str]) -> str:
    name = random.choice(names)
    drop_in = random.choice([name, name.rpartition(".")[2], name.replace("@blue", "@")])
    path = f"/etc/systemd/system/{drop_in}.d/by-hand.conf"
    machine.files.make_folders(path.rpartition("/")[0])
    machine.files.write(path, b"[Service]\nNice=1\n")
    taken_up = random.choice(["", ", and loaded", ", and in use"])
    if taken_up:
        machine.daemon_reload()
    if taken_up == ", and in use" and machine.unit(name).active == "active":
        with suppress(Refused):
            machine.restart(name)
    return f"{path}{taken_up}"


@inside("unit")
def unit_hung(machine: Machine, random: Random, names: list[str]) -> str:
    asked = [n for n in names if n.startswith(("vikunja-", "nginx.", "redis-"))]
    running = [name for name in asked if machine.unit(name).active == "active"]
    if not running:
        return ""
    name = random.choice(running)
    machine.unit(name).hangs = True
    return f"{name} hangs"


@inside("unit")
def unit_started(machine: Machine, random: Random, names: list[str]) -> str:
    units = [(name, machine.unit(name)) for name in names]
    idle = [name for name, unit in units if unit.active == "inactive" and not unit.enabled]
    if not idle:
        return ""
    unit = machine.unit(random.choice(idle))
    unit.active, unit.running, unit.enabled = "active", {}, random.random() < 0.5
    return "an idle unit started by hand"


@inside()
def daemon_reload(machine: Machine, random: Random, names: list[str]) -> str:
    machine.daemon_reload()
    return "daemon-reload"


@inside("package")
def package_removed(machine: Machine, random: Random, names: list[str]) -> str:
    installed = [name for name in names if name in machine.packages]
    if not installed:
        return ""
    name = random.choice(installed)
    machine.uninstall(name)
    return f"package {name} removed"


@inside()
def user_changed(machine: Machine, random: Random, names: list[str]) -> str:
    if "vikunja" not in machine.users or random.random() < 0.3:
        machine.users.pop("vikunja", None)
        machine.groups.discard("vikunja")
        return "user vikunja removed"
    user = random.choice([User("/var/lib/vikunja", "/bin/bash"), User("/home/x", NOLOGIN)])
    machine.users["vikunja"] = user
    return f"user vikunja is {user}"


@inside()
def marker_switched(machine: Machine, random: Random, names: list[str]) -> str:
    if machine.files.place(GREEN) is None:
        return ""
    if machine.files.get(GREEN) is None:
        machine.files.write(GREEN, b"")
    else:
        machine.files.remove(GREEN)
    return "active color switched"


@inside()
def release_damaged(machine: Machine, random: Random, names: list[str]) -> str:
    color = random.choice(["blue", "green"])
    part = random.choice(["backend", "mcp-server"])
    place = f"/opt/vikunja/{part}/{color}"
    found = machine.files.below(place)
    path = random.choice([place, *(p for p in found if p.endswith(("/vikunja", "/.release")))])
    node = machine.files.get(path)
    if node is None:
        return ""
    if node.type == "file" and path.endswith("/vikunja") and random.random() < 0.7:
        how = random.choice(["cut short", "edited", "not executable"])
        mode = "0644" if how == "not executable" else node.mode
        content = {"cut short": node.content[:7], "edited": node.content[:-1] + b"#"}
        machine.files.put(path, replace(node, content=content.get(how, node.content), mode=mode))
        return f"{path} {how}"
    machine.files.remove(path)
    return f"{path} deleted"


@inside()
def put_back(machine: Machine, random: Random, names: list[str]) -> str:
    path = random.choice(
        [
            "/etc/nginx/sites-enabled/default",
            "/etc/vikunja/mcp-environment.blue",
            "/etc/systemd/system/vikunja-mcp@.service",
            "/etc/redis/redis.conf",
            "/etc/motd",
            "/etc/nginx/conf.d/broken.conf",
            MAINTENANCE,
        ]
    )
    if machine.files.place(path) is None or machine.files.get(path) is not None:
        return ""
    machine.files.write(path, b"# put back\n")
    return f"{path} put there"


@inside()
def database_changed(machine: Machine, random: Random, names: list[str]) -> str:
    if not machine.databases:
        return ""
    key = random.choice(sorted(machine.databases))
    if random.random() < 0.5:
        del machine.databases[key]
        return f"database {key} dropped"
    if random.random() < 0.3:
        machine.exposed = True
        return "PostgreSQL listens on all addresses"
    machine.databases[key].password = b"other"
    return f"database {key} has another password"


@inside()
def log_touched(machine: Machine, random: Random, names: list[str]) -> str:
    logs = [path for path in machine.files.below("/var/log/vikunja") if path.endswith(".log")]
    if not logs:
        return ""
    path = random.choice(logs)
    if random.random() < 0.5:
        machine.files.remove(path)
        return f"{path} removed"
    machine.files.change(path, owner="root")
    return f"{path} is root's"


@inside()
def certificate_expires(machine: Machine, random: Random, names: list[str]) -> str:
    path = "/etc/vikunja/tls/self-signed/made"
    node = machine.files.get(path)
    if node is None:
        return ""
    machine.files.put(path, replace(node, content=node.content.replace(b" %d " % LATER, b" 1 ")))
    return "certificate expires soon"


@inside()
def document_edited(machine: Machine, random: Random, names: list[str]) -> str:
    node = machine.files.get(DOCUMENT)
    if node is None or node.type != "file":
        return ""
    if random.random() < 0.5:
        machine.files.put(DOCUMENT, replace(node, content=b"edited\n"))
        return "document edited"
    machine.files.remove(DOCUMENT)
    return "document deleted"


@inside()
def rebooted(machine: Machine, random: Random, names: list[str]) -> str:
    machine.boot()
    return "rebooted"


def host_records(site: Site, random: Random) -> str:
    paths = site.paths
    path = random.choice(
        [
            paths.state(NAME),
            paths.registry,
            paths.applied(NAME),
            paths.rendered(NAME),
            paths.engine_database,
        ]
    )
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return f"{path.name} deleted on the host"


def cache_emptied(site: Site, random: Random) -> str:
    shutil.rmtree(site.paths.cache, ignore_errors=True)
    return "cache emptied"


def container_stopped(site: Site, random: Random) -> str:
    place = site.world.places.get(site.container)
    if place is None:
        return ""
    place.running = False
    return "container stopped"


def container_changed(site: Site, random: Random) -> str:
    place = site.world.places.get(site.container)
    if place is None:
        return ""
    place.spec = msgspec.structs.replace(place.spec, memory_mb=1024, nameservers=("8.8.8.8",))
    return "container's limits changed"


def container_destroyed(site: Site, random: Random) -> str:
    if site.container in site.world.places:
        site.world.lose(site.container)
    return "container destroyed"


DRIFTS: tuple[Drift, ...] = (
    edited,
    edited,
    attributes,
    attributes,
    deleted,
    deleted,
    folder_deleted,
    another_type,
    another_type,
    folder_replaced,
    secret_emptied,
    secret_edited,
    unit_stopped,
    unit_stopped,
    unit_stopped,
    unit_hung,
    unit_overridden,
    unit_started,
    daemon_reload,
    package_removed,
    user_changed,
    marker_switched,
    release_damaged,
    release_damaged,
    put_back,
    database_changed,
    certificate_expires,
    log_touched,
    document_edited,
    rebooted,
    host_records,
    cache_emptied,
    container_stopped,
    container_changed,
    container_destroyed,
)


def drift(site: Site, random: Random) -> str:
    """Something that could happen, did."""
    for _ in range(20):
        said = random.choice(DRIFTS)(site, random)
        if said:
            return said
    return container_stopped(site, random)
