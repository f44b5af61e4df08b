"""All questions of a plan, one round trip, all facts."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from tasks.containers.base import Container
from tasks.errors import DeployError
from tasks.guest.runner import GuestScript, function_name
from tasks.resources.base import Facts, FileFact, UnitFact

TYPES = {"f": "file", "d": "directory", "l": "link"}

NOT_PACKAGED = ("/etc/", "/run/")
"""Where unit files are that no package brings."""

Question = tuple[str, ...]


def observer(questions: Iterable[Question], beside: Sequence[str] = ()) -> GuestScript:
    """The observer with the probes that these questions need. beside: scripts that probes call."""
    probes = sorted({question[1] for question in questions if question[0] == "probe"})
    return GuestScript("observe", (*beside, *probes, "observe"), guard=False)


def question_lines(questions: Sequence[Question]) -> bytes:
    """Questions in the observer's form; probes are numbered in order."""
    lines = []
    number = 0
    for question in questions:
        kind, *fields = question
        if kind == "probe":
            fields = [str(number), function_name(fields[0]), *fields[1:]]
            number += 1
        for field in fields:
            # An empty field would vanish between two tabs, a tab or newline would part fields.
            if not field or "\t" in field or "\n" in field:
                raise DeployError(f"cannot ask about {field!r}", where=kind)
        lines.append("\t".join([kind, *fields]))
    return "".join(f"{line}\n" for line in lines).encode()


def unique(questions: Iterable[Question]) -> tuple[Question, ...]:
    """Each question once; of several about one file, the one that asks for most stays.

    Those about files come last, as the observer wants them.
    """
    kept: dict[tuple[str, ...], Question] = {}
    for question in questions:
        key = ("file", question[2]) if question[0] == "file" else question
        if key not in kept or len(kept[key][1]) < len(question[1]) or kept[key][1] == "-":
            kept[key] = question
    return tuple(sorted(kept.values(), key=lambda question: question[0] == "file"))


def observe(
    container: Container,
    questions: Iterable[Question],
    *,
    beside: Sequence[str] = (),
    timeout: float = 60,
) -> Facts:
    """What is found in a running container. One round trip, whatever the number of questions."""
    asked = unique(questions)
    script = observer(asked, beside)
    answer = script.run(container, stdin=question_lines(asked), timeout=timeout)
    return parse(answer.stdout, asked)


def parse(output: bytes, asked: Sequence[Question]) -> Facts:
    """The observer's answer as facts.

    Raises DeployError where the answer is cut short: half an answer must never look like drift.
    """
    # There may be no line of it before the contents.
    head, separator, archive = (b"\n" + output).partition(b"\ncontents\n")
    if not separator:
        raise DeployError(
            "the container's answer is incomplete",
            hint="Look whether its disk or memory is full, then try again.",
            evidence=output[-400:].decode(errors="replace").splitlines()[-5:],
        )
    contents = _contents(archive)
    sums: dict[str, str] = {}
    files: dict[str, tuple[str, ...]] = {}
    texts: dict[str, str] = {}
    packages: dict[str, str] = {}
    users: dict[str, str] = {}
    units: dict[str, UnitFact] = {}
    unit_files: list[str] = []
    probes: dict[tuple[str, ...], str] = {}
    probe_keys = [question[1:] for question in asked if question[0] == "probe"]
    for line in head.decode(errors="surrogateescape").split("\n"):
        kind, *fields = line.split("\t")
        if kind == "file":
            files[fields[0]] = tuple(fields[1:])
        elif kind == "sum":
            sums[fields[0]] = fields[1]
        elif kind == "text":
            texts[fields[0]] = fields[1]
        elif kind == "package" and fields[1] == "installed":
            packages[fields[0]] = fields[2]
        elif kind == "user":
            users[fields[0]] = fields[1]
        elif kind == "unit":
            name, load, active, file, stale, files_of_it = fields
            paths = (path for path in files_of_it.split() if path.startswith(NOT_PACKAGED))
            units[name] = UnitFact(load, active, file, stale == "yes", tuple(paths))
        elif kind == "outdated":
            found = tuple(sorted(fields[1].split(" ")))
            units[fields[0]] = replace(units[fields[0]], outdated=found)
        elif kind == "unit-file":
            unit_files.append(fields[0])
        elif kind == "probe":
            probes[probe_keys[int(fields[0])]] = fields[1]
    return Facts(
        files={
            path: FileFact(
                type=TYPES.get(f[0], "other"),
                mode=f[1].zfill(4),
                owner=f[2],
                group=f[3],
                size=int(f[4]),
                target=f[5] if f[0] == "l" else "",
                sha256=sums.get(path, ""),
                content=contents.get(path),
            )
            for path, f in files.items()
        },
        texts=texts,
        packages=packages,
        users=users,
        units=units,
        unit_files=tuple(sorted(unit_files)),
        probes=probes,
    )


def _contents(archive: bytes) -> dict[str, bytes]:
    if not archive:
        return {}
    # Where nothing differs, nobody needs them.
    import tarfile

    contents = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as members:
        for member in members:
            stream = members.extractfile(member) if member.isreg() else None
            if stream is not None:
                contents[member.name] = stream.read()
    return contents
