"""The proof that a container is ours: its configuration and its marker name the same instance, it
lies where its configuration was written for, and it is the one that the registry has. A copy of
its folder says the same of itself, and is told by name, place and inode number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from tasks.containers.base import MARKER_PATH, NOT_RECORDED, RECORDED, Refusal
from tasks.containers.lxc import config, guest_files
from tasks.model.registry import Registered


class Claim(Struct, frozen=True):
    """What the folder of a container says of itself. configured, marker: the instance that its
    configuration and its marker name. at_home: its configuration was written for this folder.
    identity: as of its configuration. inode: the folder's.
    """

    folder: Path
    text: str
    configured: str | None
    marker: str | None
    at_home: bool
    identity: str | None
    inode: int

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def owner(self) -> str | None:
        """The instance that both name."""
        return self.configured if self.configured == self.marker else None


def read(folder: Path) -> Claim | None:
    """None where there is no container."""
    try:
        text = (folder / "config").read_text(errors="replace")
        inode = folder.stat().st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None
    return claim(folder, text, inode)


def claim(folder: Path, text: str, inode: int) -> Claim:
    home = config.written_for(text)
    return Claim(
        folder,
        text,
        config.owner_of(text),
        marker_of(folder),
        home is not None and (home == folder or _same(home, folder)),
        config.identity_of(text),
        inode,
    )


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def marker_of(folder: Path) -> str | None:
    """What the marker in the container says; it is in the container's own layer, or nowhere."""
    data = guest_files.read(folder / "upper", MARKER_PATH)
    return None if data is None else data.decode(errors="replace").strip() or None


def is_recorded(found: Claim, recorded: Registered | None) -> bool:
    """Whether it is, beyond doubt, the container that the registry's entry is about."""
    return (
        recorded is not None
        and (recorded.container_name, recorded.folder) == (found.name, found.inode)
        and recorded.identity is not None
        and recorded.identity == found.identity
    )


def noted(found: Claim, recorded: Registered | None) -> str:
    """The attribute `identity`. What has no entry yet gets one with the instance's."""
    known = found.identity is not None and (recorded is None or is_recorded(found, recorded))
    return RECORDED if known else NOT_RECORDED


def rivals(found: Claim, recorded: Registered | None, others: Iterable[Claim]) -> list[Claim]:
    """Other containers that may be the instance's as well: those that lie where they belong, and
    the folder that the registry has, wherever it is now."""
    return [
        other
        for other in others
        if other.owner == found.owner and (other.at_home or _is_folder(other, recorded))
    ]


def _is_folder(other: Claim, recorded: Registered | None) -> bool:
    return recorded is not None and recorded.folder == other.inode


def _is_recorded_one(other: Claim, recorded: Registered) -> bool:
    """Whether a container may be the one that the entry is about."""
    return other.name == recorded.container_name or _is_folder(other, recorded)


def doubt(
    found: Claim, instance_id: str, recorded: Registered | None, others: Sequence[Claim] | None
) -> Refusal | None:
    """Why a container is not proven to be the instance's; None where it is.

    recorded: the instance's entry, where it has one of plain LXC. others: all other containers
    here; None: they are asked for only where `needs_others`.
    """
    why = _not_marked(found, instance_id, recorded)
    why = why or _other_than_recorded(found, instance_id, recorded)
    if why is None and others is not None:
        why = _contested(found, instance_id, recorded, others)
    return why


def needs_others(found: Claim, recorded: Registered | None) -> bool:
    """Whether what else there is decides: nothing tells the container from a copy of it."""
    return not is_recorded(found, recorded)


def _not_marked(found: Claim, instance_id: str, recorded: Registered | None) -> Refusal | None:
    if found.owner == instance_id:
        return None
    named = {found.configured, found.marker}
    hint = "Set lxc.name to a name that is free; that container is left as it is."
    if named == {instance_id, None}:
        hint = f"Where it is this instance's: ./doit apply --adopt {instance_id} puts that back."
    elif named == {None} and recorded is not None and recorded.container_name == found.name:
        hint = (
            f"The registry has it as {instance_id}'s. Where it is: bring {found.folder / 'config'} "
            f"back from a backup of this machine, then ./doit apply --adopt {instance_id}"
        )
    return Refusal(
        f"container {found.name} exists and is not proven ours: its configuration names "
        f"{found.configured or 'no instance'}, its marker {MARKER_PATH} "
        + (f"names {found.marker}" if found.marker else "is missing"),
        hint,
    )


