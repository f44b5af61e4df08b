"""Units, whether they are healthy, and which color serves: unit.sh, health.sh, flip.sh, confirm.sh,
back.sh."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from model_answers import proxy_refuses
from model_files import Node, first_line
from model_land import SWITCHING, put_proxy_back, switching
from model_machine import GREEN, SECRETS, STAMPS, Answer, Machine, Record, Refused
from model_secrets import color_login


def unit(
    machine: Machine, arguments: Sequence[str], record: Record, moment: Callable[[], None]
) -> Answer:
    """moment: at which the whole machine can stop: the unit runs, and has no stamp."""
    name, verb, enable, revision, *health = arguments
    state = machine.unit(name)
    stamp = f"{STAMPS}/{name}"
    machine.files.make_folders(STAMPS)
    address = f"unit:{name}"
    try:
        if verb == "stop":
            was = state.active == "active" or state.enabled
            machine.files.remove(stamp)
            machine.stop(name)
            state.enabled = False
            record(address, "delete" if was else "none")
            return Answer()
        machine.files.remove(stamp)
        if machine.masked(name):
            machine.files.remove(f"/etc/systemd/system/{name}")
        how = "none"
        if enable == "yes":
            how = "none" if state.enabled else "enable"
            if machine.load_state(name) != "loaded":
                raise Refused(f"Failed to enable unit: Unit file {name} does not exist.")
            state.enabled = True
        if state.active == "failed":
            state.active = "inactive"
        starts, reloads = state.starts, state.reloads
        was_active = state.active == "active"
        files = machine.unit_files(name).values()
        newer = any(n.mtime > state.started for n in files) or machine.gone_since_start(name)
        if verb in ("reload", "upgrade") and was_active and newer:
            verb = "restart"
        {
            "restart": machine.restart,
            "reload": machine.reload_or_restart,
            "upgrade": machine.upgrade,
            "ensure": machine.start,
        }[verb](name)
        moment()
        if health:
            HEALTH[health[0]](machine, name, health[1:])
    except Refused as refused:
        record(address, "failed")
        return Answer(stderr=f"{refused}\n".encode(), returncode=refused.code)
    if name == "nginx.service" and not switching(machine):
        machine.kept_proxy = None
    machine.files.write(stamp, f"{revision}\n".encode())
    if health and machine.migrations == "none":
        machine.migrations = "SCHEMA_INIT"
    if state.starts > starts:
        how = "restart" if was_active else "start"
    elif state.reloads > reloads:
        how = "reload"
    record(address, how)
    return Answer()


def _text(unit_running: dict[str, bytes] | None) -> str:
    return "\n".join(c.decode(errors="replace") for c in (unit_running or {}).values())


def _backend(machine: Machine, name: str, arguments: Sequence[str]) -> None:
    port, version, _ = arguments
    text = "" if machine.unit(name).hangs else _text(machine.unit(name).running)
    if f'VIKUNJA_SERVICE_INTERFACE="127.0.0.1:{port}"' not in text:
        raise Refused(f"http://127.0.0.1:{port}/health: Connection refused", 10)
    answers = re.findall(r"version=(\S+)", text)
    if version != "-" and answers != [version]:
        raise Refused(f"says version {answers}, not {version}", 10)
    kind = re.findall(r'VIKUNJA_DATABASE_TYPE="(\w+)"', text)[-1]
    if kind != "sqlite":
        host = re.findall(r'VIKUNJA_DATABASE_HOST="([^"]+)"', text)[-1]
        database = re.findall(r'VIKUNJA_DATABASE_DATABASE="([^"]+)"', text)[-1]
        user = re.findall(r'VIKUNJA_DATABASE_USER="([^"]+)"', text)[-1]
        place = kind if host.startswith("127.0.0.1:") else host
        color = name.partition("@")[2].removesuffix(".service")
        # It has read it when it was started.
        read = (machine.unit(name).running or {}).get(f"{SECRETS}/{color}/db-password", b"")
        said = color_login(machine, color, place, database, user, read.strip())
        if said != "present":
            raise Refused(f"the database says {said}", 10)


def _mcp(machine: Machine, name: str, arguments: Sequence[str]) -> None:
    port, _ = arguments
    if f'MCP_HTTP_PORT="{port}"' not in _text(machine.unit(name).running):
        raise Refused(f"http://127.0.0.1:{port}/health: Connection refused", 10)
    redis = machine.unit("redis-server.service")
    if redis.active != "active":
        raise Refused("redis does not answer", 10)


def _migrating(machine: Machine, name: str, arguments: Sequence[str]) -> None:
    from model_migration import moving, started

    _, port, version, seconds = arguments
    if not moving(machine):
        started(machine)
    if machine.fails_to_migrate:
        raise Refused(f"{name} has ended: no such table", 10)
    _backend(machine, name, (port, version, seconds))


HEALTH = {"backend": _backend, "mcp": _mcp, "migrating": _migrating}


def site(machine: Machine, address: str, record: Record) -> Answer:
    record("health:site", "run")
    nginx = machine.unit("nginx.service")
    text = _text(nginx.running) if nginx.active == "active" else ""
    color = "green" if machine.files.get(GREEN) is not None else "blue"
    upstream = re.findall(rf"upstream backend_{color} {{\s+server 127.0.0.1:(\d+);", text)
    try:
        if proxy_refuses(text, address):
            raise Refused("nginx does not answer for it")
        _backend(machine, f"vikunja-backend@{color}.service", [*upstream, "-", ""])
    except Refused as refused:
        return Answer(stderr=f"{refused}\n".encode(), returncode=1)
    return Answer(b"healthy 0.01\n")


def _answers(machine: Machine, color: str, port: str, version: str = "-") -> str:
    """What the health check of a color's backend says; empty where it is healthy."""
    try:
        _backend(machine, f"vikunja-backend@{color}.service", [port, version, ""])
    except Refused as refused:
        return str(refused)
    return ""


