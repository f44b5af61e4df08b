"""What the tool sends to a container, sent to a real shell and to the model of a container alike.

After each command the two have to agree: in the exit code, in what is said, and in every file of
the folders that are the tool's. So a model that unit tests believe in is held to the scripts.
"""

from __future__ import annotations

import io
import re
import tarfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import msgspec
from instance_samples import sample_instance
from model_container import ModelContainer, Place, World
from model_files import Node
from model_machine import Machine

from tasks.containers import spec_for
from tasks.guest.runner import LAND
from tasks.host.process import Completed
from tasks.resources.base import Facts, Resource
from tasks.resources.landing import landing
from tasks.resources.observe import Question, observe

WATCHED = ("/etc/vikunja", "/opt/vikunja", "/srv", "/var/lib/vikunja-deploy")
"""Folders whose content is compared, in full."""
RANDOM = "/etc/vikunja/tls/self-signed/"
NOTE = "/.files"
"""Has times in it."""
NOT_IN_FILES = "/var/lib/vikunja-deploy/noted"
"""What is noted of secrets: the model has it beside its files."""

TYPES = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "link"}
SECRET = re.compile(rb"[0-9a-f]{48}")
ASIDE = re.compile(r"\.replaced-[\d-]+")


class Runs(Protocol):
    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout: float = 60,
        check: bool = True,
    ) -> Completed: ...


@dataclass
class _Secrets:
    """Random values by the order in which they were first seen: a kept one keeps its number."""

    known: dict[bytes, bytes] = field(default_factory=dict)

    def named(self, content: bytes) -> bytes:
        return SECRET.sub(
            lambda found: self.known.setdefault(found[0], b"secret %d" % len(self.known)), content
        )


@dataclass
class Both:
    """A real shell and a model machine that start with the same files."""

    real: Runs
    machine: Machine = field(default_factory=Machine)
    _real_secrets: _Secrets = field(default_factory=_Secrets)
    _model_secrets: _Secrets = field(default_factory=_Secrets)

    def __post_init__(self) -> None:
        spec = spec_for(sample_instance())
        place = Place(spec, spec.instance_id, self.machine, running=True)
        self.model = ModelContainer(spec, World(places={spec.name: place}))
        folders = {path: Node("directory", mode="0755") for path in WATCHED}
        self.put({"/etc": folders["/etc/vikunja"], "/opt": folders["/srv"], **folders})

    def put(self, nodes: Mapping[str, Node]) -> None:
        """Files, folders and links, by path; a folder before what is in it."""
        self._put_real(nodes)
        for path, node in nodes.items():
            self.machine.files.put(path, node)

    def _put_real(self, nodes: Mapping[str, Node]) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path, node in nodes.items():
                member = tarfile.TarInfo(path.lstrip("/"))
                (member.type,) = (kind for kind, name in TYPES.items() if name == node.type)
                member.mode, member.size = int(node.mode, 8), len(node.content)
                member.uname, member.gname, member.linkname = node.owner, node.group, node.target
                member.mtime = time.time()
                archive.addfile(member, io.BytesIO(node.content))
        argv = ["tar", "-C", "/", "-xpf", "-", "--same-owner"]
        done = self.real.run(argv, stdin=buffer.getvalue(), check=False)
        assert (done.returncode, done.stderr) == (0, b"")

    def edit(self, path: str, edit: Callable[[bytes], bytes]) -> None:
        """The same edit of a file whose content is another in each."""
        model = self.machine.files.get(path)
        (real,) = (node for name, node in _nodes(self._stream()) if name == path)
        assert model is not None
        self._put_real({path: replace(real, content=edit(real.content))})
        self.machine.files.put(path, replace(model, content=edit(model.content)))

    def run(self, argv: Sequence[str], stdin: bytes = b"", *, reason: bool = True) -> Completed:
        """reason: whether the last line of what went wrong is ours, and has to be the same."""
        real = self.real.run(argv, stdin=stdin, check=False)
        model = self.model.run(argv, stdin=stdin, check=False)
        agree(_answer(model, reason), _answer(real, reason))
        self.compare()
        return real

    def land(self, *resources: Resource, unstamped: Sequence[str] = ()) -> Completed:
        stream = landing(resources, unstamped)
        return self.run(LAND.argv(), stream)

    def observe(self, *questions: Question) -> Facts:
        real, model = observe(self.real, questions), observe(self.model, questions)  # type: ignore[arg-type]
        agree(_facts(model, self._model_secrets), _facts(real, self._real_secrets))
        return real

    def observe_all(self) -> Facts:
        """Of everything that is there, each in all the ways in which it can be asked after."""
        found = [path for path, _ in _nodes(self._stream()) if not path.startswith(NOT_IN_FILES)]
        paths = [path for path in found if not ASIDE.search(path)]
        digests = ("-", "=", "0" * 64)
        for digest in digests:
            self.observe(*(("file", digest, path) for path in paths))
        return self.observe(*(("text", path) for path in paths))

    def compare(self) -> None:
        real = _tree(_nodes(self._stream()), self._real_secrets)
        model = _tree(self._model_nodes(), self._model_secrets)
        agree(model, real)

    def _stream(self) -> bytes:
        names = [path.lstrip("/") for path in WATCHED]
        return self.real.run(["tar", "-C", "/", "-cf", "-", *names]).stdout

    def _model_nodes(self) -> list[tuple[str, Node]]:
        return [
            (path, replace(node, owner=self.machine.owner(node), group=self.machine.group(node)))
            for path, node in self.machine.files.nodes.items()
            if f"{path}/".startswith(tuple(f"{folder}/" for folder in WATCHED))
        ]


