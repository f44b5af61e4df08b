"""Random edits of a site's desired: its configuration, its templates, its repository.

Each edit leaves a valid configuration, and says in a few words what it did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from model_site import Site

Edit = Callable[[Site, Random], str]


def _section(site: Site, dotted: str) -> dict[str, Any]:
    section = site.document
    for name in dotted.split("."):
        section = section.setdefault(name, {})
    return section


def _choose(key: str, *values: Any) -> Edit:
    """An edit that sets one key to one of the values; None takes the key away."""

    def edit(site: Site, random: Random) -> str:
        above, _, name = key.rpartition(".")
        section = _section(site, above)
        value = random.choice([value for value in values if value != section.get(name)])
        if value is None:
            section.pop(name, None)
        else:
            section[name] = value
        return f"{key} = {value!r}"

    return edit


def subnet(site: Site, random: Random) -> str:
    network = _section(site, "network")
    third = random.randrange(4)
    network["gateway"] = f"10.99.{third}.1"
    network["ip_address"] = f"10.99.{third}.{random.randrange(2, 250)}/24"
    return f"network.ip_address = {network['ip_address']}"


def database(site: Site, random: Random) -> str:
    kind = random.choice(["sqlite", "postgresql", "mysql", "postgresql", "mysql"])
    desired: dict[str, Any] = {"type": kind}
    if kind != "sqlite":
        if random.random() < 0.5:
            desired["name"] = random.choice(["vikunja", "tasks", "a_b"])
        if random.random() < 0.5:
            desired["user"] = random.choice(["vikunja", "tasker"])
        if random.random() < 0.4:
            desired["password_file"] = secret_file(site, random, "password")
        if random.random() < 0.3:
            desired |= {
                "host": random.choice(["db.example.com", "10.99.9.9"]),
                "admin_user": "root",
                "password_file": secret_file(site, random, "password"),
                "admin_password_file": secret_file(site, random, "admin"),
            }
    site.document["database"] = desired
    return f"database = {desired}"


def secret_file(site: Site, random: Random, name: str) -> str:
    path = site.folder / f"{name}-{random.randrange(3)}"
    path.write_text(f"canary-{path.name}\n")
    path.chmod(0o600)
    return str(path)


def components(site: Site, random: Random) -> str:
    mcp = random.random() < 0.4
    redis = mcp or random.random() < 0.4
    site.document["redis"] = {"enabled": redis, "port": random.choice([6379, 6380])}
    _section(site, "services")["mcp"] = {
        "enabled": mcp,
        "port_blue": random.choice([8456, 8556]),
        "port_green": random.choice([8457, 8557]),
    }
    return f"redis {redis}, mcp {mcp}"


def ports(site: Site, random: Random) -> str:
    services = _section(site, "services")
    services["backend"] = {
        "port_blue": random.choice([3456, 3556]),
        "port_green": random.choice([3457, 3557]),
    }
    frontend = services.setdefault("frontend", {})
    frontend["port"] = random.choice([80, 8080])
    frontend["ssl_port"] = random.choice([443, 8443])
    return f"ports {services['backend']} {frontend}"


CERTIFICATES = Path(__file__).parent.parent / "unit" / "config" / "files"


def certificate(site: Site, random: Random) -> str:
    frontend = _section(site, "services.frontend")
    if frontend.pop("ssl_cert", None):
        del frontend["ssl_key"]
        return "self-signed certificate"
    frontend["ssl_cert"] = str(CERTIFICATES / "good.pem")
    frontend["ssl_key"] = str(CERTIFICATES / "good.key")
    return "given certificate"


def environment(site: Site, random: Random) -> str:
    names = ["VIKUNJA_LOG_LEVEL", "VIKUNJA_MAILER_ENABLED", "OWN", "VIKUNJA_RATELIMIT_KIND"]
    values = ["INFO", "true", 'with "quotes" and $signs', "ä", ""]
    chosen = {name: random.choice(values) for name in random.sample(names, random.randrange(4))}
    _section(site, "vikunja")["environment"] = chosen
    return f"vikunja.environment = {chosen}"


OWN_FILES = ["/etc/motd", "/srv/own.txt", "/srv/deep/own.txt", "/etc/nginx/conf.d/own.conf"]


def files(site: Site, random: Random) -> str:
    chosen: list[dict[str, Any]] = []
    for path in random.sample(OWN_FILES, random.randrange(len(OWN_FILES) + 1)):
        item: dict[str, Any] = {"path": path}
        if random.random() < 0.3:
            source = site.folder / f"source-{random.randrange(3)}"
            source.write_text(f"from {source.name}\n")
            item["source"] = str(source)
        else:
            item["content"] = random.choice(["one\n", "two\n", ""])
        if random.random() < 0.5:
            item["mode"] = random.choice(["0600", "0644", "0755"])
        if random.random() < 0.3:
            item |= {"owner": "vikunja", "group": "adm"}
        if item.get("mode", "0600") == "0600" and random.random() < 0.3:
            item["secret"] = True
        chosen.append(item)
    site.document["files"] = chosen
    return f"files = {[item['path'] for item in chosen]}"


def new_commit(site: Site, random: Random) -> str:
    branch = site.document.get("git", {}).get("branch", "main")
    return f"commit {site.repository.commit(branch)[:10]} on {branch}"


def source(site: Site, random: Random) -> str:
    if site.document.pop("git", None):
        sha256 = hashlib.sha256(bytes([random.randrange(3)])).hexdigest()
        site.document["release"] = {
            "url": "https://dl.example.com/vikunja.zip",
            "sha256": sha256,
            "version": "v2.5.0",
        }
        return f"release {sha256[:10]}"
    del site.document["release"]
    site.document["git"] = {"repository": str(site.repository.path), "branch": "main"}
    return "git"


def build_settings(site: Site, random: Random) -> str:
    section = _section(site, "build")
    section["environment"] = {"FLAVOUR": random.choice("abc")}
    return f"build.environment = {section['environment']}"


def template(site: Site, random: Random) -> str:
    found = sorted(site.templates.rglob("*.j2"))
    path = random.choice([p for p in found if p.parent.name != "shared" and p.name != "host.j2"])
    name = str(path.relative_to(site.templates))
    # A line that every one of these formats takes for a comment.
    site.edit_template(name, f"# edit {random.randrange(1000)}\n")
    return f"template {name}"


EDITS: tuple[Edit, ...] = (
    _choose("network.domain", "tasks.example.com", "other.example.com", "third.example.org"),
    subnet,
    _choose("network.bridge", "vikunja0", "other0", None),
    _choose("network.nameservers", [], ["10.99.0.1"], ["9.9.9.9", "10.99.0.1"], None),
    _choose("resources.cpu_cores", 1, 2, 4, None),
    _choose("resources.memory_mb", 2048, 4096, 8192),
    _choose("resources.disk_size_gb", 20, 40),
    database,
    database,
    components,
    components,
    ports,
    certificate,
    environment,
    files,
    files,
    _choose("vikunja.registration", True, False),
    _choose("vikunja.max_upload_mb", 5, 20, 100),
    _choose("vikunja.timezone", "UTC", "Europe/Berlin"),
    _choose("vikunja.secrets", "files", "environment"),
    _choose("vikunja.start_timeout_seconds", 60, 90),
    _choose("backup.retention_count", 3, 7),
    _choose("backup.keep_daily", 7, 0),
    _choose("update.drain_seconds", 10, 30),
    _choose("update.keep_releases", 2, 4),
    _choose("admin.email", "admin@example.com", "other@example.com"),
    _choose("deployment.version", "1.0.0", "1.1.0"),
    new_commit,
    new_commit,
    source,
    build_settings,
    template,
    template,
)


def edit(site: Site, random: Random) -> str:
    said = random.choice(EDITS)(site, random)
    git = site.document.get("git")
    if git and random.random() < 0.1:
        git["branch"] = random.choice(["main", "next"])
        said += f", branch {git['branch']}"
    site.write()
    if random.random() < 0.3:
        site.publish()
        said += " (built already)"
    return said
