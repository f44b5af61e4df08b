"""What the tool's own scripts do to a machine. Each function is one of tasks/guest/scripts/*.sh.

What changed is record to `Record`, by the address that the machine's owner would call it by; an
effect that changed nothing is record as `none`.
"""

from __future__ import annotations

import hashlib
import io
import posixpath
import re
import tarfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model_answers import answers, proxy_refuses, redis_digest
from model_files import Node, Tree, folder
from model_machine import GREEN, SECRETS, STAMPS, Database, Machine, Refused, User

from tasks.model.layout import TLS_FILES

NGINX_STAMP = f"{STAMPS}/nginx.service"
SWITCHING = "/var/lib/vikunja-deploy/switching"
LATER = 4102444800
"""When a certificate of the model's ends, in seconds since 1970."""
DOCUMENT = "/etc/vikunja/deployment-config.yaml"

Record = Callable[[str, str], None]


@dataclass(frozen=True)
class Answer:
    stdout: bytes = b""
    stderr: bytes = b""
    returncode: int = 0


# observe.sh


def observe(machine: Machine, probes: set[str], stdin: bytes) -> Answer:
    """probes: the functions that were put in front of the observer."""
    questions = [line.split("\t") for line in stdin.decode().splitlines()]
    lines: list[str] = []
    wanted: dict[str, str] = {}
    for kind, *fields in questions:
        match kind, fields:
            case "file", [digest, path]:
                lines += _file(machine, digest, path)
                wanted[path] = digest
            case "text", [path]:
                content = machine.files.content(path)
                if content is not None and b"\n" in content:
                    lines.append(f"text\t{path}\t{content.decode().splitlines()[0].strip()}")
            case "package", [name]:
                if name in machine.packages:
                    lines.append(f"package\t{name}\tinstalled\t1.0")
                elif name in machine.configured:
                    lines.append(f"package\t{name}\tconfig-files\t1.0")
            case "user", [name]:
                if name in machine.users:
                    user = machine.users[name]
                    lines.append(f"user\t{name}\t{user.home}:{user.shell}")
            case "unit", [name]:
                stale = "yes" if machine.stale(name) else "no"
                active = machine.unit(name).active
                states = f"{machine.load_state(name)}\t{active}\t{machine.file_state(name)}"
                files = " ".join(machine.loaded_files(name))
                lines.append(f"unit\t{name}\t{states}\t{stale}\t{files}")
                if packages := machine.unit(name).outdated:
                    lines.append(f"outdated\t{name}\t{' '.join(packages)}")
            case "probe", [number, name, *arguments]:
                assert name in probes, f"probe_{name} was not put in front of the observer"
                lines.append(f"probe\t{number}\t{probe(machine, name, arguments)}")
            case _:
                raise AssertionError(f"the observer does not know {kind} {fields}")
    if any(line.startswith("unit\t") and line.split("\t")[5] == "yes" for line in lines):
        lines += [f"unit-file\t{path}" for path in _unit_files(machine)]
    head = "".join(f"{line}\n" for line in lines)
    return Answer(f"{head}contents\n".encode() + _contents(machine, wanted))


def _unit_files(machine: Machine) -> list[str]:
    written = [p for p in machine.files.below("/etc/systemd") if machine.files.content(p)]
    return [p for p in written if re.search(r"\.d/[^/]+\.conf$|\.service$|\.timer$", p)]


def _file(machine: Machine, digest: str, path: str) -> list[str]:
    node = machine.files.get(path)
    if node is None:
        return []
    mode = node.mode.lstrip("0") or "0"
    fields = [
        "file",
        path,
        node.type[0],
        "777" if node.type == "link" else mode,
        machine.owner(node),
        machine.group(node),
        str(node.size),
        node.target,
    ]
    lines = ["\t".join(fields)]
    if node.type == "file" and digest != "-":
        lines.append(f"sum\t{path}\t{node.sha256}")
    return lines