def agree(model: Sequence[object], real: Sequence[object]) -> None:
    only_model = [one for one in model if one not in real]
    only_real = [one for one in real if one not in model]
    assert list(model) == list(real), f"the model: {only_model}\nthe script: {only_real}"


def _nodes(stream: bytes) -> list[tuple[str, Node]]:
    nodes = []
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            content = file.read() if file else b""
            node = Node(
                TYPES[member.type],  # type: ignore[arg-type]
                content,
                f"{member.mode & 0o7777:04o}",
                member.uname or str(member.uid),
                member.gname or str(member.gid),
                member.linkname,
            )
            nodes.append((f"/{member.name}", node))
    return nodes


def _tree(nodes: Iterable[tuple[str, Node]], secrets: _Secrets) -> list[tuple[str, Node]]:
    """What is compared: paths in order, what stands for when something was put aside left out."""
    found = []
    for path, node in sorted(nodes, key=lambda pair: pair[0]):
        if path.startswith(NOT_IN_FILES):
            continue
        random = path.startswith(RANDOM) or path.endswith(NOTE)
        content = b"" if random else secrets.named(node.content)
        named = replace(node, content=content, mtime=0)
        found.append((ASIDE.sub(".replaced", path), named))
    return sorted(found, key=lambda pair: (pair[0], pair[1].type, pair[1].content))


def _answer(completed: Completed, reason: bool) -> list[object]:
    said = completed.stderr.splitlines()[-1:] if reason else []
    return [completed.returncode, completed.stdout, said]


def _facts(facts: Facts, secrets: _Secrets) -> list[object]:
    """Of links and folders the size is not the script's; a secret's digest is as random as it."""
    files = {}
    for path, fact in facts.files.items():
        content = fact.content and secrets.named(fact.content)
        noted = path.endswith(NOTE)
        size = fact.size if fact.type == "file" and not noted else 0
        sha256 = "" if content != fact.content or fact.size == 49 or noted else fact.sha256
        content = None if noted else content
        name = ASIDE.sub(".replaced", path)
        files[name] = msgspec.structs.replace(fact, size=size, content=content, sha256=sha256)
    texts = {
        path: secrets.named(text.encode()).decode()
        for path, text in facts.texts.items()
        if not path.endswith(NOTE)
    }
    unit_files = dict.fromkeys(facts.unit_files)
    rest = (texts, facts.packages, facts.users, facts.units, facts.probes, unit_files)
    return [pair for found in (files, *rest) for pair in sorted(found.items())]
