"""Which template a container is made from, and which storage holds its disk. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tasks.containers.proxmox.answers import Storage
from tasks.errors import ResourceError

GIB = 1 << 30


def version_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """For sorting names with numbers in them: 12.12-1 is newer than 12.7-1."""
    parts = re.split(r"(\d+)", name)
    return tuple((1, int(part)) if part.isdigit() else (0, part) for part in parts)


def file_of(volume: str) -> str:
    """The template's file name of a volume `local:vztmpl/NAME`."""
    return volume.rpartition("/")[2]


def matching(desired: str, names: Iterable[str]) -> list[str]:
    """Names that are the desired one or begin with it, up to a delimiter; the newest last.

    `debian-12-standard` is meant by itself: `debian-1` does not mean `debian-12-standard`.
    """
    form = re.compile(rf"{re.escape(desired)}(?![A-Za-z0-9]).*|{re.escape(desired)}")
    return sorted((name for name in names if form.fullmatch(file_of(name))), key=version_key)


def choose_template(desired: str, volumes: Sequence[str], where: str) -> str | None:
    """The volume to make a container from: the desired one, or the newest that matches.

    volumes: templates that the node has. None where none matches a name. ResourceError where a
    desired volume (`local:vztmpl/NAME`) is not there.
    """
    if ":" not in desired:
        return next(reversed(matching(desired, volumes)), None)
    if desired in volumes:
        return desired
    raise ResourceError(
        f"there is no template {desired}",
        where=where,
        hint="`pveam available` lists what can be had, `pveam list STORAGE` what is there",
        evidence=volumes,
    )


def choose_download(desired: str, available: Sequence[str], where: str) -> str:
    """The newest template that can be downloaded for what is configured."""
    found = matching(desired, available)
    if not found:
        raise ResourceError(
            f"there is no template {desired}, and none of that name to download",
            where=where,
            hint="`pveam update`, then `pveam available` lists what can be had",
            evidence=sorted(available, key=version_key)[-10:],
        )
    return found[-1]


def choose_storage(
    desired: str | None,
    content: str,
    needed_gb: float,
    storages: Sequence[Storage],
    *,
    where: str,
) -> str:
    """The storage for `content` (`rootdir`, `vztmpl`): the desired, or that with most space.

    storages: of the node. ResourceError where none will do, with the
    reason of each.
    """
    reasons = {row.storage: _unfit(row, content, needed_gb) for row in storages}
    if desired is not None and desired not in reasons:
        raise ResourceError(
            f"there is no storage {desired} on the node",
            where=where,
            hint=f"those that are there: {', '.join(sorted(reasons)) or 'none'}",
        )
    fit = [
        row for row in storages if desired in (None, row.storage) and reasons[row.storage] is None
    ]
    if not fit:
        listed = [
            f"{name}: {reason}" for name, reason in reasons.items() if desired in (None, name)
        ]
        raise ResourceError(
            f"no storage for {content}: {'; '.join(listed) or 'the node shows none'}",
            where=where,
            hint="set proxmox.storage to one that is active, has that content and the space; a "
            "token sees only those on which it has Datastore.Audit or AllocateSpace",
        )
    return max(fit, key=lambda row: (row.avail, row.storage)).storage


def has_content(row: Storage, content: str) -> bool:
    """Whether a storage is active and takes that content."""
    return row.active and content in row.content.split(",")


def _unfit(row: Storage, content: str, needed_gb: float) -> str | None:
    if not row.active or not row.enabled:
        return "not active"
    if content not in row.content.split(","):
        return f"does not take {content}"
    if row.avail < needed_gb * GIB:
        return f"{row.avail / GIB:.1f} GiB free of {needed_gb:g} needed"
    return None
