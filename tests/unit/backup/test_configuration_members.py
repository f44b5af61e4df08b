"""What of the configuration and its secrets is in plain archives, and in encrypted ones."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from instance_samples import sample_instance
from msgspec.structs import replace

from tasks.backup.configuration import gather, open_files, sealed_files
from tasks.backup.container_record import noted
from tasks.backup.running_instance import CONTENTS, as_deployed
from tasks.config import load_instances
from tasks.model.instance import Instance
from tasks.paths import Paths

CONFIG = """\
deployment: {instance_id: vikunja-main}
lxc: {template: bookworm}
network: {ip_address: 10.98.0.10/24, gateway: 10.98.0.1, bridge: br0, domain: v.example.com}
database: {type: sqlite}
git: {repository: https://git.example.com/vikunja.git}
admin: {email: admin@example.com} # canary-comment
vikunja:
  environment:
    VIKUNJA_MAILER_PASSWORD: canary-mailer
    VIKUNJA_MAILER_HOST: mail.example
    VIKUNJA_SENTRY_DSN: https://canary-sentry@sentry.example.com/1
backup: {after: [push, "https://me:canary-push@nas.example.com/"]}
build: {environment: {NPM_TOKEN: canary-token, CGO_ENABLED: "1"}}
files:
  - {path: /etc/motd, content: welcome}
  - {path: /etc/key, content: canary-key, mode: "600"}
  - {path: /etc/mail, content: "canary-mail: x\\ny: z", secret: true, mode: "640", group: mail}
"""
ENVIRONMENT = """\
VIKUNJA_MAILER_PASSWORD="canary-mailer"
VIKUNJA_MAILER_HOST="mail.example"
VIKUNJA_SERVICE_SECRET_FILE="/etc/vikunja/secrets/service-secret"
VIKUNJA_ODD="x canary-service y"
VIKUNJA_SENTRY_DSN="https://canary-sentry@sentry.example.com/1"
"""
INSIDE = {
    "deployment-config.yaml": "backup:\n  last_backup: null\n",
    "environment": ENVIRONMENT,
    "secrets/service-secret": "canary-service\n",
    "secrets/db-password": "canary-database",
}


def stream(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    (tmp_path / "config.yaml").write_text(CONFIG)
    return load_instances([tmp_path / "config.yaml"])[0]


def test_what_the_link_names_is_taken_and_no_color_s_copy_of_a_secret(
    instance: Instance, tmp_path: Path
) -> None:
    inside = tmp_path / "inside"
    there = {name: text for name, text in INSIDE.items() if name != "environment"}
    copies = {f"secrets/{color}/service-secret": "a copy" for color in ("blue", "green")}
    for name, text in {**there, **copies, "environment.green": ENVIRONMENT}.items():
        (inside / name).parent.mkdir(parents=True, exist_ok=True)
        (inside / name).write_text(text)
    (inside / "environment").symlink_to("environment.green")
    argv = ["sh", "-c", CONTENTS.text, "sh", "configuration", str(inside)]
    taken = subprocess.run(argv, check=True, capture_output=True).stdout
    assert gather(instance, Paths(tmp_path), taken) == gather(
        instance, Paths(tmp_path), stream(INSIDE)
    )


def test_a_plain_archive_holds_no_secret(instance: Instance, tmp_path: Path) -> None:
    files = open_files(instance, gather(instance, Paths(tmp_path), stream(INSIDE)))
    assert set(files) == {"deployment-config.yaml", "environment", "config.yaml"}
    assert b"canary" not in b"".join(files.values())
    lines = files["environment"].decode().splitlines()
    assert lines[0] == "VIKUNJA_MAILER_PASSWORD=(sensitive)"
    assert lines[1:3] == ENVIRONMENT.splitlines()[1:3]
    assert lines[3] == 'VIKUNJA_ODD="x (sensitive) y"'


def test_what_is_no_secret_stays_readable(instance: Instance, tmp_path: Path) -> None:
    files = open_files(instance, gather(instance, Paths(tmp_path), stream(INSIDE)))
    document = yaml.safe_load(files["config.yaml"])
    assert document["network"]["domain"] == "v.example.com"
    assert document["vikunja"]["environment"] == {
        "VIKUNJA_MAILER_PASSWORD": "(sensitive)",
        "VIKUNJA_MAILER_HOST": "mail.example",
        "VIKUNJA_SENTRY_DSN": "(sensitive)",
    }
    assert document["backup"]["after"] == ["push", "https://(sensitive)@nas.example.com/"]
    assert document["build"]["environment"] == {"NPM_TOKEN": "(sensitive)", "CGO_ENABLED": "1"}
    assert [item["content"] for item in document["files"]] == ["welcome"] + ["(sensitive)"] * 2
    assert files["deployment-config.yaml"] == INSIDE["deployment-config.yaml"].encode()


def test_an_encrypted_archive_holds_everything_as_it_is(instance: Instance, tmp_path: Path) -> None:
    state = Paths(tmp_path).state("vikunja-main")
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    files = sealed_files(gather(instance, Paths(tmp_path), stream(INSIDE)))
    assert files == {name: text.encode() for name, text in INSIDE.items()} | {
        "config.yaml": CONFIG.encode(),
        "state.json": b"{}",
    }


def test_the_time_of_the_backup_is_all_that_changes_in_the_record() -> None:
    before = b"a: 1\nbackup:\n  level: 2\n  last_backup: null\nadmin:\n  email: a@b\n"
    after = noted(before, "2026-01-02T03:04:05Z")
    assert after == before.replace(b"null", b"'2026-01-02T03:04:05Z'")
    assert noted(after, "2027-01-02T03:04:05Z") == after.replace(b"2026", b"2027")
    assert yaml.safe_load(after)["backup"]["last_backup"] == "2026-01-02T03:04:05Z"
    assert noted(b"somebody's: own\n", "2026-01-02T03:04:05Z") == b"somebody's: own\n"


def test_a_backup_is_of_the_database_that_was_deployed() -> None:
    desired = sample_instance()
    other = sample_instance(
        database={"type": "postgresql", "host": "db", "password_file": "/p", "user": "u"}
    )
    record = yaml.safe_dump({"database": other.document["database"]}).encode()
    assert as_deployed(desired, record) == replace(desired, database=other.database)
    assert as_deployed(
        other, yaml.safe_dump({"database": desired.document["database"]}).encode()
    ) == (replace(other, database=desired.database))


def test_a_backup_takes_attachments_from_where_they_were_deployed() -> None:
    bucket = {"endpoint": "https://s3.example.com", "bucket": "b", "access_key": "a"}
    places: list[dict[str, Any]] = [
        {"path": "/srv/vikunja"},
        {"type": "s3", "s3": {**bucket, "secret_file": "/secret/s3"}},
        {},
    ]
    for one in places:
        for other in places:
            was = sample_instance(vikunja={"files": one})
            record = {name: was.document[name] for name in ("database", "vikunja")}
            found = as_deployed(
                sample_instance(vikunja={"files": other}), yaml.safe_dump(record).encode()
            )
            assert found.vikunja.files == was.vikunja.files


@pytest.mark.parametrize("record", [b"", b"a: [", b"- 1\n", b"database: {type: sqlite}\n"])
def test_without_a_record_the_desired_is_the_best_guess(record: bytes) -> None:
    assert as_deployed(sample_instance(), record) == sample_instance()
