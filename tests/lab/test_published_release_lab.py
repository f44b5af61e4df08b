"""Published releases, as Vikunja publishes them, from a server on loopback: a version, a channel
that follows, and a major version that is asked for."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from journey import Site, new_site
from release_server import ReleaseServer, release_zip, serving

from tasks.builds.artifact import archive_path, artifact_key
from tasks.builds.published import kind_of
from tasks.config import load_instances
from tasks.paths import Paths

BUILT = "v1.0.0"
"""The version of the sample, which its program names."""


def program_of(site: Site) -> bytes:
    """The program that a build of the sample left."""
    (instance,) = load_instances((site.file,))
    commit = json.loads(site.paths.state(site.id).read_text())["deployed_commit"]
    with tarfile.open(archive_path(site.paths, artifact_key(instance, commit))) as artifact:
        member = artifact.extractfile("backend/vikunja")
        assert member is not None
        return member.read()


def publish(mirror: ReleaseServer, program: bytes, version: str) -> None:
    """A release whose program answers as that version: as long as the one that was compiled in."""
    assert program.count(BUILT.encode()) > 0 and len(version) == len(BUILT)
    renamed = program.replace(BUILT.encode(), version.encode())
    mirror.publish(version, {kind_of(): release_zip(version, kind_of(), renamed)})


@pytest.fixture
def mirror(deployed: Site) -> Iterator[ReleaseServer]:
    with serving() as running:
        publish(running, program_of(deployed), BUILT)
        yield running


def version(site: Site) -> str:
    argv = ["curl", "-sk", "--max-time", "10", f"https://{site.address}/api/v1/info"]
    answer = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found: str = json.loads(answer)["version"]
    return found


def pinned(site: Site) -> dict[str, str]:
    archives = json.loads(site.paths.pins.read_text())["archives"]
    return {one["version"]: one["sha256"] for one in archives}


def test_a_version_is_deployed_a_channel_followed_and_a_major_asked_for(
    deployed: Site, lab_paths: Paths, lab_network: object, mirror: ReleaseServer, tmp_path: Path
) -> None:
    program = program_of(deployed)
    places = {"mirror": mirror.mirror, "digests": mirror.digests}
    release = {"version": BUILT, **places}
    site = new_site(lab_paths, lab_network, "published", git=None, build=None, release=release)
    site.run("apply", "--yes")
    assert version(site) == BUILT and site.addresses() == []
    archive = release_zip(BUILT, kind_of(), program)
    assert pinned(site) == {BUILT: hashlib.sha256(archive).hexdigest()}
    assert f"{BUILT} is {mirror.mirror}/{BUILT}/" in site.log()

    # The same program, followed from now on: nothing that serves is touched.
    site.edit({"release": {"version": None, "channel": "stable"}})
    assert all(address.startswith("record:") for address in site.addresses())
    site.run("apply", "--yes")

    publish(mirror, program, "v1.1.0")
    shown = site.run("plan").stdout
    assert f"backend: {BUILT} → v1.1.0\n" in shown
    site.run("apply", "--yes")
    assert version(site) == "v1.1.0" and site.addresses() == []
    assert set(pinned(site)) == {BUILT, "v1.1.0"}

    publish(mirror, program, "v2.0.0")
    assert site.addresses() == []
    assert "v2.0.0 is published, a new major version" in site.run("plan").stdout
    site.run("rollback", "--yes", "--allow-destroy")
    assert version(site) == BUILT
    assert f"backend: {BUILT} → v1.1.0\n" in site.run("plan").stdout
    site.edit({"release": {"major": "follow"}})
    site.run("apply", "--yes")
    assert version(site) == "v2.0.0" and site.addresses() == []
    status = json.loads(site.run("status", "--json").stdout)
    assert "v2.0.0" in json.dumps(status)