def _contents(machine: Machine, wanted: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, digest in wanted.items():
            node = machine.files.get(path)
            if node is None or node.type != "file" or len(digest) != 64:
                continue
            if node.sha256 != digest and node.size <= 262144:
                member = tarfile.TarInfo(path)
                member.size = node.size
                archive.addfile(member, io.BytesIO(node.content))
    return buffer.getvalue()


def _first_line(files: Tree, path: str) -> str:
    """As `read` gives it."""
    return (files.content(path) or b"").decode().partition("\n")[0].strip(" \t")


# land.sh


def land(machine: Machine, stdin: bytes, record: Record) -> Answer:
    with tarfile.open(fileobj=io.BytesIO(stdin)) as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
    machine.files.make_folders(STAMPS, "0700")
    good = not machine.refused_by_nginx("/etc/nginx/conf.d")
    if good and not _switching(machine):
        machine.kept_proxy = None
    if good and re.search(rb"\t/etc/(nginx|vikunja/tls)/", members["operations"]):
        _keep_proxy(machine)
    done = 0
    for line in members["operations"].decode().splitlines():
        verb, *fields = line.split("\t")
        try:
            _LANDINGS[verb](machine, fields, members, record)
        except (Refused, OSError) as refused:
            said = f"{refused}\ncannot land: {verb} {' '.join(fields)}\n"
            return Answer(_done(done), said.encode(), 1)
        done += 1
    return Answer(_done(done))


def _switching(machine: Machine) -> bool:
    backends = (machine.unit(f"vikunja-backend@{color}.service") for color in ("blue", "green"))
    return all(one.active == "active" for one in backends)


def _proxy_files(machine: Machine) -> dict[str, Node]:
    below = [*machine.files.below("/etc/nginx"), *machine.files.below("/etc/vikunja/tls")]
    return {path: machine.files.nodes[path] for path in below}


def _keep_proxy(machine: Machine) -> None:
    if machine.kept_proxy is None and machine.unit("nginx.service").active == "active":
        machine.kept_proxy = _proxy_files(machine)
        stamp = machine.files.get(NGINX_STAMP)
        if stamp is not None:
            machine.kept_proxy[NGINX_STAMP] = stamp


def _put_proxy_back(machine: Machine) -> None:
    for path in _proxy_files(machine):
        machine.files.remove(path)
    for path, node in sorted((machine.kept_proxy or {}).items()):
        machine.files.put(path, node)
    machine.kept_proxy = None


def _done(count: int) -> bytes:
    return "".join(f"done {number}\n" for number in range(count)).encode()


def _need_owner(machine: Machine, owner: str, group: str) -> None:
    if owner not in machine.users:
        raise Refused(f"chown: invalid user: '{owner}:{group}'")
    if group not in machine.groups:
        raise Refused(f"chown: invalid group: '{owner}:{group}'")


def _address(path: str, kind: str) -> str:
    if path == GREEN:
        return "color:active"
    return f"record:{path}" if path == DOCUMENT else f"{kind}:{path}"


def _replaced(before: Node | None, after: Node) -> str:
    if before is None:
        return "create"
    if before.type != after.type:
        return "replace"
    return "none" if before == after else "update"


def _move_in(machine: Machine, path: str, node: Node, *, make_way: bool = False) -> str:
    """mv -fT onto the path, a folder that is in the way put aside."""
    if make_way:
        machine.files.make_folders(posixpath.dirname(path))
    if machine.files.place(path) is None:
        raise Refused(f"cannot create regular file '{path}': No such file or directory")
    if node.type != "link":
        aside = posixpath.join(
            posixpath.dirname(path), f".{posixpath.basename(path)}.vikunja-deploy"
        )
        machine.files.write(aside, node.content, "0600")
        _need_owner(machine, node.owner, node.group)
        machine.files.remove(aside)
    before = machine.files.get(path)
    if before is not None and before.type == "directory":
        machine.files.put_aside(path)
    machine.files.put(path, node)
    return _replaced(before, node)


def _land_file(
    machine: Machine, fields: list[str], members: dict[str, bytes], record: Record
) -> None:
    number, mode, owner, group, path = fields
    node = Node("file", members[number], mode, owner, group)
    how = _move_in(machine, path, node, make_way=True)
    record(_address(path, "file"), "update" if path == GREEN and how != "none" else how)


def _own(machine: Machine, mode: str, owner: str, group: str, path: str) -> None:
    _need_owner(machine, owner, group)
    machine.files.change(path, owner=owner, group=group)
    machine.files.change(path, last=True, mode=mode)


def _land_directory(
    machine: Machine, fields: list[str], members: dict[str, bytes], record: Record
) -> None:
    mode, owner, group, path = fields
    before = machine.files.get(path)
    if before is not None and before.type != "directory":
        machine.files.put_aside(path)
    machine.files.make_folders(path)
    _own(machine, mode, owner, group, path)
    record(f"directory:{path}", _replaced(before, folder(mode, owner, group)))


def _land_link(
    machine: Machine, fields: list[str], members: dict[str, bytes], record: Record
) -> None:
    target, path = fields
    record(f"link:{path}", _move_in(machine, path, Node("link", mode="0777", target=target)))


def _land_absent(
    machine: Machine, fields: list[str], members: dict[str, bytes], record: Record
) -> None:
    (path,) = fields
    node = machine.files.get(path)
    if node is not None and node.type == "directory":
        machine.files.put_aside(path)
    elif node is not None:
        machine.files.remove(path)
    how = "update" if path == GREEN else "delete"
    record(_address(path, "absent"), "none" if node is None else how)


def _land_aside(
    machine: Machine, fields: list[str], members: dict[str, bytes], record: Record
) -> None:
    (path,) = fields
    machine.files.put_aside(path)
    record(f"override:{path}", "delete")


def _land_secret(
    machine: Machine, fields: list[str], members: dict[str, bytes], record: Record
) -> None:
    mode, owner, group, path = fields
    kept = machine.files.content(path)
    before = machine.files.get(path)
    if before is None or before.type != "file" or not before.size:
        machine.serial += 1
        made = hashlib.sha256(f"secret {machine.serial}".encode()).hexdigest()[:48]
        node = Node("file", kept or f"{made}\n".encode(), mode, owner, group)
        record(f"secret:{path}", _move_in(machine, path, node))
        machine.noted[path] = node.content
        return
    _own(machine, mode, owner, group, path)
    taken = machine.noted.get(path) not in (None, before.content)
    machine.noted[path] = before.content
    same = machine.files.get(path) == before and not taken
    record(f"secret:{path}", "none" if same else "update")


def _land_note(
    machine: Machine, fields: list[str], members: dict[str, bytes], record: Record
) -> None:
    (path,) = fields
    content = machine.files.content(path)
    if content is not None:
        machine.noted.setdefault(path, content)


def _land_user(
    machine: Machine, fields: list[str], members: dict[str, bytes], record: Record
) -> None:
    name, home, shell = fields
    before = machine.users.get(name)
    machine.users[name] = User(home, shell)
    machine.groups.add(name)
    how = "none" if before == machine.users[name] else "update"
    record(f"user:{name}", "create" if before is None else how)


def _unstamp(
    machine: Machine, fields: list[str], members: dict[str, bytes], record: Record
) -> None:
    machine.files.remove(f"{STAMPS}/{fields[0]}")


_LANDINGS: dict[str, Callable[[Machine, list[str], dict[str, bytes], Record], None]] = {
    "file": _land_file,
    "directory": _land_directory,
    "link": _land_link,
    "absent": _land_absent,
    "aside": _land_aside,
    "secret": _land_secret,
    "note": _land_note,
    "user": _land_user,
    "unstamp": _unstamp,
}


# install.sh, release.sh

PARTS = ("mcp-server", "frontend", "backend")


def install(machine: Machine, names: Sequence[str], record: Record) -> Answer:
    for name in names:
        record(f"package:{name}", "create" if machine.install(name) else "none")
    return Answer()


def release(machine: Machine, color: str, line: str, archive: bytes, record: Record) -> Answer:
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        parts = [m for m in members if m.isreg()]
        files = {m.name: members.extractfile(m).read() for m in parts}  # type: ignore[union-attr]
    modes = {m.name: f"{m.mode & 0o755:04o}" for m in parts} | {"backend/vikunja": "0755"}
    for part in PARTS:
        machine.files.make_folders(f"/opt/vikunja/{part}")
    binary = files.get("backend/vikunja")
    if binary is None:
        return Answer(stderr=b"the build holds no backend/vikunja\n", returncode=1)
    backend = f"/opt/vikunja/backend/{color}"
    before = machine.files.content(f"{backend}/vikunja")
    whole = _first_line(machine.files, f"{backend}/.release").endswith(f" {len(before or b'')}")
    machine.files.remove(f"{backend}/.release")
    for service in ("backend", "mcp"):
        machine.files.remove(f"{STAMPS}/vikunja-{service}@{color}.service")
    files["backend/.release"] = f"{line} {len(binary)}\n".encode()
    files["mcp-server/.release"] = files["backend/.release"]
    for part in PARTS:
        place = f"/opt/vikunja/{part}/{color}"
        machine.files.remove(place)
        machine.files.make_folders(place)
        for name, content in sorted(files.items()):
            if name.startswith(f"{part}/"):
                path = place + name[len(part) :]
                machine.files.make_folders(posixpath.dirname(path))
                machine.files.write(path, content, modes.get(name, "0644"))
    _note(machine, color)
    record(f"release:{color}", "update" if before is not None and whole else "create")
    return Answer()


def _note(machine: Machine, color: str) -> None:
    noted = [f"{path}\t{text}\n" for path, text in _release_files(machine, color).items()]
    machine.files.write(f"/opt/vikunja/backend/{color}/.files", "".join(noted).encode())


def _release_files(machine: Machine, color: str) -> dict[str, str]:
    """What release.sh notes of each file, by path: attributes, then content."""
    opt = "/opt/vikunja/"
    paths = [p for part in PARTS for p in machine.files.below(f"{opt}{part}/{color}")]
    nodes = {path: machine.files.nodes[path] for path in paths if not path.endswith("/.files")}
    return {
        path.removeprefix(opt): f"{node.mode} {machine.owner(node)} {machine.group(node)}"
        f"\t{node.sha256}{node.target}"
        for path, node in nodes.items()
        if node.type != "directory"
    }


def _whole(machine: Machine, color: str) -> str:
    """As release-files.sh says it, of one difference."""
    note = machine.files.content(f"/opt/vikunja/backend/{color}/.files")
    if note is None:
        return "unnoted"
    noted = dict(line.split("\t", 1) for line in note.decode().splitlines())
    found = _release_files(machine, color)
    for path, text in found.items():
        if path not in noted:
            return f"{path} was added"
        if text != noted[path]:
            same = text.partition("\t")[2] == noted[path].partition("\t")[2]
            return f"{path} {'has other rights' if same else 'was edited'}"
    gone = sorted(noted.keys() - found.keys())
    return f"{gone[0]} is gone" if gone else "whole"


# drain.sh, websockets.sh


def drain(machine: Machine, limits: tuple[str, ...], unit: str) -> Answer:
    if machine.unit(unit).active != "active":
        return Answer()
    machine.drained_within = limits
    return Answer(stdout=b"websockets 7 42\n" if machine.web_sockets else b"")


def websockets(machine: Machine, color: str) -> Answer:
    return Answer(stdout=f"{color} {machine.web_sockets}\n".encode())


# copy-release.sh


def copy_release(machine: Machine, color: str, other: str, record: Record) -> Answer:
    files = machine.files
    backend = f"/opt/vikunja/backend/{color}"
    before = files.content(f"{backend}/vikunja")
    whole = _first_line(files, f"{backend}/.release").endswith(f" {len(before or b'')}")
    for part in PARTS:
        source, place = f"/opt/vikunja/{part}/{other}", f"/opt/vikunja/{part}/{color}"
        nodes = {path: files.nodes[path] for path in files.below(source)}
        files.remove(place)
        files.make_folders(place)
        for path, node in sorted(nodes.items()):
            files.put(place + path[len(source) :], node)
    _note(machine, color)
    record(f"release:{color}", "update" if before is not None and whole else "create")
    return Answer()


# unit.sh


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
            _HEALTH[health[0]](machine, name, health[1:])
    except Refused as refused:
        record(address, "failed")
        return Answer(stderr=f"{refused}\n".encode(), returncode=refused.code)
    if name == "nginx.service" and not _switching(machine):
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


# health.sh


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
        said = _color_login(machine, color, place, database, user, read.strip())
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


_HEALTH = {"backend": _backend, "mcp": _mcp, "migrating": _migrating}


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


# flip.sh, confirm.sh, back.sh


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
    way_back = _first_line(machine.files, SWITCHING) == old or not _answers(machine, old, old_port)
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
        before = _first_line(machine.files, SWITCHING)
        _mark(machine, before)
        machine.files.remove(SWITCHING)
        said = f"the switch was not confirmed: {before} serves again\n".encode()
    if color != ("green" if machine.files.get(GREEN) is not None else "blue"):
        return Answer(said, b"nginx passes requests to the other one\n", 13)
    if machine.kept_proxy is not None:
        _put_proxy_back(machine)
        if machine.unit("nginx.service").active == "active":
            machine.reload_or_restart("nginx.service")
    for name in units:
        machine.files.remove(f"{STAMPS}/{name}")
        machine.stop(name)
        machine.unit(name).enabled = False
    seen = _answers(machine, color, port)
    return Answer(said, f"{seen}\n".encode(), 12) if seen else Answer(said)


# scripts/*.sh


def probe(machine: Machine, name: str, arguments: Sequence[str]) -> str:
    if name == "self_signed_certificate":
        return _certificate(machine, *arguments)
    if name == "acme_fallback":
        pair = machine.files.content(f"{arguments[0]}/current/certificate.pem")
        return "present" if pair else "absent"
    if name == "acme_certificate":
        return _given(machine, *arguments)
    if name == "answers":
        return answers(machine, arguments)
    if name == "release_files":
        return _whole(machine, *arguments)
    if name == "nginx_files":
        folder, *ours = arguments
        refused = machine.refused_by_nginx(folder, ours)
        return f"nginx refuses {posixpath.basename(refused)}" if refused else "present"
    if name == "given_names":
        return "present" if machine.files.content(arguments[0]) else "absent"
    if name == "noted_secret":
        (path,) = arguments
        if path not in machine.noted:
            return "unnoted"
        return "same" if machine.files.content(path) == machine.noted[path] else "differs"
    if name == "log_files":
        state = machine.log_files()
        return "absent" if state == "no configuration" else state
    if name == "sqlite_database":
        found = machine.files.get(arguments[1], last=True)
        return "present" if found is not None and found.size else "absent"
    if name in ("postgresql_database", "mysql_database"):
        database, user = arguments
        state = _login(machine, _LOCAL[name], database, user)
        exposed = machine.exposed and name == "postgresql_database" and state == "present"
        return "exposed" if exposed else state
    if name in ("external_postgresql", "external_mysql"):
        host, port, database, user, *_ = arguments
        return _login(machine, f"{host}:{port}", database, user)
    if name == "color_secrets":
        return _color_secrets(machine, *arguments)
    if name == "redis_passwords":
        written = machine.files.content(REDIS_PASSWORDS)
        if written is None or not machine.files.content(f"{SECRETS}/redis-password"):
            return "absent"
        return "present" if written == _let_into_redis(machine) else "outdated"
    if name == "retired_secrets":
        return "left" if machine.files.get(f"{SECRETS}/{arguments[0]}") else "absent"
    if name == "migrations":
        return _migrations(machine, *arguments)
    raise AssertionError(f"the model has no probe_{name}")


def trial(machine: Machine, arguments: Sequence[str], stdin: bytes | None) -> Answer:
    """scripts/database-trial.sh"""
    _, host, port, name, user, admin, *_ = arguments
    with tarfile.open(fileobj=io.BytesIO(stdin or b"")) as archive:
        member = archive.extractfile("db-password")
        assert member is not None
        secret = member.read()
    state = _login(machine, f"{host}:{port}", name, user, secret)
    if state in ("present", "unasked") or (state in ("absent", "denied") and admin != "-"):
        return Answer()
    said = f"{host} port {port} finds it {state}.\n".encode()
    return Answer(b"", said, 6 if state == "unreachable" else 1)


REDIS_PASSWORDS = "/etc/redis/vikunja-password.conf"


def _in_use(machine: Machine, name: str, retired: str = "") -> list[bytes]:
    """The secrets that are to be let in: that which is configured, and the colors'."""
    configured = _password(machine) if name == "db-password" else b""
    found = [configured or machine.files.content(f"{SECRETS}/{name}") or b""]
    found += [
        machine.files.content(f"{SECRETS}/{color}/{name}") or b""
        for color in ("blue", "green")
        if color != retired
    ]
    return list(dict.fromkeys(one.strip() for one in found if one))


def _let_into_redis(machine: Machine, retired: str = "") -> bytes:
    digests = [redis_digest(one) for one in _in_use(machine, "redis-password", retired)]
    return f"user default on ~* &* +@all {' '.join(digests)}\n".encode()


def _let_in(machine: Machine, retired: str = "") -> None:
    """In redis's file, and in redis at once where it runs."""
    content = _let_into_redis(machine, retired)
    machine.files.write(REDIS_PASSWORDS, content, "0600", owner="redis", group="redis")
    running = machine.unit("redis-server.service").running
    if running and REDIS_PASSWORDS in running:
        running[REDIS_PASSWORDS] = content


def _source(machine: Machine, name: str) -> bytes | None:
    """The secret that is configured."""
    if name == "db-password":
        return _password(machine) + b"\n" if _password(machine) else None
    if name in TLS_FILES and machine.files.content(f"{SECRETS}/db-password-next"):
        name = f"{name}-next"
    return machine.files.content(f"{SECRETS}/{name}")


def _color_secrets(
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


def _copy_secrets(
    machine: Machine, color: str, login: str, owner: str, database: str, *names: str
) -> str:
    """What went wrong; empty where nothing did."""
    machine.files.make_folders(f"{SECRETS}/{color}")
    _own(machine, "0700", "vikunja", "vikunja", f"{SECRETS}/{color}")
    for name in names:
        content = _source(machine, name)
        if content is None:
            return f"{SECRETS}/{name}: No such file or directory"
        path = f"{SECRETS}/{color}/{name}"
        machine.files.write(path, content, "0600", owner="vikunja", group="vikunja")
    if login != "-":
        if machine.unit("postgresql.service").active != "active":
            return "PostgreSQL does not answer"
        machine.logins[login] = _password(machine)
    return ""


def _retire_secrets(
    machine: Machine, color: str, login: str, database: str, user: str, port: str
) -> None:
    machine.logins.pop(login, None)
    if database != "-" and ("mysql", database) in machine.databases:
        found = machine.databases["mysql", database]
        found.others = set(_in_use(machine, "db-password", color))
    if port != "-":
        _let_in(machine, color)
    machine.files.remove(f"{SECRETS}/{color}")


def _color_login(machine: Machine, color: str, place: str, name: str, user: str, own: bytes) -> str:
    """What a color's backend is told as it logs in with its own password. See _login."""
    found = machine.databases.get((place, name))
    if place not in _SERVICES or found is None:
        return _login(machine, place, name, user, own)
    if machine.unit(_SERVICES[place][1]).active != "active":
        return "stopped"
    if place == "postgres":
        known = machine.logins.get(user) == own and user == f"{found.owner}_{color}"
    else:
        known = user == found.owner and own in {found.password, *found.others}
    return "present" if known else "other-password"


def _migrations(machine: Machine, script: str, *arguments: str) -> str:
    if script == "sqlite":
        there = machine.files.content(arguments[1])
        return _ids(machine, ("sqlite", "")) if there else "none"
    if script.startswith("external-"):
        place, (database, user) = ":".join(arguments[:2]), arguments[2:4]
    else:
        place, (database, user) = _LOCAL[script.replace("-", "_")], arguments
    if _login(machine, place, database, user) != "present":
        return "unknown"
    return _ids(machine, (place, database))


def _ids(machine: Machine, key: tuple[str, str]) -> str:
    """`empty` where no application has made its tables, or somebody has dropped them."""
    found = machine.contents.get(key, "none")
    return "empty" if found == "none" else found


def _password(machine: Machine) -> bytes:
    """The one that is configured, while another database serves."""
    path = f"{SECRETS}/db-password"
    return (machine.files.content(f"{path}-next") or machine.files.content(path) or b"").strip()


_LOCAL = {"postgresql_database": "postgres", "mysql_database": "mysql"}
_SERVICES = {
    "postgres": ("postgresql", "postgresql.service"),
    "mysql": ("mariadb-server", "mariadb.service"),
}


def _login(machine: Machine, place: str, name: str, user: str, secret: bytes | None = None) -> str:
    """place: `postgres` or `mysql` in the container, else host and port of a server outside."""
    if secret is None:
        secret = _password(machine)
    found = machine.databases.get((place, name))
    if place in _SERVICES:
        package, service = _SERVICES[place]
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
        return "other-password" if place in _SERVICES else "denied"
    return "present"


def _certificate(machine: Machine, place: str, domain: str, *others: str) -> str:
    files = machine.files
    pem, key = files.content(f"{place}/certificate.pem"), files.content(f"{place}/key.pem")
    made = _first_line(files, f"{place}/made")
    if not pem or not key or not made:
        return "absent"
    digests, expiry, for_domain, *for_others = made.split()
    if digests != _digests(pem, key):
        return "mismatched"
    if for_domain != domain:
        return "other-domain"
    if for_others != list(others):
        return "other-names"
    if int(expiry) < time.time() + 14 * 86400:
        return "expiring"
    node = files.get(f"{place}/key.pem")
    assert node is not None
    exposed = (node.mode, machine.owner(node), machine.group(node)) != ("0640", "root", "www-data")
    return "exposed" if exposed else "present"


def give_certificate(
    machine: Machine, place: str, server: str, names: str, record: Record
) -> Answer:
    """apply_acme_certificate, of an authority that gives one."""
    machine.serial += 1
    pair = f"pair{machine.serial}"
    machine.files.make_folders(f"{place}/{pair}")
    for part in ("certificate", "key"):
        machine.files.write(f"{place}/{pair}/{part}.pem", f"{part} {machine.serial}\n".encode())
    machine.files.write(f"{place}/made", f"{pair} {LATER} {server} {names}\n".encode())
    machine.files.put(f"{place}/current", Node("link", target=pair, mode="0777"))
    machine.reload_or_restart("nginx.service")
    record(f"acme-certificate:{place}", "create")
    return Answer()


def _given(machine: Machine, place: str, server: str, names: str) -> str:
    """What an authority gave."""
    made = _first_line(machine.files, f"{place}/made")
    current = machine.files.get(f"{place}/current")
    if not made or current is None or current.target != made.split()[0]:
        return "absent"
    if not machine.files.content(f"{place}/current/key.pem"):
        return "absent"
    return "present" if made.split()[2:] == [server, names] else "other-names"


def _digests(*contents: bytes) -> str:
    return "".join(hashlib.sha256(content).hexdigest() for content in contents)


def run_script(
    machine: Machine, name: str, arguments: Sequence[str], must_exist: bool, record: Record
) -> Answer:
    """apply_<name>"""
    function = name.replace("-", "_")
    before = probe(machine, function, arguments)
    if function == "self_signed_certificate":
        place, *names = arguments
        title = place
        if machine.files.place(f"{place}/made") is None:
            return Answer(stderr=b"openssl made no certificate\n", returncode=1)
        machine.serial += 1
        key = f"key {machine.serial}\n".encode()
        pem = f"certificate {machine.serial} for {' '.join(names)}\n".encode()
        machine.files.remove(f"{STAMPS}/nginx.service")
        machine.files.write(f"{place}/key.pem", key, "0640", group="www-data")
        machine.files.write(f"{place}/certificate.pem", pem)
        made = f"{_digests(pem, key)} {LATER} {' '.join(names)}\n"
        machine.files.write(f"{place}/made", made.encode(), "0600")
    elif function == "acme_fallback":
        title, otherwise = arguments
        machine.files.remove(f"{STAMPS}/nginx.service")
        machine.files.put(f"{title}/current", Node("link", target=otherwise, mode="0777"))
    elif function == "log_files":
        (title,) = arguments
        machine.files.remove(f"{STAMPS}/nginx.service")
        machine.make_log_files()
    elif function == "nginx_files":
        title, *ours = arguments
        while refused := machine.refused_by_nginx(title, ours):
            machine.files.put_aside(refused)
    elif function == "given_names":
        title = arguments[0]
        machine.files.remove(f"{STAMPS}/nginx.service")
        machine.files.write(title, b"# given\n", "0644")
    elif function == "color_secrets":
        title = arguments[0]
        if said := _copy_secrets(machine, *arguments):
            return Answer(stderr=f"{said}\n".encode(), returncode=1)
    elif function == "redis_passwords":
        title = REDIS_PASSWORDS
        _let_in(machine)
    elif function == "retired_secrets":
        title = arguments[0]
        _retire_secrets(machine, *arguments)
        record(f"{name}:{title}", "delete" if before == "left" else "none")
        return Answer()
    elif must_exist and before == "absent":
        return Answer(stderr=f"{name}: it is gone\n".encode(), returncode=4)
    elif function == "sqlite_database":
        user, title = arguments
        machine.files.write(title, b"SQLite format 3", "0640", owner=user, group=user)
    else:
        title = _make_database(machine, function, arguments)
    after = probe(machine, function, arguments)
    if after != "present":
        return Answer(stderr=f"{name}: it is {after}\n".encode(), returncode=1)
    record(f"{name}:{title}", "create" if before == "absent" else "update")
    return Answer()


def _make_database(machine: Machine, function: str, arguments: Sequence[str]) -> str:
    secret = _password(machine)
    if function in _LOCAL:
        title, user = arguments
        place = _LOCAL[function]
        service = _SERVICES[place][1]
        if machine.unit(service).active != "active":
            machine.restart(service)
        known = set(_in_use(machine, "db-password")) if place == "mysql" else set()
        machine.databases[place, title] = Database(user, secret, known)
        machine.exposed = False
        return title
    host, port, name, user, *administrator = arguments
    if administrator and machine.files.content(f"{SECRETS}/db-admin-password"):
        machine.databases[f"{host}:{port}", name] = Database(user, secret)
    return f"{host}:{port}/{name}"
