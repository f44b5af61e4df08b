"""One part of a tree at a place: built, checked, collected."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tasks.builds.pack import Packer
from tasks.builds.recipe import Part, Show, slimming
from tasks.builds.run import EVIDENCE_LINES, BuildRun
from tasks.builds.toolchain import read_package_json
from tasks.builds.workplace import Command, Workplace, piped
from tasks.errors import BuildError

VERSION_FILE = "frontend/src/version.json"
"""What the web UI shows as its version, where the tree has it: `dev` until somebody writes it."""

WRITE = """set -eu
[ ! -L "$2" ] && printf '%s\\n' "$1" >"$2"
"""


def make(run: BuildRun, part: Part, show: Show) -> bool:
    """Build one part and check what came out. True where it has packages to go along."""
    if part.name == "frontend" and show(VERSION_FILE) is not None:
        _write_version(run)
    for argv in part.commands:
        run.command(part, argv)
    tree = run.workplace.tree
    if part.name == "frontend":
        run.test(
            ("test", "-s", f"{tree}/frontend/dist/index.html"),
            "the frontend's commands left no frontend/dist/index.html: the binary would show "
            "an empty page",
            "check build.frontend",
        )
    elif part.name == "backend":
        _check_backend(run)
    else:
        run.test(
            ("test", "-s", f"{tree}/mcp-server/dist/index.js"),
            "the MCP server's commands left no mcp-server/dist/index.js",
            "check build.mcp",
        )
        _, _, depends = read_package_json(show("mcp-server/package.json") or "")
        if depends:
            run.test(
                ("test", "-d", f"{tree}/mcp-server/node_modules"),
                "the MCP server has dependencies, but its commands left no node_modules",
                "build.mcp must install them",
            )
            run.command(part, slimming(show))
        return depends
    return False


def version_text(version: str) -> str:
    """As Vikunja's own builds write it: without the g that git puts before a hash."""
    return json.dumps({"VERSION": version.replace("-g", "-", 1)})


def _write_version(run: BuildRun) -> None:
    text = version_text(run.values["RELEASE_VERSION"])
    file = f"{run.workplace.tree}/{VERSION_FILE}"
    run.test(
        ("/bin/sh", "-c", WRITE, "sh", text, file),
        f"{VERSION_FILE} cannot be written",
        "check that it is a regular file in the tree",
    )


def _check_backend(run: BuildRun) -> None:
    binary = f"{run.workplace.tree}/vikunja"
    hint = "build.backend must leave the compiled binary as vikunja in the tree's root"
    run.test(("test", "-f", binary, "-a", "-x", binary), "the build left no vikunja binary", hint)
    run.test(
        ("/usr/bin/env", "-C", run.workplace.tree, "./vikunja", "version"),
        "the built binary does not run: `vikunja version` failed",
        hint,
    )


def receive(workplace: Workplace, tree: IO[bytes], values: Mapping[str, str]) -> None:
    with Path(os.devnull).open("wb") as nowhere:
        extract = Command(
            ("tar", "--extract", "--file=-"), workplace.tree, values, timeout=600, merge=False
        )
        outcome = workplace.execute(extract, stdin=tree, stdout=nowhere)
    if outcome.returncode:
        raise BuildError(
            "the tree cannot be unpacked",
            where=workplace.name,
            hint="is the disk full?",
            evidence=outcome.stderr.decode(errors="replace").splitlines()[-EVIDENCE_LINES:],
        )


def collect(
    packer: Packer, workplace: Workplace, part: Part, packages: bool, values: Mapping[str, str]
) -> None:
    """Let the place's own user stream what is wanted of a part, and take it into the archive."""
    if part.name == "frontend":
        folder, names = f"{workplace.tree}/frontend/dist", ["."]
    elif part.name == "backend":
        folder, names = workplace.tree, ["vikunja"]
    else:
        folder, names = f"{workplace.tree}/mcp-server", ["package.json", "dist"]
        names += ["node_modules"] if packages else []
    packer.folder(part.name)
    argv = ("tar", "--create", "--file=-", "--sort=name", "--hard-dereference", "--", *names)
    with piped(workplace, argv, folder=folder, environment=values) as stream:
        packer.take(stream, part.name)
