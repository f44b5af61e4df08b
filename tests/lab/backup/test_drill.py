"""`drill`: the newest archive proven in a container of its own, of which nothing stays."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

from backed_site import Backed, backed
from journey import DOIT, Site
from jsonschema import Draft202012Validator
from load import written_to

from tasks.containers.lxc.container import LxcContainer
from tasks.containers.lxc.network import INTERFACES
from tasks.paths import SCHEMAS
from tasks.workflows.drill_site import isolated_network


def containers(site: Site) -> list[str]:
    return [name for name, _ in LxcContainer.list_owned(site.paths) if site.id in name]


def assert_nothing_left(site: Backed) -> None:
    assert containers(site) == [site.id]
    assert not (site.paths.library / "drill").exists()
    assert not (INTERFACES / isolated_network(site.id, site.paths.prefix).bridge).exists()
    assert [one["instance_id"] for one in json.loads(site.paths.registry.read_text())] == [site.id]


def test_a_killed_drill_and_the_one_after_it(deployed: Site, tmp_path: Path) -> None:
    site = backed(deployed, tmp_path / "backups")
    with written_to(site) as writer:
        writer.wait_for(10)
    before = site.seen()
    site.run("backup")
    argv = [str(DOIT), "drill", "--progress", "--config", str(site.file)]
    process = subprocess.Popen(
        argv, env=site.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert any("container up" in line for line in process.stderr)
    process.send_signal(signal.SIGKILL)
    process.stderr.close()
    process.wait(timeout=60)
    assert len(containers(site)) == 2

    went = json.loads(site.run("drill", "--json").stdout)
    assert went.pop("instance_id") == site.id
    rows = sum(table.rows for table in before[0].values())
    assert (went["rows"], went["version"]) == (rows, "v1.0.0")
    assert went["files"] == before[1].count(" f ") >= 10
    assert 0 < went["restore_seconds"] < went["total_seconds"]
    noted = json.loads(site.paths.last_drill(site.id).read_text())
    assert noted == went
    Draft202012Validator(json.loads((SCHEMAS / "last-drill.schema.json").read_text())).validate(
        noted
    )
    assert_nothing_left(site)
    # What serves has not noticed.
    assert site.seen() == before
    assert deployed.addresses() == []
    history = json.loads(site.run("history", "--json", "--lines", "1").stdout)
    assert (history[0]["operation"], history[0]["outcome"]) == ("drill", "success")


def test_an_archive_that_cannot_be_restored_is_found_and_nothing_stays(
    deployed: Site, tmp_path: Path
) -> None:
    site = backed(deployed, tmp_path / "backups")
    site.run("backup")
    (archive,) = site.folder.glob("*.tar.gz")
    whole = bytearray(archive.read_bytes())
    whole[len(whole) // 2] ^= 1
    archive.write_bytes(whole)
    assert "the archive is damaged" in site.run("drill", code=1).stderr
    assert_nothing_left(site)
    site.run("start")
