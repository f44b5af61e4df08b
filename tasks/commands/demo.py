"""`demo`: on a fresh machine, everything needed and then the whole job on the embedded default."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.commands.base import DeployCommand
from tasks.output import console


class Demo(DeployCommand):
    name = "demo"
    doc_purpose = "deploy the sample application on this machine and print its address"
    doc_usage = ""
    needs_root = True
    changes = True

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.builds.sample import make_repository
        from tasks.commands.apply import Request, apply_all
        from tasks.config import load_instances
        from tasks.containers.drivers import local_driver
        from tasks.host.packages import ensure, ensure_user_ids
        from tasks.output.plan_text import duration
        from tasks.paths import ROOT, host_paths

        begun = time.monotonic()
        paths = host_paths()
        ensure(("git", *local_driver().packages), console.Lines())
        ensure_user_ids()
        (instance,) = load_instances((ROOT / "examples" / "demo.yaml",))
        assert instance.git is not None
        make_repository(Path(instance.git.repository))
        code = apply_all((instance,), paths, Request(yes=True))
        if code == 0:
            console.note(f"Served after {duration(time.monotonic() - begun)}. Try:")
            console.note(f"  ./doit plan --config {_shown(instance.source)}")
            console.result(f"https://{instance.network.interface.ip}/")
        return code


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
