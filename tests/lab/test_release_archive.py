"""A finished archive with a checksum instead of a build."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import zipfile
from pathlib import Path

from journey import Site, new_site

from tasks.builds.artifact import archive_path, artifact_key
from tasks.config import load_instances
from tasks.paths import Paths


def archive_of(site: Site, folder: Path) -> Path:
    """What Vikunja publishes: a zip with the binary under its release name."""
    (instance,) = load_instances((site.file,))
    commit = json.loads(site.paths.state(site.id).read_text())["deployed_commit"]
    with tarfile.open(archive_path(site.paths, artifact_key(instance, commit))) as artifact:
        member = artifact.extractfile("backend/vikunja")
        assert member is not None
        binary = member.read()
    target = folder / "vikunja-v1.0.0-linux-amd64-full.zip"
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("vikunja-v1.0.0-linux-amd64", binary)
    return target


def test_a_release_archive_is_checked_and_served(
    deployed: Site, lab_paths: Paths, lab_network: object, tmp_path: Path
) -> None:
    archive = archive_of(deployed, tmp_path)
    release = {"url": archive.as_uri(), "sha256": "0" * 64, "version": "v1.0.0"}
    site = new_site(lab_paths, lab_network, "release", git=None, build=None, release=release)
    refused = site.run("apply", "--yes", code=9)
    right = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert right in refused.stderr
    site.edit({"release": {"sha256": right}})
    site.run("apply", "--yes")
    assert site.addresses() == []
    argv = ["curl", "-sk", "--max-time", "10", f"https://{site.address}/api/v1/info"]
    answer = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert json.loads(answer)["version"] == "v1.0.0"
