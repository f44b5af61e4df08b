"""A file tree in memory, with folders, links, owners and modes, as the tool can ask after it."""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass, field, replace
from typing import Literal

NodeType = Literal["file", "directory", "link"]

LINK_LIMIT = 10


@dataclass(frozen=True)
class Node:
    """mtime: of the content, on the tree's own clock; it does not count in comparisons."""

    type: NodeType
    content: bytes = b""
    mode: str = "0644"
    owner: str = "root"
    group: str = "root"
    target: str = ""
    mtime: int = field(default=0, compare=False)

    @property
    def size(self) -> int:
        if self.type == "link":
            return len(self.target)
        return 4096 if self.type == "directory" else len(self.content)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def folder(mode: str = "0755", owner: str = "root", group: str = "root") -> Node:
    return Node("directory", mode=mode, owner=owner, group=group)


@dataclass
class Tree:
    """Paths are absolute and plain. Links on the way to a path are followed, as a kernel does."""

    nodes: dict[str, Node] = field(default_factory=lambda: {"/": folder()})
    clock: int = 0

    def place(self, path: str, *, last: bool = False, depth: int = 0) -> str | None:
        """Where a path really is; None where a part of the way is missing or no folder.

        last: whether a link at the end of it is followed, too.
        """
        if depth > LINK_LIMIT:
            return None
        if path == "/":
            return "/"
        parent = posixpath.dirname(path)
        # The tree's own names have no link in them.
        if not self._has_folder(parent):
            found = self.place(parent, last=True, depth=depth)
            if found is None or not self._has_folder(found):
                return None
            parent = found
        real = posixpath.join(parent, posixpath.basename(path))
        node = self.nodes.get(real)
        if last and node is not None and node.type == "link":
            target = posixpath.normpath(posixpath.join(parent, node.target))
            return self.place(target, last=True, depth=depth + 1)
        return real

    def _has_folder(self, real: str) -> bool:
        node = self.nodes.get(real)
        return node is not None and node.type == "directory"

    def get(self, path: str, *, last: bool = False) -> Node | None:
        real = self.place(path, last=last)
        return None if real is None else self.nodes.get(real)

    def content(self, path: str) -> bytes | None:
        """Of a regular file, through links; None where there is none."""
        node = self.get(path, last=True)
        return node.content if node is not None and node.type == "file" else None

    def put(self, path: str, node: Node) -> None:
        """Put a node in the place of whatever is there, but of a folder that is not empty."""
        real = self.place(path)
        assert real is not None, f"no folder for {path}"
        self.clock += 1
        self.nodes[real] = replace(node, mtime=self.clock)

    def change(self, path: str, *, last: bool = False, **attributes: str) -> None:
        """Other attributes; the content and its time stay."""
        real = self.place(path, last=last)
        assert real is not None and real in self.nodes, f"{path} is not there"
        self.nodes[real] = replace(self.nodes[real], **attributes)  # type: ignore[arg-type]

    def write(self, path: str, content: bytes, mode: str = "0644", **owners: str) -> None:
        node = Node("file", content, mode)
        self.put(path, replace(node, **owners))  # type: ignore[arg-type]

    def make_folders(self, path: str, mode: str = "0755") -> None:
        """mkdir -p: OSError where something else is in the way."""
        found = self.get(path, last=True)
        if found is None:
            self.make_folders(posixpath.dirname(path), mode)
            if self.get(path) is not None:
                raise FileExistsError(path)
            self.put(path, folder(mode))
        elif found.type != "directory":
            raise NotADirectoryError(path)

    def remove(self, path: str) -> None:
        """rm -rf"""
        real = self.place(path)
        for found in [n for n in self.nodes if n == real or n.startswith(f"{real}/")]:
            del self.nodes[found]

    def move(self, path: str, target: str) -> None:
        """mv -T onto a free name"""
        old, new = self.place(path), self.place(target)
        assert old is not None and new is not None and new not in self.nodes
        for found in [n for n in self.nodes if n == old or n.startswith(f"{old}/")]:
            self.nodes[new + found[len(old) :]] = self.nodes.pop(found)

    def below(self, path: str) -> list[str]:
        """Paths of everything in a folder, sorted."""
        real = self.place(path, last=True)
        if real not in self.nodes:
            return []
        within = f"{real}/"
        return sorted(name for name in self.nodes if name.startswith(within))

    def put_aside(self, path: str) -> None:
        if self.get(path) is not None:
            self.clock += 1
            self.move(path, f"{path}.replaced-{self.clock}")


def first_line(files: Tree, path: str) -> str:
    """As `read` gives it."""
    return (files.content(path) or b"").decode().partition("\n")[0].strip(" \t")
