"""Which Node the MCP server runs on: its container's own, or one that its release brings along."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tasks.builds.fetching import fetch_package
from tasks.builds.pack import Packer
from tasks.builds.recipe import FOLDERS, Show
from tasks.builds.toolchain import ARCHITECTURES, Requirements, node_problems, node_to_fetch
from tasks.builds.toolchain import requirements as asked_by
from tasks.builds.versions import Version
from tasks.builds.workplace import Workplace, piped
from tasks.errors import BuildError
from tasks.model.instance import Instance
from tasks.progress import Progress

PART = "mcp-server"
DEBIAN_NODE: Mapping[str, Version] = {"bookworm": (18, 20, 4), "trixie": (20, 19, 2)}
"""Debian release → the Node that its containers have."""


def problems(instance: Instance, show: Show) -> list[str]:
    """What keeps the MCP server from running on the Node of its container, one line each; empty
    where nothing does, or it has none."""
    if not instance.services.mcp.enabled:
        return []
    return node_problems(_wanted(show), _own(instance), f"Debian {instance.suite}", _remedy())


def bring(
    instance: Instance,
    show: Show,
    workplace: Workplace,
    values: Mapping[str, str],
    progress: Progress,
) -> str:
    """The folder at the place with the Node that goes along; empty where the container's own will
    do. Raises BuildError where one is needed and cannot be had."""
    wrong = problems(instance, show)
    if not wrong:
        return ""
    machine = os.uname().machine
    if instance.build.toolchains != "fetch" or machine not in ARCHITECTURES:
        raise BuildError(wrong[0], where=instance.id, hint="nothing was changed")
    name = f"node-linux-{ARCHITECTURES[machine][1]}"
    folder = fetch_package(workplace, f"{name}@{node_to_fetch(_wanted(show))}", values, progress)
    return f"{folder}/node_modules/{name}"


def take(packer: Packer, workplace: Workplace, folder: str, values: Mapping[str, str]) -> None:
    """Take the Node of a folder into the archive, as mcp-server/node/bin/node."""
    argv = ("tar", "--create", "--file=-", "--dereference", "--", "bin/node")
    packer.folder(f"{PART}/node")
    packer.folder(f"{PART}/node/bin")
    with piped(workplace, argv, folder=folder, environment=values) as stream:
        packer.take(stream, f"{PART}/node")


def _wanted(show: Show) -> Requirements:
    return asked_by(show, (FOLDERS[PART],), ())


def _own(instance: Instance) -> dict[str, Version | None]:
    own = DEBIAN_NODE.get(instance.suite)
    return {"node": own} if own else {}


def _remedy() -> str:
    return "set build.toolchains: fetch, and the release brings one"
