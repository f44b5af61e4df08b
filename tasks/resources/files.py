"""Files, folders and links in the container."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from tasks.model.digests import digest
from tasks.model.plan import AttributeChange
from tasks.resources.base import Difference, Facts, FileFact, Resource
from tasks.secret import Secret


def _ownership(desired: File | Directory, fact: FileFact) -> tuple[AttributeChange, ...]:
    pairs = (
        ("mode", fact.mode, desired.mode),
        ("owner", fact.owner, desired.owner),
        ("group", fact.group, desired.group),
    )
    return tuple(AttributeChange(name, now, then) for name, now, then in pairs if now != then)


def _drift_of(changes: tuple[AttributeChange, ...]) -> str:
    return ", ".join(change.name for change in changes) + " changed"


def desired_file(path: str, sha256: str, mode: str, owner: str, group: str) -> Mapping[str, Any]:
    """What a file's digest in the record of the last apply is of."""
    return {"path": path, "sha256": sha256, "mode": mode, "owner": owner, "group": group}


class File(Resource, frozen=True, kw_only=True, dict=True):
    """A regular file. mode: four octal digits. content: never shown where it is a secret."""

    kind: ClassVar[str] = "file"

    path: str
    content: bytes | Secret[bytes]
    mode: str = "0644"
    owner: str = "root"
    group: str = "root"

    @property
    def name(self) -> str:
        return self.path

    @property
    def sensitive(self) -> bool:
        return isinstance(self.content, Secret)

    @property
    def data(self) -> bytes:
        """What is written, a secret too."""
        return self.content.reveal() if isinstance(self.content, Secret) else self.content

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def questions(self) -> tuple[tuple[str, ...], ...]:
        return (("file", "=" if self.sensitive else self.sha256, self.path),)

    def desired(self) -> Mapping[str, Any]:
        return desired_file(self.path, self.sha256, self.mode, self.owner, self.group)

    def difference(self, facts: Facts) -> Difference | None:
        fact = facts.files.get(self.path)
        shown = None if isinstance(self.content, Secret) else self.content
        if fact is None:
            return Difference("create", "removed", after=shown)
        if fact.type != "file":
            change = AttributeChange("type", fact.type, "file")
            return Difference("replace", f"replaced by a {fact.type}", (change,))
        changes = _ownership(self, fact)
        if fact.sha256 != self.sha256:
            return Difference("update", "edited", changes, fact.content, shown)
        return Difference("update", _drift_of(changes), changes) if changes else None


class Directory(Resource, frozen=True, kw_only=True):
    """A folder; what is in it is not its business."""

    kind: ClassVar[str] = "directory"

    path: str
    mode: str = "0755"
    owner: str = "root"
    group: str = "root"

    @property
    def name(self) -> str:
        return self.path

    def questions(self) -> tuple[tuple[str, ...], ...]:
        return (("file", "-", self.path),)

    def desired(self) -> Mapping[str, Any]:
        return {"path": self.path, "mode": self.mode, "owner": self.owner, "group": self.group}

    def difference(self, facts: Facts) -> Difference | None:
        fact = facts.files.get(self.path)
        if fact is None:
            return Difference("create", "removed")
        if fact.type != "directory":
            change = AttributeChange("type", fact.type, "directory")
            return Difference("replace", f"replaced by a {fact.type}", (change,))
        changes = _ownership(self, fact)
        return Difference("update", _drift_of(changes), changes) if changes else None


class Link(Resource, frozen=True, kw_only=True):
    """A symbolic link. target: as it is stored, relative or absolute."""

    kind: ClassVar[str] = "link"

    path: str
    target: str

    @property
    def name(self) -> str:
        return self.path

    def questions(self) -> tuple[tuple[str, ...], ...]:
        return (("file", "-", self.path),)

    def desired(self) -> Mapping[str, Any]:
        return {"path": self.path, "target": self.target}

    def difference(self, facts: Facts) -> Difference | None:
        fact = facts.files.get(self.path)
        if fact is None:
            return Difference("create", "removed")
        if fact.type != "link":
            change = AttributeChange("type", fact.type, "link")
            return Difference("replace", f"replaced by a {fact.type}", (change,))
        if fact.target != self.target:
            change = AttributeChange("target", fact.target, self.target)
            return Difference("update", "pointed elsewhere", (change,))
        return None


class Absent(Resource, frozen=True, kw_only=True):
    """A path at which nothing is desired (a package's default site, for one).

    was: the kind of resource it was once, which its address keeps. announced: digest of what
    an apply had begun with when it broke off; anything else that is there stays. means: what it
    does while it is there.
    """

    kind: ClassVar[str] = "absent"

    path: str
    was: str = "absent"
    announced: str = ""
    means: str = ""

    @property
    def name(self) -> str:
        return self.path

    @property
    def address(self) -> str:
        return f"{self.was}:{self.path}"

    def questions(self) -> tuple[tuple[str, ...], ...]:
        return (("file", "=" if self.announced else "-", self.path),)

    def desired(self) -> Mapping[str, Any]:
        return {"path": self.path}

    def difference(self, facts: Facts) -> Difference | None:
        fact = facts.files.get(self.path)
        if fact is None or (self.announced and self.announced != self._found(fact)):
            return None
        return Difference("delete", f"put there: {self.means}" if self.means else "put there")

    def _found(self, fact: FileFact) -> str:
        """The digest of the desired value that what is there meets."""
        if fact.type == "link":
            return digest(Link(path=self.path, target=fact.target).desired())
        return digest(desired_file(self.path, fact.sha256, fact.mode, fact.owner, fact.group))
