"""A container takes another's place: name, instance, network. It is stopped meanwhile.

The configuration comes first, whole: from then on it says where it belongs, and nothing starts the
container from where it still lies. The folder is renamed last. What a kill leaves in between is
told by the identity, which stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from tasks.containers.base import MARKER_PATH
from tasks.containers.lxc import config, guest_files, init, ownership
from tasks.containers.lxc import identity as identities
from tasks.errors import ResourceError
from tasks.host.process import sync_folder
from tasks.host.user_ids import read_idmap
from tasks.model import registry

if TYPE_CHECKING:
    from tasks.containers.lxc.container import LxcContainer


def hand_over(container: LxcContainer, other: LxcContainer, identity: str) -> None:
    """As Container.become; the caller holds the lock of all containers."""
    found = ownership.read(container.folder)
    if found is None or found.identity != identity:
        _require_done(container, other, identity)
        return
    if container.folder != other.folder and other.folder.exists():
        raise ResourceError(
            f"{other.folder} is there already: container {container.spec.name} cannot become it",
            where=other.spec.instance_id,
            hint="Move that folder aside; nothing in it is lost by that.",
        )
    if init.running_init(container.folder) is not None:
        if container.folder == other.folder and found.owner == other.spec.instance_id:
            return
        raise ResourceError(
            f"container {container.spec.name} runs and cannot become {other.spec.name}",
            where=other.spec.instance_id,
            hint="Stop it first.",
        )
    before = config.parse(found.text)
    assert before is not None, "it names its instance"
    ids = read_idmap()
    settings = other.desired_settings(before.lower)
    settings = replace(settings, template=before.template, identity=identity)
    other.write_config(container.folder, settings, ids)
    owner = (ids.uids, ids.gids)
    marker = f"{settings.instance_id}\n".encode()
    guest_files.write(container.root(), MARKER_PATH, marker, owner)
    identities.write_identity(container.root(), settings, owner)
    _note(other, identity, found.inode)
    if container.folder != other.folder:
        container.folder.rename(other.folder)
        sync_folder(other.folder.parent)


def _require_done(container: LxcContainer, other: LxcContainer, identity: str) -> None:
    there = ownership.read(other.folder)
    if there is None or there.identity != identity:
        raise ResourceError(
            f"there is no container {container.spec.name} that was made as {identity}",
            where=other.spec.instance_id,
            hint=f"Look for it below {container.paths.lxc}; nothing was changed.",
        )
    _note(other, identity, there.inode)


def _note(other: LxcContainer, identity: str, inode: int) -> None:
    registry.note_container(
        other.paths,
        other.spec.instance_id,
        "lxc",
        identity=identity,
        folder=inode,
        container_name=other.spec.name,
    )
