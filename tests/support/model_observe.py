"""What observe.sh says of a machine."""

from __future__ import annotations

import io
import re
import tarfile

import model_scripts
from model_machine import Answer, Machine


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
                lines.append(f"probe\t{number}\t{model_scripts.probe(machine, name, arguments)}")
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
