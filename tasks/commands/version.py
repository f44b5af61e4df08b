"""`version`: which version of this tool this is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.commands.base import JSON_OPTION, DeployCommand
from tasks.errors import UsageError
from tasks.host.process import TimedOut, run
from tasks.output import console


class Version(DeployCommand):
    name = "version"
    doc_purpose = "say which version of this tool this is"
    doc_usage = ""
    options = (JSON_OPTION,)

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from importlib.metadata import version

        from tasks.paths import ROOT

        if arguments:
            raise UsageError("version takes no arguments")
        found = {"version": version("vikunja-deploy"), "commit": commit(ROOT)}
        if options["json"]:
            console.result(json.dumps(found, indent=2))
        else:
            at = f" ({found['commit']})" if found["commit"] else ""
            console.result(f"vikunja-deploy {found['version']}{at}")
        return 0


def commit(root: Path) -> str | None:
    """Ten hex digits of the commit that is checked out at root, `-changed` behind it where files
    were changed; None where it is no checkout."""
    argv = ["git", "-C", str(root), "describe", "--always", "--abbrev=10", "--dirty=-changed"]
    if not (root / ".git").exists():
        return None
    try:
        done = run([*argv, "--exclude=*"], timeout=10)
    except (OSError, TimedOut):
        return None
    return None if done.returncode else done.stdout.decode().strip()