def _mark(machine: Machine, color: str) -> None:
    if color == "green":
        machine.files.put(GREEN, Node("file", b"", "0644", "root", "root"))
    else:
        machine.files.remove(GREEN)


def flip(machine: Machine, arguments: Sequence[str], record: Record) -> Answer:
    color, port, version, _, old_port, address, _ = arguments
    old = "blue" if color == "green" else "green"
    way_back = first_line(machine.files, SWITCHING) == old or not _answers(machine, old, old_port)
    if way_back:
        machine.files.write(SWITCHING, f"{old}\n".encode())
    else:
        machine.files.remove(SWITCHING)
    _mark(machine, color)
    record("color:active", "update")
    if not way_back:
        return Answer()
    seen = _answers(machine, color, port, version)
    seen = seen or site(machine, address, lambda *_: None).stderr.decode()
    if seen:
        _mark(machine, old)
        machine.files.remove(SWITCHING)
        return Answer(stderr=f"{seen}\n".encode(), returncode=11)
    return Answer(b"confirm\n")


def confirm(machine: Machine, color: str) -> Answer:
    active = "green" if machine.files.get(GREEN) is not None else "blue"
    if machine.files.get(SWITCHING) is None and active != color:
        return Answer(stderr=b"the switch was undone by its own timer\n", returncode=11)
    machine.files.remove(SWITCHING)
    machine.kept_proxy = None
    return Answer()


def back(machine: Machine, color: str, port: str, units: Sequence[str]) -> Answer:
    said = b""
    if machine.files.get(SWITCHING) is not None:
        before = first_line(machine.files, SWITCHING)
        _mark(machine, before)
        machine.files.remove(SWITCHING)
        said = f"the switch was not confirmed: {before} serves again\n".encode()
    if color != ("green" if machine.files.get(GREEN) is not None else "blue"):
        return Answer(said, b"nginx passes requests to the other one\n", 13)
    if machine.kept_proxy is not None:
        put_proxy_back(machine)
        if machine.unit("nginx.service").active == "active":
            machine.reload_or_restart("nginx.service")
    for name in units:
        machine.files.remove(f"{STAMPS}/{name}")
        machine.stop(name)
        machine.unit(name).enabled = False
    seen = _answers(machine, color, port)
    return Answer(said, f"{seen}\n".encode(), 12) if seen else Answer(said)
