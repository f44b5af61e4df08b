"""What a plan that finds nothing to do need not pay for."""

from __future__ import annotations

import subprocess

from journey import DOIT, Site


def test_a_plan_that_finds_nothing_to_do_does_not_import_sh(deployed: Site) -> None:
    done = subprocess.run(
        [str(DOIT), "plan", "--config", str(deployed.file)],
        env={**deployed.environment, "PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"Nothing to do: {deployed.id} is up to date.\n"
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    imported = {line.rpartition("|")[2].strip() for line in lines}
    assert "tasks.containers.lxc.attach" in imported
    assert "sh" not in imported
