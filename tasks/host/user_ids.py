"""Which user ids of the host the containers' users are."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from tasks.errors import ResourceError

COUNT = 65536
FIRST = 100000


class IdMap(Struct, frozen=True):
    """Ids 0 to 65535 of a container are `uids` and `gids` and what follows, on the host."""

    uids: int = FIRST
    gids: int = FIRST


def ranges(text: str) -> list[tuple[str, int, int]]:
    """The (user, first id, count) lines of /etc/subuid or /etc/subgid."""
    found = []
    for line in text.splitlines():
        fields = line.split("#")[0].strip().split(":")
        if len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit():
            found.append((fields[0], int(fields[1]), int(fields[2])))
    return found


def root_range(text: str) -> int | None:
    """First id of root's first range that is large enough for a container."""
    for user, first, count in ranges(text):
        if user in ("root", "0") and count >= COUNT:
            return first
    return None


def with_root_range(text: str) -> str:
    """The text with a range for root, at 100000 or the first place nobody else has."""
    if root_range(text) is not None:
        return text
    first = FIRST
    for _, start, count in sorted(ranges(text), key=lambda entry: entry[1]):
        if start < first + COUNT and first < start + count:
            first = start + count
    lines = text if not text or text.endswith("\n") else text + "\n"
    return f"{lines}root:{first}:{COUNT}\n"


def read_idmap(etc: Path = Path("/etc")) -> IdMap:
    """The ids that this host gives to root's containers. Raises ResourceError without them."""
    found = []
    for name in ("subuid", "subgid"):
        file = etc / name
        first = root_range(file.read_text() if file.is_file() else "")
        if first is None:
            raise ResourceError(
                f"{file} gives root no {COUNT} ids for containers",
                hint=f"add the line `root:{FIRST}:{COUNT}` (`./doit demo` does)",
            )
        found.append(first)
    return IdMap(*found)