def _other_than_recorded(
    found: Claim, instance_id: str, recorded: Registered | None
) -> Refusal | None:
    if not found.at_home:
        home = config.written_for(found.text)
        return Refusal(
            f"container {found.name} is not proven ours: it is a copy of {home}, or was moved from "
            "there, which is where its configuration belongs",
            f"Where {home} is: set lxc.name to {home.name if home else 'it'}. Where it was moved: "
            "move the folder back. Either way nothing in it is lost.",
        )
    if recorded is None:
        return None
    if recorded.container_name != found.name:
        return Refusal(
            f"container {found.name} is not proven ours: the recorded one of {instance_id} is "
            f"{recorded.container_name}, so this is a copy of it, or it under another name",
            f"Put lxc.name: {recorded.container_name} back. Where that is gone and this takes its "
            f"place: ./doit apply --adopt {instance_id}",
        )
    if recorded.identity and found.identity and recorded.identity != found.identity:
        return Refusal(
            f"container {found.name} is not proven ours: it was made as {found.identity}, and the "
            f"recorded one of {instance_id} as {recorded.identity}: another in its place",
            f"Where it rightly is (brought back from a backup, say): ./doit apply --adopt "
            f"{instance_id}; where not, bring the recorded one back to {found.folder}",
        )
    return None


def _contested(
    found: Claim, instance_id: str, recorded: Registered | None, others: Sequence[Claim]
) -> Refusal | None:
    against = rivals(found, recorded, others)
    if not against:
        return None
    moved = next((other for other in against if _is_folder(other, recorded)), None)
    if moved is not None:
        return Refusal(
            f"container {found.name} is not proven ours: the folder that is recorded of "
            f"{instance_id} is {moved.folder} now, and this is another in its place",
            f"Move {found.folder} aside and {moved.folder} back; nothing in them is lost by that.",
        )
    adopts = f"./doit apply --adopt {instance_id}"
    names = " and ".join([found.name, *(other.name for other in against)])
    return Refusal(
        f"container {found.name} is not proven ours: {names} all say that they are "
        f"{instance_id}'s, and nothing recorded tells which is it",
        f"Move the folders of the copies out of {found.folder.parent}; nothing in them is lost by "
        "that." + (f" Or, where it is {found.name}: {adopts}" if recorded else ""),
    )


def missing(
    found: Claim, instance_id: str, recorded: Registered | None, others: Sequence[Claim]
) -> str | Refusal | None:
    """What adopting the container puts right; a Refusal where too little speaks for it."""
    against = others if needs_others(found, recorded) else None
    why = doubt(found, instance_id, recorded, against)
    if why is None:
        return None
    named = {found.configured, found.marker}
    if recorded is None or not found.at_home or not named <= {instance_id, None}:
        return _too_little(why, instance_id, recorded)
    same_name = recorded.container_name == found.name
    if None not in named:
        if any(_is_recorded_one(one, recorded) for one in others):
            return _too_little(why, instance_id, recorded)
        return f"container {found.name} becomes the recorded one"
    if named == {None} or not same_name:
        return _too_little(why, instance_id, recorded)
    claiming = [one.name for one in others if one.owner == instance_id]
    if claiming:
        return Refusal(
            f"{why.what}; {' and '.join(claiming)} says that it is {instance_id}'s, too",
            f"Where that is a copy: move its folder out of {found.folder.parent}, by which nothing "
            f"in it is lost, then: ./doit apply --adopt {instance_id}",
        )
    lost = MARKER_PATH if found.marker is None else f"line `{config.INSTANCE}=` of its config"
    return f"container {found.name} gets its {lost} back"


def _too_little(why: Refusal, instance_id: str, recorded: Registered | None) -> Refusal:
    known = f"the registry has {recorded.container_name}" if recorded else "the registry has none"
    hint = why.hint
    if "--adopt" in hint:
        hint = (
            "It is taken as the instance's only where registry, folder and one of configuration "
            "and marker agree. Look at what it is; nothing was changed."
        )
    return Refusal(f"{why.what}; of {instance_id} {known}", hint)
