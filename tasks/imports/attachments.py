"""An installation's attachments, copied into the container of the new instance: most of them while
it serves, the difference after it was stopped."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct

from tasks.containers.base import Container, Runs
from tasks.errors import DeployError
from tasks.guest.runner import Failure, GuestScript
from tasks.imports.data import DATA, LONG, SourceData, carry
from tasks.model.layout import USER

RECEIVE = GuestScript(
    "receive-attachments",
    call=f'install -d -o {USER} -g {USER} -m 0750 "$1" && tar -xf - -C "$1" --no-same-owner'
    f' && chown -R {USER}:{USER} "$1"',
    guard=False,
)
"""A tar from stdin. Argument: FOLDER."""

REMOVE = GuestScript(
    "remove-attachments",
    call="cd \"$1\" && tr '\\n' '\\0' | xargs -0 -r rm -f --",
    guard=False,
)
"""Argument: FOLDER; names on stdin."""


class Copied(Struct, frozen=True):
    """What was there when it was copied: size and time of the last change by name."""

    files: Mapping[str, str]

    @property
    def size(self) -> int:
        return sum(int(said.partition(" ")[0]) for said in self.files.values())


NONE = Copied({})

BROUGHT = GuestScript(
    "bucket-source", ("bucket-source",), call='bucket_brought "$1" "$2"', guard=False
)
"""From the bucket that the container's own application uses. Arguments: PREFIX FOLDER."""


def list_files(where: Runs, folder: str) -> dict[str, str]:
    """Size and time of the last change, in seconds, of every file by its name in the folder."""
    lines = where.run(DATA.argv("list", folder), timeout=LONG).stdout
    found = {}
    for line in lines.decode(errors="surrogateescape").splitlines():
        size, changed, name = line.split("\t", 2)
        found[name] = f"{size} {changed}"
    return found


def copy_attachments(
    data: SourceData, container: Container, folder: str, before: Copied = NONE
) -> Copied:
    """Bring into a folder of the container what has come, or is another one, since `before`, and
    compare its digests; remove what has gone since. Raises DeployError."""
    if data.bucket:
        BROUGHT.run(container, data.bucket.folder, folder, timeout=LONG, failure=_not_brought(data))
        return Copied(list_files(container, folder))
    now = list_files(data.live, data.files)
    new, gone = difference(before.files, now)
    names = _lines(new)
    carry(
        data,
        DATA.argv("send", data.files) if new else EMPTY,
        container,
        RECEIVE.argv(folder),
        names,
    )
    if gone:
        REMOVE.run(container, folder, stdin=_lines(gone))
    if new:
        _compare(data, container, folder, new)
    return Copied(now)


def _not_brought(data: SourceData) -> Failure:
    assert data.bucket
    what = f"the attachments in {data.bucket.place} could not be copied"
    return lambda _, lines: DeployError(what, where=data.said, evidence=lines)


def difference(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """What has come or is another one, and what has gone; by name."""
    new = sorted(name for name, said in now.items() if before.get(name) != said)
    return new, sorted(before.keys() - now.keys())


EMPTY = ["tar", "-cf", "-", "-T", "/dev/null"]


def _compare(data: SourceData, container: Container, folder: str, names: Collection[str]) -> None:
    there = digests_of(data.live, data.files, names)
    here = digests_of(container, folder, names)
    differ = sorted(
        name for name in there.keys() | here.keys() if there.get(name) != here.get(name)
    )
    if differ:
        raise DeployError(
            f"{len(differ)} attachments did not arrive as they are",
            where=data.said,
            evidence=differ[:5],
            hint="Nothing was changed. Run it again.",
        )


def digests_of(where: Runs, folder: str, names: Collection[str]) -> dict[str, str]:
    argv = DATA.argv("digests", folder)
    said = where.run(argv, stdin=_lines(names), timeout=LONG).stdout
    lines = said.decode(errors="surrogateescape").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _lines(names: Collection[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode(errors="surrogateescape")
