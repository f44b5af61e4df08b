"""`uninstall` of a real instance, killed at every step on the way."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from journey import DOIT, Site, new_site

from tasks.config import load_instances
from tasks.containers import container_for
from tasks.containers.lxc.container import LxcContainer
from tasks.model import registry
from tasks.model import state as states
from tasks.model.archive import archives
from tasks.paths import Paths

SERVING = "systemctl list-units --plain --no-legend --state=active nginx.service 'vikunja-*@*' \
    | cut -d' ' -f1 | sort"

STEPS = ("Copying the database", "container stopped", "container removed", "records removed")


@pytest.fixture(scope="module")
def site(lab_paths: Paths, lab_network: object) -> Iterator[Site]:
    site = new_site(
        lab_paths,
        lab_network,
        "uninstall",
        backup={"directory": str(lab_paths.prefix / "backups")},
    )
    site.run("apply", "--yes")
    yield site


def kill_at(site: Site, step: str) -> None:
    """`kill -9` it when it says that this step begins."""
    argv = [str(DOIT), "uninstall", "--yes", "--config", str(site.file)]
    process = subprocess.Popen(
        argv, env=site.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line.strip())
        if said[-1] == step:
            process.send_signal(signal.SIGKILL)
            break
    process.stderr.close()
    process.wait(timeout=60)
    assert said[-1] == step, said


def left(site: Site) -> list[str]:
    """What this machine still has of the instance, but for its configuration."""
    # What its archives hold stays known with them.
    kept = site.paths.holdings(site.id)
    library = (path for path in site.paths.library.rglob(f"{site.id}*") if path != kept)
    lxc = [name for name, owner in LxcContainer.list_owned(site.paths) if owner == site.id]
    entry = registry.find(site.paths, site.id)
    return [*map(str, library), *lxc, *([entry.instance_id] if entry else [])]


def test_nothing_goes_without_being_asked(site: Site) -> None:
    before = left(site)
    said = site.run("uninstall", code=3)
    assert f"container {site.id} ({site.document['network']['ip_address']})" in said.stderr
    assert "uninstall needs --yes where nobody can be asked" in said.stderr
    assert left(site) == before


def test_kept_data_is_taken_over_again(site: Site) -> None:
    marker = "/var/lib/vikunja/files/kept"
    (instance,) = load_instances([site.file])
    container = container_for(instance, site.paths)
    container.run(["touch", marker])
    said = site.run("uninstall", "--yes", "--keep-data")
    assert "Its container stays, stopped, and nothing starts it by itself" in said.stderr
    assert left(site) == [site.id]
    assert not container.observe().running
    # Neither the boot of this machine, nor a start by hand lets what was removed serve.
    assert "lxc.start.auto = 0" in (site.paths.lxc / site.id / "config").read_text()
    container.start()
    assert container.run(["sh", "-c", SERVING], check=False).stdout.decode().split() == []
    container.stop()
    site.run("apply", "--yes")
    assert "lxc.start.auto = 1" in (site.paths.lxc / site.id / "config").read_text()
    assert container.run(["sh", "-c", SERVING]).stdout.decode().split() == [
        "nginx.service",
        "vikunja-backend@blue.service",
    ]
    container.run(["systemctl", "is-enabled", "nginx.service", "vikunja-backend@blue.service"])
    container.run(["rm", marker])
    assert site.plan() == []


ENABLED = "systemctl is-enabled nginx.service vikunja-backend@blue.service"


def test_what_cannot_be_kept_from_starting_serves_on_as_it_did(site: Site) -> None:
    """Here the container's configuration cannot be written, after its services were disabled."""
    (instance,) = load_instances([site.file])
    container = container_for(instance, site.paths)
    config = site.paths.lxc / site.id / "config"
    subprocess.run(["chattr", "+i", config], check=True)
    try:
        said = site.run("uninstall", "--yes", "--no-backup", "--keep-data", code=None)
    finally:
        subprocess.run(["chattr", "-i", config], check=True)
    assert said.returncode not in (0, 20), said.stderr
    assert container.run(["sh", "-c", ENABLED]).stdout.decode().split() == ["enabled"] * 2
    assert container.run(["sh", "-c", SERVING]).stdout.decode().split() == [
        "nginx.service",
        "vikunja-backend@blue.service",
    ]
    assert "lxc.start.auto = 1" in config.read_text()
    site.run("apply", "--yes")
    assert site.plan() == []


