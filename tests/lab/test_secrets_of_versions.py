"""What not every version does: a session outlives restarts, an update and the way back, of versions
that read secrets each in their own way; attachments are in a bucket, which archives hold or
name."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from bucket_server import bucket_server
from inside import Inside
from journey import DOIT, Site, new_site
from old_installation import PACKAGE, PASSWORD, beside
from people_lab import login
from places import LabNetwork

from tasks.builds.sample import IDENTITY, make_repository
from tasks.paths import Paths

OLD, NEW = "v0.24.6", "v2.5.0"
PERSON = {"username": "lab", "email": "lab@example.org", "password": "a lab password"}
CONFIG = "/etc/vikunja/config.yml"
BUCKET_SECRET = "s3 $secret/'\"+"

IN_A_BUCKET = f"""\
files:
  type: "s3"
  basepath: "./attached"
  s3:
    endpoint: "{{endpoint}}"
    bucket: "tasks"
    accesskey: "AKIA"
    secretkey: '{BUCKET_SECRET.replace("'", "''")}'
    usepathstyle: "true"
"""


def tagged(repository: Path, branch: str, version: str) -> None:
    """A branch of one commit of its own after main, with the same files, which is this version: a
    build of main is in the cache of every test, as the version that it is there."""

    def git(*arguments: str) -> str:
        argv = ["git", "--git-dir", str(repository), *arguments]
        environment = {**os.environ, **IDENTITY}
        done = subprocess.run(argv, env=environment, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    commit = git("commit-tree", "main^{tree}", "-p", "main", "-m", f"Secrets of {version}")
    git("update-ref", f"refs/heads/{branch}", commit)
    git("tag", version, commit)


@pytest.fixture(scope="module")
def site(lab_paths: Paths, lab_network: object) -> Iterator[Site]:
    repository = lab_paths.prefix / "secrets.git"
    make_repository(repository)
    tagged(repository, "old", OLD)
    tagged(repository, "next", NEW)
    site = new_site(
        lab_paths,
        lab_network,
        "secrets",
        git={"repository": str(repository), "branch": "old"},
        vikunja={"registration": True},
        update={"observe_seconds": 1},
    )
    site.run("apply", "--yes")
    yield site


def ask(site: Site, path: str, *more: str) -> tuple[int, str]:
    """Status and body."""
    argv = ["curl", "-sk", "--max-time", "20", "-w", "\n%{http_code}", *more]
    argv.append(f"https://{site.address}/api/v1/{path}")
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def sent(site: Site, path: str) -> str:
    status, body = ask(site, path, "--json", json.dumps(PERSON))
    assert status == 200, body
    return body


def test_who_is_logged_in_stays_logged_in(site: Site) -> None:
    sent(site, "register")
    bearer = f"Authorization: Bearer {json.loads(sent(site, 'login'))['token']}"

    def serves() -> tuple[int, str]:
        version = json.loads(ask(site, "info")[1])["version"]
        return ask(site, "user", "-H", bearer)[0], version

    assert serves() == (200, OLD)
    site.run("restart")
    assert serves() == (200, OLD)
    site.edit({"git": {"branch": "next"}})
    site.run("apply", "--yes")
    assert serves() == (200, NEW)
    said = Inside(site).run("cat", "/var/log/vikunja/backend-green.log")
    assert NEW in said and "WARNING" not in said
    site.run("rollback", "--yes")
    assert serves() == (200, OLD)


def test_files_are_refused_for_a_version_that_does_not_read_them(site: Site) -> None:
    site.edit({"git": {"branch": "old"}, "vikunja": {"secrets": "files"}})

    refused = site.run("apply", "--yes", code=3)

    assert f"{OLD} reads no secrets from files" in refused.stderr


def test_attachments_in_a_bucket_are_in_an_archive_and_come_back(
    site: Site, lab_network: LabNetwork
) -> None:
    secret = site.file.with_name("bucket-secret")
    secret.write_text(f"{BUCKET_SECRET}\n")
    secret.chmod(0o600)
    with bucket_server("tasks", "AKIA", BUCKET_SECRET, lab_network.gateway) as bucket:
        s3: dict[str, Any] = {"bucket": "tasks", "access_key": "AKIA"}
        s3 |= {"endpoint": bucket.endpoint, "path_style": True, "secret_file": str(secret)}
        site.edit({"git": {"branch": "next"}, "vikunja": {"secrets": None}})
        site.edit({"vikunja": {"files": {"type": "s3", "s3": s3}}})
        site.edit({"backup": {"directory": str(site.paths.prefix / "backups")}})
        site.run("apply", "--yes")
        assert site.addresses() == []
        checked = site.run("check").stdout
        assert f"s3: bucket tasks, files/, at {bucket.endpoint}: answers the container" in checked
        there = {f"files/{number}": b"attachment %d\n" % number * number for number in range(20)}
        bucket.objects.update(there)
        site.run("backup")
        bucket.objects.update({"files/7": b"another", "files/99": b"newer"})
        del bucket.objects["files/3"]
        site.run("restore", site.id, "--from", "latest", "--yes")
        assert bucket.objects == there | {"files/99": b"newer"}

        site.edit({"backup": {"s3": "skip"}})
        site.run("apply", "--yes")
        site.run("backup")
        listed = json.loads(site.run("backups", "--json").stdout)
        newest = max(listed, key=lambda one: str(one["archive"]))
        log = site.run("logs", "--component", "deploy").stdout
    assert newest["metadata"]["files_count"] == 0, newest
    assert "Attachments are not in the archive, but in bucket tasks, files/, at http://" in log
    assert "s3 $secret" not in log + checked


def test_attachments_in_a_bucket_that_move_in_get_a_place_of_their_own_in_it(
    site: Site, tmp_path: Path
) -> None:
    """The sample keeps its attachments in a folder whatever it is told: what the tool reads and
    writes in the bucket is put there, and looked at, here."""
    inside, gateway = Inside(site), site.document["network"]["gateway"]
    program = inside.container.run(["cat", f"/opt/vikunja/backend/{inside.serving}/vikunja"]).stdout
    there = {f"attached/{number}": b"attachment %d\n" % number * 99 for number in range(30)}
    with bucket_server("tasks", "AKIA", BUCKET_SECRET, gateway) as bucket, beside(site) as old:
        settings = PACKAGE.files[CONFIG] + IN_A_BUCKET.format(endpoint=bucket.endpoint)
        old.lay(replace(PACKAGE, files={**PACKAGE.files, CONFIG: settings}), program)
        old.fill("gerda")
        bucket.objects.update(there)
        config = tmp_path / "config.yaml"
        words = ["--from", old.said, "--to", str(config), "--email", "me@example.com"]
        argv = [str(DOIT), "import", *words, "--ip-address", site.document["network"]["ip_address"]]
        subprocess.run(argv, env=site.environment, check=True)
        found = yaml.safe_load(config.read_text())["vikunja"]["files"]
        secret = tmp_path / found["s3"]["secret_file"]
        assert secret.read_text() == f"{BUCKET_SECRET}\n"
        s3 = {**found["s3"], "secret_file": str(secret)}
        site.edit({"vikunja": {"files": {**found, "s3": s3}}})
        # The bucket of before is gone.
        site.run("apply", "--yes", "--allow-destroy")
        ours = found["s3"]["prefix"]
        assert ours != "attached"
        bucket.objects[f"{ours}/7"] = b"of before"

        words = ["--yes", "--from", old.said, "--stop-source"]
        said = site.run("import", site.id, "--data", *words).stdout

    assert "attachments: 30" in said
    brought = {name.replace("attached", ours): content for name, content in there.items()}
    assert bucket.objects == there | brought
    assert login(site, "gerda", PASSWORD) == 200
