"""What land.sh makes of the files of a machine, and what it says that changed."""

from __future__ import annotations

import hashlib
import io
import posixpath
import re
import tarfile
from collections.abc import Callable

from model_files import Node, folder
from model_machine import (
    DOCUMENT,
    GREEN,
    STAMPS,
    Answer,
    Machine,
    Record,
    Refused,
    User,
)

NGINX_STAMP = f"{STAMPS}/nginx.service"
SWITCHING = "/var/lib/vikunja-deploy/switching"


def land(machine: Machine, stdin: bytes, record: Record) -> Answer:
    with tarfile.open(fileobj=io.BytesIO(stdin)) as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
    machine.files.make_folders(STAMPS, "0700")
    good = not machine.refused_by_nginx("/etc/nginx/conf.d")
    if good and not switching(machine):
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


def switching(machine: Machine) -> bool:
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


def put_proxy_back(machine: Machine) -> None:
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


def own(machine: Machine, mode: str, owner: str, group: str, path: str) -> None:
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
    own(machine, mode, owner, group, path)
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
    own(machine, mode, owner, group, path)
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
