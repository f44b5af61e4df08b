"""`./doit record:ID` is an apply: it deploys, and refuses what an apply refuses."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from journey import Site, new_site
from migrating_branches import MORE, NEW, OLD, commit
from writers import version

from tasks.builds.sample import make_repository
from tasks.paths import ROOT, Paths


@pytest.fixture(scope="module")
def site(lab_paths: Paths, lab_network: object) -> Iterator[Site]:
    """v1.0.0 is configured; nothing is deployed yet."""
    repository = lab_paths.prefix / "steps.git"
    make_repository(repository)
    commit(repository, "more", MORE, NEW)
    yield new_site(
        lab_paths, lab_network, "steps", git={"repository": str(repository), "branch": "main"}
    )


def last_step(site: Site) -> subprocess.CompletedProcess[str]:
    """The last step with all before it, as a user of doit runs it on a hardened machine."""
    return subprocess.run(
        ["sh", "-c", 'umask 077; exec "$@"', "sh", str(ROOT / "doit"), f"record:{site.id}"],
        env={**site.environment, "VIKUNJA_DEPLOY_CONFIG": str(site.file)},
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )


def test_the_steps_alone_deploy(site: Site) -> None:
    done = last_step(site)
    assert done.returncode == 0, done.stdout + done.stderr
    assert version(site) == OLD
    assert site.addresses() == []


def test_a_step_refuses_migrations_as_an_apply_does(site: Site) -> None:
    site.edit({"git": {"branch": "more"}, "update": {"migrations": "refuse"}})
    applied = site.run("apply", "--yes", code=3)
    stepped = last_step(site)
    assert stepped.returncode == 3, stepped.stdout + stepped.stderr
    assert "update.migrations is refuse" in stepped.stderr
    assert stepped.stderr.splitlines()[-3:] == applied.stderr.splitlines()[-3:]
    assert version(site) == OLD
    ends = [line for line in site.log().splitlines() if "[ERROR] [update] Update failed" in line]
    assert len(ends) == 2 and ends[0].partition(": ")[2] == ends[1].partition(": ")[2]
