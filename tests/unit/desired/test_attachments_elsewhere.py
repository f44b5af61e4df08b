"""Attachments in another folder, or in a bucket: what is made for them, and how they are found."""

from __future__ import annotations

import os
from pathlib import Path
from subprocess import CompletedProcess, run
from typing import Any

import pytest
from instance_samples import sample_instance
from msgspec.structs import replace

from tasks.backup.cutover import ATTACHMENTS
from tasks.desired.rendering import render
from tasks.desired.system import declare, templated
from tasks.guest.runner import GuestScript
from tasks.model.host_files import HostFiles
from tasks.model.instance import Instance
from tasks.model.layout import attachments, copies_bucket, elsewhere, environment, unit_file
from tasks.planning.refusals import LEFT
from tasks.planning.settings_versions import known_from
from tasks.resources.files import Directory
from tasks.resources.system import Package
from tasks.secret import Secret
from tasks.workflows.drill_site import DrillNetwork, drill_instance

S3: dict[str, Any] = {
    "endpoint": "https://s3.example.com",
    "bucket": "tasks",
    "access_key": "AKIA",
    "secret_file": "/secret/s3",
    "path_style": True,
}
BUCKET = {"type": "s3", "s3": S3}
FOLDER = {"path": "/srv/vikunja"}


def instance(files: dict[str, Any] | None = None, **changes: Any) -> Instance:
    return sample_instance(vikunja={"files": files or {}}, redis={"enabled": True}, **changes)


def texts(desired: Instance) -> dict[str, str]:
    made = render(desired, templated(desired))
    return {path: one.content.decode() for path, one in made.items()}


def variables(desired: Instance) -> dict[str, str]:
    lines = texts(desired)[environment("blue")].splitlines()
    found = dict(line.split("=", 1) for line in lines if line.startswith("VIKUNJA_FILES_"))
    return {name.removeprefix("VIKUNJA_FILES_"): value.strip('"') for name, value in found.items()}


def test_another_folder_is_the_applications_and_nobody_elses() -> None:
    desired = instance(FOLDER, services={"mcp": {"enabled": True}})
    unit = texts(desired)[unit_file("backend", "green")]
    given = HostFiles()
    folders = {
        one.path: one
        for one in declare(desired, render(desired, templated(desired)), given)
        if isinstance(one, Directory)
    }

    assert variables(desired)["BASEPATH"] == "/srv/vikunja/files"
    assert "AssertPathExists=/srv/vikunja/files\nRequiresMountsFor=/srv/vikunja\n" in unit
    assert "ReadWritePaths=/var/lib/vikunja /srv/vikunja/files\n" in unit
    mcp = texts(desired)[unit_file("mcp", "green")]
    assert "InaccessiblePaths=-/var/lib/vikunja -/srv/vikunja/files\n" in mcp
    made = folders["/srv/vikunja/files"]
    assert (made.mode, made.owner, made.holds_data) == ("0750", "vikunja", True)
    assert "/var/lib/vikunja/files" not in folders
    assert elsewhere(desired) == "/srv/vikunja"


def test_a_bucket_is_named_and_copied_only_where_backups_are_to_hold_it() -> None:
    desired = instance(BUCKET)
    left = instance(BUCKET, backup={"s3": "skip"})

    def packages(one: Instance) -> set[str]:
        given = HostFiles(settings={"VIKUNJA_FILES_S3_SECRETKEY": Secret(b"canary")})
        every = declare(one, render(one, templated(one)), given)
        return {each.package for each in every if isinstance(each, Package)}

    assert variables(desired) == {
        "TYPE": "s3",
        "BASEPATH": "files",
        "MAXSIZE": "20MB",
        "S3_ENDPOINT": "https://s3.example.com",
        "S3_BUCKET": "tasks",
        "S3_REGION": "us-east-1",
        "S3_USEPATHSTYLE": "true",
        "S3_ACCESSKEY": "AKIA",
    }
    assert [copies_bucket(one) for one in (desired, left, instance())] == [True, False, False]
    assert ["rclone" in packages(one) for one in (desired, left)] == [True, False]
    assert (attachments(desired), elsewhere(desired)) == ("/var/lib/vikunja/files", "")
    assert known_from(desired.vikunja, desired.database) == {"vikunja.files.type": "2.2.0"}
    assert list(desired.vikunja.secret_settings) == ["VIKUNJA_FILES_S3_SECRETKEY"]


def test_a_drill_never_comes_near_the_bucket() -> None:
    drill = drill_instance(instance(BUCKET), DrillNetwork("br", "198.18.0.2/24", "198.18.0.1"))

    assert variables(drill) == {"BASEPATH": "/var/lib/vikunja/files", "MAXSIZE": "20MB"}
    assert drill.vikunja.secret_settings == {}
    # What has a disk of its own has one there as well, as large.
    drill = drill_instance(instance(FOLDER), DrillNetwork("br", "198.18.0.2/24", "198.18.0.1"))
    assert drill.vikunja.files.path == FOLDER["path"]


# In a container, as far as it is there: settings, folders, a program in rclone's place


