"""How releases get into a machine, and what rests is drained: install.sh, release.sh,
copy-release.sh, drain.sh, websockets.sh."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Sequence

from model_files import first_line
from model_machine import STAMPS, Answer, Machine, Record

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
    whole = first_line(machine.files, f"{backend}/.release").endswith(f" {len(before or b'')}")
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


def whole(machine: Machine, color: str) -> str:
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


def drain(machine: Machine, limits: tuple[str, ...], unit: str) -> Answer:
    if machine.unit(unit).active != "active":
        return Answer()
    machine.drained_within = limits
    return Answer(stdout=b"websockets 7 42\n" if machine.web_sockets else b"")


def websockets(machine: Machine, color: str) -> Answer:
    return Answer(stdout=f"{color} {machine.web_sockets}\n".encode())


def copy_release(machine: Machine, color: str, other: str, record: Record) -> Answer:
    files = machine.files
    backend = f"/opt/vikunja/backend/{color}"
    before = files.content(f"{backend}/vikunja")
    whole = first_line(files, f"{backend}/.release").endswith(f" {len(before or b'')}")
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
