"""Debian 12 stays supported: a journey with a database server and a build of its own there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
from inside import Inside
from journey import Site, new_site
from migrating_branches import MORE, NEW, OLD, commit

from tasks.paths import Paths


@pytest.fixture(scope="module")
def site(lab_paths: Paths, lab_network: object) -> Iterator[Site]:
    site = new_site(
        lab_paths,
        lab_network,
        "twelve",
        lxc={"template": "bookworm"},
        database={"type": "postgresql"},
        redis={"enabled": True},
        backup={"directory": str(lab_paths.prefix / "twelve-backups")},
    )
    site.run("apply", "--yes")
    yield site


def version(site: Site) -> str:
    argv = ["curl", "-sk", "--max-time", "10", f"https://{site.address}/api/v1/info"]
    answer = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found: str = json.loads(answer)["version"]
    return found


def test_a_site_on_debian_12_serves_and_keeps_its_release(site: Site) -> None:
    inside = Inside(site)
    assert "bookworm" in inside.run("cat", "/etc/os-release")
    assert inside.run("psql", "--version").split()[2].startswith("15.")
    assert version(site) == OLD
    # Not named any more, it stays what it is.
    site.edit({"lxc": {"template": None}})
    assert site.addresses() == []
    assert "the container has been made of Debian bookworm" in site.run("check").stdout


def test_it_is_edited_updated_over_a_migration_and_goes_back(site: Site) -> None:
    site.edit({"network": {"domain": "twelve.example.com"}})
    site.run("apply", "--yes")
    assert site.addresses() == []
    commit(site.paths.prefix / "sample.git", "twelve", MORE, NEW)
    site.edit({"git": {"branch": "twelve"}})
    site.run("apply", "--yes")
    assert version(site) == NEW
    site.run("rollback", "--yes", "--allow-destroy")
    assert version(site) == OLD


def test_its_backup_brings_it_back(site: Site) -> None:
    inside = Inside(site)
    site.run("backup")
    site.run("verify", site.id)
    inside.shell("systemctl stop 'vikunja-backend@*'; rm -rf /var/lib/vikunja/files/*")
    site.run("restore", site.id, "--from", "latest", "--yes")
    assert version(site) == OLD
    assert "whole" in site.run("verify", site.id).stdout
