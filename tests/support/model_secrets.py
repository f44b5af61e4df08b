"""Who may log in where in a machine: secrets of the colors, of redis and of databases."""

from __future__ import annotations

from model_answers import redis_digest
from model_land import own
from model_machine import SECRETS, Machine

from tasks.model.layout import TLS_FILES

REDIS_PASSWORDS = "/etc/redis/vikunja-password.conf"


def in_use(machine: Machine, name: str, retired: str = "") -> list[bytes]:
    """The secrets that are to be let in: that which is configured, and the colors'."""
    configured = password(machine) if name == "db-password" else b""
    found = [configured or machine.files.content(f"{SECRETS}/{name}") or b""]
    found += [
        machine.files.content(f"{SECRETS}/{color}/{name}") or b""
        for color in ("blue", "green")
        if color != retired
    ]
    return list(dict.fromkeys(one.strip() for one in found if one))


def let_into_redis(machine: Machine, retired: str = "") -> bytes:
    digests = [redis_digest(one) for one in in_use(machine, "redis-password", retired)]
    return f"user default on ~* &* +@all {' '.join(digests)}\n".encode()


def let_in(machine: Machine, retired: str = "") -> None:
    """In redis's file, and in redis at once where it runs."""
    content = let_into_redis(machine, retired)
    machine.files.write(REDIS_PASSWORDS, content, "0600", owner="redis", group="redis")
    running = machine.unit("redis-server.service").running
    if running and REDIS_PASSWORDS in running:
        running[REDIS_PASSWORDS] = content


def _source(machine: Machine, name: str) -> bytes | None:
    """The secret that is configured."""
    if name == "db-password":
        return password(machine) + b"\n" if password(machine) else None
    if name in TLS_FILES and machine.files.content(f"{SECRETS}/db-password-next"):
        name = f"{name}-next"
    return machine.files.content(f"{SECRETS}/{name}")


def color_secrets(
    machine: Machine, color: str, login: str, owner: str, database: str, *names: str
) -> str:
    for name in names:
        found = machine.files.content(f"{SECRETS}/{color}/{name}")
        if found is None:
            return "absent"
        if found.strip() != (_source(machine, name) or b"").strip():
            return "outdated"
    up = machine.unit("postgresql.service").active == "active"
    own = (machine.files.content(f"{SECRETS}/{color}/db-password") or b"").strip()
    if login != "-" and up and machine.logins.get(login) != own:
        return "not let in"
    return "present"


def copy_secrets(
    machine: Machine, color: str, login: str, owner: str, database: str, *names: str
) -> str:
    """What went wrong; empty where nothing did."""
    machine.files.make_folders(f"{SECRETS}/{color}")
    own(machine, "0700", "vikunja", "vikunja", f"{SECRETS}/{color}")
    for name in names:
        content = _source(machine, name)
        if content is None:
            return f"{SECRETS}/{name}: No such file or directory"
        path = f"{SECRETS}/{color}/{name}"
        machine.files.write(path, content, "0600", owner="vikunja", group="vikunja")
    if login != "-":
        if machine.unit("postgresql.service").active != "active":
            return "PostgreSQL does not answer"
        machine.logins[login] = password(machine)
    return ""


def retire_secrets(
    machine: Machine, color: str, login: str, database: str, user: str, port: str
) -> None:
    machine.logins.pop(login, None)
    if database != "-" and ("mysql", database) in machine.databases:
        found = machine.databases["mysql", database]
        found.others = set(in_use(machine, "db-password", color))
    if port != "-":
        let_in(machine, color)
    machine.files.remove(f"{SECRETS}/{color}")


def color_login(machine: Machine, color: str, place: str, name: str, user: str, own: bytes) -> str:
    """What a color's backend is told as it logs in with its own password. See login."""
    found = machine.databases.get((place, name))
    if place not in SERVICES or found is None:
        return login(machine, place, name, user, own)
    if machine.unit(SERVICES[place][1]).active != "active":
        return "stopped"
    if place == "postgres":
        known = machine.logins.get(user) == own and user == f"{found.owner}_{color}"
    else:
        known = user == found.owner and own in {found.password, *found.others}
    return "present" if known else "other-password"


def password(machine: Machine) -> bytes:
    """The one that is configured, while another database serves."""
    path = f"{SECRETS}/db-password"
    return (machine.files.content(f"{path}-next") or machine.files.content(path) or b"").strip()


LOCAL = {"postgresql_database": "postgres", "mysql_database": "mysql"}
SERVICES = {
    "postgres": ("postgresql", "postgresql.service"),
    "mysql": ("mariadb-server", "mariadb.service"),
}


def login(machine: Machine, place: str, name: str, user: str, secret: bytes | None = None) -> str:
    """place: `postgres` or `mysql` in the container, else host and port of a server outside."""
    if secret is None:
        secret = password(machine)
    found = machine.databases.get((place, name))
    if place in SERVICES:
        package, service = SERVICES[place]
        if package not in machine.packages:
            return "unasked" if package in machine.configured else "absent"
        if machine.unit(service).active != "active":
            return "stopped"
        # The server's own administrator needs no password.
        if not secret:
            return "other-password" if found else "absent"
    elif not secret:
        return "unasked"
    if found is None:
        return "absent"
    if found.owner != user or found.password != secret:
        return "other-password" if place in SERVICES else "denied"
    return "present"