class Place:
    """Folders that the scripts take for the container's."""

    def __init__(self, folder: Path, desired: Instance) -> None:
        self.folder = folder
        settings = self.path(environment("blue"))
        settings.parent.mkdir(parents=True)
        text = texts(desired)[environment("blue")]
        settings.write_text(text.replace('="/', f'="{folder}/'))
        self.path("/etc/vikunja/environment").symlink_to("environment.blue")
        self.live = self.path(attachments(desired))
        self.live.mkdir(parents=True)

    def path(self, name: str) -> Path:
        return self.folder / name.removeprefix("/")

    def run(self, script: GuestScript, *arguments: str) -> CompletedProcess[str]:
        text = replace(script, guard=False).text
        for name in ("/etc/vikunja", "/var/lib/vikunja", "/usr/bin/rclone"):
            text = text.replace(name, str(self.path(name)))
        text = text.replace("-o vikunja -g vikunja", "")
        text = text.replace("setpriv --reuid=vikunja --regid=vikunja --clear-groups", "exec env")
        argv = [script.shell, "-c", text.replace("exec exec", "exec"), "script", *arguments]
        return run(argv, capture_output=True, text=True, env={"PATH": os.defpath})

    def rclone(self, body: str) -> None:
        program = self.path("/usr/bin/rclone")
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)


@pytest.mark.parametrize("files", [{}, FOLDER])
def test_what_is_restored_lies_beside_the_attachments_wherever_those_are(
    tmp_path: Path, files: dict[str, Any]
) -> None:
    place = Place(tmp_path, instance(files))
    (place.live / "1").write_text("live")
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    (unpacked / "2").write_text("of the archive")

    brought = place.run(ATTACHMENTS, "bring-attachments", str(unpacked), "restored")
    assert brought.returncode == 0, brought.stderr
    beside = place.live.with_name("vikunja-deploy-files-restored")
    assert [one.name for one in beside.iterdir()] == ["2"]
    swapped = place.run(ATTACHMENTS, "swap-attachments", "restored", "saved")
    assert swapped.returncode == 0, swapped.stderr
    assert [one.name for one in place.live.iterdir()] == ["2"]
    assert (place.live.with_name("vikunja-deploy-files-saved") / "1").read_text() == "live"


def test_what_is_restored_is_put_into_the_bucket_before_it_counts(tmp_path: Path) -> None:
    place = Place(tmp_path, instance(BUCKET))
    secret = place.path("/etc/vikunja/secrets/blue/VIKUNJA_FILES_S3_SECRETKEY")
    secret.parent.mkdir(parents=True)
    secret.write_text("s3 $secret\n")
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    (unpacked / "2").write_text("of the archive")
    said = tmp_path / "said"
    place.rclone(f'{{ echo "$*"; env; }} >>{said}; [ ! -e {tmp_path}/down ]')

    brought = place.run(ATTACHMENTS, "bring-attachments", str(unpacked), "restored")
    assert brought.returncode == 0, brought.stderr
    beside = place.live.with_name("vikunja-deploy-files-restored")
    lines = said.read_text().splitlines()
    assert lines[0].endswith(f"copy {beside} --ignore-existing bucket:")
    assert "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY=s3 $secret" in lines
    assert "RCLONE_CONFIG_STORE_ENDPOINT=https://s3.example.com" in lines
    assert "RCLONE_CONFIG_STORE_FORCE_PATH_STYLE=true" in lines
    assert "RCLONE_CONFIG_BUCKET_REMOTE=store:tasks/files" in lines
    assert not any("$secret" in line for line in lines if line.startswith("--"))

    (tmp_path / "down").touch()
    refused = place.run(ATTACHMENTS, "swap-attachments", "restored", "saved")
    assert refused.returncode != 0 and beside.is_dir() and place.live.is_dir()
    (tmp_path / "down").unlink()
    said.write_text("")
    assert place.run(ATTACHMENTS, "swap-attachments", "restored", "saved").returncode == 0
    assert said.read_text().splitlines()[0].endswith(f"copy {beside} bucket:")
    assert [one.name for one in place.live.iterdir()] == ["2"]


def test_without_rclone_nothing_is_half_restored(tmp_path: Path) -> None:
    place = Place(tmp_path, instance(BUCKET))
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    (unpacked / "2").write_text("x")

    done = place.run(ATTACHMENTS, "bring-attachments", str(unpacked), "restored")

    assert done.returncode != 0
    assert done.stderr.startswith("The container has no rclone")


def test_attachments_that_would_stay_behind_are_counted(tmp_path: Path) -> None:
    here = Place(tmp_path / "a", instance())
    (here.live / "1").write_text("x")

    assert here.run(LEFT, str(here.live)).stdout == ""
    assert here.run(LEFT, "/srv/vikunja/files").stdout == f"1 {here.live}\n"
    assert here.run(LEFT, "-").stdout == f"1 {here.live}\n"
    bucket = Place(tmp_path / "b", instance(BUCKET))
    assert bucket.run(LEFT, "/srv/vikunja/files").stdout == ""
