"""Steps as a user of doit runs them: through the project's own dodo.py."""

from __future__ import annotations

import runpy

from doit.cmd_base import ModuleTaskLoader
from doit.doit_cmd import DoitMain
from model_site import Site

from tasks.paths import ROOT


def by_step(site: Site) -> int:
    """The last step with all before it, through the project's own dodo.py."""
    return step(f"record:{site.document['deployment']['instance_id']}")


def step(name: str) -> int:
    code: int = DoitMain(ModuleTaskLoader(runpy.run_path(str(ROOT / "dodo.py")))).run([name])
    return code


def errors(said: list[str]) -> list[str]:
    """The errors of what was said, with what stands below them."""
    first = next((at for at, line in enumerate(said) if line.startswith("error: ")), len(said))
    return said[first:]
