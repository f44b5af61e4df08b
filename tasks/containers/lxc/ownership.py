"""The proof that a container is ours: its configuration and its marker name the same instance."""

from __future__ import annotations

from pathlib import Path

from tasks.containers.base import MARKER_PATH
from tasks.containers.lxc import config, inside


def marker_of(folder: Path) -> str | None:
    """What the marker in the container says; it is in the container's own layer, or nowhere."""
    data = inside.read(folder / "upper", MARKER_PATH)
    return None if data is None else data.decode(errors="replace").strip() or None


def proven_owner(folder: Path, text: str) -> str | None:
    """The instance that a container folder's configuration and marker agree on."""
    owner = config.owner_of(text)
    return owner if owner is not None and owner == marker_of(folder) else None


def evidence(folder: Path, text: str) -> tuple[str, ...]:
    """What speaks for and against it, for an error."""
    return (
        f"{folder / 'config'} says: {config.owner_of(text) or 'nothing'}",
        f"{MARKER_PATH} in the container says: {marker_of(folder) or 'nothing'}",
    )