def test_a_container_that_was_stopped_is_kept_with_nothing_enabled_in_it(site: Site) -> None:
    (instance,) = load_instances([site.file])
    container = container_for(instance, site.paths)
    container.stop()
    site.run("uninstall", "--yes", "--no-backup", "--keep-data")
    assert not container.observe().running
    assert "lxc.start.auto = 0" in (site.paths.lxc / site.id / "config").read_text()
    container.start()
    said = container.run(["sh", "-c", ENABLED], check=False).stdout.decode().split()
    assert said == ["disabled"] * 2
    assert container.run(["sh", "-c", SERVING], check=False).stdout.decode().split() == []
    site.run("apply", "--yes")
    assert site.plan() == []


def test_a_copy_made_by_hand_is_neither_changed_nor_removed(site: Site) -> None:
    original, copy = site.paths.lxc / site.id, site.paths.lxc / f"{site.id}-copy"
    container = container_for(load_instances([site.file])[0], site.paths)
    site.run("backup")
    container.stop()
    subprocess.run(["cp", "-a", original, copy], check=True)
    config = copy / "config"
    text = (
        config.read_text().replace(f"{original}/", f"{copy}/").replace(f"{original} ", f"{copy} ")
    )
    address = site.document["network"]["ip_address"].partition("/")[0]
    other = address.rpartition(".")[0] + ".250"
    config.write_text(text.replace(address, other))
    before = config.read_text()
    # Whoever names the copy is refused, whatever it is that would change it.
    site.edit({"lxc": {"name": copy.name}})
    for command in (
        ("plan",),
        ("apply", "--yes"),
        ("apply", "--yes", "--adopt"),
        ("backup",),
        ("start",),
        ("stop",),
        ("restore", "--yes", "--from", "latest"),
        ("uninstall", "--yes", "--force"),
    ):
        said = site.run(*command, code=4)
        assert (
            f"container {copy.name} is not proven ours: the recorded one of {site.id} is"
            in said.stderr
        )
    assert config.read_text() == before
    # The recorded one is known beside it.
    site.edit({"lxc": {"name": site.id}})
    site.run("apply", "--yes")
    assert site.plan() == []
    container.run(["touch", "/var/lib/vikunja/files/after-the-copy"])
    said = site.run("uninstall", "--yes")
    folder = Path(site.document["backup"]["directory"]) / site.id
    assert f"Before that a last backup is taken into {folder}" in said.stderr
    assert f"Container {copy.name} stays as it is" in said.stderr
    archive = archives(folder)[-1]
    listed = subprocess.run(["tar", "-tzf", archive.path], capture_output=True, text=True).stdout
    assert "after-the-copy" in listed
    assert not original.exists()
    assert config.read_text() == before
    # What is left is no instance's, and nothing new is made beside it unawares.
    said = site.run("apply", "--yes", code=4)
    assert f"its container is {copy.name}" in said.stderr
    subprocess.run(["mv", copy, site.paths.prefix / "copy"], check=True)
    shutil.rmtree(folder)
    site.run("apply", "--yes")


def test_killed_at_every_step_the_next_one_goes_on_and_backups_stay(
    site: Site, tmp_path: Path
) -> None:
    folder = Path(site.document["backup"]["directory"]) / site.id
    counts = []
    for step in STEPS:
        kill_at(site, step)
        counts.append(len(archives(folder)))
        if step == STEPS[-1] and states.read(site.paths, site.id) is None:
            # It was faster than the kill.
            break
        (document,) = json.loads(site.run("status", site.id, "--json", code=None).stdout)
        assert document["interrupted"]
        hints = {note["what"]: note["hint"] for note in document["notes"]}
        assert hints["the last uninstall was cut short"].startswith(f"./doit uninstall {site.id}")
    assert counts[0] == 0 and counts[-1] > 0, counts
    if left(site):
        said = site.run("uninstall", "--yes")
        assert said.stdout == f"{site.id}: removed\n"
        assert f"Its backups stay in {folder}" in said.stderr
    assert left(site) == []
    assert states.read(site.paths, site.id) is None
    assert len(archives(folder)) == counts[-1]
    again = site.run("uninstall", "--yes")
    assert again.stdout == f"{site.id}: nothing is left of it\n"


def test_a_container_that_is_not_proven_ours_is_not_touched(
    lab_paths: Paths, lab_network: object
) -> None:
    theirs = new_site(lab_paths, lab_network, "theirs")
    (instance,) = load_instances([theirs.file])
    container = container_for(instance, lab_paths)
    container.create()
    ours = Site(lab_paths, theirs.document)
    ours.edit({"deployment": {"instance_id": "vkd-lab-ours"}, "lxc": {"name": theirs.id}})
    said = ours.run("uninstall", "--yes", "--force", code=4)
    assert f"container {theirs.id} exists and belongs to instance {theirs.id}" in said.stderr
    assert container.observe().exists
