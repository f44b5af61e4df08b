"""Which commands make which part, in which order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from tasks.builds.toolchain import Requirements, requirements
from tasks.errors import BuildError
from tasks.model.instance import Instance

Show = Callable[[str], str | None]
"""A file's text of the tree, by path, None where there is none."""

FOLDERS = {"frontend": "frontend", "backend": "", "mcp-server": "mcp-server"}


class Part(Struct, frozen=True):
    """One part of a tree that is built. folder: below the tree's root, empty for the root."""

    name: str
    folder: str
    commands: tuple[tuple[str, ...], ...]


def filled(
    commands: Sequence[Sequence[str]], version: str, commit: str
) -> tuple[tuple[str, ...], ...]:
    """argv lists with `{version}` and `{commit}` replaced; nothing else is special."""
    return tuple(
        tuple(word.replace("{version}", version).replace("{commit}", commit) for word in argv)
        for argv in commands
    )


def parts(
    instance: Instance, names: Sequence[str], show: Show, *, version: str, commit: str
) -> tuple[Part, ...]:
    """What is built, in order: the UI first, because the backend embeds it.

    names: of the tree's root. BuildError where the MCP server is configured and not there.
    """
    build = instance.build
    found = []
    if "frontend" in names and build.frontend:
        commands = filled(build.frontend, version, commit)
        found.append(Part("frontend", FOLDERS["frontend"], commands))
    found.append(Part("backend", FOLDERS["backend"], filled(build.backend, version, commit)))
    if instance.services.mcp.enabled:
        if show("mcp-server/package.json") is None:
            raise BuildError(
                f"the tree of {commit[:10]} has no mcp-server/package.json, "
                "but services.mcp.enabled is true",
                where=instance.id,
                hint="set services.mcp.enabled: false, or a repository and branch that have it",
            )
        found.append(Part("mcp-server", FOLDERS["mcp-server"], filled(build.mcp, version, commit)))
    return tuple(found)


def asks_for(chosen: Sequence[Part], show: Show) -> Requirements:
    """The toolchains that these parts of a tree need."""
    folders = [part.folder for part in chosen if part.folder]
    return requirements(show, folders, (argv for part in chosen for argv in part.commands))


def slimming(show: Show) -> tuple[str, ...]:
    """The command that leaves only production packages in the MCP server's node_modules."""
    if show("mcp-server/pnpm-lock.yaml") is not None:
        return ("pnpm", "prune", "--prod")
    return ("npm", "prune", "--omit=dev")
